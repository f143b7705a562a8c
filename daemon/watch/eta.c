/* When memory that grows will be at its limit. */

#include "watch/eta.h"

#include <math.h>

#include "watch/target.h"

/* Growth that is no chance, whether it is a leak or not: the limit asks for no reasons. */
static bool grows(const struct trend *trend)
{
	return trend->points > 0 && (trend->against & (TREND_FEW | TREND_FLAT | TREND_NOISE)) == 0;
}

static double growth_of(const struct leak *leak, enum series_signal signal)
{
	for (enum series_window w = WINDOW_FAST; w < WINDOWS; w++) {
		if (grows(&leak->trends[w][signal]))
			return leak->trends[w][signal].slope;
	}
	return 0;
}

enum series_window eta_window(const struct isolate *isolate)
{
	for (enum series_signal s = SIGNAL_LIVE; s < LEAK_SIGNALS; s++) {
		if (grows(&isolate->leak.trends[WINDOW_FAST][s]))
			return WINDOW_FAST;
	}
	return WINDOW_SLOW;
}

bool eta_of_heap(const struct isolate *isolate, double *ret)
{
	const struct sample *last = &isolate->last;
	uint64_t live;

	if (!sample_has(last, SAMPLE_HEAP_LIMIT) || last->value[SAMPLE_HEAP_LIMIT] == 0 ||
	    !series_live(&isolate->series, &live) || !leak_is_judged(&isolate->leak))
		return false;
	*ret = leak_eta((double)live, (double)last->value[SAMPLE_HEAP_LIMIT],
			growth_of(&isolate->leak, SIGNAL_LIVE));
	return true;
}

bool eta_of_cgroup(const struct target *target, const struct isolate *isolate, double *ret)
{
	const struct process_stats *process = &target->process;
	double slope = 0;

	if (isolate != target_main_isolate(target) || !process->present ||
	    !process->cgroup.has_usage || !process->cgroup.has_limit ||
	    !leak_is_judged(&isolate->leak))
		return false;
	for (enum series_signal s = SIGNAL_LIVE; s < LEAK_SIGNALS; s++)
		slope += growth_of(&isolate->leak, s);
	*ret = leak_eta((double)process->cgroup.usage_bytes, (double)process->cgroup.limit_bytes,
			slope);
	return true;
}

bool eta_has_limit(const struct target *target, const struct isolate *isolate)
{
	return sample_has(&isolate->last, SAMPLE_HEAP_LIMIT) ||
	       (target->process.present && target->process.cgroup.has_limit);
}

double eta_of(const struct target *target, const struct isolate *isolate)
{
	double heap = INFINITY, cgroup = INFINITY;

	(void)eta_of_heap(isolate, &heap);
	(void)eta_of_cgroup(target, isolate, &cgroup);
	return heap < cgroup ? heap : cgroup;
}
