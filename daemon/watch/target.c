/*
 * The life of one target: when to connect, when to poll, what a result means for its state.
 *
 * One timer drives it. While the session is up it fires at the target's own phase of the poll
 * interval (loop/sched.h spreads the phases); after a failure it is the back-off. An attempt begins
 * with attempt_begin() and ends exactly once, by attempt_succeeded() or attempt_failed(); the
 * counters and the root's hook hang on these three.
 */

#include "watch/target.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "inspect/dialect.h"
#include "inspect/runtime.h"
#include "net/access.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/openings.h"
#include "watch/program.h"
#include "watch/target_process.h"

/* A program that restarts is back within a second, so the first tries come quickly. */
#define BACKOFF_MIN_NS (500 * NS_PER_MS)

/* A program is not called paused before it has stood still for so long. */
#define PAUSED_MIN_NS NS_PER_S

static const char *const state_names[] = {
	[TARGET_CONNECTING] = "connecting", [TARGET_UP] = "up",
	[TARGET_CAPTURING] = "capturing",   [TARGET_BLOCKED] = "blocked",
	[TARGET_PAUSED] = "paused",         [TARGET_STOPPED] = "stopped",
	[TARGET_EXITING] = "exiting",       [TARGET_DOWN] = "down",
	[TARGET_INVALID] = "invalid",
};
_Static_assert(sizeof(state_names) / sizeof(*state_names) == TARGET_STATES, "a name per state");

static const char pages_ended_text[] =
	"the process of its pages has ended: none answers before it is loaded again";

static const char *const failure_names[] = {
	[TARGET_FAILURE_REFUSED] = "refused", [TARGET_FAILURE_TIMEOUT] = "timeout",
	[TARGET_FAILURE_BLOCKED] = "blocked", [TARGET_FAILURE_PROTOCOL] = "protocol",
	[TARGET_FAILURE_LOST] = "lost",
};
_Static_assert(sizeof(failure_names) / sizeof(*failure_names) == TARGET_FAILURES,
	       "a name per failure");

const char *target_state_name(enum target_state state)
{
	return state_names[state];
}

const char *target_failure_name(enum target_failure failure)
{
	return failure_names[failure];
}

/* ---- state ---- */

static bool state_is_good(enum target_state state)
{
	return state == TARGET_UP || state == TARGET_CAPTURING || state == TARGET_PAUSED;
}

static void log_transition(const struct target *target, enum target_state from)
{
	struct log_field fields[] = {
		{ "target", target->spec.name },
		{ "state", state_names[target->state] },
		{ "reason", target->reason[0] != '\0' ? target->reason : NULL },
		{ "runtime", target->identified ? target->identity.runtime : NULL },
		{ "runtime_version", target->identified ? target->identity.runtime_version : NULL },
	};
	bool was = state_is_good(from), is = state_is_good(target->state);

	if (is && !was)
		log_event(LEVEL_INFO, "watch", LOG_ID_TARGET_UP, fields, 5, "target is up");
	else if (!is && from != target->state && target->state != TARGET_CONNECTING)
		log_event(LEVEL_WARN, "watch", LOG_ID_TARGET_DOWN, fields, 5, "target is %s",
			  state_names[target->state]);
	else
		log_event(LEVEL_DEBUG, "watch", NULL, fields, 5, "target state");
}

bool target_stands_still(const struct target *target)
{
	return target->state == TARGET_BLOCKED || target->state == TARGET_STOPPED ||
	       target->state == TARGET_PAUSED;
}

/* Being blocked, stopped or captured is not being gone. */
static void count_reached(struct target *target)
{
	bool gone = target->state == TARGET_DOWN || target->state == TARGET_INVALID;

	if (!target->reached && target->state == TARGET_UP) {
		target->reached = true;
		target->ups++;
	} else if (target->reached && gone) {
		target->reached = false;
		target->downs++;
	}
}

static void target_enter(struct target *target, enum target_state state, const char *reason)
{
	enum target_state from = target->state;

	str_copy(target->reason, sizeof(target->reason), reason);
	if (from == state)
		return;
	target->state = state;
	target->state_since_ns = target->targets->context.loop->now_ns;
	target->state_since_wall_ms = clock_wall_ms();
	count_reached(target);
	log_transition(target, from);
}

/* ---- attempts ---- */

/* What comes between two connections is told by nobody. */
static bool wants_gc_events(const struct target *target)
{
	const struct poll_settings *poll = &target->spec.poll;

	return poll->gc_events == GC_EVENTS_ALWAYS && !target_leaves_after_poll(target) &&
	       poll->interval_ns <= GC_EVENTS_INTERVAL_MAX_NS;
}

static struct session_limits limits_of(const struct target *target)
{
	uint64_t timeout_ns = target->spec.poll.timeout_ns;

	if (timeout_ns < target->patience_ns)
		timeout_ns = target->patience_ns;
	return (struct session_limits){
		.connect_ns = timeout_ns,
		.poll_ns = timeout_ns,
		.evaluate = target->spec.poll.evaluate == EVALUATE_ALWAYS,
		.gc_events = wants_gc_events(target),
		.isolates_max = target->targets->isolates_max,
	};
}

static void set_patience(struct target *target, uint64_t patience_ns)
{
	if (target->patience_ns == patience_ns)
		return;
	target->patience_ns = patience_ns;
	target->session.limits = limits_of(target);
}

static void attempt_begin(struct target *target)
{
	target->polls++;
	target->polling = true;
	target->poll_started_ns = clock_mono_ns();
}

static void attempt_ended(struct target *target)
{
	target->polling = false;
	set_patience(target, 0);
	if (target->targets->on_polled != NULL)
		target->targets->on_polled(target->targets->owner, target);
}

static void attempt_succeeded(struct target *target)
{
	uint64_t now_ns = clock_mono_ns();

	target->up = true;
	target->last_poll_wall_ms = clock_wall_ms();
	target->last_poll_mono_ns = now_ns;
	target->last_poll_duration_ns = now_ns - target->poll_started_ns;
	attempt_ended(target);
}

static void attempt_failed(struct target *target, enum target_failure failure, const char *reason)
{
	if (!target->polling)
		return;
	target->failures[failure]++;
	target->up = false;
	str_copy(target->last_error, sizeof(target->last_error), reason);
	attempt_ended(target);
	collect_failed(target, -EIO, target->last_error);
}

static void schedule_poll(struct target *target)
{
	loop_timer_set(&target->timer,
		       sched_next(clock_mono_ns(), target->spec.poll.interval_ns, target->id));
}

static void schedule_retry(struct target *target)
{
	loop_timer_set(&target->timer, backoff_next(&target->backoff));
}

static void reopen_later(struct target *target)
{
	target->reopen = false;
	session_close(&target->session);
	collect_failed(target, -ECANCELED, "the way it is watched has changed");
	schedule_retry(target);
}

/* Nothing answers although it accepts: stopped by a signal, as far as we can see. */
static void enter_silent(struct target *target)
{
	if (target_process_read(target) &&
	    (target->process.state == 'T' || target->process.state == 't'))
		target_enter(target, TARGET_STOPPED, "stopped by a signal (SIGSTOP)");
	else if (target->identified)
		target_enter(target, TARGET_STOPPED,
			     "accepts connections but answers nothing: stopped or frozen");
	else
		target_enter(target, TARGET_DOWN,
			     "accepts connections but answers nothing: stopped, or no inspector");
}

/* ---- what is told of collections ---- */

static void on_gc_told(void *owner, const char *why_not)
{
	struct target *target = owner;
	const struct log_field fields[] = { { "target", target->spec.name },
					    { "reason", why_not } };

	if (why_not == NULL && target->gc_untold[0] != '\0')
		log_event(LEVEL_INFO, "watch", NULL, fields, 1, "collections are told again");
	if (why_not != NULL && strcmp(target->gc_untold, why_not) != 0)
		log_event(LEVEL_WARN, "watch", NULL, fields, 2, "collections are not told");
	str_copy(target->gc_untold, sizeof(target->gc_untold), why_not != NULL ? why_not : "");
}

static void on_isolate_gc_untold(void *owner, const char *name, const char *why)
{
	struct target *target = owner;
	struct isolate *isolate = target_find_isolate(target, name);
	const struct log_field fields[] = { { "target", target->spec.name },
					    { "isolate", name },
					    { "reason", why } };

	if (isolate == NULL || isolate->gc_untold != NULL)
		return;
	isolate->gc_untold = why;
	log_event(LEVEL_INFO, "watch", NULL, fields, 3, "collections are not told");
}

/*
 * The reason is one that no poll will change. False: they can be told, as far as it is known. The
 * runtime is the one that was identified: a session that connects anew may be guessing.
 */
static bool gc_is_unsupported(const struct target *target, char ret[SESSION_GC_REASON_MAX])
{
	const struct runtime *runtime = runtime_named(target->identity.runtime);
	const char *why = runtime != NULL ? runtime->cannot[ABILITY_GC_EVENTS] : NULL;
	char who[RUNTIME_TITLE_MAX];

	if (runtime == NULL)
		return false;
	runtime_title(who, runtime, target->identity.runtime_version);
	if (why != NULL)
		snprintf(ret, SESSION_GC_REASON_MAX, "gc_events: not supported by %s: %s", who,
			 why);
	else if ((target->spec.poll.policy == POLICY_PER_POLL && !runtime->yields) ||
		 target_leaves_after_poll(target))
		snprintf(ret, SESSION_GC_REASON_MAX,
			 "gc_events: not supported by %s with a connection for each poll: what "
			 "comes between two is told to nobody; with policy: attached they can be "
			 "had",
			 who);
	else if (target->spec.poll.interval_ns > GC_EVENTS_INTERVAL_MAX_NS)
		str_copy(ret, SESSION_GC_REASON_MAX, "gc_events: wants an interval of at most 1m");
	else
		return false;
	return true;
}

/* What the session has found out itself is left to it. */
static void judge_gc_events(struct target *target)
{
	char why_not[SESSION_GC_REASON_MAX];
	bool unsupported = target->spec.poll.gc_events == GC_EVENTS_ALWAYS &&
			   gc_is_unsupported(target, why_not);

	if (unsupported)
		on_gc_told(target, why_not);
	else if (target->gc_unsupported)
		target->gc_untold[0] = '\0';
	target->gc_unsupported = unsupported;
}

/* ---- events of the session ---- */

static void log_unfollowed(const struct target *target, const struct runtime *runtime)
{
	char reason[160];
	const struct log_field fields[] = { { "target", target->spec.name }, { "reason", reason } };

	snprintf(reason, sizeof(reason),
		 "not supported by %s: each connection would take the page from a person's Web "
		 "Inspector; it stays connected",
		 runtime->name);
	log_event(LEVEL_WARN, "watch", NULL, fields, 2, "policy: per_poll is not followed");
}

/* It is said once, not with each connection. */
static void judge_policy(struct target *target)
{
	const struct runtime *runtime = target->session.runtime;
	bool unfollowed =
		target->spec.poll.policy == POLICY_PER_POLL && runtime != NULL && runtime->yields;

	if (unfollowed && !target->policy_told)
		log_unfollowed(target, runtime);
	target->policy_told = unfollowed;
}

static void log_restart(const struct target *target, const struct identity *now)
{
	char before[24], after[24];
	struct log_field fields[] = {
		{ "target", target->spec.name },
		{ "pid_before", before },
		{ "pid", after },
	};

	snprintf(before, sizeof(before), "%lld", (long long)target->identity.pid);
	snprintf(after, sizeof(after), "%lld", (long long)now->pid);
	log_event(LEVEL_INFO, "watch", LOG_ID_TARGET_RESTARTED, fields, 3, "target restarted");
}

static void on_identified(void *owner, const struct identity *said)
{
	struct target *target = owner;
	struct identity identity = target_process_identify(target, said);
	const struct program program = program_of(&identity);

	target->ours = address_is_ours(&target->spec.address);
	if (target->identified && !target_process_same(&target->identity, &identity)) {
		target->restarts++;
		log_restart(target, &identity);
		target_drop_isolates(target);
	}
	if (!program_is_known(&program))
		target_drop_missing(target);
	target->identity = identity;
	target->identified = true;
	target->session.limits = limits_of(target); /* who is left after each poll is known now */
	judge_gc_events(target);
	judge_policy(target);
	target_see_pages(target);
	backoff_reset(&target->backoff);
	if (!target->polling)
		attempt_begin(target);
	schedule_poll(target);
	(void)session_poll(&target->session);
}

static void on_sample(void *owner, const char *name, const struct sample *sample)
{
	struct target *target = owner;

	if (target_take_sample(target, name, sample) < 0)
		return;
	if (target->capturing && sample->round_trip_ns > target->capture_pause_ns)
		target->capture_pause_ns = sample->round_trip_ns;
}

static void on_isolate_shows(void *owner, const char *name, const char *page)
{
	struct isolate *isolate = target_find_isolate(owner, name);

	if (isolate != NULL)
		str_copy(isolate->page, sizeof(isolate->page), page);
}

static void on_isolate_gone(void *owner, const char *name)
{
	struct target *target = owner;
	struct isolate *isolate = target_find_isolate(target, name);

	if (isolate != NULL)
		target_drop_isolate(target, isolate);
	else
		target_forget_missing(target, name);
}

static void on_isolate_lost(void *owner, const char *name)
{
	struct target *target = owner;
	struct isolate *isolate = target_find_isolate(target, name);

	if (isolate != NULL)
		target_miss_isolate(target, isolate);
}

bool target_leaves_after_poll(const struct target *target)
{
	const struct runtime *runtime = target->session.runtime;

	/* Nobody takes from us what we leave: no rest would ever begin. */
	if (runtime != NULL && runtime->yields)
		return false;
	if (target->spec.poll.policy != POLICY_AUTO)
		return target->spec.poll.policy == POLICY_PER_POLL;
	return runtime != NULL && runtime->per_poll;
}

/* It was kept for a collection that has come to nothing. */
static void leave_after_collection(struct target *target)
{
	if (target->collection.phase == COLLECTION_NONE && target_leaves_after_poll(target))
		session_close(&target->session);
}

static void collect_and_stay(struct target *target)
{
	collect_polled(target);
	leave_after_collection(target);
}

/*
 * Of a program that waits for a processor, as on a busy machine, a poll that comes right after
 * another finds that nothing has moved: it has not got to it yet. Who is paused still is later.
 */
static bool stands_still(struct target *target, enum session_activity activity)
{
	uint64_t now_ns = clock_mono_ns();

	if (activity != ACTIVITY_PAUSED || target->moved_ns == 0)
		target->moved_ns = now_ns;
	return target->state == TARGET_PAUSED ? activity == ACTIVITY_PAUSED
					      : now_ns - target->moved_ns >= PAUSED_MIN_NS;
}

/* A page that is closing is missed by one poll, and by no more. */
static void tell_missed(struct target *target, const char *missed)
{
	const struct log_field fields[] = { { "target", target->spec.name }, { "reason", missed } };

	if (missed[0] == '\0' && target->missed_told)
		log_event(LEVEL_INFO, "watch", NULL, fields, 1, "all of it is polled again");
	if (missed[0] != '\0' && !target->missed_told && strcmp(missed, target->reason) == 0)
		log_event(LEVEL_WARN, "watch", NULL, fields, 2, "not all of it can be polled");
	target->missed_told =
		missed[0] != '\0' && (target->missed_told || strcmp(missed, target->reason) == 0);
}

static void enter_up(struct target *target)
{
	char missed[SESSION_MISSED_MAX];

	session_missed(&target->session, missed);
	tell_missed(target, missed);
	target_enter(target, TARGET_UP, missed);
}

static void on_polled(void *owner, enum session_activity activity, uint64_t rss_bytes)
{
	struct target *target = owner;
	uint64_t stale_ns = 3 * target->spec.poll.interval_ns + target->spec.poll.timeout_ns;
	bool still = stands_still(target, activity);

	target_process_update(target);
	target->rss_bytes = rss_bytes;
	target_process_read(target);
	if (target->back_ns == 0)
		target->back_ns = clock_mono_ns();
	if (target->poll_started_ns > stale_ns)
		target_drop_workers(target, target->poll_started_ns - stale_ns);
	if (target_leaves_after_poll(target) && !collect_holds(target))
		session_close(&target->session);
	else if (target->reopen && !collect_holds(target))
		reopen_later(target);
	if (target->capturing)
		target_enter(target, TARGET_CAPTURING, "a capture is under way");
	else if (still)
		target_enter(target, TARGET_PAUSED,
			     "the event loop stands still and uses no CPU: paused at a breakpoint, "
			     "held by --inspect-brk, or waiting synchronously");
	else
		enter_up(target);
	attempt_succeeded(target);
	if (collect_holds(target))
		collect_and_stay(target);
	else
		collect_polled(target);
}

static void on_collected(void *owner, int result, uint64_t duration_ns, const char *reason)
{
	struct target *target = owner;

	collect_answered(target, result, duration_ns, reason);
	leave_after_collection(target);
}

static void on_gc(void *owner, const char *name, const struct gc_event *event)
{
	target_take_gc(owner, name, event);
}

static void on_late(void *owner, enum session_end why, const char *reason)
{
	struct target *target = owner;

	if (target->capturing)
		return;
	if (why == SESSION_END_BLOCKED)
		target_enter(target, TARGET_BLOCKED,
			     target_pages_ended(target) ? pages_ended_text : reason);
	else
		enter_silent(target);
	if (target->reopen || target_leaves_after_poll(target))
		reopen_later(target);
	attempt_failed(target,
		       why == SESSION_END_BLOCKED ? TARGET_FAILURE_BLOCKED : TARGET_FAILURE_TIMEOUT,
		       target->reason);
}

/* What an end means: the state it leads to and the failure it counts as. */
static enum target_failure enter_ended(struct target *target, enum session_end end,
				       const char *reason)
{
	switch (end) {
	case SESSION_END_SILENT:
		enter_silent(target);
		return TARGET_FAILURE_TIMEOUT;
	case SESSION_END_BLOCKED:
		target_enter(target, TARGET_BLOCKED, reason);
		return TARGET_FAILURE_BLOCKED;
	case SESSION_END_NOT_INSPECTOR:
	case SESSION_END_PROTOCOL:
		target_enter(target, TARGET_INVALID, reason);
		return TARGET_FAILURE_PROTOCOL;
	case SESSION_END_EXITING:
		target_enter(target, TARGET_EXITING, reason);
		return TARGET_FAILURE_LOST;
	case SESSION_END_REFUSED:
		target_enter(target, TARGET_DOWN, reason);
		return TARGET_FAILURE_REFUSED;
	case SESSION_END_UNREACHABLE:
		target_enter(target, TARGET_DOWN, reason);
		return TARGET_FAILURE_TIMEOUT;
	default:
		target_enter(target, TARGET_DOWN, reason);
		return TARGET_FAILURE_LOST;
	}
}

/* The process is gone, or out of reach: what it said last is no longer true. */
static void forget_values(struct target *target)
{
	struct isolate *main = target_find_isolate(target, "main");

	target_miss_workers(target);
	if (main != NULL) {
		main->last.present = 0;
		main->last.spaces_n = 0;
	}
	target->process = (struct process_stats){ 0 };
	target->has_cpu_rate = false;
	target->rss_bytes = 0;
	target->missed_told = false;
}

static void on_closed(void *owner, enum session_end end, const char *reason)
{
	struct target *target = owner;
	enum target_failure failure = enter_ended(target, end, reason);

	target->back_ns = 0;
	if (target->state == TARGET_DOWN || target->state == TARGET_INVALID ||
	    target->state == TARGET_EXITING)
		forget_values(target);
	schedule_retry(target);
	/* A connection lost between two polls is a failed poll too: up must say so at once. */
	if (!target->polling)
		attempt_begin(target);
	attempt_failed(target, failure, reason);
}

static const struct session_events session_events = {
	.identified = on_identified,
	.sample = on_sample,
	.isolate_shows = on_isolate_shows,
	.isolate_gone = on_isolate_gone,
	.isolate_lost = on_isolate_lost,
	.polled = on_polled,
	.collected = on_collected,
	.gc = on_gc,
	.gc_told = on_gc_told,
	.isolate_gc_untold = on_isolate_gc_untold,
	.late = on_late,
	.closed = on_closed,
};

/* ---- the timer ---- */

/* False while it is not open: the attempt goes on, or has failed. */
static bool is_open(struct target *target)
{
	struct err err = { 0 };
	int r;

	if (target->opened == NULL)
		return true;
	r = openings_need(target->targets->openings, target->opened, &target->spec.opening, &err);
	if (r == OPENING_WAIT) {
		loop_timer_set(&target->timer, OPENING_ASK_NS);
	} else if (r < 0) {
		target_enter(target, TARGET_DOWN, err.text);
		attempt_failed(target, TARGET_FAILURE_REFUSED, target->reason);
		schedule_retry(target);
	}
	return r == 0;
}

static void target_open(struct target *target)
{
	struct session_limits limits = limits_of(target);
	int r;

	if (!target->polling)
		attempt_begin(target);
	if (!is_open(target))
		return;
	r = session_open(&target->session, &target->spec.address,
			 runtime_of_word(target->spec.poll.runtime), &limits);
	if (r < 0) {
		target_enter(target, TARGET_DOWN, strerror(-r));
		attempt_failed(target, TARGET_FAILURE_LOST, strerror(-r));
		schedule_retry(target);
	}
}

/* It bears one client at a time: while a capture is connected, nobody polls. */
bool target_rests_for_captures(const struct target *target)
{
	return (target->session.runtime != NULL && target->session.runtime->alone) ||
	       target_leaves_after_poll(target);
}

static void on_timer(void *owner)
{
	struct target *target = owner;

	schedule_poll(target);
	if (target->capturing && target_rests_for_captures(target))
		return;
	switch (target->session.state) {
	case SESSION_CLOSED:
		target_open(target);
		break;
	case SESSION_IDLE:
		attempt_begin(target);
		(void)session_poll(&target->session);
		break;
	case SESSION_GREETING:
	case SESSION_POLLING:
		/* Still overdue: this poll cannot even begin. */
		if (target->session.late && !target->capturing && !target->polling) {
			attempt_begin(target);
			attempt_failed(target,
				       target->state == TARGET_BLOCKED ? TARGET_FAILURE_BLOCKED
								       : TARGET_FAILURE_TIMEOUT,
				       target->reason);
		}
		break;
	default:
		break;
	}
}

int target_poll_now(struct target *target)
{
	if (target->polling)
		return -EBUSY;
	on_timer(target);
	return 0;
}

int target_poll_patiently(struct target *target, uint64_t patience_ns)
{
	if (target->polling)
		return -EBUSY;
	set_patience(target, patience_ns);
	on_timer(target);
	if (!target->polling)
		set_patience(target, 0);
	return 0;
}

void target_set_capturing(struct target *target, bool capturing)
{
	uint64_t waited_ns = clock_mono_ns() - target->poll_started_ns;

	if (capturing) {
		target->capture_pause_ns = 0;
		if (target_rests_for_captures(target)) {
			target->polling = false;
			session_close(&target->session);
		}
		target_enter(target, TARGET_CAPTURING, "a capture is under way");
	} else {
		if (target->session.state == SESSION_POLLING &&
		    waited_ns > target->capture_pause_ns)
			target->capture_pause_ns = waited_ns;
		if (target->state == TARGET_CAPTURING)
			target_enter(target, TARGET_UP, "");
	}
	target->capturing = capturing;
	session_set_patient(&target->session, capturing);
}

/* ---- birth, change, death ---- */

static int hold_opening(struct target *target)
{
	struct openings *openings = target->targets->openings;

	if (openings == NULL || !target->spec.opening.wanted)
		return 0;
	target->opened = openings_hold(openings, &target->spec.address);
	return target->opened != NULL ? 0 : -ENOMEM;
}

/* Let go after it is held anew: it is not closed in between. */
static int change_opening(struct target *target)
{
	struct opened *before = target->opened;
	int r;

	target->opened = NULL;
	r = hold_opening(target);
	openings_let_go(before);
	return r;
}

int target_new(struct target **ret, struct targets *targets, const struct target_spec *spec,
	       const char *source)
{
	struct target *target = calloc(1, sizeof(*target));
	int r;

	if (target == NULL)
		return -ENOMEM;
	target->id = ++targets->next_id;
	target->targets = targets;
	target->state = TARGET_CONNECTING;
	target->state_since_wall_ms = clock_wall_ms();
	target->state_since_ns = clock_mono_ns();
	target->backoff = (struct backoff){ BACKOFF_MIN_NS, spec->poll.backoff_max_ns, 0 };
	link_init(&target->link);
	link_init(&target->isolates);
	link_init(&target->missing);
	str_copy(target->source, sizeof(target->source), source);
	address_format(target->address, &spec->address);
	target->ours = address_is_ours(&spec->address);
	r = target_spec_copy(&target->spec, spec);
	if (r == 0)
		r = hold_opening(target);
	if (r == 0)
		r = session_init(&target->session, &targets->context, &session_events, target);
	if (r == 0)
		r = loop_timer_init(&target->timer, targets->context.loop, on_timer, target);
	if (r == 0)
		/* The first try comes within a second, at the target's own phase. */
		r = loop_timer_set(&target->timer,
				   sched_next(clock_mono_ns(), NS_PER_S, target->id));
	if (r < 0) {
		target_free(target);
		return r;
	}
	*ret = target;
	return 0;
}

void target_free(struct target *target)
{
	if (target == NULL)
		return;
	loop_timer_fini(&target->timer);
	session_fini(&target->session);
	openings_let_go(target->opened);
	target_drop_isolates(target);
	target_spec_fini(&target->spec);
	free(target);
}

int target_update(struct target *target, const struct target_spec *spec)
{
	struct target_spec copy;
	bool again = target->spec.poll.policy != spec->poll.policy ||
		     target->spec.poll.evaluate != spec->poll.evaluate ||
		     target->spec.poll.runtime != spec->poll.runtime ||
		     target->spec.poll.gc_events != spec->poll.gc_events ||
		     !opening_equal(&target->spec.opening, &spec->opening) ||
		     !access_equal(target->spec.address.access, spec->address.access);
	int r = target_spec_copy(&copy, spec);

	if (r < 0)
		return r;
	/* The registry keys on the name's memory: keep the old one, they are equal. */
	free(copy.name);
	copy.name = target->spec.name;
	target->spec.name = NULL;
	target_spec_fini(&target->spec);
	target->spec = copy;
	target->backoff.max_ns = spec->poll.backoff_max_ns;
	/* Time-outs count from the next poll on; `evaluate: never` ends evaluation in the very
	 * next. */
	target->session.limits = limits_of(target);
	judge_gc_events(target);
	if (again && target->polling)
		target->reopen = true;
	else if (again)
		reopen_later(target);
	else if (target->session.state != SESSION_CLOSED)
		schedule_poll(target);
	return change_opening(target);
}

bool target_same_host(const struct target *a, const struct target *b)
{
	return (a->ours && b->ours) || address_same_host(&a->spec.address, &b->spec.address);
}

const char *target_label(const struct target *target, const char *name)
{
	const struct identity *identity = &target->identity;

	if (strcmp(name, "target") == 0 || strcmp(name, "name") == 0)
		return target->spec.name;
	if (strcmp(name, "address") == 0)
		return target->address;
	if (target->identified && strcmp(name, "engine_version") == 0)
		return identity->engine_version;
	if (target->session.runtime != NULL && strcmp(name, "protocol") == 0)
		return target->session.runtime->dialect->name;
	if (target->identified && strcmp(name, "runtime") == 0)
		return identity->runtime;
	if (target->identified && strcmp(name, "runtime_version") == 0)
		return identity->runtime_version;
	if (target->identified && strcmp(name, "engine") == 0)
		return identity->engine;
	return labels_get(&target->spec.labels, name);
}
