/*
 * Places of a V8 heap snapshot
 */

#include "heap/v8_places.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/alloc.h"
#include "heap/hash.h"
#include "util/buf.h"
#include "util/rand.h"

/*
 * Scripts with what is found of them twice, and their addresses. What is more stays without an
 * address; the list beside a capture may have it.
 */
enum { SCRIPTS_MAX = 1 << 18, URLS_BYTES_MAX = 16 << 20 };

static bool same_place(const struct heap_place *a, const struct heap_place *b)
{
	return a->script == b->script && a->line == b->line && a->column == b->column;
}

int v8_places_init(struct v8_places *places, const struct v8_head *head, struct heap_graph *graph)
{
	uint32_t capacity = heap_places_max(graph->nodes);
	size_t slots = 16;

	while (slots < (size_t)capacity * 2)
		slots *= 2;
	*places = (struct v8_places){ .head = head, .graph = graph, .slots_n = slots };
	graph->place = heap_alloc(graph->nodes, sizeof(*graph->place));
	graph->places = heap_alloc(capacity, sizeof(*graph->places));
	graph->places_capacity = graph->places != NULL ? capacity : 0;
	places->slots = heap_alloc(slots, sizeof(*places->slots));
	if (graph->place == NULL || graph->places == NULL || places->slots == NULL)
		return -ENOMEM;
	return rand_bytes(&places->seed, sizeof(places->seed));
}

void v8_places_fini(struct v8_places *places)
{
	heap_free(places->slots, places->slots_n, sizeof(*places->slots));
	places->slots = NULL;
}

/* Where the place is, or a free slot. A file does not know the seed. */
static uint32_t *slot_of(const struct v8_places *places, const struct heap_place *place)
{
	uint64_t hash = hash_mix(places->seed, (uint64_t)place->script << 32 | place->line);
	size_t i;

	hash = hash_mix(hash, place->column);
	i = (size_t)(hash ^ hash >> 32) & (places->slots_n - 1);
	while (places->slots[i] != 0 &&
	       !same_place(&places->graph->places[places->slots[i] - 1], place))
		i = (i + 1) & (places->slots_n - 1);
	return &places->slots[i];
}

/* The number of the place, + 1; 0: there is no room for another. */
static uint32_t number_of(struct v8_places *places, const struct heap_place *place, bool *ret_new)
{
	struct heap_graph *graph = places->graph;
	uint32_t *slot = slot_of(places, place);

	*ret_new = *slot == 0 && graph->places_n < graph->places_capacity;
	if (*ret_new) {
		graph->places[graph->places_n++] = *place;
		*slot = graph->places_n;
	}
	return *slot;
}

static int by_id(const void *a, const void *b)
{
	const struct heap_script *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

static void sort_scripts(struct heap_graph *graph)
{
	uint32_t kept = 0;

	if (graph->scripts_n < 2)
		return;
	qsort(graph->scripts, graph->scripts_n, sizeof(*graph->scripts), by_id);
	for (uint32_t i = 0; i < graph->scripts_n; i++) {
		if (kept == 0 || graph->scripts[kept - 1].id != graph->scripts[i].id)
			graph->scripts[kept++] = graph->scripts[i];
	}
	graph->scripts_n = kept;
}

static int grow_scripts(struct heap_graph *graph)
{
	uint32_t capacity = graph->scripts_capacity > 0 ? graph->scripts_capacity * 2 : 256;
	struct heap_script *scripts = reallocarray(graph->scripts, capacity, sizeof(*scripts));

	if (scripts == NULL)
		return -ENOMEM;
	graph->scripts = scripts;
	graph->scripts_capacity = capacity;
	return 0;
}

/* Of a place that is new. Sorted, each once, by sort_scripts(). 0, -ENOMEM. */
static int note_script(struct v8_places *places, uint32_t id, uint64_t node)
{
	struct heap_graph *graph = places->graph;

	if (node >= graph->nodes || places->scripts_full)
		return 0;
	if (graph->scripts_n > 0 && graph->scripts[graph->scripts_n - 1].id == id)
		return 0;
	if (graph->scripts_n == graph->scripts_capacity) {
		sort_scripts(graph);
		if (graph->scripts_n * 2 >= graph->scripts_capacity) {
			places->scripts_full = graph->scripts_capacity >= SCRIPTS_MAX;
			if (places->scripts_full)
				return 0;
			if (grow_scripts(graph) < 0)
				return -ENOMEM;
		}
	}
	graph->scripts[graph->scripts_n++] = (struct heap_script){ id, (uint32_t)node, NULL };
	return 0;
}

/* "system / Script / URL": takes of *room what it keeps. 0, -ENOMEM. */
static int name_script(const struct heap_graph *graph, struct heap_script *script, size_t *room)
{
	static const char begin[] = "system / Script / ";
	const size_t begin_n = sizeof(begin) - 1;
	uint32_t name = graph->name[script->node];
	struct buf text;
	int r = 0;

	if (!heap_string_begins(&graph->strings, name, begin))
		return 0;
	buf_init(&text, begin_n + *room);
	heap_string_put(&graph->strings, name, &text);
	if (text.error == -ENOMEM)
		r = -ENOMEM;
	else if (text.error == 0 && text.size > begin_n && buf_text(&text) != NULL) {
		script->url = strdup(buf_text(&text) + begin_n);
		*room -= text.size - begin_n;
		r = script->url != NULL ? 0 : -ENOMEM;
	}
	buf_fini(&text);
	return r;
}

int v8_places_scripts(struct heap_graph *graph)
{
	size_t room = URLS_BYTES_MAX;
	int r = 0;

	sort_scripts(graph);
	for (uint32_t i = 0; i < graph->scripts_n && r == 0; i++)
		r = name_script(graph, &graph->scripts[i], &room);
	return r;
}

int v8_location_rows(void *owner, uint64_t first, const uint64_t *row, size_t n, size_t *bad)
{
	struct v8_places *places = owner;
	const struct v8_location_fields field = places->head->location;
	const unsigned fields = places->head->node.n;
	struct heap_graph *graph = places->graph;

	(void)first;
	for (size_t i = 0; i < n; i++, row += field.n) {
		struct heap_place place = { .script = (uint32_t)row[field.script],
					    .line = (uint32_t)row[field.line],
					    .column = (uint32_t)row[field.column] };
		uint64_t node = row[field.object] / fields;
		uint32_t number;
		bool is_new;

		*bad = i;
		if (node >= graph->nodes || row[field.object] % fields != 0 ||
		    row[field.script] > UINT32_MAX || row[field.line] > UINT32_MAX ||
		    row[field.column] > UINT32_MAX)
			return -EBADMSG;
		/* Of an object its class's place, of a function its own. */
		if (graph->type[node] != HEAP_OBJECT && graph->type[node] != HEAP_CLOSURE)
			continue;
		number = number_of(places, &place, &is_new);
		if (number > 0)
			graph->place[node] = number;
		if (is_new && field.script_object != V8_NO_FIELD &&
		    note_script(places, place.script, row[field.script_object] / fields) < 0)
			return -ENOMEM;
	}
	return 0;
}
