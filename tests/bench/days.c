/*
 * Weeks of many targets on a simulated clock: polls, series, leaks and rules as in the daemon, at
 * the pace of the processor.
 *
 *   bench_days [--days N] [--targets N | --scaled] [--check]
 *
 * Each fifth of the targets is flat, follows the day, leaks from the second day on, is started anew
 * each day, or has a heap near its limit each noon. With --check all of it runs a second time while
 * the wall clock is set forth and back by up to years, and must say the same at the same time; the
 * leaks must be found, and found only where there are any. With --scaled it is as much of 30 days
 * of 1,000 targets as HEAPWATCH_TEST_SCALE says.
 */

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/doc.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/alert.h"
#include "watch/target.h"

#define MB       1e6
#define HOUR_NS  (3600 * NS_PER_S)
#define STEP_NS  (10 * NS_PER_S)
#define POLL_NS  (120 * NS_PER_S)
#define START_NS (1000 * HOUR_NS)

enum kind { FLAT, DAILY, LEAKY, RESTARTED, NOON, KINDS };

static const char *const kind_names[KINDS] = { "flat", "daily", "leaky", "restarted", "noon" };

static const char rules_text[] =
	"groups:\n"
	"- name: g\n"
	"  interval: 1m\n"
	"  rules:\n"
	"  - alert: Leak\n"
	"    when: {leak: {}, for: 10m, keep_firing_for: 1h}\n"
	"  - alert: Full\n"
	"    when: {metric: heap_used, relative_to: heap_limit, above: 80%, for: 5m}\n";

/* What happened: a digest of it all, and counts. */
struct story {
	uint64_t digest;
	unsigned leaks[KINDS], full[KINDS], resolved;
	unsigned late_daily; /* leaks where it follows the day, after the first one */
	uint64_t first_leak_ns; /* the latest of the first alerts of leaky targets */
	uint64_t polls, evaluations;
};

struct fleet {
	struct loop loop;
	struct targets targets;
	struct alerts alerts;
	struct target **list;
	unsigned n;
	uint64_t now_ns;
	int64_t wall_offset_ms;
	bool jumps;
	uint64_t chance; /* state of the generator of noise */
	uint64_t jump_chance; /* of its own, so that both runs see the same noise */
	struct story story;
};

static double uniform(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (double)((*state * 0x2545f4914f6cdd1dull) >> 11) / 9007199254740992.0;
}

static enum kind kind_of(uint64_t id)
{
	return (enum kind)(id % KINDS);
}

/* ---- what the hooks are told ---- */

static void note(struct fleet *fleet, const struct alert *alert, char what)
{
	char line[256];

	snprintf(line, sizeof(line), "%llu %c %s %s", (unsigned long long)fleet->now_ns, what,
		 alert->rule->name, alert->target);
	for (const char *at = line; *at != '\0'; at++)
		fleet->story.digest = (fleet->story.digest ^ (unsigned char)*at) * 0x100000001b3ull;
}

static bool on_firing(void *owner, struct alert *alert, struct target *target)
{
	struct fleet *fleet = owner;
	enum kind kind = kind_of(target->id);
	bool is_leak = strcmp(alert->rule->name, "Leak") == 0;

	note(fleet, alert, 'F');
	(is_leak ? fleet->story.leaks : fleet->story.full)[kind]++;
	if (is_leak && kind == DAILY && fleet->now_ns > START_NS + 24 * HOUR_NS)
		fleet->story.late_daily++;
	if (is_leak && kind == LEAKY)
		fleet->story.first_leak_ns = fleet->now_ns;
	return true;
}

static void on_resolved(void *owner, const struct alert *alert)
{
	struct fleet *fleet = owner;

	note(fleet, alert, 'R');
	fleet->story.resolved++;
}

/* ---- the fleet ---- */

static void set_clock(struct fleet *fleet, uint64_t now_ns)
{
	fleet->now_ns = fleet->loop.now_ns = now_ns;
	clock_simulate(now_ns,
		       1700000000000 + (int64_t)(now_ns / NS_PER_MS) + fleet->wall_offset_ms);
}

static int add_target(struct fleet *fleet, unsigned i)
{
	struct target *target = calloc(1, sizeof(*target));
	char name[32];

	if (target == NULL)
		return -1;
	snprintf(name, sizeof(name), "t%u", i);
	target->id = i;
	target->targets = &fleet->targets;
	target->spec.name = strdup(name);
	target->spec.poll.interval_ns = POLL_NS;
	target->state = TARGET_UP;
	target->up = target->identified = true;
	link_init(&target->isolates);
	list_append(&fleet->targets.list, &target->link);
	fleet->list[i] = target;
	return target->spec.name != NULL ? 0 : -1;
}

static int parse_rules(struct rules **ret)
{
	struct rules *rules = calloc(1, sizeof(*rules));
	struct problems problems;
	int r = -1;

	problems_init(&problems);
	if (rules != NULL)
		r = rules_parse(rules, rules_text, strlen(rules_text), "days.yaml", NS_PER_S,
				&problems);
	if (problems.n > 0)
		fprintf(stderr, "%s\n", problems.items[0].text);
	problems_fini(&problems);
	*ret = rules;
	return r;
}

static int fleet_init(struct fleet *fleet, unsigned n, bool jumps)
{
	struct session_context context = { .loop = &fleet->loop };
	struct rules *rules;

	*fleet = (struct fleet){ .n = n,
				 .jumps = jumps,
				 .chance = 88172645463325252ull,
				 .jump_chance = 1,
				 .story = { .digest = 0xcbf29ce484222325ull } };
	fleet->list = calloc(n, sizeof(struct target *));
	if (fleet->list == NULL || loop_init(&fleet->loop) < 0 ||
	    targets_init(&fleet->targets, &context) < 0)
		return -1;
	set_clock(fleet, START_NS);
	for (unsigned i = 0; i < n; i++) {
		if (add_target(fleet, i) < 0)
			return -1;
	}
	if (alerts_init(&fleet->alerts, &fleet->loop, &fleet->targets) < 0 ||
	    parse_rules(&rules) < 0 || alerts_set_rules(&fleet->alerts, rules) < 0)
		return -1;
	fleet->alerts.on_firing = on_firing;
	fleet->alerts.on_resolved = on_resolved;
	fleet->alerts.owner = fleet;
	return 0;
}

static void fleet_fini(struct fleet *fleet)
{
	fleet->alerts.on_resolved = NULL;
	alerts_fini(&fleet->alerts);
	for (unsigned i = 0; i < fleet->n; i++) {
		target_drop_isolates(fleet->list[i]);
		link_remove(&fleet->list[i]->link);
		target_spec_fini(&fleet->list[i]->spec);
		free(fleet->list[i]);
	}
	free(fleet->list);
	targets_fini(&fleet->targets);
	loop_fini(&fleet->loop);
}

/* ---- days ---- */

/* MB of heap at a time since the start. */
static double level(enum kind kind, double hours)
{
	double of_day = fmod(hours, 24);

	switch (kind) {
	case DAILY:
		return 200 + 30 * sin(2 * M_PI * hours / 24);
	case LEAKY:
		return 200 + (hours > 24 ? 10 * (hours - 24) : 0);
	case RESTARTED:
		return 200 + 80 * (1 - exp(-of_day * 3));
	case NOON:
		return of_day >= 12 && of_day < 12.5 ? 3600 : 200;
	default:
		return 200;
	}
}

static void poll(struct fleet *fleet, struct target *target)
{
	enum kind kind = kind_of(target->id);
	double hours = (double)(fleet->now_ns - START_NS) / HOUR_NS;
	struct sample sample = { .mono_ns = fleet->now_ns, .wall_ms = clock_wall_ms() };
	double noise = 7 * (uniform(&fleet->chance) + uniform(&fleet->chance) - 1);

	if (kind == RESTARTED && fmod(hours, 24) < (double)POLL_NS / HOUR_NS)
		target_drop_isolates(target);
	if (uniform(&fleet->chance) < 0.05)
		noise += 60 * uniform(&fleet->chance);
	sample_set(&sample, SAMPLE_HEAP_USED, (uint64_t)((level(kind, hours) + noise) * MB));
	sample_set(&sample, SAMPLE_HEAP_LIMIT, (uint64_t)(4000 * MB));
	if (target_take_sample(target, "main", &sample) < 0)
		abort();
	fleet->story.polls++;
}

/* Once an hour somebody sets the clock, by seconds or by years, forth or back. */
static void set_wall_clock(struct fleet *fleet)
{
	double size = pow(10, 3 + 8.5 * uniform(&fleet->jump_chance));
	bool back = uniform(&fleet->jump_chance) < 0.5;

	if (fleet->jumps)
		fleet->wall_offset_ms = (int64_t)(back ? -size : size);
}

static void run(struct fleet *fleet, unsigned days)
{
	uint64_t steps = days * 24 * HOUR_NS / STEP_NS;
	unsigned phases = POLL_NS / STEP_NS;

	for (uint64_t step = 0; step < steps; step++) {
		if (step % (HOUR_NS / STEP_NS) == 0)
			set_wall_clock(fleet);
		set_clock(fleet, START_NS + step * STEP_NS);
		for (unsigned i = (unsigned)(step % phases); i < fleet->n; i += phases)
			poll(fleet, fleet->list[i]);
		if (step % 6 != 0)
			continue;
		alerts_evaluate(&fleet->alerts, 0);
		fleet->story.evaluations += 2ull * fleet->n;
	}
}

static int tell(unsigned n, unsigned days, bool jumps, struct story *ret)
{
	struct fleet fleet;
	uint64_t began_ns;

	clock_real();
	began_ns = clock_mono_ns();
	if (fleet_init(&fleet, n, jumps) < 0)
		return -1;
	run(&fleet, days);
	*ret = fleet.story;
	fleet_fini(&fleet);
	clock_real();
	printf("%u targets, %u days%s: %llu polls, %llu evaluations, %.1f s\n", n, days,
	       jumps ? ", clock set each hour" : "", (unsigned long long)ret->polls,
	       (unsigned long long)ret->evaluations, (double)(clock_mono_ns() - began_ns) / 1e9);
	for (int kind = 0; kind < KINDS; kind++)
		printf("  %-10s leak alerts %u, full alerts %u\n", kind_names[kind],
		       ret->leaks[kind], ret->full[kind]);
	return 0;
}

static bool expect(bool good, const char *what)
{
	if (!good)
		printf("not so: %s\n", what);
	return good;
}

/* The first day of what follows the day cannot be told from a leak for some hours. */
static bool check(const struct story *story, unsigned n, unsigned days)
{
	unsigned each = n / KINDS;
	uint64_t late_ns = START_NS + 28 * HOUR_NS;

	return expect(story->leaks[FLAT] == 0, "no leak where it is flat") &
	       expect(story->leaks[RESTARTED] == 0, "no leak where it warms up each day") &
	       expect(story->leaks[NOON] == 0, "no leak where it is full at noon") &
	       expect(story->late_daily == 0, "after a day no leak where it follows the day") &
	       expect(story->leaks[LEAKY] >= each, "each leak is found") &
	       expect(days < 3 || story->leaks[LEAKY] <= 2 * each, "and stays found") &
	       expect(story->leaks[LEAKY] > each || story->first_leak_ns < late_ns,
		      "within four hours") &
	       expect(story->full[NOON] == each * days, "full once each noon") &
	       expect(story->full[FLAT] + story->full[DAILY] + story->full[RESTARTED] == 0,
		      "full nowhere else");
}

struct wish {
	uint64_t days, targets;
	bool checks;
};

/*
 * That share of the days, and its square of the targets, or the default share of the campaigns
 * would take minutes under sanitizers; 3 days of 30 targets at least.
 */
static void scale(struct wish *wish)
{
	const char *text = getenv("HEAPWATCH_TEST_SCALE");
	double share = text != NULL ? strtod(text, NULL) : 0.1;

	share = share > 0 && share < 1 ? share : 1;
	wish->days = (uint64_t)fmax(3, 30 * share);
	wish->targets = (uint64_t)fmax(30, 1000 * share * share);
}

static bool parse(struct wish *wish, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		uint64_t *value = strcmp(argv[i], "--days") == 0      ? &wish->days
				  : strcmp(argv[i], "--targets") == 0 ? &wish->targets
								      : NULL;

		if (strcmp(argv[i], "--check") == 0)
			wish->checks = true;
		else if (strcmp(argv[i], "--scaled") == 0)
			scale(wish);
		else if (value == NULL || ++i == argc || str_parse_uint(argv[i], value) < 0)
			return false;
	}
	return wish->targets >= KINDS && wish->targets <= 100000 && wish->days >= 2 &&
	       wish->days <= 1000;
}

int main(int argc, char **argv)
{
	struct wish wish = { .days = 30, .targets = 1000 };
	struct story story, jumped;
	unsigned n, days;
	bool good;

	if (!parse(&wish, argc, argv)) {
		fprintf(stderr, "usage: %s [--days 2...] [--targets 5... | --scaled] [--check]\n",
			argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	log_setup(LEVEL_ERROR, LOG_LOGFMT);
	n = (unsigned)(wish.targets - wish.targets % KINDS);
	days = (unsigned)wish.days;
	if (tell(n, days, false, &story) < 0)
		return 1;
	if (!wish.checks)
		return 0;
	good = check(&story, n, days);
	if (tell(n, days, true, &jumped) < 0)
		return 1;
	good &= expect(story.digest == jumped.digest && story.resolved == jumped.resolved,
		       "the same with the clock set forth and back");
	return !good;
}
