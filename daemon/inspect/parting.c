/*
 * Partings: each holds a connection and counts down the answers that are owed on it. Whoever had it
 * before has forgotten both.
 */

#include "inspect/parting.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "json/tree.h"
#include "loop/loop.h"
#include "net/ws.h"
#include "util/list.h"

struct partings {
	struct loop *loop;
	struct link all;
	atomic_uint places;
};

struct parting {
	struct partings *partings;
	struct link link; /* of partings->all, while it holds a connection */
	atomic_uint *places; /* it counts there; NULL: nowhere */
	struct ws *ws; /* owned */
	unsigned owed;
	parting_answers_fn *answers; /* NULL: it is held until the deadline */
	struct loop_timer deadline;
};

void parting_free(struct parting *parting)
{
	if (parting == NULL)
		return;
	loop_timer_fini(&parting->deadline);
	free(parting);
}

static void part(struct parting *parting)
{
	ws_close(parting->ws);
	if (parting->places != NULL)
		atomic_fetch_sub(parting->places, 1);
	link_remove(&parting->link);
	parting_free(parting);
}

static void on_deadline(void *owner)
{
	part(owner);
}

static void on_message(void *owner, const char *data, size_t size)
{
	struct parting *parting = owner;
	struct tree *message;

	if (data == NULL || parting->answers == NULL || tree_parse(data, size, &message, NULL) < 0)
		return;
	if (parting->answers(message))
		parting->owed--;
	tree_free(message);
	if (parting->owed == 0)
		part(parting);
}

static void on_closed(void *owner, int r, const char *reason)
{
	struct parting *parting = owner;

	(void)r;
	(void)reason;
	parting->ws = NULL;
	part(parting);
}

static const struct ws_events events = { .message = on_message, .closed = on_closed };

int parting_new(struct parting **ret, struct partings *partings)
{
	struct parting *parting = calloc(1, sizeof(*parting));
	int r;

	if (parting == NULL)
		return -ENOMEM;
	parting->partings = partings;
	r = loop_timer_init(&parting->deadline, partings->loop, on_deadline, parting);
	if (r < 0) {
		free(parting);
		return r;
	}
	*ret = parting;
	return 0;
}

static void add(struct parting *parting, struct ws *ws, uint64_t hold_ns)
{
	parting->ws = ws;
	if (parting->places != NULL)
		atomic_fetch_add(parting->places, 1);
	list_append(&parting->partings->all, &parting->link);
	ws_hand_over(ws, &events, parting);
	if (loop_timer_set(&parting->deadline, hold_ns) < 0)
		part(parting);
}

void parting_add(struct parting *parting, struct ws *ws, unsigned owed, parting_answers_fn *answers,
		 bool has_place)
{
	if (owed == 0) {
		ws_close(ws);
		parting_free(parting);
		return;
	}
	parting->owed = owed;
	parting->answers = answers;
	parting->places = has_place ? &parting->partings->places : NULL;
	add(parting, ws, has_place ? PARTING_PLACE_NS : PARTING_NS);
}

bool partings_have_place(const struct partings *partings)
{
	return atomic_load(&partings->places) > 0;
}

void parting_hold(struct parting *parting, struct ws *ws, uint64_t hold_ns)
{
	add(parting, ws, hold_ns);
}

int partings_new(struct partings **ret, struct loop *loop)
{
	struct partings *partings = calloc(1, sizeof(*partings));

	if (partings == NULL)
		return -ENOMEM;
	partings->loop = loop;
	link_init(&partings->all);
	*ret = partings;
	return 0;
}

static uint64_t last_deadline_ns(const struct partings *partings)
{
	uint64_t last_ns = 0;

	list_each (link, &partings->all) {
		uint64_t due_ns = container_of(link, struct parting, link)->deadline.due_ns;

		last_ns = due_ns > last_ns ? due_ns : last_ns;
	}
	return last_ns;
}

void partings_free(struct partings *partings)
{
	uint64_t until_ns;

	if (partings == NULL)
		return;
	until_ns = last_deadline_ns(partings) + PARTING_NS;
	while (!list_empty(&partings->all) && clock_mono_ns() < until_ns)
		if (loop_turn(partings->loop, PARTING_NS / NS_PER_MS) < 0)
			break;
	list_each_safe (link, &partings->all)
		part(container_of(link, struct parting, link));
	free(partings);
}
