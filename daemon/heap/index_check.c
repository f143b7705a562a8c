/*
 * Sections of an index, checked
 *
 * Each is read once, piece by piece: a piece is summed while it is in the cache, then its numbers
 * are held against their bound. Both are loops without a way out, so that a compiler can do many
 * at a time.
 */

#include "heap/index_check.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "heap/alloc.h"

enum { AHEAD = 16 };

#define HIGHEST_BIT 0x80000000u

typedef bool check_fn(const struct index_map *map, enum index_kind kind, uint64_t first,
		      uint64_t end);

static uint64_t items(const struct index_map *map, enum index_kind kind)
{
	return map->header->sections[kind].n;
}

const void *index_section(const struct index_map *map, enum index_kind kind)
{
	return items(map, kind) > 0 ? map->data + map->header->sections[kind].at : NULL;
}

/* ---- numbers and their bounds ---- */

/*
 * Every processor can subtract many at a time, not all can compare without a sign: one that is too
 * large has the highest bit itself, or last - it has.
 */
static bool below(const uint32_t *numbers, uint64_t first, uint64_t end, uint64_t bound)
{
	uint32_t bad = 0, last = (uint32_t)bound - 1;

	if (bound == 0 || bound > HIGHEST_BIT)
		return false;
	for (uint64_t i = first; i < end; i++)
		bad |= numbers[i] | (last - numbers[i]);
	return (bad & HIGHEST_BIT) == 0;
}

static bool any(const struct index_map *map, enum index_kind kind, uint64_t first, uint64_t end)
{
	(void)map;
	(void)kind;
	(void)first;
	(void)end;
	return true;
}

static bool types(const struct index_map *map, enum index_kind kind, uint64_t first, uint64_t end)
{
	const uint8_t *type = index_section(map, kind);
	uint8_t most = 0;

	for (uint64_t i = first; i < end; i++)
		most = type[i] > most ? type[i] : most;
	return most < HEAP_TYPES_MAX;
}

static bool nodes(const struct index_map *map, enum index_kind kind, uint64_t first, uint64_t end)
{
	return below(index_section(map, kind), first, end, map->header->nodes);
}

static bool strings(const struct index_map *map, enum index_kind kind, uint64_t first, uint64_t end)
{
	return below(index_section(map, kind), first, end, items(map, INDEX_STRINGS) - 1);
}

static bool classes(const struct index_map *map, enum index_kind kind, uint64_t first, uint64_t end)
{
	return below(index_section(map, kind), first, end, items(map, INDEX_CLASSES));
}

/* + 1 */
static bool places(const struct index_map *map, enum index_kind kind, uint64_t first, uint64_t end)
{
	return below(index_section(map, kind), first, end, items(map, INDEX_PLACES) + 1);
}

static bool properties(const struct index_map *map, enum index_kind kind, uint64_t first,
		       uint64_t end)
{
	return below(index_section(map, kind), first, end, items(map, INDEX_PROPERTIES));
}

static bool edges(const struct index_map *map, enum index_kind kind, uint64_t first, uint64_t end)
{
	const uint32_t *edge = index_section(map, kind);
	uint32_t bad = 0, last = (uint32_t)map->header->nodes - 1;

	for (uint64_t i = first; i < end; i++)
		bad |= last - heap_edge_to(edge[i]);
	return (bad & HIGHEST_BIT) == 0;
}

/* + 1 */
static bool edge_numbers(const struct index_map *map, enum index_kind kind, uint64_t first,
			 uint64_t end)
{
	const uint32_t *number = index_section(map, kind);
	uint32_t bad = 0, last = (uint32_t)map->header->edges;

	for (uint64_t i = first; i < end; i++)
		bad |= (uint32_t)(number[i] > last);
	return bad == 0;
}

static bool edge_names(const struct index_map *map, enum index_kind kind, uint64_t first,
		       uint64_t end)
{
	const uint32_t *edge = index_section(map, INDEX_EDGES), *name = index_section(map, kind);
	uint64_t bound = items(map, INDEX_STRINGS) - 1;
	uint32_t bad = 0;

	for (uint64_t i = first; i < end; i++)
		bad |= (uint32_t)(heap_edge_named(edge[i]) & (name[i] >= bound));
	return bad == 0;
}

/* Each begins where the one before it ends: one more is looked at than are in the piece. */
static bool firsts(const struct index_map *map, enum index_kind kind, uint64_t first, uint64_t end)
{
	const uint32_t *at = index_section(map, kind);
	enum index_kind of = kind == INDEX_EDGE_FIRST   ? INDEX_EDGES
			     : kind == INDEX_TREE_FIRST ? INDEX_TREE_KIDS
							: INDEX_REFERRERS;
	uint32_t bad = first == 0 && at[0] != 0;

	for (uint64_t i = first > 0 ? first : 1; i < end; i++)
		bad |= (uint32_t)(at[i] < at[i - 1]);
	return bad == 0 && (end < items(map, kind) || at[end - 1] == items(map, of));
}

static bool string_firsts(const struct index_map *map, enum index_kind kind, uint64_t first,
			  uint64_t end)
{
	const uint64_t *at = index_section(map, kind);
	uint32_t bad = first == 0 && at[0] == 0;

	for (uint64_t i = first > 0 ? first : 1; i < end; i++)
		bad |= (uint32_t)(at[i] < at[i - 1]);
	return bad == 0 && at[end - 1] <= map->text_size;
}

/* ---- tables ---- */

static bool class_rows(const struct index_map *map, enum index_kind kind, uint64_t first,
		       uint64_t end)
{
	const struct index_class *row = index_section(map, kind);
	uint64_t bound = items(map, INDEX_TEXTS);

	for (uint64_t i = first; i < end; i++) {
		if (row[i].key >= bound || row[i].name >= bound || row[i].name < row[i].key)
			return false;
	}
	return true;
}

static bool scripts(const struct index_map *map, enum index_kind kind, uint64_t first, uint64_t end)
{
	const struct index_script *script = index_section(map, kind);
	uint64_t bound = items(map, INDEX_TEXTS);

	for (uint64_t i = first; i < end; i++) {
		if (script[i].url >= bound && script[i].url != UINT32_MAX)
			return false;
	}
	return true;
}

static bool shape_rows(const struct index_map *map, enum index_kind kind, uint64_t first,
		       uint64_t end)
{
	const struct index_shape *row = index_section(map, kind);
	uint64_t parts = items(map, INDEX_SHAPE_PARTS);

	for (uint64_t i = first; i < end; i++) {
		if (row[i].text >= items(map, INDEX_TEXTS) || row[i].first > parts ||
		    row[i].n > parts - row[i].first)
			return false;
	}
	return true;
}

static bool property_rows(const struct index_map *map, enum index_kind kind, uint64_t first,
			  uint64_t end)
{
	const struct index_property *row = index_section(map, kind);

	for (uint64_t i = first; i < end; i++) {
		if (row[i].text >= items(map, INDEX_TEXTS) ||
		    row[i].name >= items(map, INDEX_STRINGS) - 1)
			return false;
	}
	return true;
}

static bool texts(const struct index_map *map, enum index_kind kind, uint64_t first, uint64_t end)
{
	const char *text = index_section(map, kind);

	(void)first;
	return end < items(map, kind) || text[end - 1] == '\0';
}

/* ---- which are there ---- */

enum { PER_NODE = 1, PER_EDGE, PER_CLASS, MAY_LACK = 4 };

static const struct rule {
	uint8_t size; /* bytes of one */
	uint8_t n;
	uint8_t parts; /* in which it is used */
	check_fn *check;
} rules[INDEX_KINDS] = {
	[INDEX_TYPE] = { 1, PER_NODE, HEAP_PARTS_NODES, types },
	[INDEX_FLAGS] = { 1, PER_NODE, HEAP_PARTS_NODES, any },
	[INDEX_NAME] = { 4, PER_NODE, HEAP_PARTS_NODES, strings },
	[INDEX_ID] = { 4, PER_NODE, HEAP_PARTS_NODES, any },
	[INDEX_SIZE] = { 4, PER_NODE, HEAP_PARTS_NODES, any },
	[INDEX_PLACE] = { 4, PER_NODE | MAY_LACK, HEAP_PARTS_NODES, places },
	[INDEX_ID64] = { 8, PER_NODE | MAY_LACK, HEAP_PARTS_NODES, any },
	[INDEX_EDGE_FIRST] = { 4, 0, HEAP_PARTS_EDGES, firsts },
	[INDEX_EDGES] = { 4, PER_EDGE, HEAP_PARTS_EDGES, edges },
	[INDEX_EDGE_NAME] = { 4, PER_EDGE, HEAP_PARTS_EDGES, edge_names },
	[INDEX_REFERRER_FIRST] = { 4, 0, HEAP_PARTS_REFERRERS, firsts },
	[INDEX_REFERRERS] = { 4, 0, HEAP_PARTS_REFERRERS, nodes },
	[INDEX_DOMINATOR] = { 4, PER_NODE, HEAP_PARTS_NODES, nodes },
	[INDEX_ORDER] = { 4, PER_NODE, HEAP_PARTS_ORDER, nodes },
	[INDEX_TREE_FIRST] = { 4, 0, HEAP_PARTS_TREE, firsts },
	[INDEX_TREE_KIDS] = { 4, 0, HEAP_PARTS_TREE, nodes },
	[INDEX_TREE_VIA] = { 4, PER_NODE, HEAP_PARTS_TREE, edge_numbers },
	[INDEX_WAYS] = { 4, PER_NODE, HEAP_PARTS_TREE, edge_numbers },
	[INDEX_RETAINED] = { 8, PER_NODE, HEAP_PARTS_NODES, any },
	[INDEX_DISTANCE] = { 4, PER_NODE, HEAP_PARTS_NODES, any },
	[INDEX_CLASS] = { 4, PER_NODE, HEAP_PARTS_NODES, classes },
	[INDEX_WIDE] = { sizeof(struct heap_wide), 0, HEAP_PARTS_NODES, any },
	[INDEX_PLACES] = { sizeof(struct heap_place), 0, HEAP_PARTS_NODES, any },
	[INDEX_SCRIPTS] = { sizeof(struct index_script), 0, HEAP_PARTS_SUMMARY, scripts },
	[INDEX_STRINGS] = { 8, 0, HEAP_PARTS_NODES, string_firsts },
	[INDEX_STRING_TEXT] = { 1, 0, HEAP_PARTS_NODES, any },
	[INDEX_CLASSES] = { sizeof(struct index_class), 0, HEAP_PARTS_SUMMARY, class_rows },
	[INDEX_ROWS] = { sizeof(struct heap_row), PER_CLASS, HEAP_PARTS_SUMMARY, any },
	[INDEX_SHAPES] = { sizeof(struct index_shape), 0, HEAP_PARTS_NODES, shape_rows },
	[INDEX_SHAPE_PARTS] = { 4, 0, HEAP_PARTS_NODES, properties },
	[INDEX_PROPERTIES] = { sizeof(struct index_property), 0, HEAP_PARTS_NODES, property_rows },
	[INDEX_TEXTS] = { 1, 0, HEAP_PARTS_SUMMARY, texts },
};

static bool right_number(const struct index_map *map, enum index_kind kind)
{
	const struct index_header *header = map->header;
	uint64_t n = items(map, kind), nodes_n = header->nodes;

	if ((rules[kind].n & MAY_LACK) != 0 && n == 0)
		return true;
	switch (rules[kind].n & ~MAY_LACK) {
	case PER_NODE:
		return n == nodes_n;
	case PER_EDGE:
		return n == header->edges;
	case PER_CLASS:
		return n == items(map, INDEX_CLASSES);
	default:
		break;
	}
	if (kind == INDEX_EDGE_FIRST || kind == INDEX_REFERRER_FIRST || kind == INDEX_TREE_FIRST)
		return n == nodes_n + 1;
	if (kind == INDEX_TREE_KIDS)
		return n == nodes_n - 1;
	if (kind == INDEX_REFERRERS)
		return n <= header->edges;
	return n <= UINT32_MAX || kind == INDEX_STRING_TEXT;
}

int index_check_layout(const struct index_map *map, uint64_t file_bytes)
{
	const struct index_header *header = map->header;

	if (header->file_bytes != file_bytes || header->nodes == 0 ||
	    header->nodes > HEAP_NODES_MAX || header->edges >= UINT32_MAX ||
	    header->root >= header->nodes || items(map, INDEX_STRINGS) < 2)
		return -EBADMSG;
	for (size_t i = 0; i < INDEX_KINDS; i++) {
		const struct index_section *section = &header->sections[i];

		if (section->size != rules[i].size || section->at % INDEX_PAGE != 0 ||
		    section->at > file_bytes ||
		    section->n > (file_bytes - section->at) / section->size ||
		    !right_number(map, (enum index_kind)i))
			return -EBADMSG;
	}
	for (size_t i = 0; i < HEAP_TYPES_MAX; i++) {
		if (header->type_names[i][HEAP_TYPE_NAME_MAX - 1] != '\0')
			return -EBADMSG;
	}
	return 0;
}

/* ---- all of them ---- */

/* A piece at a time: what was summed is in the cache when it is checked. */
static int check_section(const struct index_map *map, enum index_kind kind)
{
	const struct index_section *section = &map->header->sections[kind];
	const char *data = map->data + section->at;
	uint64_t bytes = index_bytes(section), sum = 0, per = index_piece(section);

	if (bytes > 0)
		madvise((void *)(uintptr_t)data, bytes, MADV_POPULATE_READ);
	for (uint64_t first = 0; first < section->n; first += per) {
		uint64_t n = section->n - first < per ? section->n - first : per;

		sum = index_sum_more(sum, data + first * section->size, n * section->size);
		if (!rules[kind].check(map, kind, first, first + n))
			return -EBADMSG;
	}
	return sum == section->sum ? 0 : -EBADMSG;
}

struct checking {
	const struct index_map *map;
	enum heap_parts parts;
	atomic_uint next; /* section that no thread has taken */
	atomic_int result;
};

static void *check_next(void *arg)
{
	struct checking *checking = arg;
	unsigned i;

	while (atomic_load(&checking->result) == 0 &&
	       (i = atomic_fetch_add(&checking->next, 1)) < INDEX_KINDS) {
		bool wanted = rules[i].parts == HEAP_PARTS_SUMMARY ||
			      (rules[i].parts & checking->parts) != 0;
		int r = wanted ? check_section(checking->map, (enum index_kind)i) : 0;

		if (r < 0)
			atomic_store(&checking->result, r);
	}
	return NULL;
}

/* Each node once, and behind what dominates it. */
static int check_order(const struct index_map *map)
{
	const uint32_t *order = index_section(map, INDEX_ORDER);
	const uint32_t *dominator = index_section(map, INDEX_DOMINATOR);
	uint32_t nodes_n = (uint32_t)map->header->nodes, root = (uint32_t)map->header->root;
	uint64_t *seen = heap_bits_alloc(nodes_n);
	bool good = order[0] == root && dominator[root] == root;

	if (seen == NULL)
		return -ENOMEM;
	heap_bit_set(seen, root);
	for (uint32_t i = 1; i < nodes_n && good; i++) {
		if (i + AHEAD < nodes_n)
			__builtin_prefetch(&dominator[order[i + AHEAD]]);
		good = !heap_bit(seen, order[i]) && heap_bit(seen, dominator[order[i]]);
		heap_bit_set(seen, order[i]);
	}
	heap_bits_free(seen, nodes_n);
	return good ? 0 : -EBADMSG;
}

/* Each node is once below what dominates it: ascending, so that none is there twice. */
static int check_tree(const struct index_map *map)
{
	const uint32_t *first = index_section(map, INDEX_TREE_FIRST);
	const uint32_t *kids = index_section(map, INDEX_TREE_KIDS);
	const uint32_t *dominator = index_section(map, INDEX_DOMINATOR);
	uint32_t nodes_n = (uint32_t)map->header->nodes, root = (uint32_t)map->header->root;
	bool good = true;

	for (uint32_t node = 0; node < nodes_n && good; node++) {
		for (uint32_t i = first[node]; i < first[node + 1]; i++) {
			if (i + AHEAD < nodes_n - 1)
				__builtin_prefetch(&dominator[kids[i + AHEAD]]);
			good &= dominator[kids[i]] == node && kids[i] != root &&
				(i == first[node] || kids[i] > kids[i - 1]);
		}
	}
	return good ? 0 : -EBADMSG;
}

int index_check_sections(const struct index_map *map, enum heap_parts parts, unsigned threads)
{
	struct checking checking = { .map = map, .parts = parts };
	pthread_t thread;
	bool beside = threads > 1 && parts != HEAP_PARTS_SUMMARY &&
		      pthread_create(&thread, NULL, check_next, &checking) == 0;
	int r;

	check_next(&checking);
	if (beside)
		pthread_join(thread, NULL);
	r = checking.result;
	if (r == 0 && (parts & HEAP_PARTS_ORDER) != 0)
		r = check_order(map);
	return r == 0 && (parts & HEAP_PARTS_TREE) != 0 ? check_tree(map) : r;
}
