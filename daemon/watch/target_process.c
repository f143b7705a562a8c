/*
 * The process of a target
 *
 * A pid alone tells no process: it is one of the runtime's own namespace, and is used again. What
 * makes sure is its start, by the clocks that the runtime has read, or that it holds the socket
 * which we speak to. A program that was started by exec() long after its process began, as by a
 * shell script that prepares things, tells a later start than the kernel; a busy machine may part
 * the two as well.
 */

#include "watch/target_process.h"

#include "inspect/runtime.h"
#include "util/clock.h"
#include "watch/pages.h"
#include "watch/program.h"
#include "watch/target.h"

/* Who listens at a target's address is looked for at most so often in vain. */
#define LISTENER_LOOK_NS (60 * NS_PER_S)

static struct process_start start_of(const struct identity *identity)
{
	return (struct process_start){ .ticks = identity->start_ticks,
				       .wall_ms = identity->start_wall_ms,
				       .mono_ms = identity->start_mono_ms };
}

struct process_start target_start(const struct target *target)
{
	return start_of(&target->identity);
}

/* ---- seeing it ---- */

static bool see(const struct target *target, const struct identity *identity,
		struct process_stats *ret)
{
	const struct process_start start = start_of(identity);

	*ret = (struct process_stats){ 0 };
	return identity->pid > 0 && address_is_local(&target->spec.address) &&
	       procfs_read(identity->pid, &start, ret) == 0;
}

bool target_see_process(const struct target *target, struct process_stats *ret)
{
	*ret = (struct process_stats){ 0 };
	return target->identified && see(target, &target->identity, ret);
}

bool target_see_isolate_process(const struct target *target, const char *isolate,
				struct process_stats *ret)
{
	const struct isolate *found = target_find_isolate(target, isolate);
	uint64_t target_start;

	if (!target_see_process(target, ret) || found == NULL || found->last.pid == 0)
		return ret->present;
	target_start = ret->start_ticks;
	return procfs_read(found->last.pid, NULL, ret) == 0 && ret->start_ticks >= target_start;
}

/*
 * Its clocks do not agree with the kernel, but the process of the pid that it tells holds the
 * socket which we speak to. A pid that was looked at in vain is left for a while.
 */
static bool see_listener(struct target *target, struct process_stats *ret)
{
	const struct identity *identity = &target->identity;

	if (!target->identified || identity->pid <= 0 || identity->start_ticks != 0 ||
	    !address_is_local(&target->spec.address) ||
	    (identity->pid == target->listener_asked_pid &&
	     clock_mono_ns() - target->listener_looked_ns < LISTENER_LOOK_NS))
		return false;
	target->listener_asked_pid = identity->pid;
	target->listener_looked_ns = clock_mono_ns();
	return procfs_listens(identity->pid, &target->spec.address) &&
	       procfs_read(identity->pid, NULL, ret) == 0;
}

static void note_pages(const struct target *target, struct pages *pages)
{
	const struct runtime *runtime = target->session.runtime;

	*pages = (struct pages){ 0 };
	if (runtime != NULL && runtime->page_programs != NULL && target->identity.pid > 0 &&
	    address_is_local(&target->spec.address))
		pages_note(pages, target->identity.pid, runtime->page_programs);
}

void target_see_pages(struct target *target)
{
	struct pages pages;

	note_pages(target, &pages);
	if (pages.n > 0)
		target->pages_seen_pid = target->identity.pid;
}

bool target_pages_ended(const struct target *target)
{
	struct pages pages;

	if (target->pages_seen_pid == 0 || target->pages_seen_pid != target->identity.pid)
		return false;
	note_pages(target, &pages);
	return pages.n == 0;
}

/* ---- which one it is ---- */

/* A process that was found before is looked for again only when it is gone. */
static void find_listener(struct target *target)
{
	const char *program = target->session.runtime->program;
	struct process_stats stats;

	if (target->listener_pid != 0 &&
	    procfs_read(target->listener_pid, &target->listener_start, &stats) == 0)
		return;
	target->listener_pid = 0;
	if (target->listener_looked_ns != 0 &&
	    clock_mono_ns() - target->listener_looked_ns < LISTENER_LOOK_NS)
		return;
	target->listener_looked_ns = clock_mono_ns();
	if (procfs_listener(&target->spec.address, program, &target->listener_pid,
			    &target->listener_start) < 0)
		target->listener_pid = 0;
	else
		target->listener_looked_ns = 0;
}

/* What the session says of the target, and, where that is silent, the kernel. */
static struct identity identity_of(struct target *target, const struct identity *said)
{
	struct identity identity = *said;

	if (identity.pid != 0 || target->session.runtime->program == NULL ||
	    !address_is_local(&target->spec.address))
		return identity;
	find_listener(target);
	if (target->listener_pid != 0) {
		identity.pid = target->listener_pid;
		identity.start_wall_ms = target->listener_start.wall_ms;
		identity.start_ticks = target->listener_start.ticks;
	}
	return identity;
}

bool target_process_same(const struct identity *a, const struct identity *b)
{
	const struct program first = program_of(a), second = program_of(b);

	return program_same(&first, &second);
}

/*
 * Which process it is is settled as soon as it has told its start, when no clock has been set yet.
 * When one has, and the runtime tells the wall clock only, the one that was seen before stays.
 */
static void settle(const struct target *target, struct identity *identity)
{
	struct process_stats stats;

	if (see(target, identity, &stats))
		identity->start_ticks = stats.start_ticks;
	else if (target->identified && target_process_same(&target->identity, identity))
		identity->start_ticks = target->identity.start_ticks;
}

struct identity target_process_identify(struct target *target, const struct identity *said)
{
	struct identity identity = identity_of(target, said);

	settle(target, &identity);
	return identity;
}

/* What the kernel told of the start stays: the runtime knows only the clocks. */
void target_process_update(struct target *target)
{
	const struct identity before = target->identity;

	target->identity = identity_of(target, &target->session.identity);
	if (target->identity.start_ticks == 0 && target->identity.pid == before.pid)
		target->identity.start_ticks = before.start_ticks;
}

/* ---- what it uses ---- */

/* Two readings of one process make a rate; the start tells it from one that came after it. */
static void update_cpu_rate(struct target *target, const struct process_stats *now, uint64_t now_ns)
{
	const struct process_stats *before = &target->process;
	double seconds = (double)(now_ns - target->process_read_ns) / NS_PER_S;

	target->has_cpu_rate = before->present && now->present && seconds > 0 &&
			       now->start_ticks == before->start_ticks &&
			       now->cpu_seconds >= before->cpu_seconds;
	if (target->has_cpu_rate)
		target->cpu_rate = (now->cpu_seconds - before->cpu_seconds) / seconds;
}

void target_isolate_read(const struct target *target, struct isolate *isolate)
{
	const struct cpu_reading before = isolate->cpu;
	struct cpu_reading now = { .read_ns = clock_mono_ns() };
	struct process_stats stats;
	double seconds = (double)(now.read_ns - before.read_ns) / NS_PER_S;

	isolate->cpu = (struct cpu_reading){ 0 };
	if (isolate->last.pid == 0 || !address_is_local(&target->spec.address) ||
	    procfs_read_stat(isolate->last.pid, &stats) < 0)
		return;
	now.start_ticks = stats.start_ticks;
	now.seconds = stats.cpu_seconds;
	now.has_rate = before.read_ns != 0 && seconds > 0 &&
		       now.start_ticks == before.start_ticks && now.seconds >= before.seconds;
	if (now.has_rate)
		now.rate = (now.seconds - before.seconds) / seconds;
	isolate->cpu = now;
}

bool target_process_read(struct target *target)
{
	struct process_stats now;
	uint64_t now_ns = clock_mono_ns();
	bool seen = target_see_process(target, &now) || see_listener(target, &now);

	update_cpu_rate(target, &now, now_ns);
	if (seen)
		target->identity.start_ticks = now.start_ticks;
	target->process = now;
	target->process_read_ns = now_ns;
	return seen;
}
