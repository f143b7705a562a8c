/*
 * Weeks of many targets on a simulated clock: the daemon's own loop, timers, sessions, polls,
 * series, leaks and rules, at the pace of the processor.
 *
 *   bench_days [--days N] [--targets N | --scaled] [--check]
 *
 * Each fifth of the targets is flat, follows the day, leaks from the second day on, is started anew
 * each day after some minutes in which it is not there, or has a heap near its limit each noon and
 * does not answer for an hour each night. With --check polls must come at their pace and nowhere in
 * a crowd, the leaks must be found, and found only where there are any. Then all of it runs a
 * second time while the wall clock is set forth and back by up to years and the machine is put to
 * sleep for hours, and must poll and say the same at the same time. With --scaled it is as much of
 * 30 days of 1,000 targets as HEAPWATCH_TEST_SCALE says.
 */

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/doc.h"
#include "played.h"
#include "simulated.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/alert.h"
#include "watch/target.h"

#define MB       1e6
#define HOUR_NS  (3600 * NS_PER_S)
#define POLL_NS  (120 * NS_PER_S)
#define GONE_NS  (600 * NS_PER_S)
#define START_NS (1000 * HOUR_NS)

/* What timers in microseconds may be off. */
#define EXACT_NS (10 * 1000)

/* Polls and tries that may fall into one second however few targets there are. */
enum { CROWD = 5 };

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
	unsigned found; /* leaky targets with an alert after the first day */
	uint64_t found_ns; /* when the last of them had its first */
	uint64_t evaluations; /* of each rule */
	uint64_t polls[KINDS], failures[KINDS][TARGET_FAILURES];
	uint64_t uneven; /* polls that came at another distance from the last than they should */
	unsigned crowd; /* most polls and tries in one second */
};

/* Polls and tries of one program, and what came of them. */
struct pace {
	uint64_t asked_ns;
	unsigned n; /* since it was connected to, or was stuck */
	bool found; /* its leak is told */
};

struct fleet {
	struct loop loop;
	struct targets targets;
	struct alerts alerts;
	struct loop_timer hour;
	struct played_cast cast;
	struct pace *paces; /* by program */
	unsigned n;
	bool jumps;
	uint64_t chance; /* state of the generator of jumps */
	uint64_t second; /* the last in which there was a poll */
	unsigned second_polls;
	struct story story;
};

static double uniform(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (double)((*state * 0x2545f4914f6cdd1dull) >> 11) / 9007199254740992.0;
}

/* The noise of a program at a time is the same in both runs, whatever else is polled then. */
static double noise_at(unsigned program, uint64_t now_ns)
{
	uint64_t state = ((now_ns / EXACT_NS + 1) * 0x9e3779b97f4a7c15ull) ^ program;
	double noise;

	for (int i = 0; i < 4; i++)
		(void)uniform(&state);
	noise = 7 * (uniform(&state) + uniform(&state) - 1);
	if (uniform(&state) < 0.05)
		noise += 60 * uniform(&state);
	return noise;
}

static enum kind kind_of(unsigned program)
{
	return (enum kind)(program % KINDS);
}

static enum kind kind_of_target(const struct target *target)
{
	return kind_of(target->spec.address.port);
}

static double hours_since_start(void)
{
	return (double)(clock_mono_ns() - START_NS) / HOUR_NS;
}

static void digest(struct story *story, const void *data, size_t size)
{
	for (const unsigned char *at = data; size-- > 0; at++)
		story->digest = (story->digest ^ *at) * 0x100000001b3ull;
}

/* ---- what the hooks are told ---- */

static void note(struct fleet *fleet, const struct alert *alert, char what)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "%llu %c %s %s",
			 (unsigned long long)(clock_mono_ns() / NS_PER_MS), what, alert->rule->name,
			 alert->target);

	digest(&fleet->story, line, (size_t)n);
}

static void note_found(struct fleet *fleet, const struct target *target)
{
	struct pace *pace = &fleet->paces[target->spec.address.port];

	if (pace->found)
		return;
	pace->found = true;
	fleet->story.found++;
	fleet->story.found_ns = clock_mono_ns();
}

static bool on_firing(void *owner, struct alert *alert, struct target *target)
{
	struct fleet *fleet = owner;
	enum kind kind = kind_of_target(target);
	bool is_leak = strcmp(alert->rule->name, "Leak") == 0;

	note(fleet, alert, 'F');
	(is_leak ? fleet->story.leaks : fleet->story.full)[kind]++;
	if (is_leak && kind == DAILY && hours_since_start() > 24)
		fleet->story.late_daily++;
	if (is_leak && kind == LEAKY && hours_since_start() > 24)
		note_found(fleet, target);
	return true;
}

static void on_resolved(void *owner, const struct alert *alert)
{
	struct fleet *fleet = owner;

	note(fleet, alert, 'R');
	fleet->story.resolved++;
}

/* ---- the programs ---- */

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

/* When each day begins, but for the first. */
static bool is_gone(unsigned program)
{
	double hours = hours_since_start();

	return kind_of(program) == RESTARTED && hours >= 24 &&
	       fmod(hours, 24) < (double)GONE_NS / HOUR_NS;
}

static bool is_stuck(unsigned program)
{
	double of_day = fmod(hours_since_start(), 24);

	return kind_of(program) == NOON && of_day >= 3 && of_day < 4;
}

static void count_crowd(struct fleet *fleet)
{
	uint64_t second = clock_mono_ns() / NS_PER_S;

	fleet->second_polls = second == fleet->second ? fleet->second_polls + 1 : 1;
	fleet->second = second;
	/* In the first second each target is new. */
	if (second > START_NS / NS_PER_S + 1 && fleet->second_polls > fleet->story.crowd)
		fleet->story.crowd = fleet->second_polls;
}

/* The first poll comes with the connection, the second at the next slot, all others evenly. */
static void check_pace(struct fleet *fleet, unsigned program)
{
	struct pace *pace = &fleet->paces[program];
	uint64_t now_ns = clock_mono_ns(), distance_ns = now_ns - pace->asked_ns;

	if (pace->n > 0 && distance_ns > POLL_NS + EXACT_NS)
		fleet->story.uneven++;
	if (pace->n > 1 && distance_ns < POLL_NS - EXACT_NS)
		fleet->story.uneven++;
	pace->asked_ns = now_ns;
	pace->n++;
	/* Tries to reach what is gone are spread by chance. */
	if (kind_of(program) != RESTARTED) {
		digest(&fleet->story, &now_ns, sizeof(now_ns));
		digest(&fleet->story, &program, sizeof(program));
	}
}

static bool listens(void *owner, unsigned program)
{
	struct fleet *fleet = owner;

	count_crowd(fleet);
	fleet->paces[program].n = 0;
	return !is_gone(program);
}

static int64_t began_ms(void *owner, unsigned program)
{
	int64_t start_ms = START_NS / NS_PER_MS, day = (int64_t)(hours_since_start() / 24);

	(void)owner;
	if (kind_of(program) != RESTARTED || day == 0)
		return start_ms;
	return start_ms + day * (int64_t)(24 * HOUR_NS / NS_PER_MS) +
	       (int64_t)(GONE_NS / NS_PER_MS);
}

static enum played_answer polled(void *owner, unsigned program, bool going_on,
				 struct sample *sample)
{
	struct fleet *fleet = owner;
	double mb =
		level(kind_of(program), hours_since_start()) + noise_at(program, clock_mono_ns());

	if (is_gone(program))
		return PLAYED_GONE;
	if (!going_on) {
		count_crowd(fleet);
		check_pace(fleet, program);
	}
	if (is_stuck(program)) {
		fleet->paces[program].n = 0;
		return PLAYED_STUCK;
	}
	sample_set(sample, SAMPLE_HEAP_USED, (uint64_t)(mb * MB));
	sample_set(sample, SAMPLE_HEAP_LIMIT, (uint64_t)(4000 * MB));
	return PLAYED_SAMPLE;
}

/* ---- the fleet ---- */

static int add_targets(struct fleet *fleet)
{
	struct target_spec *specs = calloc(fleet->n, sizeof(*specs));
	char(*names)[16] = calloc(fleet->n, sizeof(*names));
	int r = -1;

	for (unsigned i = 0; specs != NULL && names != NULL && i < fleet->n; i++) {
		snprintf(names[i], sizeof(names[i]), "t%u", i);
		specs[i] = (struct target_spec){
			.name = names[i],
			.address = { .host = "192.0.2.1", .port = (uint16_t)(i + 1) },
			.poll = { .interval_ns = POLL_NS,
				  .timeout_ns = 5 * NS_PER_S,
				  .backoff_max_ns = 60 * NS_PER_S },
		};
	}
	if (specs != NULL && names != NULL)
		r = targets_replace(&fleet->targets, "days", specs, fleet->n);
	free(names);
	free(specs);
	return r;
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

static void on_hour(void *owner);

static int fleet_init(struct fleet *fleet, unsigned n, bool jumps)
{
	struct session_context context = { .loop = &fleet->loop };
	struct rules *rules;

	*fleet = (struct fleet){ .n = n,
				 .jumps = jumps,
				 .cast = { listens, began_ms, polled, fleet },
				 .chance = 1,
				 .story = { .digest = 0xcbf29ce484222325ull } };
	fleet->paces = calloc(n + 1, sizeof(struct pace));
	played_by(&fleet->cast);
	if (fleet->paces == NULL || loop_init(&fleet->loop) < 0 ||
	    loop_timer_init(&fleet->hour, &fleet->loop, on_hour, fleet) < 0 ||
	    targets_init(&fleet->targets, &context) < 0)
		return -1;
	fleet->targets.count_max = n;
	if (alerts_init(&fleet->alerts, &fleet->loop, &fleet->targets) < 0 ||
	    parse_rules(&rules) < 0 || alerts_set_rules(&fleet->alerts, rules) < 0)
		return -1;
	fleet->alerts.on_firing = on_firing;
	fleet->alerts.on_resolved = on_resolved;
	fleet->alerts.owner = fleet;
	return add_targets(fleet);
}

static void fleet_fini(struct fleet *fleet)
{
	fleet->alerts.on_resolved = NULL;
	alerts_fini(&fleet->alerts);
	targets_fini(&fleet->targets);
	loop_timer_fini(&fleet->hour);
	loop_fini(&fleet->loop);
	free(fleet->paces);
}

static void add_up(struct fleet *fleet)
{
	struct story *story = &fleet->story;

	story->evaluations = alerts_evaluations(&fleet->alerts, 0, 0);
	list_each (at, &fleet->targets.list) {
		const struct target *target = container_of(at, struct target, link);
		enum kind kind = kind_of_target(target);

		story->polls[kind] += target->polls;
		for (int i = 0; i < TARGET_FAILURES; i++)
			story->failures[kind][i] += target->failures[i];
	}
}

/* ---- days ---- */

/* Somebody sets the clock, by seconds or by years, forth or back, or shuts the lid for hours. */
static void meddle(struct fleet *fleet)
{
	double size = pow(10, 3 + 8.5 * uniform(&fleet->chance));
	bool back = uniform(&fleet->chance) < 0.5;

	simulated_set_wall((int64_t)(back ? -size : size));
	if (uniform(&fleet->chance) < 0.25)
		simulated_sleep((uint64_t)(8 * uniform(&fleet->chance) * (double)HOUR_NS));
}

static void on_hour(void *owner)
{
	struct fleet *fleet = owner;

	if (loop_timer_set(&fleet->hour, HOUR_NS) < 0)
		abort();
	if (fleet->jumps)
		meddle(fleet);
	played_go_on();
}

static void run(struct fleet *fleet, unsigned days)
{
	uint64_t end_ns = START_NS + days * 24 * HOUR_NS;

	on_hour(fleet);
	while (clock_mono_ns() < end_ns) {
		if (loop_turn(&fleet->loop, -1) < 0)
			abort();
	}
	add_up(fleet);
}

static void show(const struct story *story)
{
	printf("  polls: %u in the fullest second, %llu out of step\n", story->crowd,
	       (unsigned long long)story->uneven);
	for (int kind = 0; kind < KINDS; kind++) {
		const uint64_t *failures = story->failures[kind];

		printf("  %-10s leak alerts %u, full alerts %u, polls %llu, refused %llu, lost "
		       "%llu, unanswered %llu\n",
		       kind_names[kind], story->leaks[kind], story->full[kind],
		       (unsigned long long)story->polls[kind],
		       (unsigned long long)failures[TARGET_FAILURE_REFUSED],
		       (unsigned long long)failures[TARGET_FAILURE_LOST],
		       (unsigned long long)failures[TARGET_FAILURE_TIMEOUT]);
	}
}

static int tell(unsigned n, unsigned days, bool jumps, struct story *ret)
{
	uint64_t began_ns = simulated_real_ns(), polls = 0;
	struct fleet fleet;

	simulated_begin(START_NS, 1700000000000);
	if (fleet_init(&fleet, n, jumps) < 0)
		return -1;
	run(&fleet, days);
	*ret = fleet.story;
	fleet_fini(&fleet);
	simulated_end();
	for (int kind = 0; kind < KINDS; kind++)
		polls += ret->polls[kind];
	printf("%u targets, %u days%s: %llu polls, %llu evaluations, %.1f s\n", n, days,
	       jumps ? ", clock set each hour" : "", (unsigned long long)polls,
	       (unsigned long long)(2 * n * ret->evaluations),
	       (double)(simulated_real_ns() - began_ns) / 1e9);
	show(ret);
	return 0;
}

static bool expect(bool good, const char *what)
{
	if (!good)
		printf("not so: %s\n", what);
	return good;
}

/* The first day of what follows the day cannot be told from a leak for some hours. */
static bool check_leaks(const struct story *story, unsigned each, unsigned days)
{
	uint64_t late_ns = START_NS + 28 * HOUR_NS;

	return expect(story->leaks[FLAT] == 0, "no leak where it is flat") &
	       expect(story->leaks[RESTARTED] == 0, "no leak where it warms up each day") &
	       expect(story->leaks[NOON] == 0, "no leak where it is full at noon") &
	       expect(story->late_daily == 0, "after a day no leak where it follows the day") &
	       expect(story->found == each, "each leak is found") &
	       expect(days < 3 || story->leaks[LEAKY] <= 2 * each, "and stays found") &
	       expect(story->found_ns < late_ns, "within four hours") &
	       expect(story->full[NOON] == each * days, "full once each noon") &
	       expect(story->full[FLAT] + story->full[DAILY] + story->full[RESTARTED] == 0,
		      "full nowhere else");
}

static bool is_between(uint64_t least, uint64_t value, uint64_t most)
{
	return least <= value && value <= most;
}

/* One poll in each interval, and one more when the target is new. */
static bool check_polls(const struct story *story, unsigned each, unsigned days)
{
	uint64_t slots = days * 24 * HOUR_NS / POLL_NS, gone = (uint64_t)each * (days - 1),
		 stuck = (uint64_t)each * days;
	bool good = expect(story->uneven == 0, "polls come at even distances");

	for (int kind = 0; kind < KINDS; kind++)
		good &= expect(kind == RESTARTED || is_between(each * slots, story->polls[kind],
							       each * (slots + 1)),
			       "one poll in each interval");
	/* With a delay that doubles from half a second to a minute: 14 to 20 in ten minutes. */
	return good &
	       expect(is_between(14 * gone, story->failures[RESTARTED][TARGET_FAILURE_REFUSED],
				 20 * gone),
		      "what is gone is tried ever more rarely") &
	       expect(story->failures[RESTARTED][TARGET_FAILURE_LOST] == gone,
		      "each end of a program is seen") &
	       expect(is_between(29 * stuck, story->failures[NOON][TARGET_FAILURE_TIMEOUT],
				 31 * stuck),
		      "each poll of what is stuck is one without an answer") &
	       expect(story->crowd <= CROWD + 5 * KINDS * each * NS_PER_S / POLL_NS,
		      "polls are spread") &
	       expect(is_between(days * 24 * 60 - 1, story->evaluations, days * 24 * 60 + 1),
		      "rules are evaluated each minute");
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
	return wish->targets >= KINDS && wish->targets <= UINT16_MAX && wish->days >= 2 &&
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
	good = check_leaks(&story, n / KINDS, days) & check_polls(&story, n / KINDS, days);
	if (tell(n, days, true, &jumped) < 0)
		return 1;
	good &= expect(story.digest == jumped.digest && story.resolved == jumped.resolved,
		       "the same with the clock set forth and back") &
		expect(jumped.crowd <= 2 * story.crowd, "and no burst of polls");
	return !good;
}
