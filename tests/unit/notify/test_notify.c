/*
 * What is sent of an alert and when, on the simulated clock: nothing leaves this process, for the
 * queues are held. And alerts over a restart, from the text of them.
 */

#include "notify/notify.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_call.h"
#include "notify/sender.h"
#include "notify/settings.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/alert.h"
#include "watch/alert_restore.h"
#include "watch/target.h"

static struct loop loop;
static struct targets targets;
static struct alerts alerts;
static struct http_client *http;
static struct notify notify;
static struct target target;
static struct isolate isolate;

static void set_time(uint64_t seconds)
{
	clock_simulate(seconds * NS_PER_S, (int64_t)seconds * 1000 + 1700000000000);
	loop.now_ns = seconds * NS_PER_S;
}

static void set_rules(const char *text)
{
	struct rules *rules = calloc(1, sizeof(*rules));
	struct problems problems;

	cr_assert_not_null(rules);
	problems_init(&problems);
	cr_assert_eq(rules_parse(rules, text, strlen(text), "r.yaml", 15 * NS_PER_S, &problems), 0);
	problems_fini(&problems);
	cr_assert_eq(alerts_set_rules(&alerts, rules), 0);
}

static const char rule[] = "groups:\n- name: g\n  rules:\n  - alert: A\n"
			   "    when: {metric: heap_used, above: 50}\n";

static void on_resolved(void *owner, const struct alert *alert)
{
	(void)owner;
	notify_resolved(&notify, alert);
}

static void on_changed(void *owner)
{
	(void)owner;
	notify_changed(&notify);
}

static void write_ended(void *owner, struct json_writer *w)
{
	(void)owner;
	notify_write_ended(&notify, w);
}

static int read_ended(void *owner, const struct tree *list, uint64_t age_ms)
{
	(void)owner;
	return notify_read_ended(&notify, list, age_ms);
}

static void start_alerts(void)
{
	cr_assert_eq(alerts_init(&alerts, &loop, &targets), 0);
	alerts.on_resolved = on_resolved;
	alerts.on_changed = on_changed;
	alerts.write_ended = write_ended;
	alerts.read_ended = read_ended;
}

static void set_up(void)
{
	log_setup(LEVEL_ERROR, LOG_LOGFMT);
	set_time(1000);
	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(http_client_new(&http, &loop), 0);
	link_init(&targets.list);
	start_alerts();
	target = (struct target){ .id = 7, .targets = &targets, .state = TARGET_UP };
	target.spec.name = strdup("api");
	target.spec.poll.interval_ns = 5 * NS_PER_S;
	link_init(&target.isolates);
	link_init(&target.missing);
	list_append(&targets.list, &target.link);
	isolate = (struct isolate){ .name = "main" };
	list_append(&target.isolates, &isolate.link);
	cr_assert_eq(notify_init(&notify, &loop, http, &alerts), 0);
	notify.held = true;
}

static void tear_down(void)
{
	notify_fini(&notify);
	alerts_fini(&alerts);
	target_spec_fini(&target.spec);
	http_client_free(http);
	loop_fini(&loop);
	clock_real();
}

TestSuite(notify, .init = set_up, .fini = tear_down);

/* One Alertmanager, nobody listens there; queues of `capacity`. */
static struct sender *set_receiver(uint64_t capacity)
{
	char *address = strdup("127.0.0.1:9");
	struct static_config_settings config = { .targets = { .items = &address, .n = 1 } };
	char prefix[] = "/";
	struct alertmanager_settings one = {
		.static_configs = { .items = &config, .n = 1 },
		.path_prefix = prefix,
		.endpoint = { .timeout_ns = NS_PER_S },
	};
	struct alerting_settings settings = {
		.alertmanagers = { .items = &one, .n = 1 },
		.resend_delay_ns = 60 * NS_PER_S,
		.queue_capacity = capacity,
	};

	cr_assert_eq(notify_set(&notify, &settings, "http://127.0.0.1:19229/"), 0);
	free(address);
	cr_assert_not(list_empty(&notify.senders));
	return container_of(notify.senders.next, struct sender, link);
}

/* A sample, an evaluation, and what is deferred; the clock stays where it is. */
static void tick(uint64_t seconds, uint64_t used)
{
	set_time(seconds);
	isolate.last = (struct sample){ .mono_ns = loop.now_ns };
	sample_set(&isolate.last, SAMPLE_HEAP_USED, used);
	alerts_evaluate(&alerts, 0);
	notify_changed(&notify);
	cr_assert_eq(loop_turn(&loop, 0), 0);
}

static const struct alert *only_alert(void)
{
	cr_assert_eq(alerts.count, 1);
	return container_of(alerts.list.next, struct alert, link);
}

Test(notify, is_sent_at_once_and_again_after_the_delay)
{
	struct sender *sender = set_receiver(10);

	set_rules(rule);
	tick(1000, 90);
	cr_assert_eq(sender->n, 1);
	cr_assert_eq(only_alert()->sent_ns, 1000 * NS_PER_S);
	tick(1059, 90);
	cr_assert_eq(only_alert()->sent_ns, 1000 * NS_PER_S);
	tick(1060, 90);
	cr_assert_eq(only_alert()->sent_ns, 1060 * NS_PER_S);
	/* The newer notice has taken the place of the one that waited. */
	cr_assert_eq(sender->n, 1);
	cr_assert_eq(notify.ended_n, 0);
	tick(1075, 10);
	cr_assert_eq(alerts.count, 0);
	cr_assert_eq(sender->n, 1);
	cr_assert_eq(notify.ended_n, 1);
	/* Resolved is sent again for a quarter of an hour. */
	tick(1075 + 899, 10);
	cr_assert_eq(notify.ended_n, 1);
	tick(1075 + 900, 10);
	cr_assert_eq(notify.ended_n, 0);
}

Test(notify, times_of_a_notice)
{
	struct notice_frame frame = { .external_labels = &notify.external_labels };
	struct peer_clock clock = { 0 };
	struct peer_times times;
	struct notice *notice;
	struct buf buf;

	set_receiver(10);
	set_rules(rule);
	tick(1000, 90);
	cr_assert_eq(notice_new(&notice, only_alert(), &frame, false, loop.now_ns, 240 * NS_PER_S),
		     0);
	buf_init(&buf, 4096);
	times = peer_clock_times(&clock, notice, loop.now_ns, clock_wall_ms());
	cr_assert_eq(notice_write_v2(notice, &times, &buf), 0);
	cr_assert_str_eq(
		buf_text(&buf),
		"{\"labels\":{\"alertname\":\"A\",\"isolate\":\"main\",\"target\":\"api\"},"
		"\"annotations\":{},\"startsAt\":\"2023-11-14T22:30:00.000Z\","
		"\"endsAt\":\"2023-11-14T22:34:00.000Z\"}");
	cr_assert_eq(notice->void_ns, 1240 * NS_PER_S);
	buf_fini(&buf);
	notice_unref(notice);
}

Test(notify, the_oldest_go_when_the_queue_is_full)
{
	struct sender *sender = set_receiver(2);

	log_setup(LEVEL_ERROR, LOG_LOGFMT);
	set_rules("groups:\n- name: g\n  rules:\n"
		  "  - {alert: A, when: {metric: heap_used, above: 50}}\n"
		  "  - {alert: B, when: {metric: heap_used, above: 50}}\n"
		  "  - {alert: C, when: {metric: heap_used, above: 50}}\n");
	tick(1000, 90);
	cr_assert_eq(sender->n, 2);
	cr_assert_eq(sender->dropped[SENDER_DROP_FULL], 1);
}

/* ---- over a restart ---- */

static void restart(uint64_t seconds, const char *rules, uint32_t expected)
{
	struct err err = { 0 };
	char *text;
	size_t size;
	uint32_t n;

	cr_assert_eq(alerts_text(&alerts, &text, &size), 0);
	alerts_fini(&alerts);
	set_time(seconds);
	isolate.last = (struct sample){ 0 };
	target.id++;
	start_alerts();
	set_rules(rules);
	cr_assert_eq(alerts_restore(&alerts, text, size, &n, &err), 0, "%s", err.text);
	cr_assert_eq(n, expected);
	free(text);
}

Test(notify, a_restart_keeps_what_fires)
{
	set_receiver(10);
	set_rules(rule);
	tick(1000, 90);
	restart(1100, rule, 1);
	cr_assert_eq(only_alert()->state, ALERT_FIRING);
	cr_assert_eq(only_alert()->firing_since_wall_ms, 1700001000000);
	cr_assert(only_alert()->acted);
	/* No sample yet: it stays, and is not resolved. */
	alerts_evaluate(&alerts, 0);
	cr_assert(only_alert()->restored);
	tick(1110, 90);
	cr_assert_not(only_alert()->restored);
	cr_assert_eq(only_alert()->target_id, target.id);
	cr_assert_eq(only_alert()->firing_since_wall_ms, 1700001000000);
	cr_assert_eq(notify.ended_n, 0);
	tick(1120, 10);
	cr_assert_eq(alerts.count, 0);
	cr_assert_eq(notify.ended_n, 1);
}

Test(notify, a_restart_waits_two_minutes_for_a_target)
{
	set_receiver(10);
	set_rules(rule);
	tick(1000, 90);
	restart(1100, rule, 1);
	set_time(1219);
	alerts_evaluate(&alerts, 0);
	cr_assert_eq(alerts.count, 1);
	set_time(1220);
	alerts_evaluate(&alerts, 0);
	cr_assert_eq(alerts.count, 0);
	cr_assert_eq(notify.ended_n, 1);
}

Test(notify, a_rule_that_is_another_by_now_ends_its_alerts)
{
	set_receiver(10);
	set_rules(rule);
	tick(1000, 90);
	restart(1100,
		"groups:\n- name: g\n  rules:\n  - alert: A\n"
		"    when: {metric: heap_used, above: 60}\n",
		0);
	cr_assert_eq(alerts.count, 0);
	cr_assert_eq(notify.ended_n, 1);
}

Test(notify, an_old_or_broken_text_restores_nothing)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{\"version\":2}",
		"{\"version\":1,\"written_ms\":1,\"alerts\":[]}",
		"{\"version\":1,\"written_ms\":1700001000000}",
	};

	set_rules(rule);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct err err = { 0 };
		uint32_t n;

		cr_expect_lt(alerts_restore(&alerts, texts[i], strlen(texts[i]), &n, &err), 0, "%s",
			     texts[i]);
		cr_expect_eq(alerts.count, 0);
	}
}

/* ---- what ended before a restart ---- */

/* One webhook, nobody listens there. */
static struct sender *set_webhook(bool send_resolved)
{
	char url[] = "http://127.0.0.1:9/hook";
	struct webhook_settings one = { .url = url,
					.send_resolved = send_resolved,
					.endpoint = { .timeout_ns = NS_PER_S } };
	struct alerting_settings settings = {
		.webhooks = { .items = &one, .n = 1 },
		.resend_delay_ns = 60 * NS_PER_S,
		.queue_capacity = 10,
	};

	cr_assert_eq(notify_set(&notify, &settings, NULL), 0);
	cr_assert_not(list_empty(&notify.senders));
	return container_of(notify.senders.next, struct sender, link);
}

/* What is written ends with this life; the next one has its receivers before it reads. */
static char *end_life(uint64_t seconds)
{
	char *text;
	size_t size;

	set_time(seconds);
	cr_assert_eq(alerts_text(&alerts, &text, &size), 0);
	notify_fini(&notify);
	alerts_fini(&alerts);
	isolate.last = (struct sample){ 0 };
	start_alerts();
	cr_assert_eq(notify_init(&notify, &loop, http, &alerts), 0);
	notify.held = true;
	set_rules(rule);
	return text;
}

static uint32_t restore(char *text)
{
	struct err err = { 0 };
	uint32_t n;

	cr_assert_eq(alerts_restore(&alerts, text, strlen(text), &n, &err), 0, "%s", err.text);
	cr_assert_eq(loop_turn(&loop, 0), 0);
	free(text);
	return n;
}

Test(notify, what_ended_is_sent_again_after_a_restart_for_as_long_as_before)
{
	struct sender *sender;
	char *text;

	set_receiver(10);
	set_rules(rule);
	tick(1000, 90);
	tick(1060, 10);
	text = end_life(1100);
	set_time(1200);
	sender = set_receiver(10);
	cr_assert_eq(restore(text), 0);
	cr_assert_eq(notify.ended_n, 1);
	cr_assert_eq(sender->n, 1);
	tick(1060 + 899, 10);
	cr_assert_eq(notify.ended_n, 1);
	tick(1060 + 900, 10);
	cr_assert_eq(notify.ended_n, 0);
}

Test(notify, what_ended_too_long_ago_is_not_told)
{
	struct sender *sender;
	char *text;

	set_receiver(10);
	set_rules(rule);
	tick(1000, 90);
	tick(1060, 10);
	text = end_life(1100);
	set_time(1060 + 900);
	sender = set_receiver(10);
	cr_assert_eq(restore(text), 0);
	cr_assert_eq(notify.ended_n, 0);
	cr_assert_eq(sender->n, 0);
}

/* In its order, with its times; what fires again by then is told by the alert itself. */
Test(notify, a_webhook_hears_what_it_has_not_taken)
{
	struct notice *waiting[4], *before[4];
	struct sender *sender = set_webhook(true);
	char *text;

	set_rules(rule);
	tick(1000, 90);
	tick(1060, 10);
	tick(1120, 90);
	cr_assert_eq(sender_waiting(sender, before), 3);
	text = end_life(1130);
	set_time(1200);
	sender = set_webhook(true);
	cr_assert_eq(restore(text), 1);
	cr_assert_eq(sender_waiting(sender, waiting), 3);
	cr_expect(!waiting[0]->resolved && waiting[1]->resolved && !waiting[2]->resolved);
	cr_expect_eq(waiting[0]->starts_wall_ms, 1700001000000);
	cr_expect_eq(waiting[1]->ends_wall_ms, 1700001060000);
	cr_expect_eq(waiting[2]->starts_wall_ms, 1700001120000);
	cr_expect_str_eq(waiting[1]->labels,
			 "{\"alertname\":\"A\",\"isolate\":\"main\",\"target\":\"api\"}");
	cr_expect_eq(waiting[1]->void_ns, (1060 + 3600) * NS_PER_S);
}

Test(notify, a_webhook_that_is_gone_or_does_not_care_hears_nothing)
{
	struct sender *sender = set_webhook(true);
	char *text;

	set_rules(rule);
	tick(1000, 90);
	tick(1060, 10);
	cr_assert_eq(sender->n, 2);
	text = end_life(1100);
	sender = set_receiver(10);
	cr_assert_eq(restore(text), 0);
	cr_expect_eq(sender->n, 0);
	cr_expect_eq(notify.ended_n, 0);
}

Test(notify, what_makes_no_sense_of_what_ended_is_left_out)
{
	static const char text[] =
		"{\"version\":1,\"written_ms\":1700001000000,\"alerts\":[],\"ended\":[7,{},"
		"{\"receiver\":\"\",\"firing\":false,\"left_ms\":1000},"
		"{\"receiver\":\"\",\"firing\":false,\"has_verdict\":false,\"starts_wall_ms\":1,"
		"\"ends_wall_ms\":2,\"left_ms\":1000,\"labels\":{},\"annotations\":{}},"
		"{\"receiver\":\"\",\"firing\":false,\"has_verdict\":false,\"starts_wall_ms\":1,"
		"\"ends_wall_ms\":2,\"left_ms\":1e18,\"labels\":{\"a\":\"b\"},\"annotations\":{}},"
		"{\"receiver\":\"\",\"firing\":false,\"has_verdict\":false,\"starts_wall_ms\":1,"
		"\"ends_wall_ms\":2,\"left_ms\":1000,\"labels\":{\"a\":7},\"annotations\":{}},"
		"{\"receiver\":\"\",\"firing\":false,\"has_verdict\":false,\"starts_wall_ms\":1,"
		"\"ends_wall_ms\":2,\"left_ms\":1000,\"labels\":{\"a\":\"b\"},\"annotations\":{}}]"
		"}";

	set_receiver(10);
	set_rules(rule);
	cr_assert_eq(restore(strdup(text)), 0);
	cr_assert_eq(notify.ended_n, 1);
}

/* ---- a clock that was set meanwhile ---- */

/* The wall clock jumps by so many seconds while the daemon is down for one. */
static void jump(int64_t seconds, bool of_another_boot, uint32_t expected)
{
	struct err err = { 0 };
	char *text, *boot;
	uint32_t n;
	int r;

	set_receiver(10);
	set_rules(rule);
	tick(1000, 90);
	text = end_life(1000);
	boot = strstr(text, "\"boot\":\"");
	cr_assert_not_null(boot);
	if (of_another_boot)
		boot[8] = 'x';
	clock_simulate(1001 * NS_PER_S, 1700001001000 + seconds * 1000);
	loop.now_ns = 1001 * NS_PER_S;
	set_receiver(10);
	r = alerts_restore(&alerts, text, strlen(text), &n, &err);
	cr_expect_eq(r, expected > 0 ? 0 : -EBADMSG, "%lld: %s", (long long)seconds, err.text);
	cr_expect_eq(alerts.count, expected);
	cr_expect_eq(notify.ended_n, 0);
	if (expected > 0) {
		cr_expect_eq(only_alert()->state, ALERT_FIRING);
		cr_expect_eq(only_alert()->firing_since_wall_ms, 1700001000000);
		cr_expect_eq(only_alert()->firing_since_ns, 1001 * NS_PER_S);
	}
	free(text);
}

Test(notify, a_clock_that_was_put_on_ends_nothing)
{
	jump(2 * 3600, false, 1);
}

Test(notify, a_clock_that_was_put_back_ends_nothing)
{
	jump(-2 * 3600, false, 1);
}

/* Then there is no other clock. */
Test(notify, after_a_start_of_the_machine_the_wall_clock_counts)
{
	jump(2 * 3600, true, 0);
}
