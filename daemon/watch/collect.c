/*
 * A forced collection goes through its phases by what target.c tells: a poll has succeeded, a poll
 * has failed, the runtime has answered. Each end goes through finish().
 */

#include "watch/collect.h"

#include <errno.h>
#include <string.h>

#include "util/str.h"
#include "watch/target.h"

static void finish(struct target *target, struct collected *collected)
{
	struct collection own = target->collection;

	/* The hook may ask for the next one. */
	target->collection.phase = COLLECTION_NONE;
	collected->isolate = own.isolate;
	collected->before_bytes = own.before_bytes;
	collected->duration_ns = own.duration_ns;
	if (target->targets->on_collected != NULL)
		target->targets->on_collected(target->targets->owner, target, collected);
}

void collect_failed(struct target *target, int result, const char *reason)
{
	struct collected collected = { .result = result, .reason = reason };

	if (target->collection.phase != COLLECTION_NONE)
		finish(target, &collected);
}

static bool used_bytes(const struct target *target, uint64_t *ret)
{
	const struct isolate *isolate = target_find_isolate(target, target->collection.isolate);

	if (isolate == NULL || !sample_has(&isolate->last, SAMPLE_HEAP_USED))
		return false;
	*ret = isolate->last.value[SAMPLE_HEAP_USED];
	return true;
}

static void begin(struct target *target)
{
	struct collection *own = &target->collection;
	int r;

	if (!used_bytes(target, &own->before_bytes)) {
		collect_failed(target, -ENOENT, "the target tells of no heap of that name");
		return;
	}
	own->phase = COLLECTION_RUNNING;
	r = session_collect(&target->session, own->isolate);
	if (r == -ENOTSUP)
		collect_failed(target, r, "its runtime cannot be asked to");
	else if (r == -ENOENT)
		collect_failed(target, r, "the isolate is gone");
	else if (r < 0)
		collect_failed(target, r, strerror(-r));
}

bool collect_holds(const struct target *target)
{
	return target->collection.phase == COLLECTION_BEFORE;
}

void collect_polled(struct target *target)
{
	struct collected collected = { .result = 0 };

	if (target->collection.phase == COLLECTION_BEFORE) {
		begin(target);
	} else if (target->collection.phase == COLLECTION_AFTER) {
		if (used_bytes(target, &collected.after_bytes))
			finish(target, &collected);
		else
			collect_failed(target, -ENOENT, "the isolate is gone");
	}
}

void collect_answered(struct target *target, int result, uint64_t duration_ns, const char *reason)
{
	struct collection *own = &target->collection;

	if (own->phase != COLLECTION_RUNNING)
		return;
	own->duration_ns = duration_ns;
	if (result < 0) {
		collect_failed(target, result, reason);
		return;
	}
	own->phase = COLLECTION_AFTER;
	if (target_poll_now(target) < 0)
		collect_failed(target, -EBUSY, "it is being polled");
}

bool collect_is_live(const struct target *target, const char *isolate)
{
	return target->collection.phase == COLLECTION_AFTER &&
	       strcmp(target->collection.isolate, isolate) == 0;
}

int target_collect(struct target *target, const char *isolate)
{
	struct collection *own = &target->collection;

	if (own->phase != COLLECTION_NONE)
		return -EBUSY;
	*own = (struct collection){ .phase = COLLECTION_BEFORE };
	str_copy(own->isolate, sizeof(own->isolate), isolate);
	/* One that is under way does as well. */
	(void)target_poll_now(target);
	return 0;
}
