/*
 * An analysis to its index
 */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "heap/alloc.h"
#include "heap/index_layout.h"
#include "heap/retain.h"
#include "util/buf.h"

enum { WRITE_MAX = 1 << 30 };

struct column {
	const void *data;
	uint64_t n, size;
};

/* What is not in columns already. */
struct tables {
	struct buf classes, scripts, shapes, parts, properties, texts;
	uint64_t *strings; /* owned: where they begin in the text that goes with them; or NULL */
	uint64_t strings_n;
};

struct writer {
	int fd;
	const struct heap_analysis *analysis;
	/* owned, where the analysis has none: */
	struct heap_referrers referrers;
	struct heap_tree tree;
	uint32_t *ways;
	struct tables tables;
	struct column columns[INDEX_KINDS];
	struct index_header header;
};

/* ---- tables ---- */

static uint32_t put_text(struct tables *tables, const char *text)
{
	size_t at = tables->texts.size;

	buf_append(&tables->texts, text, strlen(text) + 1);
	return (uint32_t)at;
}

static void put_classes(struct tables *tables, const struct heap_classes *classes)
{
	for (uint32_t i = 0; i < classes->n; i++) {
		const struct heap_class *class = &classes->items[i];
		uint32_t key = put_text(tables, class->key);
		struct index_class row = { key, key + (uint32_t)(class->name - class->key) };

		buf_append(&tables->classes, &row, sizeof(row));
	}
}

static void put_scripts(struct tables *tables, const struct heap_graph *graph)
{
	for (uint32_t i = 0; i < graph->scripts_n; i++) {
		const struct heap_script *script = &graph->scripts[i];
		struct index_script row = { script->id, UINT32_MAX };

		if (script->url != NULL)
			row.url = put_text(tables, script->url);
		buf_append(&tables->scripts, &row, sizeof(row));
	}
}

static void put_shapes(struct tables *tables, const struct heap_shapes *shapes)
{
	for (uint32_t i = 0; i < shapes->n; i++) {
		const struct heap_shape *shape = &shapes->items[i];
		struct index_shape row = {
			put_text(tables, shape->text),
			(uint32_t)(tables->parts.size / sizeof(uint32_t)),
			shape->n,
		};

		buf_append(&tables->parts, shape->properties, shape->n * sizeof(uint32_t));
		buf_append(&tables->shapes, &row, sizeof(row));
	}
	for (uint32_t i = 0; i < shapes->properties_n; i++) {
		struct index_property row = { put_text(tables, shapes->properties[i]),
					      shapes->names[i] };

		buf_append(&tables->properties, &row, sizeof(row));
	}
}

/* Strings from the beginning of a text of their own. */
static int move_strings(struct tables *tables, const struct heap_strings *strings)
{
	uint64_t base = strings->first[0] - 1;

	tables->strings_n = (uint64_t)strings->n + 1;
	tables->strings = heap_alloc(tables->strings_n, sizeof(*tables->strings));
	if (tables->strings == NULL)
		return -ENOMEM;
	for (uint64_t i = 0; i < tables->strings_n; i++)
		tables->strings[i] = strings->first[i] - base;
	return 0;
}

static int make_tables(struct tables *tables, const struct heap_analysis *analysis, bool with_text)
{
	const struct buf *all[] = { &tables->classes, &tables->scripts,    &tables->shapes,
				    &tables->parts,   &tables->properties, &tables->texts };

	buf_init(&tables->classes, UINT32_MAX);
	buf_init(&tables->scripts, UINT32_MAX);
	buf_init(&tables->shapes, UINT32_MAX);
	buf_init(&tables->parts, UINT32_MAX);
	buf_init(&tables->properties, UINT32_MAX);
	buf_init(&tables->texts, UINT32_MAX);
	put_classes(tables, &analysis->classes);
	put_scripts(tables, &analysis->graph);
	put_shapes(tables, &analysis->shapes);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i]->error != 0)
			return all[i]->error;
	}
	return with_text ? move_strings(tables, &analysis->graph.strings) : 0;
}

static void free_tables(struct tables *tables)
{
	buf_fini(&tables->classes);
	buf_fini(&tables->scripts);
	buf_fini(&tables->shapes);
	buf_fini(&tables->parts);
	buf_fini(&tables->properties);
	buf_fini(&tables->texts);
	heap_free(tables->strings, tables->strings_n, sizeof(*tables->strings));
}

/* ---- columns ---- */

static struct column of_buf(const struct buf *buf, size_t size)
{
	return (struct column){ buf->data, buf->size / size, size };
}

static void gather_graph(struct column *to, const struct heap_graph *graph)
{
	uint64_t nodes = graph->nodes, edges = graph->edges_n;

	to[INDEX_TYPE] = (struct column){ graph->type, nodes, 1 };
	to[INDEX_FLAGS] = (struct column){ graph->flags, nodes, 1 };
	to[INDEX_NAME] = (struct column){ graph->name, nodes, 4 };
	to[INDEX_ID] = (struct column){ graph->id, nodes, 4 };
	to[INDEX_SIZE] = (struct column){ graph->size, nodes, 4 };
	to[INDEX_PLACE] = (struct column){ graph->place, graph->place != NULL ? nodes : 0, 4 };
	to[INDEX_ID64] = (struct column){ graph->id64, graph->id64 != NULL ? nodes : 0, 8 };
	to[INDEX_EDGE_FIRST] = (struct column){ graph->edge_first, nodes + 1, 4 };
	to[INDEX_EDGES] = (struct column){ graph->edges, edges, 4 };
	to[INDEX_EDGE_NAME] = (struct column){ graph->edge_name, edges, 4 };
	to[INDEX_WIDE] = (struct column){ graph->wide, graph->wide_n, sizeof(*graph->wide) };
	to[INDEX_PLACES] =
		(struct column){ graph->places, graph->places_n, sizeof(*graph->places) };
}

static void gather_strings(struct column *to, const struct heap_strings *strings,
			   const struct tables *tables)
{
	const uint64_t *first = tables->strings != NULL ? tables->strings : strings->first;
	uint64_t n = (uint64_t)strings->n + 1;

	to[INDEX_STRINGS] = (struct column){ first, n, 8 };
	if (tables->strings != NULL)
		to[INDEX_STRING_TEXT] =
			(struct column){ strings->data + strings->first[0] - 1, first[n - 1], 1 };
	else
		to[INDEX_STRING_TEXT] = (struct column){ NULL, 0, 1 };
}

static int gather_referrers(struct writer *writer)
{
	const struct heap_referrers *referrers = &writer->analysis->referrers;
	struct column *to = writer->columns;
	int r = 0;

	if (referrers->first == NULL) {
		r = heap_referrers_init(&writer->referrers, &writer->analysis->graph);
		referrers = &writer->referrers;
	}
	to[INDEX_REFERRER_FIRST] =
		(struct column){ referrers->first, (uint64_t)referrers->nodes + 1, 4 };
	to[INDEX_REFERRERS] = (struct column){ referrers->from, referrers->edges_n, 4 };
	return r;
}

static int gather_tree(struct writer *writer)
{
	const struct heap_analysis *analysis = writer->analysis;
	const struct heap_tree *tree = &analysis->tree;
	const uint32_t *ways = analysis->ways;
	struct column *to = writer->columns;
	uint64_t nodes = analysis->graph.nodes;
	int r = 0;

	if (tree->first == NULL) {
		r = heap_tree_init(&writer->tree, &analysis->graph, &analysis->dominators);
		tree = &writer->tree;
	}
	if (ways == NULL)
		ways = writer->ways = heap_ways(analysis);
	to[INDEX_TREE_FIRST] = (struct column){ tree->first, nodes + 1, 4 };
	to[INDEX_TREE_KIDS] = (struct column){ tree->kids, nodes - 1, 4 };
	to[INDEX_TREE_VIA] = (struct column){ tree->via, nodes, 4 };
	to[INDEX_WAYS] = (struct column){ ways, nodes, 4 };
	return r == 0 && ways == NULL ? -ENOMEM : r;
}

static int gather(struct writer *writer)
{
	const struct heap_analysis *analysis = writer->analysis;
	const struct tables *tables = &writer->tables;
	struct column *to = writer->columns;
	uint64_t nodes = analysis->graph.nodes;
	int r = gather_referrers(writer);

	gather_graph(to, &analysis->graph);
	gather_strings(to, &analysis->graph.strings, tables);
	to[INDEX_DOMINATOR] = (struct column){ analysis->dominators.dominator, nodes, 4 };
	to[INDEX_ORDER] = (struct column){ analysis->dominators.order, nodes, 4 };
	to[INDEX_RETAINED] = (struct column){ analysis->retained, nodes, 8 };
	to[INDEX_DISTANCE] = (struct column){ analysis->distances, nodes, 4 };
	to[INDEX_CLASS] = (struct column){ analysis->classes.of, nodes, 4 };
	to[INDEX_ROWS] =
		(struct column){ analysis->rows, analysis->classes.n, sizeof(*analysis->rows) };
	to[INDEX_CLASSES] = of_buf(&tables->classes, sizeof(struct index_class));
	to[INDEX_SCRIPTS] = of_buf(&tables->scripts, sizeof(struct index_script));
	to[INDEX_SHAPES] = of_buf(&tables->shapes, sizeof(struct index_shape));
	to[INDEX_SHAPE_PARTS] = of_buf(&tables->parts, sizeof(uint32_t));
	to[INDEX_PROPERTIES] = of_buf(&tables->properties, sizeof(struct index_property));
	to[INDEX_TEXTS] = of_buf(&tables->texts, 1);
	return r == 0 ? gather_tree(writer) : r;
}

/* ---- file ---- */

static int write_at(int fd, const void *data, size_t size, uint64_t at)
{
	const char *from = data;

	while (size > 0) {
		ssize_t n = pwrite(fd, from, size < WRITE_MAX ? size : WRITE_MAX, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		from += n;
		at += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

static uint64_t sum_of(const struct index_section *section, const char *data)
{
	uint64_t sum = 0, per = index_piece(section);

	for (uint64_t first = 0; first < section->n; first += per) {
		uint64_t n = section->n - first < per ? section->n - first : per;

		sum = index_sum_more(sum, data + first * section->size, n * section->size);
	}
	return sum;
}

static int write_sections(struct writer *writer)
{
	uint64_t at = (sizeof(writer->header) + INDEX_PAGE - 1) / INDEX_PAGE * INDEX_PAGE;
	int r = 0;

	for (size_t i = 0; i < INDEX_KINDS && r == 0; i++) {
		const struct column *column = &writer->columns[i];
		struct index_section *section = &writer->header.sections[i];

		*section = (struct index_section){ at, column->n, column->size, 0 };
		section->sum = sum_of(section, column->data);
		r = write_at(writer->fd, column->data, index_bytes(section), at);
		at += (index_bytes(section) + INDEX_PAGE - 1) / INDEX_PAGE * INDEX_PAGE;
	}
	writer->header.file_bytes = at;
	if (r == 0 && ftruncate(writer->fd, (off_t)at) < 0)
		r = -errno;
	return r;
}

/* The padding between its members is zero: it is summed too. */
static int write_header(struct writer *writer, const struct heap_mark *source)
{
	const struct heap_analysis *analysis = writer->analysis;
	struct index_header *header = &writer->header;
	int r = index_mark_self(writer->fd, &header->self);

	if (r < 0)
		return r;
	header->magic = INDEX_MAGIC;
	header->version = INDEX_VERSION;
	header->bytes = sizeof(*header);
	header->source = *source;
	header->nodes = analysis->graph.nodes;
	header->edges = analysis->graph.edges_n;
	header->root = analysis->graph.root;
	header->foreign = analysis->graph.foreign;
	header->addresses = analysis->graph.addresses;
	header->traced = analysis->graph.traced;
	header->extra_native_bytes = analysis->graph.extra_native_bytes;
	header->statistics = analysis->statistics;
	header->digest = heap_analysis_digest(analysis);
	memcpy(header->type_names, analysis->graph.type_names, sizeof(header->type_names));
	header->sum = index_sum(header, offsetof(struct index_header, sum));
	return write_at(writer->fd, header, sizeof(*header), 0);
}

int heap_index_write(int fd, const struct heap_analysis *analysis, const struct heap_mark *source,
		     bool with_text)
{
	struct writer writer = { .fd = fd, .analysis = analysis };
	int r;

	memset(&writer.header, 0, sizeof(writer.header));
	with_text |= analysis->graph.strings.made != NULL;
	r = make_tables(&writer.tables, analysis, with_text);
	r = r == 0 ? gather(&writer) : r;
	r = r == 0 ? write_sections(&writer) : r;
	if (r == 0)
		r = write_header(&writer, source);
	free_tables(&writer.tables);
	heap_referrers_fini(&writer.referrers);
	heap_tree_fini(&writer.tree);
	heap_free(writer.ways, analysis->graph.nodes, sizeof(*writer.ways));
	return r == -E2BIG ? -EOVERFLOW : r;
}
