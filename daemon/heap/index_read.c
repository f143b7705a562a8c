/*
 * An index to an analysis
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "heap/index_check.h"

struct heap_index {
	char *data; /* owned: mapped */
	size_t bytes;
};

bool heap_index_has(const struct heap_index *index, const void *column)
{
	uintptr_t at = (uintptr_t)column;

	return index != NULL && at >= (uintptr_t)index->data &&
	       at < (uintptr_t)index->data + index->bytes;
}

void heap_index_free(struct heap_index *index)
{
	if (index == NULL)
		return;
	munmap(index->data, index->bytes);
	free(index);
}

static int map_file(struct heap_index **ret, int fd)
{
	struct heap_index *index = calloc(1, sizeof(*index));
	struct stat status;
	int r = index == NULL ? -ENOMEM : fstat(fd, &status) < 0 ? -errno : 0;

	if (r == 0 && (size_t)status.st_size < sizeof(struct index_header))
		r = -EBADMSG;
	if (r == 0) {
		index->bytes = (size_t)status.st_size;
		index->data = mmap(NULL, index->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
		r = index->data == MAP_FAILED ? -errno : 0;
	}
	if (r == 0)
		*ret = index;
	else
		free(index);
	return r;
}

/* Whether it is ours, whole, and of this snapshot. */
static int check_header(const struct index_header *header, int fd, const struct heap_mark *source)
{
	struct heap_mark self;
	int r = index_mark_self(fd, &self);

	if (r < 0)
		return r;
	if (header->magic != INDEX_MAGIC || header->version != INDEX_VERSION ||
	    header->bytes != sizeof(*header))
		return -ESTALE;
	if (index_sum(header, offsetof(struct index_header, sum)) != header->sum)
		return -EBADMSG;
	return memcmp(&header->self, &self, sizeof(self)) == 0 &&
			       memcmp(&header->source, source, sizeof(*source)) == 0
		       ? 0
		       : -ESTALE;
}

/* ---- what is not used in place ---- */

/* The name is a part of it, behind a comma. */
static bool is_key(const char *key, uint32_t name)
{
	return name <= strlen(key) && memchr(key, ',', name) != NULL;
}

static int read_classes(struct heap_classes *ret, const struct index_map *map)
{
	const struct index_class *rows = index_section(map, INDEX_CLASSES);
	const char *texts = index_section(map, INDEX_TEXTS);
	uint64_t n = map->header->sections[INDEX_CLASSES].n;
	int r = 0;

	map_init(&ret->by_key);
	ret->nodes = (uint32_t)map->header->nodes;
	ret->items = calloc(n + 1, sizeof(*ret->items));
	if (ret->items == NULL)
		return -ENOMEM;
	ret->capacity = n;
	while (ret->n < n && r == 0) {
		const struct index_class *row = &rows[ret->n];
		struct heap_class *class = &ret->items[ret->n];

		if (!is_key(texts + row->key, row->name - row->key))
			return -EBADMSG;
		class->key = strdup(texts + row->key);
		if (class->key == NULL)
			return -ENOMEM;
		class->name = class->key + (row->name - row->key);
		ret->n++;
		r = map_put(&ret->by_key, class->key, (void *)(uintptr_t)ret->n);
	}
	return r == -EEXIST ? -EBADMSG : r;
}

static int read_rows(struct heap_row **ret, const struct index_map *map)
{
	const struct index_section *section = &map->header->sections[INDEX_ROWS];

	*ret = calloc(section->n + 1, sizeof(**ret));
	if (*ret == NULL)
		return -ENOMEM;
	if (section->n > 0)
		memcpy(*ret, map->data + section->at, index_bytes(section));
	return 0;
}

static int read_scripts(struct heap_graph *graph, const struct index_map *map)
{
	const struct index_script *rows = index_section(map, INDEX_SCRIPTS);
	const char *texts = index_section(map, INDEX_TEXTS);
	uint64_t n = map->header->sections[INDEX_SCRIPTS].n;

	graph->scripts = calloc(n + 1, sizeof(*graph->scripts));
	if (graph->scripts == NULL)
		return -ENOMEM;
	while (graph->scripts_n < n) {
		const struct index_script *row = &rows[graph->scripts_n];
		struct heap_script *script = &graph->scripts[graph->scripts_n++];

		*script = (struct heap_script){ .id = row->id };
		if (row->url == UINT32_MAX)
			continue;
		script->url = strdup(texts + row->url);
		if (script->url == NULL)
			return -ENOMEM;
	}
	return 0;
}

static int read_shape(struct heap_shape *ret, const struct index_map *map,
		      const struct index_shape *row)
{
	const uint32_t *parts = index_section(map, INDEX_SHAPE_PARTS);
	const char *texts = index_section(map, INDEX_TEXTS);

	ret->text = strdup(texts + row->text);
	ret->properties = calloc((size_t)row->n + 1, sizeof(*ret->properties));
	if (ret->text == NULL || ret->properties == NULL)
		return -ENOMEM;
	if (row->n > 0)
		memcpy(ret->properties, parts + row->first, row->n * sizeof(*parts));
	ret->n = row->n;
	return 0;
}

static int read_shapes(struct heap_shapes *ret, const struct index_map *map)
{
	const struct index_shape *shapes = index_section(map, INDEX_SHAPES);
	const struct index_property *properties = index_section(map, INDEX_PROPERTIES);
	const char *texts = index_section(map, INDEX_TEXTS);
	uint64_t shapes_n = map->header->sections[INDEX_SHAPES].n;
	uint64_t properties_n = map->header->sections[INDEX_PROPERTIES].n;
	int r = 0;

	ret->items = calloc(shapes_n + 1, sizeof(*ret->items));
	ret->properties = calloc(properties_n + 1, sizeof(*ret->properties));
	ret->names = calloc(properties_n + 1, sizeof(*ret->names));
	if (ret->items == NULL || ret->properties == NULL || ret->names == NULL)
		return -ENOMEM;
	while (ret->properties_n < properties_n) {
		uint32_t i = ret->properties_n++;

		ret->names[i] = properties[i].name;
		ret->properties[i] = strdup(texts + properties[i].text);
		if (ret->properties[i] == NULL)
			return -ENOMEM;
	}
	while (ret->n < shapes_n && r == 0) {
		uint32_t i = ret->n++;

		r = read_shape(&ret->items[i], map, &shapes[i]);
	}
	return r;
}

/* ---- what is ---- */

static void place_nodes(struct heap_analysis *ret, const struct index_map *map, const char *text)
{
	struct heap_graph *graph = &ret->graph;
	const struct index_section *sections = map->header->sections;
	const char *own = index_section(map, INDEX_STRING_TEXT);

	graph->type = (uint8_t *)index_section(map, INDEX_TYPE);
	graph->flags = (uint8_t *)index_section(map, INDEX_FLAGS);
	graph->name = (uint32_t *)index_section(map, INDEX_NAME);
	graph->id = (uint32_t *)index_section(map, INDEX_ID);
	graph->id64 = (uint64_t *)index_section(map, INDEX_ID64);
	graph->size = (uint32_t *)index_section(map, INDEX_SIZE);
	graph->place = (uint32_t *)index_section(map, INDEX_PLACE);
	graph->places = (struct heap_place *)index_section(map, INDEX_PLACES);
	graph->places_n = (uint32_t)sections[INDEX_PLACES].n;
	graph->wide = (struct heap_wide *)index_section(map, INDEX_WIDE);
	graph->wide_n = (uint32_t)sections[INDEX_WIDE].n;
	graph->strings = (struct heap_strings){
		.data = own != NULL ? own : text,
		.first = (uint64_t *)index_section(map, INDEX_STRINGS),
		.n = (uint32_t)(sections[INDEX_STRINGS].n - 1),
	};
	ret->dominators.nodes = graph->nodes;
	ret->dominators.dominator = (uint32_t *)index_section(map, INDEX_DOMINATOR);
	ret->retained = (uint64_t *)index_section(map, INDEX_RETAINED);
	ret->distances = (int32_t *)index_section(map, INDEX_DISTANCE);
	ret->classes.of = (uint32_t *)index_section(map, INDEX_CLASS);
}

static void place_edges(struct heap_analysis *ret, const struct index_map *map)
{
	ret->graph.edge_first = (uint32_t *)index_section(map, INDEX_EDGE_FIRST);
	ret->graph.edges = (uint32_t *)index_section(map, INDEX_EDGES);
	ret->graph.edge_name = (uint32_t *)index_section(map, INDEX_EDGE_NAME);
}

static void place_referrers(struct heap_analysis *ret, const struct index_map *map)
{
	ret->referrers = (struct heap_referrers){
		.nodes = ret->graph.nodes,
		.edges_n = (uint32_t)map->header->sections[INDEX_REFERRERS].n,
		.first = (uint32_t *)index_section(map, INDEX_REFERRER_FIRST),
		.from = (uint32_t *)index_section(map, INDEX_REFERRERS),
	};
}

static void place_tree(struct heap_analysis *ret, const struct index_map *map)
{
	ret->tree = (struct heap_tree){
		.nodes = ret->graph.nodes,
		.first = (uint32_t *)index_section(map, INDEX_TREE_FIRST),
		.kids = (uint32_t *)index_section(map, INDEX_TREE_KIDS),
		.via = (uint32_t *)index_section(map, INDEX_TREE_VIA),
	};
	ret->ways = (uint32_t *)index_section(map, INDEX_WAYS);
}

static int fill(struct heap_analysis *ret, const struct index_map *map, const char *text,
		enum heap_parts parts)
{
	const struct index_header *header = map->header;
	struct heap_graph *graph = &ret->graph;
	int r;

	graph->borrowed = true;
	graph->nodes = (uint32_t)header->nodes;
	graph->edges_n = (uint32_t)header->edges;
	graph->root = (uint32_t)header->root;
	graph->foreign = header->foreign != 0;
	graph->addresses = header->addresses != 0;
	graph->traced = header->traced != 0;
	graph->extra_native_bytes = header->extra_native_bytes;
	memcpy(graph->type_names, header->type_names, sizeof(graph->type_names));
	ret->statistics = header->statistics;
	ret->digest = header->digest;
	if (parts & HEAP_PARTS_NODES)
		place_nodes(ret, map, text);
	if (parts & HEAP_PARTS_EDGES)
		place_edges(ret, map);
	if (parts & HEAP_PARTS_REFERRERS)
		place_referrers(ret, map);
	if (parts & HEAP_PARTS_TREE)
		place_tree(ret, map);
	if (parts & HEAP_PARTS_ORDER)
		ret->dominators.order = (uint32_t *)index_section(map, INDEX_ORDER);
	r = read_classes(&ret->classes, map);
	if (r == 0)
		r = read_rows(&ret->rows, map);
	if (r == 0)
		r = read_scripts(graph, map);
	if (r == 0 && (parts & HEAP_PARTS_NODES) != 0)
		r = read_shapes(&ret->shapes, map);
	ret->shapes.graph = graph;
	return r;
}

int heap_index_read(struct heap_analysis *ret, int fd, const struct heap_mark *source,
		    const char *text, uint64_t text_size, enum heap_parts parts, unsigned threads)
{
	struct heap_index *index = NULL;
	struct index_map map;
	int r = map_file(&index, fd);

	*ret = (struct heap_analysis){ .retained = NULL };
	if (r < 0)
		return r;
	map = (struct index_map){ .data = index->data,
				  .header = (const struct index_header *)(const void *)index->data,
				  .text_size = text_size };
	ret->index = index;
	r = check_header(map.header, fd, source);
	if (r == 0)
		r = index_check_layout(&map, index->bytes);
	if (r == 0 && map.header->sections[INDEX_STRING_TEXT].n > 0)
		map.text_size = map.header->sections[INDEX_STRING_TEXT].n;
	else if (r == 0 && text == NULL)
		r = -ESTALE;
	if (r == 0)
		r = index_check_sections(&map, parts, threads);
	if (r == 0)
		r = fill(ret, &map, text, parts);
	if (r < 0) {
		heap_analysis_fini(ret);
		*ret = (struct heap_analysis){ .retained = NULL };
	}
	return r;
}
