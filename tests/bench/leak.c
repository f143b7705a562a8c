/*
 * Leaks found and false alarms: heaps made by a model, judged by the rule of the daemon
 * (watch/leak.h, fed sample by sample through watch/series.h) and, beside it, by those of others.
 *
 *   bench_leak [--told] [--runs N] [--check]
 *
 * A heap is a level that the scenario gives, noise with a memory (AR(1), standard deviation 3.5 MB)
 * and in one sample of twenty garbage that was not collected yet. Each cell is a share of runs with
 * other noise; the noise is drawn from fixed seeds, so that a figure can be had again. --check ends
 * with 1 when a cell is worse than its bound, which is what the rule was designed for.
 *
 * With --told it is of programs that tell their collections, frequent ones and rare ones: for how
 * long one is taken to say what the heap holds. Its bounds are what was measured.
 */

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "watch/leak.h"

#define MB        1e6
#define HOUR_NS   (3600 * NS_PER_S)
#define SAMPLE_NS (120 * NS_PER_S)

enum { SAMPLES_PER_HOUR = 30, FAST_SAMPLES = 90, SAMPLES_MAX = 48 * SAMPLES_PER_HOUR };

static const double base_mb = 200, noise_mb = 3.5, noise_memory = 0.5, polluted = 0.05;
static const double garbage_mb = 20; /* on average, of a polluted sample */
static const double no_bound = -1;

/* ---- chance ---- */

static uint64_t state;

/* xorshift64*: what a run sees depends on its seed and on nothing else. */
static double uniform(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (double)((state * 0x2545f4914f6cdd1dull) >> 11) / 9007199254740992.0;
}

static double normal(void)
{
	return sqrt(-2 * log(1 - uniform())) * cos(2 * M_PI * uniform());
}

/* ---- scenarios ---- */

/* One run of one scenario. */
struct run {
	double hours; /* how long it is watched */
	double at; /* of the step, in hours; of the day, the phase */
	double noise;
};

typedef double level_fn(const struct run *run, double hours);

static double level_flat(const struct run *run, double hours)
{
	(void)run, (void)hours;
	return base_mb;
}

static double level_warm_up(const struct run *run, double hours)
{
	(void)run;
	return base_mb + 80 * (1 - exp(-hours * 3));
}

static double level_step(const struct run *run, double hours)
{
	return base_mb + (hours >= run->at ? 40 : 0);
}

/* The steepest three hours of a day end the watch. */
static double level_steep(const struct run *run, double hours)
{
	return base_mb + 30 * sin(2 * M_PI * (hours - run->hours + 1.5) / 24);
}

static double level_day(const struct run *run, double hours)
{
	return base_mb + 30 * sin(2 * M_PI * (hours / 24 + run->at / run->hours));
}

/* As high as the day before: three hours of rising end where it will not rise any more. */
static double level_height(const struct run *run, double hours)
{
	return base_mb + 30 * sin(2 * M_PI * (hours - run->hours + 5.7) / 24);
}

static double level_leak_5(const struct run *run, double hours)
{
	(void)run;
	return base_mb + 5 * hours;
}

static double level_leak_10(const struct run *run, double hours)
{
	(void)run;
	return base_mb + 10 * hours;
}

/* What leaks only in the last three hours, on a level that is known by then. */
static double level_late_leak_5(const struct run *run, double hours)
{
	return base_mb + 5 * fmax(0, hours - run->hours + 3);
}

static double level_late_leak_10(const struct run *run, double hours)
{
	return base_mb + 10 * fmax(0, hours - run->hours + 3);
}

static double level_leak_40(const struct run *run, double hours)
{
	(void)run;
	return base_mb + 40 * hours;
}

static double level_staircase(const struct run *run, double hours)
{
	return base_mb + 8 * floor(4 * hours + run->at);
}

/*
 * A program that is started anew each 75 minutes and warms up each time: nothing is judged so soon
 * after a start.
 */
static double level_restarts(const struct run *run, double hours)
{
	return level_warm_up(run, fmod(hours, 1.25));
}

/* After four hours there is something to judge; the run ends just before a restart. */
static const double long_life_hours = 4;

static double level_long_lives(const struct run *run, double hours)
{
	return level_warm_up(run, fmod(hours, long_life_hours));
}

static double level_leaking_lives(const struct run *run, double hours)
{
	return level_leak_40(run, fmod(hours, long_life_hours));
}

struct scenario {
	const char *name;
	level_fn *level;
	double hours; /* the window judged is the last 3 or 24 of them */
	enum series_window window;
	bool from_start; /* the program starts with the watch: it has a warm-up to be dropped */
	double restart_hours; /* 0: none */
	double missing; /* share of samples that never come */
	bool is_leak;
	double bound; /* the least share found, or the most of false alarms; no_bound: for sight */
	bool exact; /* the bound is of runs, not a share to a whole per cent */
};

static const struct scenario scenarios[] = {
	{ "flat", level_flat, 3, WINDOW_FAST, .bound = 0 },
	{ "warm-up, +80 MB in 20 min", level_warm_up, 3, WINDOW_FAST, true, .bound = 0.001,
	  .exact = true }, /* one run, ADR 17 */
	{ "one step of 40 MB", level_step, 3, WINDOW_FAST, .bound = 0.04 },
	{ "day, +-30 MB: first 3 h, steepest", level_steep, 3, WINDOW_FAST, .bound = 0.98 },
	{ "the same, a day later", level_steep, 27, WINDOW_FAST, .bound = 0.98 },
	{ "the same, at its height again", level_height, 29.7, WINDOW_FAST, .bound = 0 },
	{ "restarts each 75 min, warm-up", level_restarts, 3, WINDOW_FAST, true, 1.25, .bound = 0 },
	{ "restarts each 4 h, warm-up", level_long_lives, 7.9, WINDOW_FAST, true, 4, .bound = 0 },
	{ "flat, 3 of 10 samples missing", level_flat, 3, WINDOW_FAST, .missing = 0.3, .bound = 0 },
	{ "leak of 5 MB/h", level_leak_5, 3, WINDOW_FAST, .is_leak = true, .bound = 0.84 },
	{ "leak of 10 MB/h", level_leak_10, 3, WINDOW_FAST, .is_leak = true, .bound = 1 },
	{ "leak of 40 MB/h", level_leak_40, 3, WINDOW_FAST, .is_leak = true, .bound = 1 },
	{ "leak of 10 MB/h, 3 of 10 missing", level_leak_10, 3, WINDOW_FAST, .missing = 0.3,
	  .is_leak = true, .bound = 0.95 },
	{ "leak of 10 MB/h from the start", level_leak_10, 3, WINDOW_FAST, true, .is_leak = true,
	  .bound = 0.5 },
	{ "leak of 40 MB/h, restarts each 4 h", level_leaking_lives, 7.9, WINDOW_FAST, true, 4,
	  .is_leak = true, .bound = 1 },
	{ "leak of 5 MB/h after a day", level_late_leak_5, 27, WINDOW_FAST, .is_leak = true,
	  .bound = 0.8 },
	{ "leak of 10 MB/h after a day", level_late_leak_10, 27, WINDOW_FAST, .is_leak = true,
	  .bound = 0.95 },
	{ "staircase, 4 of 8 MB per h", level_staircase, 3, WINDOW_FAST, .is_leak = true,
	  .bound = 0.92 },
	{ "24 h: flat", level_flat, 24, WINDOW_SLOW, .bound = 0 },
	{ "24 h: warm-up", level_warm_up, 24, WINDOW_SLOW, true, .bound = 0 },
	{ "24 h: day, +-30 MB", level_day, 24, WINDOW_SLOW, .bound = 0 },
	{ "24 h: one step of 40 MB", level_step, 24, WINDOW_SLOW, .bound = 0.10 },
	{ "24 h: leak of 5 MB/h", level_leak_5, 24, WINDOW_SLOW, .is_leak = true, .bound = 1 },
};
enum { SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]) };

/* ---- the rules of others, over the samples of the window ---- */

/* node-memwatch: five collections in a row with more than the one before. */
static bool memwatch(const double *y, size_t n)
{
	unsigned row = 0;

	for (size_t i = 1; i < n; i++) {
		row = y[i] > y[i - 1] ? row + 1 : 0;
		if (row >= 5)
			return true;
	}
	return false;
}

/* holmes: a fifth more than the mean of the last ten. */
static bool holmes(const double *y, size_t n)
{
	for (size_t i = 10; i < n; i++) {
		double sum = 0;

		for (size_t k = i - 10; k < i; k++)
			sum += y[k];
		if (y[i] >= 1.2 * sum / 10)
			return true;
	}
	return false;
}

/* The slope per step, and r squared. */
static double least_squares(const double *y, size_t n, double *ret_r2)
{
	double mx = ((double)n - 1) / 2, my = 0, xx = 0, xy = 0, yy = 0;

	for (size_t i = 0; i < n; i++)
		my += y[i] / (double)n;
	for (size_t i = 0; i < n; i++) {
		double dx = (double)i - mx, dy = y[i] - my;

		xx += dx * dx;
		xy += dx * dy;
		yy += dy * dy;
	}
	*ret_r2 = xx > 0 && yy > 0 ? xy * xy / (xx * yy) : 0;
	return xx > 0 ? xy / xx : 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static bool lsq_of_medians(const double *y, size_t n)
{
	double medians[20], part[SAMPLES_MAX], r2;

	for (size_t i = 0; i < 20; i++) {
		size_t begin = i * n / 20, size = (i + 1) * n / 20 - begin;

		memcpy(part, y + begin, size * sizeof(*y));
		qsort(part, size, sizeof(*part), by_value);
		medians[i] = part[size / 2];
	}
	return least_squares(medians, 20, &r2) > 0 && r2 > 0.7;
}

static bool lsq_and_growth(const double *y, size_t n)
{
	double r2, slope = least_squares(y, n, &r2);

	return r2 >= 0.8 && slope * (double)n >= 0.05 * y[0];
}

/* ---- runs ---- */

enum rule { MEMWATCH, HOLMES, LSQ_MEDIANS, LSQ_GROWTH, OURS, RULES };

static const char *const rule_names[RULES] = { "memwatch 5", "holmes 20 %", "LSQ medians",
					       "LSQ growth", "heapwatchd" };

static double next_sample(struct run *run, const struct scenario *scenario, double hours)
{
	double keep = noise_memory;

	run->noise = keep * run->noise + sqrt(1 - keep * keep) * noise_mb * normal();
	return scenario->level(run, hours) + run->noise +
	       (uniform() < polluted ? -garbage_mb * log(1 - uniform()) : 0);
}

static void begin_series(struct series *series)
{
	const uint64_t windows_ns[WINDOWS] = { 3 * HOUR_NS, 24 * HOUR_NS };

	series_fini(series);
	if (series_init(series, SERIES_POINTS, windows_ns) < 0)
		abort();
}

/* Which rules say that there is a leak at the end of the run. */
static void judge_run(const struct scenario *scenario, uint64_t seed, bool ret[RULES])
{
	static double y[SAMPLES_MAX];
	struct series series = { 0 };
	struct leak leak = { 0 };
	struct run run = { .hours = scenario->hours };
	uint64_t offset_ns = 1000 * HOUR_NS;
	int64_t start_ns = scenario->from_start ? (int64_t)offset_ns : 0;
	size_t n = 0, count = (size_t)(scenario->hours * SAMPLES_PER_HOUR), window, skip;
	double age = 0;

	state = seed * 0x9e3779b97f4a7c15ull + 1;
	for (int i = 0; i < 8; i++)
		run.at = scenario->hours * (0.1 + 0.8 * uniform());
	run.noise = noise_mb * normal();
	begin_series(&series);
	/* One more: it ends the last bucket. */
	for (size_t i = 0; i <= count; i++) {
		double hours = (double)i / SAMPLES_PER_HOUR, value;
		uint64_t mono_ns = offset_ns + i * SAMPLE_NS;
		struct reading reading = { .point = { .mono_ns = mono_ns } };

		age += 1.0 / SAMPLES_PER_HOUR;
		if (scenario->restart_hours > 0 && age > scenario->restart_hours) {
			age = 0;
			start_ns = (int64_t)mono_ns;
			begin_series(&series);
		}
		value = next_sample(&run, scenario, hours);
		if (uniform() < scenario->missing)
			continue;
		if (i < count)
			y[n++] = value;
		reading.point.heap_used = (uint64_t)(value * MB);
		series_add(&series, &reading);
	}
	leak_update(&leak, &series, start_ns, HOUR_NS / 2);
	window = scenario->window == WINDOW_FAST && n > FAST_SAMPLES ? FAST_SAMPLES : n;
	skip = n - window;
	ret[MEMWATCH] = memwatch(y + skip, window);
	ret[HOLMES] = holmes(y + skip, window);
	ret[LSQ_MEDIANS] = lsq_of_medians(y + skip, window);
	ret[LSQ_GROWTH] = lsq_and_growth(y + skip, window);
	ret[OURS] = leak.trends[scenario->window][SIGNAL_LIVE].points > 0 &&
		    leak.trends[scenario->window][SIGNAL_LIVE].against == 0;
	series_fini(&series);
}

static bool is_worse(const struct scenario *scenario, double share)
{
	double slack = scenario->exact ? 1e-9 : 0.005;

	if (scenario->bound <= no_bound)
		return false;
	return scenario->is_leak ? share < scenario->bound - slack
				 : share > scenario->bound + slack;
}

/* False when ours is worse than its bound. */
static bool run_scenario(const struct scenario *scenario, unsigned runs)
{
	unsigned found[RULES] = { 0 };
	double share;

	for (unsigned i = 0; i < runs; i++) {
		bool said[RULES];

		judge_run(scenario, i + 1, said);
		for (int rule = 0; rule < RULES; rule++)
			found[rule] += said[rule];
	}
	printf("| %-34s |", scenario->name);
	for (int rule = 0; rule < RULES; rule++)
		printf(" %11.1f |", 100.0 * found[rule] / runs);
	share = (double)found[OURS] / runs;
	printf(" %s %3g |%s\n", scenario->is_leak ? ">=" : "<=", 100 * scenario->bound,
	       is_worse(scenario, share) ? " worse" : "");
	return !is_worse(scenario, share);
}

static bool run_scenarios(unsigned runs)
{
	bool good = true;

	printf("| %% of %4u runs                     |", runs);
	for (int rule = 0; rule < RULES; rule++)
		printf(" %11s |", rule_names[rule]);
	printf(" bound  |\n|---|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < SCENARIOS; i++)
		good &= run_scenario(&scenarios[i], runs);
	return good;
}

/* ---- told collections ---- */

/*
 * Two days of a program whose heap grows by garbage until a major collection, which comes each so
 * many hours, more or less, and is told. Looked at twice an hour.
 */
struct telling {
	const char *name;
	level_fn *level;
	double hours_between;
	double garbage_mb; /* from one to the next */
	double from_hours; /* what is suspected before does not count */
	bool is_leak;
	double bound; /* as in struct scenario, of the daemon's own choice */
};

static double level_second_day_5(const struct run *run, double hours)
{
	(void)run;
	return base_mb + 5 * fmax(0, hours - 24);
}

static double level_second_day_10(const struct run *run, double hours)
{
	(void)run;
	return base_mb + 10 * fmax(0, hours - 24);
}

static const struct telling tellings[] = {
	{ "flat, collected each 10 min", level_flat, 1.0 / 6, 40, .bound = 0 },
	{ "flat, each 1 h", level_flat, 1, 40, .bound = 0 },
	{ "flat, each 10 h", level_flat, 10, 40, .bound = 0.71 },
	{ "flat, each 10 h, a quarter of that", level_flat, 10, 10, .bound = 0.14 },
	{ "second day of +-30 MB, each 10 min", level_day, 1.0 / 6, 40, 24, .bound = 0 },
	{ "second day of +-30 MB, each 1 h", level_day, 1, 40, 24, .bound = 0 },
	{ "second day of +-30 MB, each 10 h", level_day, 10, 40, 24, .bound = 0.32 },
	{ "leak of 5 MB/h, each 10 min", level_second_day_5, 1.0 / 6, 40, 24, true, 1 },
	{ "leak of 5 MB/h, each 1 h", level_second_day_5, 1, 40, 24, true, 1 },
	{ "leak of 5 MB/h, each 10 h", level_second_day_5, 10, 40, 24, true, 1 },
	{ "leak of 10 MB/h, each 10 min", level_second_day_10, 1.0 / 6, 40, 24, true, 1 },
	{ "leak of 10 MB/h, each 1 h", level_second_day_10, 1, 40, 24, true, 1 },
	{ "leak of 10 MB/h, each 10 h", level_second_day_10, 10, 40, 24, true, 1 },
};
enum { TELLINGS = sizeof(tellings) / sizeof(tellings[0]), TOLD_HOURS = 48, LOOKS_PER_HOUR = 2 };

/* Each of these runs is many judgements: so many fewer. */
enum { TOLD_SHARE = 5 };

/* For how long one counts: what the daemon has chosen, and what else could be, in slow windows. */
enum { TOLD_CHOSEN, TOLD_NEVER, TOLD_EIGHTH, TOLD_HALF, TOLD_EVER, TOLD_CHOICES };

static const char *const told_names[TOLD_CHOICES] = { "heapwatchd", "never", "1/8", "1/2", "ever" };

static uint64_t told_max_ns(int choice, const struct series *series)
{
	const uint64_t window_ns = 24 * HOUR_NS;

	switch (choice) {
	case TOLD_CHOSEN:
		return leak_live_max_ns(series);
	case TOLD_NEVER:
		return 0;
	case TOLD_EIGHTH:
		return window_ns / 8;
	case TOLD_HALF:
		return window_ns / 2;
	default:
		return UINT64_MAX;
	}
}

struct teller {
	struct run run;
	double collected, next; /* hours */
	double live; /* what the last collection has left */
};

static void next_collection(struct teller *teller, const struct telling *telling, double hours)
{
	teller->collected = hours;
	teller->next = hours + telling->hours_between * (0.8 + 0.4 * uniform());
	teller->live = telling->level(&teller->run, hours) + normal();
}

static void told_reading(struct teller *teller, const struct telling *telling, double hours,
			 uint64_t max_ns, struct reading *reading)
{
	double keep = noise_memory, used, garbage;

	if (hours >= teller->next)
		next_collection(teller, telling, hours);
	teller->run.noise = keep * teller->run.noise + sqrt(1 - keep * keep) * noise_mb * normal();
	garbage = telling->garbage_mb * (hours - teller->collected) / telling->hours_between;
	used = telling->level(&teller->run, hours) + garbage + fabs(teller->run.noise);
	reading->point.heap_used = (uint64_t)(used * MB);
	reading->has_live =
		max_ns > 0 && (hours - teller->collected) * (double)HOUR_NS <= (double)max_ns;
	reading->live_bytes = (uint64_t)(fmin(used, teller->live) * MB);
}

/* Is a leak ever suspected? */
static bool is_ever_suspected(const struct telling *telling, int choice, uint64_t seed)
{
	struct teller teller = { .run = { .hours = TOLD_HOURS } };
	struct series series = { 0 };
	struct leak leak = { 0 };
	const uint64_t offset_ns = 1000 * HOUR_NS;
	bool suspected = false;

	state = seed * 0x9e3779b97f4a7c15ull + 1;
	for (int i = 0; i < 8; i++)
		teller.run.at = TOLD_HOURS * uniform();
	begin_series(&series);
	/* It has run for long, and was collected at some time before. */
	next_collection(&teller, telling, -telling->hours_between * uniform());
	for (size_t i = 0; i <= TOLD_HOURS * SAMPLES_PER_HOUR && !suspected; i++) {
		double hours = (double)i / SAMPLES_PER_HOUR;
		struct reading reading = { .point = { .mono_ns = offset_ns + i * SAMPLE_NS } };

		told_reading(&teller, telling, hours, told_max_ns(choice, &series), &reading);
		series_add(&series, &reading);
		if (i % (SAMPLES_PER_HOUR / LOOKS_PER_HOUR) != 0)
			continue;
		leak_update(&leak, &series, 0, HOUR_NS / 2);
		suspected = hours >= telling->from_hours && leak_is_suspected(&leak);
	}
	series_fini(&series);
	return suspected;
}

static double told_share(const struct telling *telling, int choice, unsigned runs)
{
	unsigned found = 0;

	for (unsigned i = 0; i < runs; i++)
		found += is_ever_suspected(telling, choice, i + 1);
	return (double)found / runs;
}

/* False when ours is worse than its bound. The other choices are for sight. */
static bool run_telling(const struct telling *telling, unsigned runs, bool check)
{
	const struct scenario bounds = { .is_leak = telling->is_leak, .bound = telling->bound };
	double ours = 0;

	printf("| %-34s |", telling->name);
	for (int choice = 0; choice < (check ? 1 : TOLD_CHOICES); choice++) {
		double share = told_share(telling, choice, runs);

		ours = choice == TOLD_CHOSEN ? share : ours;
		printf(" %11.1f |", 100 * share);
	}
	printf(" %s %3.0f |%s\n", telling->is_leak ? ">=" : "<=", 100 * telling->bound,
	       is_worse(&bounds, ours) ? " worse" : "");
	return !is_worse(&bounds, ours);
}

static bool run_tellings(unsigned runs, bool check)
{
	bool good = true;

	runs = runs > TOLD_SHARE ? runs / TOLD_SHARE : 1;
	printf("| %% of %4u runs, ever suspected     |", runs);
	for (int choice = 0; choice < (check ? 1 : TOLD_CHOICES); choice++)
		printf(" %11s |", told_names[choice]);
	printf(" bound  |\n");
	for (size_t i = 0; i < TELLINGS; i++)
		good &= run_telling(&tellings[i], runs, check);
	return good;
}

int main(int argc, char **argv)
{
	unsigned runs = 1000;
	bool check = false, told = false, good;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--check") == 0)
			check = true;
		else if (strcmp(argv[i], "--told") == 0)
			told = true;
		else if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc)
			runs = (unsigned)strtoul(argv[++i], NULL, 10);
		else
			runs = 0;
	}
	if (runs == 0) {
		fprintf(stderr, "usage: %s [--told] [--runs N] [--check]\n", argv[0]);
		return 2;
	}
	good = told ? run_tellings(runs, check) : run_scenarios(runs);
	return check && !good;
}
