/*
 * The stacks in a Gecko heap snapshot
 *
 * Two walks: how many frames there are; then their calls, and which of them allocated a node.
 */

#include "heap/gecko_stacks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "heap/gecko_read.h"
#include "heap/gecko_text.h"
#include "heap/hash.h"
#include "heap/ids.h"
#include "heap/names.h"
#include "heap/stacks.h"
#include "util/err.h"
#include "util/rand.h"

enum { SLOTS_MIN = 16 };

struct read {
	struct heap_stacks *stacks; /* borrowed */
	struct err *err; /* borrowed */
	struct gecko_reader reader;
	struct heap_names names;
	struct heap_ids frames; /* to calls */
	uint32_t *slots; /* owned: a function + 1 each, by hash */
	size_t slots_n;
	uint64_t seed;
	uint32_t *wides; /* owned: names + 1, by number of the text */
	uint32_t empty; /* the name "" */
	struct buf buf;
};

static int no_memory(const struct read *read)
{
	return err_set(read->err, -ENOMEM, "out of memory");
}

static int wrong(const struct read *read, const char *what, uint64_t frame)
{
	return err_set(read->err, -EBADMSG,
		       "stack of node %" PRIu64 ", before byte %" PRIu64 ": %s %" PRIu64,
		       read->reader.message, read->reader.at, what, frame);
}

/* ---- functions ---- */

static int name_of(struct read *read, uint32_t number, uint32_t *ret)
{
	*ret = read->empty;
	if (number == GECKO_NO_TEXT)
		return 0;
	if (read->wides[number] == 0) {
		gecko_put_wide(&read->buf, &read->reader.wide.items[number]);
		if (gecko_name(&read->names, &read->buf, ret) < 0)
			return no_memory(read);
		read->wides[number] = *ret + 1;
	}
	*ret = read->wides[number] - 1;
	return 0;
}

/* Where a function begins is not told: by its name and its script it is one; without a name, by
 * where it was called. */
static bool is_same(const struct heap_function *a, const struct heap_function *b, bool named)
{
	return a->name == b->name && a->source == b->source &&
	       (named || (a->line == b->line && a->column == b->column));
}

static uint32_t *slot_of(const struct read *read, const struct heap_function *function)
{
	const struct heap_function *functions = read->stacks->functions;
	bool named = function->name != read->empty;
	uint64_t hash = hash_mix(read->seed, (uint64_t)function->name << 32 | function->source);
	size_t i;

	if (!named)
		hash = hash_mix(hash, (uint64_t)function->line << 32 | function->column);
	i = (size_t)(hash ^ hash >> 32) & (read->slots_n - 1);
	while (read->slots[i] != 0 && !is_same(&functions[read->slots[i] - 1], function, named))
		i = (i + 1) & (read->slots_n - 1);
	return &read->slots[i];
}

static bool is_before(const struct heap_function *a, const struct heap_function *b)
{
	return a->line < b->line || (a->line == b->line && a->column < b->column);
}

/* Its place is the first of those it was seen at. */
static int function_of(struct read *read, const struct gecko_frame *frame, uint32_t *ret)
{
	struct heap_function function = { .line = frame->line, .column = frame->column };
	uint32_t *slot;
	int r = name_of(read, frame->function, &function.name);

	r = r == 0 ? name_of(read, frame->source, &function.source) : r;
	if (r < 0)
		return r;
	slot = slot_of(read, &function);
	if (*slot == 0) {
		r = heap_stacks_add_function(read->stacks, &function, read->err);
		*slot = r == 0 ? read->stacks->functions_n : 0;
	} else if (is_before(&function, &read->stacks->functions[*slot - 1])) {
		read->stacks->functions[*slot - 1] = function;
	}
	*ret = *slot - 1;
	return r;
}

/* ---- calls ---- */

static int add_call(struct read *read, const struct gecko_frame *frame, uint32_t parent,
		    uint32_t *ret)
{
	struct heap_call call = { .parent = parent,
				  .line = frame->line,
				  .column = frame->column,
				  .id = read->stacks->calls_n + 1 };
	int r = function_of(read, frame, &call.function);

	*ret = read->stacks->calls_n;
	if (r == 0 && heap_ids_put(&read->frames, frame->id, *ret) < 0)
		return wrong(read, "there is another frame", frame->id);
	return r == 0 ? heap_stacks_add_call(read->stacks, &call, read->err) : r;
}

/*
 * From the oldest to the youngest, so that a frame is known when those that it called are, and none
 * can be above itself.
 */
static int take_stack(struct read *read, uint32_t *ret)
{
	const struct gecko_node *node = &read->reader.node;
	uint32_t call = 0;
	int r = 0;

	for (uint32_t i = node->frames_n; i > 0 && r == 0; i--) {
		const struct gecko_frame *frame = &node->frames[i - 1];

		if (!frame->is_known) {
			r = add_call(read, frame, call, &call);
			continue;
		}
		call = heap_ids_get(&read->frames, frame->id);
		if (call == UINT32_MAX)
			return wrong(read,
				     "it refers to a frame that was not there yet:", frame->id);
	}
	*ret = call;
	return r;
}

/* ---- walks ---- */

static int count_frames(struct read *read, uint64_t *ret)
{
	int r = gecko_rewind(&read->reader);

	*ret = 0;
	while (r == 0 && (r = gecko_next(&read->reader)) > 0) {
		const struct gecko_node *node = &read->reader.node;

		*ret += node->frames_n;
		*ret -= node->frames_n > 0 && node->frames[node->frames_n - 1].is_known;
		r = 0;
	}
	return r;
}

static int prepare(struct read *read, uint64_t frames)
{
	size_t slots = SLOTS_MIN;
	int r;

	if (frames >= HEAP_CALLS_MAX)
		return err_set(read->err, -EOVERFLOW,
			       "stacks of allocations: %" PRIu64
			       " frames are more than can be read (%d)",
			       frames, HEAP_CALLS_MAX);
	while (slots < frames * 2)
		slots *= 2;
	r = heap_stacks_check(read->stacks,
			      heap_ids_cost(frames) + slots * sizeof(*read->slots) +
				      read->reader.wide.n * sizeof(*read->wides) +
				      gecko_reader_cost(&read->reader),
			      read->err);
	if (r < 0)
		return r;
	read->slots = calloc(slots, sizeof(*read->slots));
	read->slots_n = slots;
	read->wides = calloc((size_t)read->reader.wide.n + 1, sizeof(*read->wides));
	if (read->slots == NULL || read->wides == NULL)
		return no_memory(read);
	r = heap_ids_init(&read->frames, (uint32_t)frames, UINT64_MAX);
	r = r == 0 ? rand_bytes(&read->seed, sizeof(read->seed)) : r;
	return r < 0 ? err_set(read->err, r, "%s", strerror(-r)) : 0;
}

/* Above all stacks, as V8 has it. */
static int add_root(struct read *read)
{
	struct heap_function function = { .line = 0 };
	struct heap_call call = { .parent = HEAP_NO_CALL, .id = 1 };
	int r;

	if (heap_names_put_text(&read->names, "", "", &read->empty) < 0 ||
	    heap_names_put_text(&read->names, "", "(root)", &function.name) < 0)
		return no_memory(read);
	function.source = read->empty;
	r = heap_stacks_add_function(read->stacks, &function, read->err);
	return r == 0 ? heap_stacks_add_call(read->stacks, &call, read->err) : r;
}

/* The nodes of the file are the last ones of the graph; its root is not among them. */
static int take_stacks(struct read *read, uint64_t rows)
{
	struct heap_stacks *stacks = read->stacks;
	uint64_t node = stacks->nodes - rows;
	uint32_t call = HEAP_NO_CALL;
	int r = gecko_rewind(&read->reader);

	for (; r == 0 && (r = gecko_next(&read->reader)) > 0; node++) {
		r = take_stack(read, &call);
		if (r == 0 && read->reader.message > 1 && read->reader.node.frames_n > 0)
			stacks->of[node] = call + 1;
	}
	return r;
}

static int read_all(struct read *read, const struct heap_graph *graph)
{
	uint64_t rows = 0, frames = 0;
	int r = gecko_count(&read->reader, &rows);

	if (r == 0 && rows > graph->nodes)
		return err_set(read->err, -EBADMSG, "%" PRIu64 " nodes are not those of the graph",
			       rows);
	r = r == 0 ? count_frames(read, &frames) : r;
	r = r == 0 ? prepare(read, frames) : r;
	r = r == 0 ? add_root(read) : r;
	r = r == 0 ? heap_stacks_make_column(read->stacks, graph->nodes, read->err) : r;
	r = r == 0 ? take_stacks(read, rows) : r;
	if (r == 0 && heap_names_give(&read->names, &read->stacks->made) < 0)
		return no_memory(read);
	read->stacks->strings = &read->stacks->made;
	return r;
}

int gecko_stacks_read(struct heap_stacks *stacks, const struct heap_graph *graph,
		      const struct v8_text *text, struct err *err)
{
	struct read read = { .stacks = stacks, .err = err };
	int r = heap_names_init(&read.names);

	stacks->live_only = true;
	gecko_reader_init(&read.reader, text, err);
	buf_init(&read.buf, SIZE_MAX / 2);
	r = r < 0 ? err_set(err, r, "%s", strerror(-r)) : read_all(&read, graph);
	buf_fini(&read.buf);
	free(read.slots);
	free(read.wides);
	heap_ids_fini(&read.frames);
	heap_names_fini(&read.names);
	gecko_reader_fini(&read.reader);
	return r;
}
