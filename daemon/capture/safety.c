/*
 * What protects the target
 *
 * A snapshot stops the program and takes several times its heap in memory, so what is not known
 * counts as no: a guard that was asked for and cannot be judged refuses, and says how to go on
 * without it.
 *
 * How much memory a snapshot takes was measured by what the heap holds, in used heaps: on V8 2.3
 * with long strings, 8 with linked objects, up to 43 with short strings in one array, for V8 makes
 * a name of a kilobyte for each index that occurs; in Deno up to 108, and in Chromium, whose
 * references have half the size, up to 215 (ADR 0033). Of Bun it was at most 11.2 (short strings);
 * of WebKitGTK 8.7 in the page's process and 10 in that of its browser, which passes it on; on
 * SpiderMonkey 1.3 to 4.3 with objects and strings, 13 to 16 with arrays of references. Nobody
 * knows beforehand which it is, so the worst counts. Free is what both the host and the control
 * group can still give; page cache that can go is not in the way.
 */

#include "capture/guard.h"

#include <stdio.h>
#include <string.h>

#include "inspect/download.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"
#include "watch/target.h"

/* Shorter spans make a rate of clock ticks. */
static const double cpu_span_min_seconds = 1;

/* In heaps, by runtime or engine, of which the first that it is counts; others as the worst. */
static const struct {
	const char *of;
	double heaps;
} needs[] = { { "node", 45 }, { "deno", 110 }, { "v8", 220 },
	      { "bun", 12 },  { "jsc", 22 },   { "spidermonkey", 18 } };
static const double needs_unknown = 220;

/* All that is judged. */
struct subject {
	const struct target *target;
	const char *isolate;
	struct process_stats process;
	bool seen; /* the process */
	uint64_t heap_used; /* 0: unknown */
	bool has_cpu;
	double cpu;
};

static double engine_needs(const struct target *target)
{
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		if (strcmp(target->identity.engine, needs[i].of) == 0 ||
		    strcmp(target->identity.runtime, needs[i].of) == 0)
			return needs[i].heaps;
	}
	return needs_unknown;
}

/* As the last poll has read it: of the process that the isolate is in. */
static struct cpu_reading polled_cpu(const struct target *target, const char *isolate)
{
	const struct isolate *found = target_find_isolate(target, isolate);

	if (found != NULL && found->last.pid != 0)
		return found->cpu;
	return (struct cpu_reading){
		.start_ticks = target->process.start_ticks,
		.read_ns = target->process.present ? target->process_read_ns : 0,
		.seconds = target->process.cpu_seconds,
		.has_rate = target->has_cpu_rate,
		.rate = target->cpu_rate,
	};
}

/* Since the last poll when the process was read anew, long enough after it, else between the two
 * polls before. */
static void take_cpu(struct subject *subject, bool anew)
{
	const struct cpu_reading before = polled_cpu(subject->target, subject->isolate);
	double seconds = (double)(clock_mono_ns() - before.read_ns) / NS_PER_S;

	if (!subject->seen || before.read_ns == 0 ||
	    subject->process.start_ticks != before.start_ticks)
		return;
	subject->has_cpu = before.has_rate;
	subject->cpu = before.rate;
	if (!anew || seconds < cpu_span_min_seconds ||
	    subject->process.cpu_seconds < before.seconds)
		return;
	subject->has_cpu = true;
	subject->cpu = (subject->process.cpu_seconds - before.seconds) / seconds;
}

/* Of a content process only its memory is known, which its heap is a part of. */
static uint64_t heap_most(const struct target *target, const char *isolate)
{
	const struct isolate *found = target_find_isolate(target, isolate);
	uint64_t used = guard_heap_used_bytes(target, isolate);

	if (used == 0 && found != NULL && sample_has(&found->last, SAMPLE_UNIQUE))
		return found->last.value[SAMPLE_UNIQUE];
	return used;
}

static bool is_elsewhere(const struct target *target, const char *isolate)
{
	const struct isolate *found = target_find_isolate(target, isolate);

	return found != NULL && found->last.pid != 0;
}

static struct subject look(const struct target *target, const char *isolate, bool fresh)
{
	struct subject subject = {
		.target = target,
		.isolate = isolate,
		.heap_used = heap_most(target, isolate),
		.process = target->process,
		.seen = target->process.present,
	};

	fresh = fresh || is_elsewhere(target, isolate);
	if (fresh)
		subject.seen = target_see_isolate_process(target, isolate, &subject.process);
	take_cpu(&subject, fresh);
	return subject;
}

static enum capture_refusal judge_quiet(const struct safety_guards *guards, struct err *err)
{
	unsigned minute = day_minute(clock_wall_ms());
	const struct day_span *span = day_times_find(&guards->quiet, minute);
	char text[DAY_SPAN_TEXT_MAX];

	if (span == NULL)
		return REFUSAL_NONE;
	return (enum capture_refusal)err_set(err, REFUSAL_QUIET_HOURS,
					     "quiet_hours: it is %02u:%02u, quiet is %s",
					     minute / 60, minute % 60, day_span_format(text, span));
}

/*
 * What the program says by the clock that nobody sets, but no more than the age of its process,
 * which exec() leaves older; else the kernel's word, else the wall clock. False: not known.
 */
static bool uptime_of(const struct subject *subject, uint64_t *ret_ns)
{
	const struct identity *identity = &subject->target->identity;
	int64_t now_ms = clock_wall_ms(), from_ms = identity->start_wall_ms;
	uint64_t process_ns = subject->seen ? procfs_age_ns(&subject->process) : UINT64_MAX;

	if (subject->seen && identity->start_mono_ms == 0) {
		*ret_ns = process_ns;
		return true;
	}
	if (identity->start_mono_ms != 0) {
		now_ms = (int64_t)(clock_mono_ns() / NS_PER_MS);
		from_ms = identity->start_mono_ms;
	}
	/* A start ahead of the clock is one of just now. */
	*ret_ns = now_ms > from_ms ? (uint64_t)(now_ms - from_ms) * NS_PER_MS : 0;
	if (*ret_ns > process_ns)
		*ret_ns = process_ns;
	return from_ms != 0;
}

static enum capture_refusal judge_uptime(const struct safety_guards *guards,
					 const struct subject *subject, struct err *err)
{
	char up[STR_UNIT_MAX], wanted[STR_UNIT_MAX];
	uint64_t up_ns;

	if (guards->min_uptime_ns == 0)
		return REFUSAL_NONE;
	str_format_duration(wanted, guards->min_uptime_ns);
	if (!uptime_of(subject, &up_ns))
		return (enum capture_refusal)err_set(
			err, REFUSAL_MIN_UPTIME,
			"min_uptime: when the target started is not known (%s wanted)", wanted);
	if (up_ns >= guards->min_uptime_ns)
		return REFUSAL_NONE;
	str_format_duration(up, up_ns - up_ns % NS_PER_S);
	return (enum capture_refusal)err_set(err, REFUSAL_MIN_UPTIME, "min_uptime: up for %s of %s",
					     up, wanted);
}

static enum capture_refusal judge_heap(const struct safety_guards *guards,
				       const struct subject *subject, struct err *err)
{
	char used[STR_UNIT_MAX], max[STR_UNIT_MAX];

	if (guards->max_heap_bytes == 0)
		return REFUSAL_NONE;
	str_format_bytes(max, guards->max_heap_bytes);
	if (subject->heap_used == 0)
		return (enum capture_refusal)err_set(
			err, REFUSAL_MAX_HEAP,
			"max_heap: what the heap uses is not known (at most %s)", max);
	if (subject->heap_used <= guards->max_heap_bytes)
		return REFUSAL_NONE;
	str_format_bytes(used, subject->heap_used);
	return (enum capture_refusal)err_set(err, REFUSAL_MAX_HEAP,
					     "max_heap: the heap uses %s, at most %s", used, max);
}

static enum capture_refusal judge_cpu(const struct safety_guards *guards,
				      const struct subject *subject, struct err *err)
{
	if (!(guards->max_cpu > 0))
		return REFUSAL_NONE;
	if (!subject->seen)
		return (enum capture_refusal)err_set(
			err, REFUSAL_MAX_CPU, "max_cpu: the process cannot be seen (at most %.4g)",
			guards->max_cpu);
	if (!subject->has_cpu)
		return (enum capture_refusal)err_set(err, REFUSAL_MAX_CPU,
						     "max_cpu: not known before the second poll");
	if (subject->cpu <= guards->max_cpu)
		return REFUSAL_NONE;
	return (enum capture_refusal)err_set(err, REFUSAL_MAX_CPU,
					     "max_cpu: %.2f cores in use, at most %.4g",
					     subject->cpu, guards->max_cpu);
}

/* ---- headroom ---- */

/* "limit 2 GiB, 900 MiB used" */
static void describe_group(char *dst, size_t size, const struct cgroup_memory *group)
{
	char limit[STR_UNIT_MAX], used[STR_UNIT_MAX], cache[STR_UNIT_MAX];

	if (!group->has_limit) {
		snprintf(dst, size, "no limit");
		return;
	}
	str_format_bytes(limit, group->limit_bytes);
	str_format_bytes(used, group->usage_bytes);
	str_format_bytes(cache, group->reclaimable_bytes);
	if (group->reclaimable_bytes > 0)
		snprintf(dst, size, "limit %s, %s used, %s of it cache", limit, used, cache);
	else
		snprintf(dst, size, "limit %s, %s used", limit, used);
}

static enum capture_refusal refuse_headroom(const struct subject *subject, double heaps,
					    double need, uint64_t host, struct err *err)
{
	char heap[STR_UNIT_MAX], all[STR_UNIT_MAX], left[STR_UNIT_MAX], of_host[STR_UNIT_MAX];
	uint64_t of_group = cgroup_left_bytes(&subject->process.fullest_cgroup);
	char group[128];

	describe_group(group, sizeof(group), &subject->process.fullest_cgroup);
	str_format_bytes(heap, subject->heap_used);
	str_format_bytes(all, need < 1e18 ? (uint64_t)need : (uint64_t)1e18);
	str_format_bytes(left, of_group < host ? of_group : host);
	str_format_bytes(of_host, host);
	return (enum capture_refusal)err_set(
		err, REFUSAL_HEADROOM,
		"headroom: a snapshot may take %.4g x %s = %s, %s are free (control group: %s; "
		"host: %s available)",
		heaps, heap, all, left, group, of_host);
}

static enum capture_refusal judge_headroom(const struct safety_guards *guards,
					   const struct subject *subject, struct err *err)
{
	double heaps = guards->has_headroom ? guards->headroom : engine_needs(subject->target);
	double need = heaps * (double)subject->heap_used;
	uint64_t of_group = cgroup_left_bytes(&subject->process.fullest_cgroup), host = 0;

	if (!(heaps > 0))
		return REFUSAL_NONE;
	if (!subject->seen)
		return (enum capture_refusal)err_set(
			err, REFUSAL_HEADROOM,
			"headroom: the process cannot be seen, so nobody knows what is free for "
			"it; let heapwatchd see it, or set headroom: 0");
	if (subject->heap_used == 0)
		return (enum capture_refusal)err_set(
			err, REFUSAL_HEADROOM,
			"headroom: what the heap uses is not known; headroom: 0 captures anyway");
	if (procfs_available_bytes(&host) < 0)
		return (enum capture_refusal)err_set(
			err, REFUSAL_HEADROOM,
			"headroom: what the host has free is not known; headroom: 0 captures "
			"anyway");
	if (need <= (double)(of_group < host ? of_group : host))
		return REFUSAL_NONE;
	return refuse_headroom(subject, heaps, need, host, err);
}

/* ---- several at once ---- */

static struct safety_guards guards_of(const struct captures *captures,
				      const struct capture *capture)
{
	return safety_choose(&captures->settings->guards,
			     capture->has_guards ? &capture->guards.safety : NULL);
}

/* What a running one may take, less what it has taken. */
static double yet_to_take(const struct captures *captures, const struct capture *capture,
			  const struct target *target)
{
	const struct safety_guards guards = guards_of(captures, capture);
	const struct manifest *manifest = &capture->manifest;
	double heaps = guards.has_headroom ? guards.headroom : engine_needs(target);
	double left = heaps * (double)manifest->heap_used_bytes;

	if (manifest->resident_peak_bytes > manifest->resident_before_bytes)
		left -= (double)(manifest->resident_peak_bytes - manifest->resident_before_bytes);
	return left > 0 ? left : 0;
}

/* One group has one limit and, where one host runs them, one address. */
static bool may_share_group(const struct target *a, const struct target *b)
{
	return a->process.fullest_cgroup.has_limit && b->process.fullest_cgroup.has_limit &&
	       a->process.fullest_cgroup.limit_bytes == b->process.fullest_cgroup.limit_bytes &&
	       target_same_host(a, b);
}

bool safety_fits_beside(const struct captures *captures, const struct target *target,
			const struct capture *capture)
{
	const struct safety_guards guards = guards_of(captures, capture);
	double heaps = guards.has_headroom ? guards.headroom : engine_needs(target);
	double need, of_host = 0, of_group = 0;
	struct subject subject;
	uint64_t host = 0;

	list_each (link, &captures->running) {
		const struct capture *other = container_of(link, struct capture, link);
		const struct target *its = targets_find(captures->targets, other->target_id);

		if (!capture_kind_is_heap(other->kind) || !other->of_target || its == NULL ||
		    !its->process.present)
			continue;
		of_host += yet_to_take(captures, other, its);
		if (may_share_group(target, its))
			of_group += yet_to_take(captures, other, its);
	}
	if (capture->force || !(heaps > 0) || !(of_host > 0))
		return true;
	subject = look(target, capture->manifest.isolate, true);
	need = heaps * (double)subject.heap_used;
	if (!subject.seen || procfs_available_bytes(&host) < 0)
		return true;
	return need + of_host <= (double)host &&
	       (!(of_group > 0) ||
		need + of_group <= (double)cgroup_left_bytes(&subject.process.fullest_cgroup));
}

/* It stops the program for as long as its heap is large. */
static bool stops_for_heap(const struct target *target, int kind)
{
	return capture_kind_is_heap(kind) || kind == CAPTURE_KIND_GC ||
	       (kind == CAPTURE_KIND_SAMPLING && download_samples_collect(target->session.runtime));
}

enum capture_refusal safety_judge(const struct captures *captures, const struct target *target,
				  const char *isolate, int kind, const struct rule_guards *guards,
				  bool fresh, struct err *err)
{
	const struct safety_guards all =
		safety_choose(&captures->settings->guards, guards != NULL ? &guards->safety : NULL);
	struct subject subject = look(target, isolate, fresh);
	enum capture_refusal refusal = judge_quiet(&all, err);
	bool snapshot = capture_kind_is_heap(kind); /* it alone takes memory to speak of */

	if (refusal == REFUSAL_NONE)
		refusal = judge_uptime(&all, &subject, err);
	if (refusal == REFUSAL_NONE && stops_for_heap(target, kind))
		refusal = judge_heap(&all, &subject, err);
	if (refusal == REFUSAL_NONE)
		refusal = judge_cpu(&all, &subject, err);
	if (refusal == REFUSAL_NONE && snapshot)
		refusal = judge_headroom(&all, &subject, err);
	return refusal;
}
