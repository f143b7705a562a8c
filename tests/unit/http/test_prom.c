#include "scene.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/tracking.h"
#include "client.h"
#include "http/metric_table.h"
#include "http/prom.h"
#include "otlp/otlp.h"
#include "util/clock.h"
#include "util/str.h"

static struct view_scene scene;

static void setup(void)
{
	view_start(&scene);
}

static void teardown(void)
{
	view_stop(&scene);
}

TestSuite(prom, .init = setup, .fini = teardown);

static const char probe_golden[] =
	"heapwatch_up 1\n"
	"heapwatch_target_info{runtime=\"node\",runtime_version=\"22.1.0\",engine=\"v8\","
	"engine_version=\"12.4\",protocol=\"cdp\",address=\"127.0.0.1:9229\"} 1\n"
	"heapwatch_target_state{state=\"connecting\"} 0\n"
	"heapwatch_target_state{state=\"up\"} 1\n"
	"heapwatch_target_state{state=\"capturing\"} 0\n"
	"heapwatch_target_state{state=\"blocked\"} 0\n"
	"heapwatch_target_state{state=\"paused\"} 0\n"
	"heapwatch_target_state{state=\"stopped\"} 0\n"
	"heapwatch_target_state{state=\"exiting\"} 0\n"
	"heapwatch_target_state{state=\"down\"} 0\n"
	"heapwatch_target_state{state=\"invalid\"} 0\n"
	"heapwatch_target_isolates 1\n"
	"heapwatch_target_restarts_total 0\n"
	"heapwatch_scrape_duration_seconds 0.0015\n"
	"heapwatch_last_poll_timestamp_seconds 1700000000.25\n"
	"heapwatch_polls_total 3\n"
	"heapwatch_poll_failures_total{reason=\"refused\"} 0\n"
	"heapwatch_poll_failures_total{reason=\"timeout\"} 0\n"
	"heapwatch_poll_failures_total{reason=\"blocked\"} 0\n"
	"heapwatch_poll_failures_total{reason=\"protocol\"} 0\n"
	"heapwatch_poll_failures_total{reason=\"lost\"} 0\n"
	"heapwatch_inspector_round_trip_seconds{isolate=\"main\"} 0.00025\n"
	"heapwatch_heap_used_bytes{isolate=\"main\"} 50\n"
	"heapwatch_heap_limit_bytes{isolate=\"main\"} 100\n"
	"heapwatch_heap_space_size_bytes{isolate=\"main\",space=\"new\"} 1000\n"
	"heapwatch_heap_space_size_bytes{isolate=\"main\",space=\"old\"} 2000\n"
	"heapwatch_heap_space_used_bytes{isolate=\"main\",space=\"new\"} 1001\n"
	"heapwatch_heap_space_used_bytes{isolate=\"main\",space=\"old\"} 2001\n"
	"heapwatch_heap_space_available_bytes{isolate=\"main\",space=\"new\"} 1002\n"
	"heapwatch_heap_space_available_bytes{isolate=\"main\",space=\"old\"} 2002\n"
	"heapwatch_heap_space_physical_bytes{isolate=\"main\",space=\"new\"} 1003\n"
	"heapwatch_heap_space_physical_bytes{isolate=\"main\",space=\"old\"} 2003\n"
	"heapwatch_leaks_detected_total 0\n";

/* The lines that are no comments. */
static char *samples_of(const char *text)
{
	char *samples = calloc(1, strlen(text) + 1), *to = samples;

	cr_assert_not_null(samples);
	while (*text != '\0') {
		size_t size = strcspn(text, "\n") + 1;

		if (*text != '#')
			to = mempcpy(to, text, size);
		text += size;
	}
	return samples;
}

Test(prom, probe_golden)
{
	struct target *target = view_add_target(&scene, "a", "127.0.0.1:9229");
	struct buf buf;
	char *samples;

	target_answer(target);
	buf_init(&buf, 65536);
	cr_assert_eq(prom_write_target(target, true, EXPOSITION_TEXT, &buf), 0);
	samples = samples_of(buf_text(&buf));
	cr_expect_str_eq(samples, probe_golden);
	free(samples);
	buf_fini(&buf);
}

/* Not answered in time: no value of the past in the place of one of now. */
Test(prom, probe_unanswered)
{
	struct target *target = view_add_target(&scene, "a", "127.0.0.1:9229");
	struct buf buf;

	target_answer(target);
	buf_init(&buf, 65536);
	cr_assert_eq(prom_write_target(target, false, EXPOSITION_TEXT, &buf), 0);
	cr_expect_not_null(strstr(buf_text(&buf), "\nheapwatch_up 0\n"));
	cr_expect_null(strstr(buf_text(&buf), "heapwatch_heap_"));
	buf_fini(&buf);
}

static void add_counter(const char *target, const char *rule, const char *reason, uint64_t failed,
			uint64_t refused)
{
	struct capture_counter *row = calloc(1, sizeof(*row));

	cr_assert_not_null(row);
	str_copy(row->target, sizeof(row->target), target);
	str_copy(row->rule, sizeof(row->rule), rule);
	str_copy(row->reason, sizeof(row->reason), reason);
	row->failed = failed;
	row->refused = refused;
	row->succeeded = reason[0] == '\0';
	row->last_wall_ms = reason[0] == '\0' ? 1700000001000 : 0;
	list_append(&scene.captures.counters, &row->link);
}

static void free_counters(void)
{
	list_each_safe (at, &scene.captures.counters) {
		link_remove(at);
		free(container_of(at, struct capture_counter, link));
	}
}

static void expect_line(const char *text, const char *line, int times)
{
	int n = 0;

	for (const char *at = text; (at = strstr(at, line)) != NULL; at++)
		n += at == text || at[-1] == '\n';
	cr_expect_eq(n, times, "%s: %d times", line, n);
}

/* Rows that differ in a label the family does not have are one series. */
Test(prom, capture_counters_are_summed)
{
	struct buf buf;

	target_answer(view_add_target(&scene, "a", "127.0.0.1:9229"));
	add_counter("a", "r1", "timeout", 2, 0);
	add_counter("a", "r2", "timeout", 3, 0);
	add_counter("a", "r1", "cooldown", 0, 4);
	add_counter("a", "r2", "cooldown", 0, 5);
	add_counter("a", "", "", 0, 0);
	add_counter("gone", "r1", "timeout", 7, 0);
	buf_init(&buf, EXPOSITION_MAX);
	cr_assert_eq(prom_write(&scene.view, EXPOSITION_TEXT, &buf), 0);
	expect_line(buf_text(&buf),
		    "heapwatch_capture_failures_total{target=\"a\",kind=\"snapshot\",reason="
		    "\"timeout\"} 5\n",
		    1);
	expect_line(buf_text(&buf),
		    "heapwatch_captures_suppressed_total{target=\"a\",rule=\"r1\",reason="
		    "\"cooldown\"} 4\n",
		    1);
	expect_line(buf_text(&buf),
		    "heapwatch_captures_total{target=\"a\",kind=\"snapshot\",rule=\"\"} 1\n", 1);
	expect_line(buf_text(&buf),
		    "heapwatch_last_capture_timestamp_seconds{target=\"a\",kind=\"snapshot\"} "
		    "1700000001\n",
		    1);
	cr_expect_null(strstr(buf_text(&buf), "gone"), "the target was removed");
	buf_fini(&buf);
	free_counters();
}

/* Two groups may hold a rule of one name: their alerts must not become one series twice. */
Test(prom, alerts_of_one_name)
{
	struct rule rule = { .name = (char *)(uintptr_t) "Heap \"1\"" };
	struct alert alerts[2];
	struct buf buf;

	for (size_t i = 0; i < 2; i++) {
		alerts[i] = (struct alert){
			.rule = &rule, .state = ALERT_FIRING, .target = "a", .isolate = "main"
		};
		list_append(&scene.alerts.list, &alerts[i].link);
	}
	buf_init(&buf, EXPOSITION_MAX);
	cr_assert_eq(prom_write(&scene.view, EXPOSITION_TEXT, &buf), 0);
	expect_line(buf_text(&buf),
		    "heapwatch_alerts{alertname=\"Heap \\\"1\\\"\",alertstate=\"firing\",target="
		    "\"a\",isolate=\"main\",severity=\"\",step=\"\"} ",
		    1);
	buf_fini(&buf);
	scene.view.otlp = NULL;
	link_init(&scene.alerts.list);
}

/* ---- by the judgement of others ---- */

/* Give text to a program; its exit code, and what it said on stdout and stderr. */
static int judge(const char *command, const char *text, char *said, size_t said_size)
{
	char in[] = "/tmp/heapwatch-test-XXXXXX", line[512];
	int fd = mkstemp(in), status;
	FILE *pipe;
	size_t n;

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	snprintf(line, sizeof(line), "%s <%s 2>&1", command, in);
	pipe = popen(line, "re");
	cr_assert_not_null(pipe);
	n = fread(said, 1, said_size - 1, pipe);
	said[n] = '\0';
	status = pclose(pipe);
	unlink(in);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void add_odd_targets(void)
{
	static const char *const names[] = { "plain",    "q\"uote",     "back\\slash", "new\nline",
					     "\xff\xfe", "{a=\"b\"} 1", "# HELP",      "" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char address[32];

		snprintf(address, sizeof(address), "127.0.0.1:%zu", 9000 + i);
		target_answer(view_add_target(&scene, names[i], address));
		add_counter(names[i], "r", "cooldown", 0, 1);
	}
}

Test(prom, promtool_is_content)
{
	char said[4096];
	struct buf buf;
	int code;

	add_odd_targets();
	buf_init(&buf, EXPOSITION_MAX);
	cr_assert_eq(prom_write(&scene.view, EXPOSITION_TEXT, &buf), 0);
	code = judge("promtool check metrics", buf_text(&buf), said, sizeof(said));
	cr_expect_eq(code, 0, "promtool: %d %s", code, said);
	cr_expect_str_eq(said, "");
	buf_fini(&buf);
	free_counters();
}

Test(prom, strict_parser_reads_the_odd_names)
{
	static const char script[] =
		"/usr/bin/python3 -c 'import sys\n"
		"from prometheus_client.openmetrics.parser import text_string_to_metric_families\n"
		"f = list(text_string_to_metric_families(sys.stdin.read()))\n"
		"up = [s.labels[\"target\"] for m in f if m.name == \"heapwatch_up\" for s in "
		"m.samples]\n"
		"print(ascii(up))'";
	char said[4096];
	struct buf buf;
	int code;

	add_odd_targets();
	buf_init(&buf, EXPOSITION_MAX);
	cr_assert_eq(prom_write(&scene.view, EXPOSITION_OPENMETRICS, &buf), 0);
	code = judge(script, buf_text(&buf), said, sizeof(said));
	cr_expect_eq(code, 0, "parser: %d %s", code, said);
	cr_expect_str_eq(said,
			 "['plain', 'q\"uote', 'back\\\\slash', 'new\\nline', '\\ufffd\\ufffd', "
			 "'{a=\"b\"} 1', '# HELP', '']\n");
	buf_fini(&buf);
	free_counters();
}

/* ---- over HTTP ---- */

Test(prom, counts_its_own_requests)
{
	struct client client;

	for (int i = 0; i < 2; i++) {
		client_get(&client, &scene.web.loop, scene.web.port, "GET", "/metrics", "");
		cr_assert_eq(client_status(&client), 200);
		if (i == 0)
			client_close(&client);
	}
	expect_line(client_body(&client),
		    "heapwatch_http_requests_total{code=\"200\",handler=\"/metrics\",method="
		    "\"get\"} 1\n",
		    1);
	expect_line(client_body(&client),
		    "heapwatch_http_request_duration_seconds_count{handler=\"/metrics\"} 1\n", 1);
	client_close(&client);
}

Test(prom, formats_by_accept)
{
	struct client client;

	client_get(&client, &scene.web.loop, scene.web.port, "GET", "/metrics",
		   "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n");
	cr_expect_str_eq(client_header(&client, "Content-Type"),
			 "application/openmetrics-text; version=1.0.0; charset=utf-8");
	cr_expect_str_eq(client_body(&client) + client_body_size(&client) - 6, "# EOF\n");
	client_close(&client);
	client_get(&client, &scene.web.loop, scene.web.port, "GET", "/metrics", "");
	cr_expect_str_eq(client_header(&client, "Content-Type"),
			 "text/plain; version=0.0.4; charset=utf-8");
	cr_expect_null(strstr(client_body(&client), "# EOF"));
	client_close(&client);
}

/* Three hours of a leak of 10 KiB a second, as far as families of leaks need it. */
static void grow(struct isolate *isolate)
{
	for (uint64_t i = 0; i < 91; i++) {
		struct reading reading = { .point = { .mono_ns = (i + 100) * 120 * NS_PER_S,
						      .heap_used = i * 1200 * 1024 } };

		series_add(&isolate->series, &reading);
	}
	cr_assert(leak_update(&isolate->leak, &isolate->series, 0, 0));
	cr_assert_eq(isolate->leak.cause, LEAK_HEAP);
}

static void load_rule(void)
{
	static const char text[] =
		"groups: [{name: g, rules: [{alert: r, when: {metric: heap_used, above: 1}}]}]";
	struct rules *rules = calloc(1, sizeof(*rules));
	struct problems problems;

	cr_assert_not_null(rules);
	problems_init(&problems);
	cr_assert_eq(rules_parse(rules, text, strlen(text), "r.yaml", NS_PER_S, &problems), 0);
	problems_fini(&problems);
	cr_assert_eq(alerts_set_rules(&scene.alerts, rules), 0);
}

/* Every family of the table but those that need something this scene lacks is there. */
Test(prom, every_family_can_appear)
{
	struct target *target = view_add_target(&scene, "a", "127.0.0.1:9229");
	struct isolate *isolate;
	struct rule rule = { .name = (char *)(uintptr_t) "r" };
	struct alert alert = { .rule = &rule, .state = ALERT_PENDING };
	struct otlp otlp = { .endpoint.url = (char *)(uintptr_t) "http://x/" };
	struct client client;
	struct spool_entry entry = {
		.manifest = { .target = "a", .analysis = { .verdict = { .state = "leak" } } },
	};
	struct tracked tracked = { .target_id = target->id };
	struct buf buf;

	target_answer(target);
	load_rule();
	list_append(&scene.captures.tracked, &tracked.link);
	otlp.success_wall_ms = 1;
	scene.view.otlp = &otlp;
	target->process = (struct process_stats){ .present = true,
						  .cgroup.has_usage = true,
						  .cgroup.has_limit = true };
	isolate = target_find_isolate(target, "main");
	for (int i = 0; i < SAMPLE_FIELDS; i++)
		sample_set(&isolate->last, (enum sample_field)i, 1);
	grow(isolate);
	isolate->gc = gc_stats_new();
	for (int i = 0; i < 2 * GC_KINDS; i++)
		gc_stats_take(isolate->gc, &(struct gc_event){ .kind = (enum gc_kind)(i / 2),
							       .is_span = i % 2,
							       .is_end = true,
							       .has_sizes = true });
	add_counter("a", "", "", 0, 0);
	add_counter("a", "r", "x", 1, 1);
	for (int i = 0; i < 2; i++) {
		add_counter("a", "r", i == 0 ? "" : "x", 1, 0);
		container_of(scene.captures.counters.prev, struct capture_counter, link)->kind =
			CAPTURE_KIND_GC;
	}
	list_append(&scene.alerts.list, &alert.link);
	list_append(&scene.spool.ready, &entry.link);
	scene.spool.files++;
	scene.spool.limits.max_use_bytes = 1;
	scene.analyses.peak_resident_bytes = 1;
	scene.view.reload_wall_ms = 1;
	client_get(&client, &scene.web.loop, scene.web.port, "GET", "/-/healthy", "");
	client_close(&client);
	buf_init(&buf, EXPOSITION_MAX);
	cr_assert_eq(prom_write(&scene.view, EXPOSITION_OPENMETRICS, &buf), 0);
	for (const struct metric_desc *desc = metric_table; desc->name != NULL; desc++) {
		/* Needs a file system. */
		if (desc == &metric_table[METRIC_SPOOL_AVAILABLE])
			continue;
		/* Need receivers: tests/e2e/test_notify.py, test_otlp.py. */
		if (desc >= &metric_table[METRIC_OTLP_EXPORTS] &&
		    desc <= &metric_table[METRIC_OTLP_DURATION])
			continue;
		if (desc >= &metric_table[METRIC_NOTIFICATIONS_SENT] &&
		    desc <= &metric_table[METRIC_NOTIFICATIONS_LATENCY])
			continue;
		cr_expect_not_null(strstr(buf_text(&buf), desc->help), "%s", desc->name);
	}
	buf_fini(&buf);
	link_remove(&tracked.link);
	link_remove(&entry.link);
	scene.spool.files--;
	link_init(&scene.alerts.list);
	free_counters();
}

static void list_verdict(struct spool_entry *entry, const char *isolate, const char *rule,
			 const char *state)
{
	*entry = (struct spool_entry){ .manifest = { .target = "a" } };
	str_copy(entry->manifest.isolate, sizeof(entry->manifest.isolate), isolate);
	str_copy(entry->manifest.rule, sizeof(entry->manifest.rule), rule);
	str_copy(entry->manifest.analysis.verdict.state,
		 sizeof(entry->manifest.analysis.verdict.state), state);
	str_copy(entry->manifest.analysis.verdict.class,
		 sizeof(entry->manifest.analysis.verdict.class), "C");
	str_copy(entry->manifest.analysis.verdict.place,
		 sizeof(entry->manifest.analysis.verdict.place), "server.js:12");
	list_append(&scene.spool.ready, &entry->link);
	scene.spool.files++;
}

/* The newest of each isolate; of one that is gone only where it is the newest of all. */
Test(prom, verdicts_are_of_isolates)
{
	struct target *target = view_add_target(&scene, "a", "127.0.0.1:9229");
	struct spool_entry entries[4];
	struct buf buf;

	target_answer(target);
	list_verdict(&entries[0], "main", "old", "leak");
	list_verdict(&entries[1], "worker:1", "r", "leak");
	list_verdict(&entries[2], "main", "r", "leak");
	buf_init(&buf, EXPOSITION_MAX);
	cr_assert_eq(prom_write(&scene.view, EXPOSITION_OPENMETRICS, &buf), 0);
	cr_expect_null(strstr(buf_text(&buf), "rule=\"old\""));
	cr_expect_null(strstr(buf_text(&buf), "worker:1"));
	cr_expect_not_null(
		strstr(buf_text(&buf),
		       "heapwatch_leak_verdict{target=\"a\",isolate=\"main\",rule=\"r\"} 1\n"));
	cr_expect_not_null(strstr(buf_text(&buf),
				  "heapwatch_leak_verdict_info{target=\"a\",isolate=\"main\","
				  "rule=\"r\",class=\"C\",holder=\"\",held_as=\"\","
				  "place=\"server.js:12\"} 1\n"));
	list_verdict(&entries[3], "worker:2", "r", "nothing");
	buf_clear(&buf);
	cr_assert_eq(prom_write(&scene.view, EXPOSITION_OPENMETRICS, &buf), 0);
	cr_expect_not_null(
		strstr(buf_text(&buf),
		       "heapwatch_leak_verdict{target=\"a\",isolate=\"worker:2\",rule=\"r\"} 0\n"));
	cr_expect_not_null(
		strstr(buf_text(&buf),
		       "heapwatch_leak_verdict{target=\"a\",isolate=\"main\",rule=\"r\"} 1\n"));
	buf_fini(&buf);
	for (int i = 0; i < 4; i++)
		link_remove(&entries[i].link);
	scene.spool.files -= 4;
}

Test(prom, markdown_has_every_family)
{
	struct buf buf;

	buf_init(&buf, 1 << 20);
	cr_assert_eq(metrics_markdown(&buf), 0);
	for (const struct metric_desc *desc = metric_table; desc->name != NULL; desc++) {
		char row[128];

		snprintf(row, sizeof(row), "| `%s%s` |", desc->name,
			 desc->type == METRIC_COUNTER ? "_total" : "");
		cr_expect_not_null(strstr(buf_text(&buf), row), "%s", row);
	}
	buf_fini(&buf);
}
