/*
 * A forced collection goes through its phases by what target.c tells: a poll has succeeded, a poll
 * has failed, the runtime has answered. Each end goes through finish().
 */

#include "watch/collect.h"

#include <errno.h>
#include <string.h>

#include "util/clock.h"
#include "util/str.h"
#include "watch/target.h"

/* An isolate that is late in a poll is asked again so soon, and for so long. */
#define AGAIN_NS (500 * NS_PER_MS)
#define WAIT_NS  (5 * NS_PER_S)

static void enter(struct target *target, enum collection_phase phase)
{
	target->collection.phase = phase;
	target->collection.since_ns = clock_mono_ns();
	session_set_collects(&target->session, phase == COLLECTION_BEFORE);
}

static void finish(struct target *target, struct collected *collected)
{
	struct collection own = target->collection;

	/* The hook may ask for the next one. */
	enter(target, COLLECTION_NONE);
	collected->isolate = own.isolate;
	collected->has_before = own.has_before;
	collected->before_bytes = own.before_bytes;
	collected->duration_ns = own.duration_ns;
	if (target->targets->on_collected != NULL)
		target->targets->on_collected(target->targets->owner, target, collected);
}

/* What it has collected is collected, whatever becomes of the poll after that. */
void collect_failed(struct target *target, int result, const char *reason)
{
	struct collected collected = { .result = result, .reason = reason };

	if (target->collection.phase == COLLECTION_AFTER)
		collected = (struct collected){ .result = 0 };
	if (target->collection.phase != COLLECTION_NONE)
		finish(target, &collected);
}

/*
 * What the isolate has told since the phase began. An isolate answers in the order in which it is
 * asked, so no answer to what was asked before a collection comes after that to the collection.
 */
static bool used_bytes(const struct target *target, const struct isolate *isolate, uint64_t *ret)
{
	if (isolate->last.mono_ns < target->collection.since_ns ||
	    !sample_has(&isolate->last, SAMPLE_HEAP_USED))
		return false;
	*ret = isolate->last.value[SAMPLE_HEAP_USED];
	return true;
}

/* False: it has been waited for for long enough. */
static bool poll_again(struct target *target)
{
	if (clock_mono_ns() - target->collection.since_ns >= WAIT_NS)
		return false;
	return loop_timer_set(&target->timer, AGAIN_NS) == 0;
}

static void begin(struct target *target)
{
	struct collection *own = &target->collection;
	int r;

	enter(target, COLLECTION_RUNNING);
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

static void look_before(struct target *target, const struct isolate *isolate)
{
	struct collection *own = &target->collection;

	if (isolate == NULL) {
		collect_failed(target, -ENOENT, "the target tells of no heap of that name");
		return;
	}
	own->has_before = used_bytes(target, isolate, &own->before_bytes);
	if ((own->has_before && !session_tells_soon(&target->session)) || !poll_again(target))
		begin(target);
}

static void look_after(struct target *target, const struct isolate *isolate)
{
	struct collected collected = { .result = 0 };

	if (isolate == NULL) {
		collected.result = -ENOENT;
		collected.reason = "the isolate is gone";
		finish(target, &collected);
		return;
	}
	collected.has_after = used_bytes(target, isolate, &collected.after_bytes);
	if (collected.has_after || !poll_again(target))
		finish(target, &collected);
}

void collect_polled(struct target *target)
{
	const struct isolate *isolate = target_find_isolate(target, target->collection.isolate);

	if (target->collection.phase == COLLECTION_BEFORE)
		look_before(target, isolate);
	else if (target->collection.phase == COLLECTION_AFTER)
		look_after(target, isolate);
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
	enter(target, COLLECTION_AFTER);
	/* One that is under way does as well. */
	(void)target_poll_now(target);
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
	*own = (struct collection){ .phase = COLLECTION_NONE };
	str_copy(own->isolate, sizeof(own->isolate), isolate);
	enter(target, COLLECTION_BEFORE);
	/* One that is under way does as well. */
	(void)target_poll_now(target);
	return 0;
}
