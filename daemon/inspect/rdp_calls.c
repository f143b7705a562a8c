/*
 * Answers without ids
 *
 * An actor's oldest call is the one its next answer is for. That a packet has a type makes it an
 * event, with the few exceptions that are listed; an event that we do not know is one too.
 */

#include "inspect/rdp_calls.h"

#include <errno.h>
#include <string.h>

#include "json/tree.h"
#include "util/str.h"

/* Answers that have a type; any other packet that has one, and no error, is an event. */
static const struct {
	const char *type, *answer;
} typed[] = {
	{ "attach", "attached" },
	{ "detach", "detached" },
};

void rdp_calls_init(struct rdp_calls *calls, struct rdp_call *call, unsigned max)
{
	*calls = (struct rdp_calls){ .call = call, .max = max };
}

int rdp_calls_add(struct rdp_calls *calls, const char *actor, const char *type, uint64_t about)
{
	struct rdp_call *call = &calls->call[calls->n];

	if (calls->n == calls->max)
		return -ENOBUFS;
	*call = (struct rdp_call){ .type = type, .about = about };
	if (!str_copy(call->actor, sizeof(call->actor), actor))
		return -ENAMETOOLONG;
	calls->n++;
	return 0;
}

static void remove_at(struct rdp_calls *calls, unsigned i)
{
	calls->n--;
	memmove(&calls->call[i], &calls->call[i + 1], (calls->n - i) * sizeof(calls->call[0]));
}

static bool may_answer(const struct rdp_call *call, const struct tree *packet)
{
	const char *type;

	if (tree_get(packet, "error") != NULL || !tree_string(packet, "type", &type))
		return true;
	for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++)
		if (strcmp(call->type, typed[i].type) == 0 && strcmp(type, typed[i].answer) == 0)
			return true;
	return false;
}

bool rdp_calls_take(struct rdp_calls *calls, const struct tree *packet, struct rdp_call *ret)
{
	const char *from;

	if (!tree_string(packet, "from", &from))
		return false;
	for (unsigned i = 0; i < calls->n; i++) {
		if (strcmp(calls->call[i].actor, from) != 0)
			continue;
		if (!may_answer(&calls->call[i], packet))
			return false;
		*ret = calls->call[i];
		remove_at(calls, i);
		return true;
	}
	return false;
}

unsigned rdp_calls_of(const struct rdp_calls *calls, uint64_t about)
{
	unsigned n = 0;

	for (unsigned i = 0; i < calls->n; i++)
		n += calls->call[i].about == about;
	return n;
}

void rdp_calls_drop(struct rdp_calls *calls, uint64_t about)
{
	for (unsigned i = calls->n; i-- > 0;)
		if (calls->call[i].about == about)
			remove_at(calls, i);
}

void rdp_calls_drop_actor(struct rdp_calls *calls, const char *actor)
{
	for (unsigned i = calls->n; i-- > 0;)
		if (strcmp(calls->call[i].actor, actor) == 0)
			remove_at(calls, i);
}

void rdp_calls_cancel(struct rdp_calls *calls, const char *prefix)
{
	for (unsigned i = calls->n; i-- > 0;)
		if (rdp_is_below(calls->call[i].actor, prefix))
			remove_at(calls, i);
}
