/*
 * Leaks of an isolate: causes told apart, windows, warm-up, what was as high before, limits. And
 * the condition `leak` of rules on the same past.
 */

#include "watch/leak.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "util/clock.h"
#include "watch/eta.h"
#include "watch/leak_rule.h"
#include "watch/target.h"

#define MIB     (1024.0 * 1024)
#define HOUR_NS (3600 * NS_PER_S)

static struct series series;
static struct leak leak;
static uint64_t now_ns;

static void set_up(void)
{
	const uint64_t windows_ns[WINDOWS] = { 3 * HOUR_NS, 24 * HOUR_NS };

	cr_assert_eq(series_init(&series, SERIES_POINTS, windows_ns), 0);
	leak = (struct leak){ 0 };
	now_ns = 1000 * HOUR_NS;
}

static void tear_down(void)
{
	series_fini(&series);
}

TestSuite(leak, .init = set_up, .fini = tear_down);

/* Slopes in MiB per hour; garbage on every other sample. */
struct shape {
	double heap, external, native, garbage;
};

static void watch(double hours, struct shape shape, int64_t start_ns)
{
	static double heap, external, native;
	uint64_t end_ns = now_ns + (uint64_t)(hours * HOUR_NS);

	if (now_ns == 1000 * HOUR_NS) {
		heap = 200;
		external = 100;
		native = 50;
	}
	for (unsigned i = 0; now_ns < end_ns; now_ns += 30 * NS_PER_S, i++) {
		struct reading reading = {
			.point = { .mono_ns = now_ns,
				   .heap_used =
					   (uint64_t)((heap + (i % 2) * shape.garbage) * MIB) },
			.external_bytes = (uint64_t)(external * MIB),
			.native_bytes = (uint64_t)(native * MIB),
			.has_external = true,
			.has_native = true,
		};

		heap += shape.heap / 120;
		external += shape.external / 120;
		native += shape.native / 120;
		series_add(&series, &reading);
		leak_update(&leak, &series, start_ns, HOUR_NS / 2);
	}
}

/* Bytes per second of all that is suspected to grow. */
static double suspected_slope(void)
{
	double total = 0;

	for (enum series_signal s = SIGNAL_LIVE; s < LEAK_SIGNALS; s++) {
		const struct trend *fast = &leak.trends[WINDOW_FAST][s];

		total += fast->points > 0 && fast->against == 0 ? fast->slope : 0;
	}
	return total;
}

Test(leak, causes_are_told_apart)
{
	static const struct {
		struct shape shape;
		enum leak_cause cause;
		double total;
	} cases[] = {
		{ { 0, 0, 0, 20 }, LEAK_NONE, 0 },      { { 20, 0, 0, 20 }, LEAK_HEAP, 20 },
		{ { 0, 20, 0, 20 }, LEAK_BUFFERS, 20 }, { { 0, 0, 20, 20 }, LEAK_NATIVE, 20 },
		{ { 20, 10, 0, 0 }, LEAK_HEAP, 30 },    { { 0, 0, 0, 400 }, LEAK_CHURN, 0 },
		{ { 20, 0, 0, 400 }, LEAK_HEAP, 20 },   { { -20, 0, 0, 20 }, LEAK_NONE, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tear_down();
		set_up();
		watch(3.1, cases[i].shape, 0);
		cr_expect_eq(leak.cause, cases[i].cause, "case %zu: %s", i,
			     leak_cause_name(leak.cause));
		cr_expect_float_eq(suspected_slope(), cases[i].total * MIB / 3600, 20, "case %zu",
				   i);
		cr_expect_eq(leak_is_suspected(&leak), cases[i].total > 0);
	}
}

Test(leak, is_judged_once_a_bucket)
{
	struct reading reading = { .point = { .mono_ns = now_ns, .heap_used = 1 << 20 } };

	series_add(&series, &reading);
	cr_expect_not(leak_update(&leak, &series, 0, 0));
	reading.point.mono_ns += 120 * NS_PER_S;
	series_add(&series, &reading);
	cr_expect(leak_update(&leak, &series, 0, 0));
	cr_expect_not(leak_update(&leak, &series, 0, 0));
	reading.point.mono_ns += NS_PER_S;
	series_add(&series, &reading);
	cr_expect_not(leak_update(&leak, &series, 0, 0));
}

Test(leak, warm_up_takes_no_part)
{
	int64_t start_ns = (int64_t)now_ns;

	watch(0.5 + 59.0 / 30, (struct shape){ 40, 0, 0, 0 }, start_ns);
	cr_expect_eq(leak.trends[WINDOW_FAST][SIGNAL_LIVE].against, TREND_FEW);
	watch(0.2, (struct shape){ 40, 0, 0, 0 }, start_ns);
	cr_expect_eq(leak.cause, LEAK_HEAP);
}

Test(leak, slow_growth_is_seen_in_the_slow_window)
{
	watch(24.5, (struct shape){ 2, 0, 0, 0 }, 0);
	cr_expect_eq(leak.cause, LEAK_HEAP);
	cr_expect_eq(leak.window, WINDOW_SLOW);
	cr_expect_neq(leak.trends[WINDOW_FAST][SIGNAL_LIVE].against, 0);
}

Test(leak, as_high_as_before_is_no_leak)
{
	watch(4, (struct shape){ 0, 0, 0, 0 }, 0);
	watch(2, (struct shape){ 40, 0, 0, 0 }, 0);
	watch(2, (struct shape){ -40, 0, 0, 0 }, 0);
	watch(9, (struct shape){ 0, 0, 0, 0 }, 0);
	watch(1.9, (struct shape){ 40, 0, 0, 0 }, 0);
	cr_expect_eq(leak.cause, LEAK_NONE);
	watch(1.2, (struct shape){ 40, 0, 0, 0 }, 0);
	cr_expect_eq(leak.cause, LEAK_HEAP, "%s", trend_why_not(leak.trends[0][0].against));
}

/* ---- rules ---- */

static bool rule_holds(struct leak_when when)
{
	struct isolate isolate = { .leak = leak };
	struct target target = { 0 };
	struct leak_looked looked;

	leak_when_look(&when, &target, &isolate, &looked);
	return looked.holds;
}

/* A thousand MiB, and fifteen an hour where it comes and goes: too little by default. */
static void watch_small_day(double high)
{
	watch(1, (struct shape){ 800, 0, 0, 0 }, 0);
	watch(4, (struct shape){ 0, 0, 0, 0 }, 0);
	watch(2, (struct shape){ high, 0, 0, 0 }, 0);
	watch(2, (struct shape){ -high, 0, 0, 0 }, 0);
	watch(9, (struct shape){ 0, 0, 0, 0 }, 0);
}

Test(leak, as_high_as_before_is_no_leak_by_a_low_limit_either)
{
	const struct leak_when rule = { .cause = LEAK_HEAP, .window = 1, .growth_share = 0.01 };

	watch_small_day(15);
	for (int i = 0; i < 20; i++) {
		watch(0.1, (struct shape){ 15, 0, 0, 0 }, 0);
		cr_expect_not(rule_holds(rule), "after %d minutes", 6 * i);
	}
	watch(1.2, (struct shape){ 15, 0, 0, 0 }, 0);
	cr_expect(rule_holds(rule), "%s",
		  trend_why_not(leak.trends[0][0].against & ~(unsigned)TREND_SMALL));
	cr_expect_eq(leak.cause, LEAK_NONE);
}

/* What is above the old height by a tenth of it is much to some and nothing to others. */
Test(leak, how_much_above_the_old_height_is_the_rules_own)
{
	const struct leak_when few = { .window = 1, .growth_share = 0.02 };
	const struct leak_when many = { .window = 1, .growth_share = 0.25 };

	watch_small_day(150);
	watch(2.3, (struct shape){ 160, 0, 0, 0 }, 0);
	cr_expect(rule_holds(few));
	cr_expect_not(rule_holds(many));
	watch(1.2, (struct shape){ 160, 0, 0, 0 }, 0);
	cr_expect(rule_holds(many));
}

Test(leak, slope_and_confidence)
{
	double slope;

	cr_expect_not(leak_slope(&leak, &slope));
	watch(3.1, (struct shape){ 36, 0, 0, 0 }, 0);
	cr_expect(leak_slope(&leak, &slope));
	cr_expect_float_eq(slope, 36 * MIB / 3600, 10);
	cr_expect_gt(leak_confidence(&leak), 0.9);
}

Test(leak, eta)
{
	cr_expect_eq(leak_eta(50, 100, 10), 5);
	cr_expect_eq(leak_eta(100, 100, 10), 0);
	cr_expect_eq(leak_eta(150, 100, 0), 0);
	cr_expect(isinf(leak_eta(50, 100, 0)));
	cr_expect(isinf(leak_eta(50, 100, -1)));
}

static struct target target;
static struct isolate isolates[2];

/* A main thread whose heap grows by 2 MiB/s and the rest by 3, and a worker. */
static void set_up_limits(void)
{
	static const double slopes[LEAK_SIGNALS] = { 2, 1, 2 };

	target = (struct target){ .process = { .present = true,
					       .cgroup = { .has_usage = true,
							   .has_limit = true,
							   .usage_bytes = 500 << 20,
							   .limit_bytes = 1000 << 20 } } };
	link_init(&target.isolates);
	link_init(&target.missing);
	for (int i = 0; i < 2; i++) {
		isolates[i] = (struct isolate){ .name = "worker" };
		list_append(&target.isolates, &isolates[i].link);
		for (int s = 0; s < LEAK_SIGNALS; s++)
			isolates[i].leak.trends[WINDOW_FAST][s] =
				(struct trend){ .points = FAST_BUCKETS, .slope = slopes[s] * MIB };
	}
	strcpy(isolates[0].name, "main");
}

Test(leak, eta_of_the_control_group_is_of_all_that_grows)
{
	struct trend *native = &isolates[0].leak.trends[WINDOW_FAST][SIGNAL_NATIVE];
	double eta;

	set_up_limits();
	cr_assert(eta_of_cgroup(&target, &isolates[0], &eta));
	cr_expect_eq(eta, 100);
	cr_expect_eq(eta_of(&target, &isolates[0]), 100);
	native->against = TREND_NOISE;
	cr_assert(eta_of_cgroup(&target, &isolates[0], &eta));
	cr_expect_eq(eta, 500.0 / 3);
	native->against = TREND_SMALL | TREND_SATURATES | TREND_STEP | TREND_KNOWN_LEVEL;
	cr_assert(eta_of_cgroup(&target, &isolates[0], &eta));
	cr_expect_eq(eta, 100, "a limit asks for no reasons");
	target.process.cgroup.usage_bytes = target.process.cgroup.limit_bytes;
	cr_assert(eta_of_cgroup(&target, &isolates[0], &eta));
	cr_expect_eq(eta, 0);
}

Test(leak, eta_of_the_control_group_is_not_known_without_one)
{
	double eta = -1;

	set_up_limits();
	cr_expect_not(eta_of_cgroup(&target, &isolates[1], &eta), "the process is not a worker's");
	cr_expect(isinf(eta_of(&target, &isolates[1])));
	isolates[0].leak.trends[WINDOW_FAST][SIGNAL_LIVE].against = TREND_FEW;
	isolates[0].leak.trends[WINDOW_SLOW][SIGNAL_LIVE].against = TREND_FEW;
	cr_expect_not(eta_of_cgroup(&target, &isolates[0], &eta), "nothing is judged yet");
	set_up_limits();
	target.process.cgroup.has_limit = false;
	cr_expect_not(eta_of_cgroup(&target, &isolates[0], &eta));
	cr_expect_eq(eta, -1);
}
