/*
 * A page that waits for a processor is runnable, and has used some of it after a while; hence both
 * are looked at. Who is idle may use a little all the same: a caret blinks.
 */

#include "watch/pages.h"

#include "util/clock.h"
#include "watch/procfs.h"

#define LOOK_NS (2 * NS_PER_S)

/* Of the time since the look before: less is no work. */
static const double idle_share = 0.02;

static bool is_there(int64_t pid, uint64_t start_ticks, struct process_stats *ret)
{
	return procfs_read_stat(pid, ret) == 0 && ret->state != 'Z' && ret->state != 'X' &&
	       (start_ticks == 0 || ret->start_ticks == start_ticks);
}

static bool is_runnable(const struct process_stats *stats)
{
	return stats->state == 'R' || stats->state == 'D';
}

void pages_note(struct pages *pages, int64_t browser_pid, const char *const *programs)
{
	int64_t pids[PAGES_MAX];
	size_t n = procfs_descendants(browser_pid, programs, pids, PAGES_MAX);
	struct process_stats stats;

	*pages = (struct pages){ .browser_pid = browser_pid, .looked_ns = clock_mono_ns() };
	for (size_t i = 0; i < n; i++) {
		if (!is_there(pids[i], 0, &stats))
			continue;
		pages->page[pages->n].pid = pids[i];
		pages->page[pages->n++].start_ticks = stats.start_ticks;
		pages->cpu_seconds += stats.cpu_seconds;
	}
	if (is_there(browser_pid, 0, &stats))
		pages->cpu_seconds += stats.cpu_seconds;
}

bool pages_ended(struct pages *pages)
{
	uint64_t now_ns = clock_mono_ns();
	double passed = (double)(now_ns - pages->looked_ns) / NS_PER_S, cpu_seconds = 0, used;
	struct process_stats stats;
	bool ended = false, runnable = false;

	if (pages->n == 0 || now_ns - pages->looked_ns < LOOK_NS)
		return false;
	for (size_t i = 0; i < pages->n; i++) {
		if (is_there(pages->page[i].pid, pages->page[i].start_ticks, &stats)) {
			runnable |= is_runnable(&stats);
			cpu_seconds += stats.cpu_seconds;
		} else {
			ended = true;
		}
	}
	if (is_there(pages->browser_pid, 0, &stats)) {
		runnable |= is_runnable(&stats);
		cpu_seconds += stats.cpu_seconds;
	}
	/* What has ended takes its time along: then it is the next look that tells. */
	used = cpu_seconds - pages->cpu_seconds;
	pages->cpu_seconds = cpu_seconds;
	pages->looked_ns = now_ns;
	return ended && !runnable && used >= 0 && used < idle_share * passed;
}
