/*
 * Source maps
 */

#include "heap/source_map.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap/vlq.h"
#include "json/tree.h"
#include "util/array.h"
#include "util/buf.h"
#include "util/err.h"

enum { VERSION = 3, SEGMENTS_FIRST = 1024, TEXTS_MAX = 1 << 20 };

#define NONE UINT32_MAX

struct segment {
	uint32_t line, column; /* of the generated script */
	uint32_t source, name; /* texts, or NONE */
	uint32_t source_line, source_column;
};

struct source_map {
	struct segment *segments; /* owned: by place */
	size_t n, capacity;
	char **texts; /* owned: sources and names of all sections */
	size_t texts_n, texts_capacity, texts_bytes;
	char *file; /* owned; or NULL */
};

/* One map, or one section of an index map. */
struct section {
	const struct tree *tree;
	uint32_t line, column; /* where it begins */
	uint32_t sources, sources_n, names, names_n; /* first text, and how many */
	char where[32]; /* for people */
};

static int add_text(struct source_map *map, const char *root, const char *text)
{
	struct buf buf;
	char **texts;

	if (map->texts_n == TEXTS_MAX)
		return -EFBIG;
	texts = array_room(map->texts, map->texts_n, &map->texts_capacity, 64, sizeof(*texts));
	if (texts == NULL)
		return -ENOMEM;
	map->texts = texts;
	/* Each source has the root before it: a short map could be long here. */
	map->texts_bytes += strlen(root) + strlen(text) + 2;
	if (map->texts_bytes > SOURCE_MAP_BYTES_MAX)
		return -EFBIG;
	buf_init(&buf, SOURCE_MAP_BYTES_MAX);
	buf_puts(&buf, root);
	if (root[0] != '\0' && root[strlen(root) - 1] != '/')
		buf_puts(&buf, "/");
	buf_puts(&buf, text);
	map->texts[map->texts_n] = buf_take(&buf, NULL);
	return map->texts[map->texts_n] != NULL ? (map->texts_n++, 0) : -ENOMEM;
}

/* What is no text (null in sources) is an empty one. */
static int add_texts(struct source_map *map, const struct tree *list, const char *root,
		     uint32_t *ret_first, uint32_t *ret_n)
{
	size_t n = tree_size(list);
	int r = 0;

	*ret_first = (uint32_t)map->texts_n;
	*ret_n = (uint32_t)n;
	for (size_t i = 0; i < n && r == 0; i++) {
		const char *text = "";
		bool is_text = tree_string(tree_at(list, i), NULL, &text);

		r = add_text(map, is_text ? root : "", text);
	}
	return r;
}

static int add_segment(struct source_map *map, const struct segment *segment)
{
	struct segment *segments = array_room(map->segments, map->n, &map->capacity, SEGMENTS_FIRST,
					      sizeof(*segments));

	if (segments == NULL)
		return -ENOMEM;
	map->segments = segments;
	segments[map->n++] = *segment;
	return 0;
}

/* ---- mappings ---- */

enum { COLUMN, SOURCE, SOURCE_LINE, SOURCE_COLUMN, NAME, FIELDS };

static bool ends(const char *at, const char *end)
{
	return at == end || *at == ',' || *at == ';';
}

/* Numbers of a segment, added to those before. 1, 4 or 5 of them; -EBADMSG. */
static int read_fields(const char **at, const char *end, int64_t *state)
{
	int n = 0;

	for (; !ends(*at, end); n++) {
		int64_t change;

		if (n == FIELDS || vlq_read(at, end, &change) < 0)
			return -EBADMSG;
		state[n] += change;
		if (state[n] < 0 || state[n] >= UINT32_MAX)
			return -EBADMSG;
	}
	return n == 1 || n == 4 || n == FIELDS ? n : -EBADMSG;
}

static int take_segment(struct source_map *map, const struct section *section, const int64_t *state,
			int n, uint32_t line)
{
	struct segment segment = {
		.line = section->line + line,
		.column = (uint32_t)state[COLUMN] + (line == 0 ? section->column : 0),
		.source = NONE,
		.name = NONE,
	};

	if (n >= 4) {
		if (state[SOURCE] >= section->sources_n)
			return -EBADMSG;
		segment.source = section->sources + (uint32_t)state[SOURCE];
		segment.source_line = (uint32_t)state[SOURCE_LINE];
		segment.source_column = (uint32_t)state[SOURCE_COLUMN];
	}
	if (n == FIELDS) {
		if (state[NAME] >= section->names_n)
			return -EBADMSG;
		segment.name = section->names + (uint32_t)state[NAME];
	}
	return add_segment(map, &segment);
}

static int bad_mapping(const struct section *section, const char *mappings, const char *at,
		       struct err *err)
{
	return err_set(err, -EBADMSG, "%smappings: at character %zu there is no segment",
		       section->where, (size_t)(at - mappings));
}

static int read_mappings(struct source_map *map, const struct section *section,
			 const char *mappings, struct err *err)
{
	const char *at = mappings, *end = mappings + strlen(mappings);
	int64_t state[FIELDS] = { 0 };
	uint32_t line = 0;

	while (at < end) {
		const char *first = at;
		int n, r;

		if (*at == ';') {
			line++;
			state[COLUMN] = 0;
		}
		if (*at == ';' || *at == ',') {
			at++;
			continue;
		}
		n = read_fields(&at, end, state);
		if (n < 0 || line > UINT32_MAX - section->line ||
		    (line == 0 && state[COLUMN] > UINT32_MAX - (int64_t)section->column))
			return bad_mapping(section, mappings, first, err);
		r = take_segment(map, section, state, n, line);
		if (r == -EBADMSG)
			return bad_mapping(section, mappings, first, err);
		if (r < 0)
			return err_set(err, r, "out of memory");
	}
	return 0;
}

static int read_map(struct source_map *map, struct section *section, struct err *err)
{
	const char *root = "", *mappings;
	uint64_t version = 0;
	int r;

	if (!tree_uint(section->tree, "version", &version) || version != VERSION)
		return err_set(err, -EBADMSG, "%sversion is not 3", section->where);
	if (!tree_string(section->tree, "mappings", &mappings))
		return err_set(err, -EBADMSG, "%sthere are no mappings", section->where);
	tree_string(section->tree, "sourceRoot", &root);
	r = add_texts(map, tree_get(section->tree, "sources"), root, &section->sources,
		      &section->sources_n);
	if (r == 0)
		r = add_texts(map, tree_get(section->tree, "names"), "", &section->names,
			      &section->names_n);
	if (r < 0)
		return err_set(err, r,
			       r == -EFBIG ? "too many sources, or too long ones"
					   : "out of memory");
	return read_mappings(map, section, mappings, err);
}

/* ---- sections ---- */

static int read_section(struct source_map *map, const struct tree *tree, size_t i, struct err *err)
{
	struct section section = { .tree = tree_get(tree, "map") };
	uint64_t line, column;

	snprintf(section.where, sizeof(section.where), "section %zu: ", i);
	if (!tree_is_object(section.tree) || !tree_uint(tree, "offset.line", &line) ||
	    !tree_uint(tree, "offset.column", &column) || line >= UINT32_MAX ||
	    column >= UINT32_MAX)
		return err_set(err, -EBADMSG, "%sthere is no map, or no offset", section.where);
	section.line = (uint32_t)line;
	section.column = (uint32_t)column;
	return read_map(map, &section, err);
}

static int read_all(struct source_map *map, const struct tree *root, struct err *err)
{
	const struct tree *sections = tree_get(root, "sections");
	struct section whole = { .tree = root };
	int r = 0;

	if (!tree_is_array(sections))
		return read_map(map, &whole, err);
	for (size_t i = 0; i < tree_size(sections) && r == 0; i++)
		r = read_section(map, tree_at(sections, i), i, err);
	return r;
}

static int by_place(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	/* Of those at one place, first the one that leads nowhere, then in the sources' order. */
	if (x->source != y->source)
		return x->source + 1 < y->source + 1 ? -1 : 1;
	if (x->source_line != y->source_line)
		return x->source_line < y->source_line ? -1 : 1;
	return x->source_column < y->source_column ? -1 : x->source_column > y->source_column;
}

static bool is_in_order(const struct source_map *map)
{
	for (size_t i = 1; i < map->n; i++) {
		const struct segment *x = &map->segments[i - 1], *y = x + 1;

		if (x->line > y->line || (x->line == y->line && x->column > y->column))
			return false;
	}
	return true;
}

int source_map_parse(struct source_map **ret, const char *text, size_t size, struct err *err)
{
	/* Against being run as a script, some servers put this before it. */
	static const char guard[] = ")]}'";
	struct source_map *map;
	struct tree *root = NULL;
	const char *file;
	int r;

	*ret = NULL;
	if (size > SOURCE_MAP_BYTES_MAX)
		return err_set(err, -EFBIG, "longer than %d MiB", SOURCE_MAP_BYTES_MAX >> 20);
	if (size >= strlen(guard) && memcmp(text, guard, strlen(guard)) == 0) {
		const char *line = memchr(text, '\n', size);

		size -= line != NULL ? (size_t)(line - text) : size;
		text = line != NULL ? line : text;
	}
	r = tree_parse(text, size, &root, err);
	if (r < 0)
		return r;
	map = calloc(1, sizeof(*map));
	r = map == NULL ? err_set(err, -ENOMEM, "out of memory") : read_all(map, root, err);
	if (r == 0 && tree_string(root, "file", &file)) {
		map->file = strdup(file);
		r = map->file == NULL ? err_set(err, -ENOMEM, "out of memory") : 0;
	}
	tree_free(root);
	if (r < 0) {
		source_map_free(map);
		return r;
	}
	if (!is_in_order(map))
		qsort(map->segments, map->n, sizeof(*map->segments), by_place);
	*ret = map;
	return 0;
}

void source_map_free(struct source_map *map)
{
	if (map == NULL)
		return;
	for (size_t i = 0; i < map->texts_n; i++)
		free(map->texts[i]);
	free(map->texts);
	free(map->segments);
	free(map->file);
	free(map);
}

const char *source_map_file(const struct source_map *map)
{
	return map->file;
}

bool source_map_find(const struct source_map *map, uint32_t line, uint32_t column,
		     struct source_place *ret)
{
	size_t low = 0, high = map->n;
	const struct segment *found;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct segment *segment = &map->segments[middle];

		if (segment->line < line || (segment->line == line && segment->column <= column))
			low = middle + 1;
		else
			high = middle;
	}
	found = low > 0 ? &map->segments[low - 1] : NULL;
	if (found == NULL || found->line != line || found->source == NONE ||
	    map->texts[found->source][0] == '\0')
		return false;
	*ret = (struct source_place){
		.source = map->texts[found->source],
		.name = found->name != NONE ? map->texts[found->name] : NULL,
		.line = found->source_line,
		.column = found->source_column,
	};
	return true;
}
