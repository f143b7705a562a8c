/*
 * Discovery on real directories with real inotify, and on a real HTTP server: what is found, what
 * stays when a source fails, and what is said about it. Refresh intervals are a day, so that what
 * is seen to happen was seen by inotify, or asked for by new settings.
 */

#include "watch/discover.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loop/loop.h"
#include "net/http_call.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/discover_source.h"
#include "watch/target.h"

#define DAY_NS (24 * 3600 * NS_PER_S)

static struct loop loop;
static struct http_client *http;
static struct discovery discovery;
static struct watch_settings *settings; /* owned */
static struct buf sets; /* one line per set handed over: "SOURCE: NAME{a=b}@5s ..." */
static size_t sets_n;
static struct buf logged; /* one line per line of warn or info */
static size_t warnings_n;
static char folder[64];

static void on_set(void *owner, const char *source, const struct target_spec *specs, size_t n)
{
	cr_assert_eq(owner, &sets);
	buf_clear(&sets);
	buf_printf(&sets, "%s:", strncmp(source, "file:", 5) == 0 ? "file" : source);
	for (size_t i = 0; i < n; i++) {
		char text[STR_UNIT_MAX], address[ADDRESS_TEXT_MAX];

		buf_printf(&sets, " %s", specs[i].name);
		if (strcmp(specs[i].name, address_format(address, &specs[i].address)) != 0)
			buf_printf(&sets, "=%s", address);
		for (size_t j = 0; j < specs[i].labels.n; j++)
			buf_printf(&sets, ",%s=%s", specs[i].labels.items[j].name,
				   specs[i].labels.items[j].value);
		buf_printf(&sets, "@%s", str_format_duration(text, specs[i].poll.interval_ns));
	}
	sets_n++;
}

static void on_log(const struct log_record *record)
{
	buf_printf(&logged, "%s\n", record->message);
	warnings_n += record->level >= LEVEL_WARN;
}

static void forget(struct watch_settings *old)
{
	if (old)
		options_fini(watch_options, old);
	free(old);
}

static void setup(void)
{
	strcpy(folder, "/tmp/discover.XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	buf_init(&sets, 1 << 20);
	buf_init(&logged, 1 << 20);
	log_set_sink(on_log);
	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(http_client_new(&http, &loop), 0);
	discovery_init(&discovery, &loop, http);
	discovery.on_set = on_set;
	discovery.owner = &sets;
}

static void teardown(void)
{
	char command[128];

	discovery_fini(&discovery);
	http_client_free(http);
	loop_fini(&loop);
	forget(settings);
	buf_fini(&sets);
	buf_fini(&logged);
	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(discover, .init = setup, .fini = teardown, .timeout = 60);

/* ---- helpers ---- */

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(path_of(name), "w");

	cr_assert_not_null(file, "%s", name);
	fputs(text, file);
	cr_assert_eq(fclose(file), 0);
}

static void rename_file(const char *from, const char *to)
{
	char old[256];

	snprintf(old, sizeof(old), "%s", path_of(from));
	cr_assert_eq(rename(old, path_of(to)), 0);
}

/* The settings a YAML text gives; those before stay until the sources have let go of them. */
static void __attribute__((format(printf, 1, 2))) apply(const char *fmt, ...)
{
	struct watch_settings *before = settings;
	struct problems problems;
	struct doc *doc = NULL;
	char text[2048];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	settings = calloc(1, sizeof(*settings));
	cr_assert_not_null(settings);
	problems_init(&problems);
	cr_assert_eq(doc_parse(&doc, text, strlen(text), "f.yaml", &problems), 0);
	cr_assert_eq(options_load(watch_options, doc, &doc->root, "", settings, &problems), 0, "%s",
		     problems.n ? problems.items[0].text : "");
	doc_free(doc);
	cr_assert_eq(discovery_apply(&discovery, settings), 0);
	forget(before);
}

static void watch(const char *pattern)
{
	apply("file_sd_configs: [{files: ['%s'], refresh_interval: 1d}]", path_of(pattern));
}

/* The same source with another interval: it looks at once. */
static void look_again(const char *pattern)
{
	static unsigned hours;

	apply("file_sd_configs: [{files: ['%s'], refresh_interval: %uh}]", path_of(pattern),
	      1 + hours++ % 20);
}

static const struct discovery_source *source(void)
{
	cr_assert_not(list_empty(&discovery.sources));
	return container_of(discovery.sources.next, struct discovery_source, link);
}

/* Turns the loop until the refresh after this one is over; events must lead there. */
static void until_refreshed(uint64_t refreshes)
{
	uint64_t deadline_ns = clock_mono_ns() + 20 * NS_PER_S;

	while (discovery.refreshes < refreshes) {
		cr_assert_lt(clock_mono_ns(), deadline_ns, "no refresh; last: %s", buf_text(&sets));
		cr_assert_eq(loop_turn(&loop, 100), 0);
	}
}

static void until_set(const char *expected)
{
	uint64_t deadline_ns = clock_mono_ns() + 20 * NS_PER_S;

	while (strcmp(buf_text(&sets), expected) != 0) {
		cr_assert_lt(clock_mono_ns(), deadline_ns, "wanted %s, got %s", expected,
			     buf_text(&sets));
		cr_assert_eq(loop_turn(&loop, 100), 0);
	}
}

static void until_error(const char *part)
{
	uint64_t deadline_ns = clock_mono_ns() + 20 * NS_PER_S;

	while (!strstr(source()->error, part)) {
		cr_assert_lt(clock_mono_ns(), deadline_ns, "wanted %s, got %s", part,
			     source()->error);
		cr_assert_eq(loop_turn(&loop, 100), 0);
	}
}

#define ONE         "[{\"targets\": [\"127.0.0.1:1\"]}]"
#define TWO         "- targets: ['127.0.0.1:2']\n"
#define TWO_AS_JSON "[{\"targets\": [\"127.0.0.1:2\"]}]"

/* ---- targets of the configuration ---- */

Test(discover, what_a_target_does_not_say_comes_from_poll)
{
	const struct target_spec *spec;
	struct target_spec *specs;
	size_t n;

	apply("poll: {interval: 10s, timeout: 3s, backoff_max: 2m, policy: attached}\n"
	      "targets:\n"
	      "- {address: '9229', labels: {env: prod}}\n"
	      "- {name: api, address: 'unix:/run/x', interval: 1s, backoff_max: 5s,\n"
	      "   policy: per_poll, evaluate: never}\n"
	      "- {address: '[0:0::1]:80', timeout: 4s}\n");
	cr_assert_eq(specs_from_settings(settings, &specs, &n), 0);
	cr_assert_eq(n, 3);
	spec = &specs[0];
	cr_assert_str_eq(spec->name, "127.0.0.1:9229");
	cr_assert_str_eq(labels_get(&spec->labels, "env"), "prod");
	cr_assert_eq(spec->poll.interval_ns, 10 * NS_PER_S);
	cr_assert_eq(spec->poll.timeout_ns, 3 * NS_PER_S);
	cr_assert_eq(spec->poll.policy, POLICY_ATTACHED);
	cr_assert_eq(spec->poll.evaluate, EVALUATE_ALWAYS);
	spec = &specs[1];
	cr_assert_str_eq(spec->name, "api");
	cr_assert_eq(spec->poll.interval_ns, NS_PER_S);
	cr_assert_eq(spec->poll.timeout_ns, NS_PER_S, "never longer than the interval");
	cr_assert_eq(spec->poll.backoff_max_ns, 5 * NS_PER_S);
	cr_assert_eq(spec->poll.policy, POLICY_PER_POLL);
	cr_assert_eq(spec->poll.evaluate, EVALUATE_NEVER);
	cr_assert_str_eq(specs[2].name, "[::1]:80");
	cr_assert_eq(specs[2].poll.timeout_ns, 4 * NS_PER_S);
	specs_free(specs, n);
	specs_free(NULL, 0);
}

/* ---- files ---- */

Test(discover, files_are_read_at_once)
{
	write_file("b.json",
		   "[{\"targets\": [\"127.0.0.1:1\", \"9229\"], \"labels\": {\"a\": \"b\"}},"
		   " {\"targets\": [\"[::1]:3\"]}]");
	write_file("a.json", "[]");
	write_file("c.yaml", TWO);
	write_file(".d.json", "nonsense");
	write_file("e.json.tmp", "nonsense");
	watch("*.json");
	cr_assert_str_eq(buf_text(&sets),
			 "file: 127.0.0.1:1,a=b@5s 127.0.0.1:9229,a=b@5s [::1]:3@5s");
	cr_assert_eq(sets_n, 1);
	cr_assert_eq(source()->targets_n, 3);
	cr_assert_str_eq(source()->error, "");
	cr_assert_gt(source()->last_success_wall_ms, 0);
	cr_assert_eq(discovery.refreshes, 1);
	cr_assert_eq(discovery.failures, 0);
}

Test(discover, a_renamed_file_is_seen)
{
	write_file("t.json", ONE);
	watch("t.json");
	cr_assert_str_eq(buf_text(&sets), "file: 127.0.0.1:1@5s");
	write_file("t.json.new", "[{\"targets\": [\"127.0.0.1:7\"]}]");
	rename_file("t.json.new", "t.json");
	until_set("file: 127.0.0.1:7@5s");
}

Test(discover, a_file_written_in_place_is_seen)
{
	write_file("t.yaml", TWO);
	watch("*.yaml");
	write_file("t.yaml", "- targets: ['127.0.0.1:8']\n");
	until_set("file: 127.0.0.1:8@5s");
}

Test(discover, files_come_and_go)
{
	watch("*.json");
	cr_assert_eq(sets_n, 0, "nothing found is nothing to say");
	write_file("a.json", ONE);
	until_set("file: 127.0.0.1:1@5s");
	write_file("b.json", "[{\"targets\": [\"127.0.0.1:2\"]}]");
	until_set("file: 127.0.0.1:1@5s 127.0.0.1:2@5s");
	unlink(path_of("a.json"));
	until_set("file: 127.0.0.1:2@5s");
	rename_file("b.json", "b.off");
	until_set("file:");
}

/* A Kubernetes volume: names are links through ..data, which is swapped as a whole. */
Test(discover, a_swapped_volume_is_seen)
{
	cr_assert_eq(mkdir(path_of("v1"), 0700), 0);
	cr_assert_eq(mkdir(path_of("v2"), 0700), 0);
	write_file("v1/t.json", ONE);
	write_file("v2/t.json", "[{\"targets\": [\"127.0.0.1:22\"]}]");
	cr_assert_eq(symlink("v1", path_of("..data")), 0);
	cr_assert_eq(symlink("..data/t.json", path_of("t.json")), 0);
	watch("*.json");
	cr_assert_str_eq(buf_text(&sets), "file: 127.0.0.1:1@5s");
	cr_assert_eq(symlink("v2", path_of("..data_tmp")), 0);
	rename_file("..data_tmp", "..data");
	until_set("file: 127.0.0.1:22@5s");
}

Test(discover, a_bad_file_keeps_its_targets_and_is_told_of_once)
{
	write_file("bad.json", ONE);
	write_file("good.json", "[{\"targets\": [\"127.0.0.1:2\"]}]");
	watch("*.json");
	write_file("bad.json", "[{\"targets\": [\"127.0.0.1:1");
	until_error("bad.json: 1:27: the file ends too early");
	cr_assert_eq(warnings_n, 1);
	cr_assert(strstr(buf_text(&logged), "its last good targets stay"));
	cr_assert_str_eq(buf_text(&sets), "file: 127.0.0.1:1@5s 127.0.0.1:2@5s");
	cr_assert_eq(source()->targets_n, 2);
	cr_assert_gt(discovery.failures, 0);
	/* The others go on, and the same trouble is not told twice. */
	write_file("good.json", "[{\"targets\": [\"127.0.0.1:3\"]}]");
	until_set("file: 127.0.0.1:1@5s 127.0.0.1:3@5s");
	look_again("*.json");
	cr_assert_eq(warnings_n, 1);
	write_file("bad.json", "[{\"targets\": [\"127.0.0.1:9\"]}]");
	until_set("file: 127.0.0.1:9@5s 127.0.0.1:3@5s");
	cr_assert_str_eq(source()->error, "");
	cr_assert(strstr(buf_text(&logged), "good again"));
	cr_assert_eq(warnings_n, 1);
}

Test(discover, an_empty_file_is_half_written_but_an_empty_list_is_meant)
{
	write_file("t.yaml", TWO);
	watch("*.yaml");
	write_file("t.yaml", "");
	until_error("the file is empty (write [] for no targets)");
	write_file("t.yaml", "# all gone?\n");
	until_error("1:1: expected a list of target groups (write [] for none)");
	cr_assert_str_eq(buf_text(&sets), "file: 127.0.0.1:2@5s");
	write_file("t.yaml", "[]\n");
	until_set("file:");
}

Test(discover, a_file_bad_from_the_start_has_no_targets)
{
	write_file("t.json", "{}");
	watch("t.json");
	cr_assert_eq(sets_n, 0);
	cr_assert(strstr(source()->error, "t.json: 1:1: expected a list of target groups"));
	cr_assert(strstr(buf_text(&logged), "it has no targets yet"));
}

Test(discover, a_folder_that_is_not_there_yet)
{
	watch("later/*.json");
	cr_assert(strstr(source()->error, "cannot be read: No such file or directory"));
	cr_assert_eq(mkdir(path_of("later"), 0700), 0);
	write_file("later/t.json", ONE);
	look_again("later/*.json");
	cr_assert_str_eq(buf_text(&sets), "file: 127.0.0.1:1@5s");
	cr_assert_str_eq(source()->error, "");
	/* From now on it is watched. */
	write_file("later/t.json", "[{\"targets\": [\"127.0.0.1:4\"]}]");
	until_set("file: 127.0.0.1:4@5s");
}

Test(discover, a_folder_that_goes_takes_nothing_with_it)
{
	cr_assert_eq(mkdir(path_of("d"), 0700), 0);
	write_file("d/t.json", ONE);
	watch("d/*.json");
	rename_file("d", "away");
	until_error("cannot be read: No such file or directory");
	cr_assert_eq(source()->targets_n, 1);
	cr_assert_eq(sets_n, 1);
	rename_file("away", "d");
	look_again("d/*.json");
	cr_assert_str_eq(source()->error, "");
	write_file("d/t.json", "[{\"targets\": [\"127.0.0.1:5\"]}]");
	until_set("file: 127.0.0.1:5@5s");
}

/* What stands under the path now is another folder: the watch must follow. */
Test(discover, a_swapped_folder_is_watched)
{
	cr_assert_eq(mkdir(path_of("d"), 0700), 0);
	cr_assert_eq(mkdir(path_of("e"), 0700), 0);
	write_file("d/t.json", ONE);
	write_file("e/t.json", "[{\"targets\": [\"127.0.0.1:6\"]}]");
	watch("d/*.json");
	rename_file("d", "f");
	rename_file("e", "d");
	until_set("file: 127.0.0.1:6@5s");
	write_file("d/t.json", "[{\"targets\": [\"127.0.0.1:66\"]}]");
	until_set("file: 127.0.0.1:66@5s");
}

Test(discover, an_unchanged_file_is_not_read_again)
{
	write_file("t.json", ONE);
	/* Ten seconds on, the file is no longer so young that it may change without a trace. */
	clock_simulate(clock_mono_ns(), clock_wall_ms() + 10000);
	watch("t.json");
	look_again("t.json");
	look_again("t.json");
	clock_real();
	cr_assert_eq(discovery.refreshes, 3);
	cr_assert_eq(sets_n, 1);
}

/* ---- applying settings ---- */

Test(discover, what_is_named_no_more_goes)
{
	write_file("a.json", ONE);
	write_file("b.yaml", TWO);
	apply("file_sd_configs: [{files: ['%s/a.json', '%s/b.yaml'], refresh_interval: 1d}]",
	      folder, folder);
	cr_assert_eq(sets_n, 2);
	watch("b.yaml");
	cr_assert_eq(sets_n, 3);
	cr_assert_str_eq(buf_text(&sets), "file:", "the targets of a.json");
	cr_assert_eq(source()->link.next, &discovery.sources, "one is left");
	cr_assert_eq(discovery.refreshes, 2, "which was left alone");
	apply("{}");
	cr_assert(list_empty(&discovery.sources));
}

Test(discover, new_defaults_reach_the_targets)
{
	write_file("t.json", "[{\"targets\": [\"127.0.0.1:1\"]}, {\"targets\": [\"127.0.0.1:2\"],"
			     " \"labels\": {\"__heapwatch_interval\": \"2s\"}}]");
	watch("t.json");
	cr_assert_str_eq(buf_text(&sets), "file: 127.0.0.1:1@5s 127.0.0.1:2@2s");
	apply("poll: {interval: 30s}\n"
	      "file_sd_configs: [{files: ['%s'], refresh_interval: 1d}]",
	      path_of("t.json"));
	cr_assert_str_eq(buf_text(&sets), "file: 127.0.0.1:1@30s 127.0.0.1:2@2s");
	cr_assert_eq(sets_n, 2);
	cr_assert_eq(discovery.refreshes, 1, "nothing was read for it");
}

Test(discover, names_of_sources)
{
	char a[64], b[64];

	source_name(a, "http", "http://127.0.0.1:8080/sd");
	cr_assert_str_eq(a, "http:http://127.0.0.1:8080/sd");
	source_name(a, "http", "http://127.0.0.1:8080/sd?key=secret");
	source_name(b, "http", "http://127.0.0.1:8080/sd?key=other");
	cr_assert_null(strstr(a, "secret"));
	cr_assert_str_neq(a, b);
	source_name(a, "file",
		    "/srv/a/very/long/path/that/goes/on/and/on/and/on/until/it/ends/a.json");
	source_name(b, "file",
		    "/srv/a/very/long/path/that/goes/on/and/on/and/on/until/it/ends/b.json");
	cr_assert_str_neq(a, b);
}

/* ---- groups ---- */

static char *ranges[] = { "127.0.0.0/8", "::1", "unix" };
static const struct text_list local = { .items = ranges, .n = 3 };

static void groups(const char *text, struct item_list *targets)
{
	struct problems problems;

	problems_init(&problems);
	cr_assert_eq(groups_parse(text, strlen(text), "g.yaml", &local, NULL, targets, &problems),
		     0, "%s", problems.n ? problems.items[0].text : "");
	problems_fini(&problems);
}

Test(discover, labels_that_say_how_to_poll)
{
	const struct target_settings *target;
	struct item_list targets;

	groups("- targets: ['127.0.0.1:1']\n"
	       "  labels:\n"
	       "    __heapwatch_name: api\n"
	       "    __heapwatch_interval: 2s\n"
	       "    __heapwatch_timeout: 1s\n"
	       "    __heapwatch_backoff_max: 10s\n"
	       "    __heapwatch_policy: per_poll\n"
	       "    __heapwatch_evaluate: never\n"
	       "    __meta_zone: dropped\n"
	       "    __address__: dropped\n"
	       "    name: pod-1\n"
	       "    shard: 7\n",
	       &targets);
	cr_assert_eq(targets.n, 1);
	target = targets.items;
	cr_assert_str_eq(target->name, "api");
	cr_assert(target->has_interval && target->has_timeout && target->has_backoff_max);
	cr_assert(target->has_policy && target->has_evaluate);
	cr_assert_eq(target->poll.interval_ns, 2 * NS_PER_S);
	cr_assert_eq(target->poll.policy, POLICY_PER_POLL);
	cr_assert_eq(target->poll.evaluate, EVALUATE_NEVER);
	cr_assert_eq(target->labels.n, 2);
	cr_assert_str_eq(labels_get(&target->labels, "exported_name"), "pod-1");
	cr_assert_str_eq(labels_get(&target->labels, "shard"), "7");
	groups_fini(&targets);
}

Test(discover, groups_that_are_wrong)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "a: b", "g.yaml:1:1: expected a list of target groups" },
		{ "- 127.0.0.1:1", "g.yaml:1:3: [0]: expected a table (key: value), got a single "
				   "value" },
		{ "- {}", "g.yaml:1:3: [0]: missing required key 'targets'" },
		{ "- target: [x]",
		  "g.yaml:1:3: [0]: unknown key 'target' (did you mean 'targets'?)" },
		{ "- targets: [api.example.org:80]",
		  "g.yaml:1:13: [0].targets[0]: 'api.example.org' is not a numeric address: "
		  "inspectors refuse names, write the IP address" },
		{ "- targets: ['9229']\n  labels: {a-b: c}",
		  "g.yaml:2:12: [0].labels: 'a-b' is not a label name (letters, digits and _, no "
		  "digit first)" },
		{ "- targets: ['1', '2']\n  labels: {__heapwatch_name: x}",
		  "g.yaml:2:30: [0]: label '__heapwatch_name': a name is for a group of one "
		  "target" },
		{ "- targets: ['1']\n  labels: {__heapwatch_interval: 1ms}",
		  "g.yaml:2:34: [0]: label '__heapwatch_interval': '1ms' is out of range "
		  "(100ms to 1d)" },
		{ "- targets: ['1']\n  labels: {__heapwatch_address: x}",
		  "g.yaml:2:33: [0]: label '__heapwatch_address': there is no such setting" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct item_list targets;
		struct problems problems;

		problems_init(&problems);
		cr_expect_eq(groups_parse(cases[i].text, strlen(cases[i].text), "g.yaml", &local,
					  NULL, &targets, &problems),
			     -EINVAL);
		cr_assert_geq(problems.n, 1);
		cr_expect_str_eq(problems.items[0].text, cases[i].why);
		cr_assert_null(targets.items);
		problems_fini(&problems);
	}
}

Test(discover, targets_outside_of_what_is_allowed)
{
	struct item_list targets;
	struct problems problems;
	const char *text = "- targets: ['127.0.0.1:1', '10.1.2.3:2']\n"
			   "- targets:\n"
			   "  - '[2001:db8::1]:3'\n";

	problems_init(&problems);
	cr_assert_eq(groups_parse(text, strlen(text), "g.yaml", &local, NULL, &targets, &problems),
		     -EINVAL);
	cr_assert_eq(problems.n, 2);
	cr_expect_str_eq(problems.items[0].text, "g.yaml:1:28: [0].targets[1]: '10.1.2.3:2' is "
						 "outside allowed_targets");
	cr_expect_str_eq(problems.items[1].text, "g.yaml:3:5: [1].targets[0]: '[2001:db8::1]:3' is "
						 "outside allowed_targets");
	problems_fini(&problems);
}

static void allow(const char *ranges_text)
{
	apply("allowed_targets: [%s]\nfile_sd_configs: [{files: ['%s'], refresh_interval: 1d}]",
	      ranges_text, path_of("a.json"));
}

Test(discover, what_is_allowed_changes)
{
	write_file("a.json", "[{\"targets\": [\"127.0.0.1:1\", \"10.1.2.3:2\"]}]");
	allow("127.0.0.0/8");
	until_error("outside allowed_targets");
	cr_expect_eq(source()->targets_n, 0);
	allow("127.0.0.0/8, 10.0.0.0/8");
	until_set("file: 127.0.0.1:1@5s 10.1.2.3:2@5s");
	cr_expect_str_eq(source()->error, "");
	allow("127.0.0.0/8");
	until_set("file: 127.0.0.1:1@5s");
	cr_expect(strstr(source()->error, "outside allowed_targets") != NULL);
	allow("10.0.0.0/8");
	until_set("file: 10.1.2.3:2@5s");
}

/* ---- a service ---- */

/* Answers each request with what `answer` is then; counts, and keeps the last request. */
static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	char answer[1024], request[2048];
	atomic_uint requests;
	int fd;
	uint16_t port;
} server = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void serve_one(int fd)
{
	char request[sizeof(server.request)], answer[sizeof(server.answer)];
	size_t n = 0;

	do {
		ssize_t r = read(fd, request + n, sizeof(request) - 1 - n);

		if (r <= 0)
			return;
		n += (size_t)r;
		request[n] = '\0';
	} while (!strstr(request, "\r\n\r\n"));
	pthread_mutex_lock(&server.lock);
	strcpy(server.request, request);
	strcpy(answer, server.answer);
	pthread_mutex_unlock(&server.lock);
	cr_assert_eq(write(fd, answer, strlen(answer)), (ssize_t)strlen(answer));
	atomic_fetch_add(&server.requests, 1);
}

static void *serve(void *arg)
{
	int fd;

	while ((fd = accept(server.fd, NULL, NULL)) >= 0) {
		serve_one(fd);
		close(fd);
	}
	return arg;
}

static void start_server(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);

	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(server.fd, (struct sockaddr *)&address, size), 0);
	cr_assert_eq(listen(server.fd, 8), 0);
	cr_assert_eq(getsockname(server.fd, (struct sockaddr *)&address, &size), 0);
	server.port = ntohs(address.sin_port);
	cr_assert_eq(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void stop_server(void)
{
	shutdown(server.fd, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.fd);
}

static void set_answer(const char *status, const char *headers, const char *body)
{
	pthread_mutex_lock(&server.lock);
	snprintf(server.answer, sizeof(server.answer),
		 "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(body),
		 body);
	pthread_mutex_unlock(&server.lock);
}

#define JSON "Content-Type: application/json\r\n"

/* Asks the service, with extra settings; another time-out each time makes it ask at once. */
static void ask(const char *extra)
{
	static unsigned seconds;
	uint64_t refreshes = discovery.refreshes;

	apply("http_sd_configs: [{url: 'http://127.0.0.1:%u/sd', refresh_interval: 1d, "
	      "timeout: %us%s}]",
	      server.port, 5 + seconds++ % 30, extra);
	until_refreshed(refreshes + 1);
}

static void sets_are(const char *expected)
{
	char text[256];

	snprintf(text, sizeof(text), "http:http://127.0.0.1:%u/sd:%s", server.port, expected);
	cr_assert_str_eq(buf_text(&sets), text);
}

Test(discover, a_service_is_asked)
{
	start_server();
	set_answer("200 OK", JSON, ONE);
	ask("");
	sets_are(" 127.0.0.1:1@5s");
	cr_assert(strstr(server.request, "GET /sd HTTP/1.1\r\n"));
	cr_assert(strstr(server.request, "Accept: application/json\r\n"));
	cr_assert_null(strstr(server.request, "Authorization"));
	cr_assert_str_eq(source()->error, "");
	set_answer("200 OK", JSON, "[]");
	ask("");
	sets_are("");
	stop_server();
}

Test(discover, a_service_that_fails_keeps_its_targets)
{
	static const struct {
		const char *status, *headers, *body, *error;
	} cases[] = {
		{ "503 Out", JSON, "[]", "answered with status 503, not 200" },
		{ "404 No", JSON, "[]", "answered with status 404, not 200" },
		{ "302 Found", "Location: /other\r\n", "", "answered with status 302, not 200" },
		{ "200 OK", JSON, "[{\"targets\": [\"127.0.0.1:1\"", "the file ends too early" },
		{ "200 OK", JSON, "{\"targets\": []}", "the answer is not a JSON list" },
		{ "200 OK", JSON, "", "the answer is not a JSON list" },
		{ "200 OK", "Content-Type: text/html\r\n", "<html>", "" },
		{ "200 OK", JSON, "[{\"targets\": [\"db.example.org:1\"]}]",
		  "1:15: [0].targets[0]: 'db.example.org' is not a numeric address" },
	};
	size_t before;

	start_server();
	set_answer("200 OK", JSON, ONE);
	ask("");
	before = sets_n;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_answer(cases[i].status, cases[i].headers, cases[i].body);
		ask("");
		cr_expect(source()->error[0] && strstr(source()->error, cases[i].error), "%s: %s",
			  cases[i].error, source()->error);
	}
	cr_assert_eq(sets_n, before);
	cr_assert_eq(source()->targets_n, 1);
	cr_assert_eq(discovery.failures, sizeof(cases) / sizeof(cases[0]));
	set_answer("200 OK", JSON, TWO_AS_JSON);
	ask("");
	sets_are(" 127.0.0.1:2@5s");
	cr_assert_str_eq(source()->error, "");
	stop_server();
	/* Nobody listens there now. */
	ask("");
	cr_assert(strstr(source()->error, "onnect"), "%s", source()->error);
	sets_are(" 127.0.0.1:2@5s");
}

Test(discover, the_answer_sets_the_interval)
{
	start_server();
	set_answer("200 OK", JSON "X-Prometheus-Refresh-Interval-Seconds: 1\r\n", ONE);
	ask("");
	set_answer("200 OK", JSON, TWO_AS_JSON);
	until_refreshed(discovery.refreshes + 1);
	sets_are(" 127.0.0.1:2@5s");
	stop_server();
}

Test(discover, a_token_is_sent_and_rotated_and_never_told)
{
	char extra[512];

	start_server();
	set_answer("200 OK", JSON, ONE);
	snprintf(extra, sizeof(extra), ", bearer_token_file: '%s'", path_of("token"));
	ask(extra);
	cr_assert(strstr(source()->error, "bearer_token_file"), "%s", source()->error);
	cr_assert_eq(server.requests, 0, "without its token nothing is asked");
	write_file("token", "first-token\n");
	ask(extra);
	cr_assert(strstr(server.request, "Authorization: Bearer first-token\r\n"));
	write_file("token", "second-token");
	ask(extra);
	cr_assert(strstr(server.request, "Authorization: Bearer second-token\r\n"));
	write_file("token", "bad\r\nX-Evil: 1\r\n");
	ask(extra);
	cr_assert(strstr(source()->error, "not one word"), "%s", source()->error);
	write_file("token", "\n");
	ask(extra);
	cr_assert_eq(server.requests, 2);
	cr_assert_null(strstr(buf_text(&logged), "-token\n"));
	cr_assert_null(strstr(buf_text(&logged), "Evil"));
	stop_server();
}

Test(discover, a_service_that_is_dropped_while_it_is_asked)
{
	start_server();
	set_answer("200 OK", JSON, ONE);
	apply("http_sd_configs: [{url: 'http://127.0.0.1:%u/sd'}]", server.port);
	apply("{}");
	cr_assert(list_empty(&discovery.sources));
	sets_are("");
	for (int i = 0; i < 3; i++)
		cr_assert_eq(loop_turn(&loop, 10), 0);
	sets_are("");
	stop_server();
}
