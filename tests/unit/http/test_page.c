#include "scene.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "http/page.h"
#include "json/tree.h"
#include "profile/profile.h"
#include "profile/report.h"
#include "spool/manifest.h"
#include "util/str.h"
#include "watch/value.h"

static struct view_scene scene;

static void setup(void)
{
	view_start(&scene);
}

static void teardown(void)
{
	view_stop(&scene);
}

TestSuite(page, .init = setup, .fini = teardown);

#define EVIL         "<script>\"'&\n\xff"
#define EVIL_ESCAPED "&lt;script&gt;&quot;&#39;&amp;\xef\xbf\xbd\xef\xbf\xbd"

static const struct {
	const char *raw, *text, *segment;
} escapes[] = {
	{ "plain-1.2_~", "plain-1.2_~", "plain-1.2_~" },
	{ EVIL, EVIL_ESCAPED, "%3Cscript%3E%22%27%26%0A%FF" },
	{ "a/b?c#d%", "a/b?c#d%", "a%2Fb%3Fc%23d%25" },
	{ "\xc3\xa9", "\xc3\xa9", "%C3%A9" },
	{ "javascript:x", "javascript:x", "javascript%3Ax" },
};

Test(page, escapes)
{
	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
		struct buf buf;

		buf_init(&buf, 1024);
		html_text(&buf, escapes[i].raw);
		cr_expect_str_eq(buf_text(&buf), escapes[i].text);
		buf_clear(&buf);
		html_segment(&buf, escapes[i].raw);
		cr_expect_str_eq(buf_text(&buf), escapes[i].segment);
		buf_fini(&buf);
	}
}

/* Odd text in every place a stranger can reach. */
static void fill_with_evil(struct target *target, struct capture *capture,
			   struct spool_entry *entry, struct discovery_source *source)
{
	target_answer(target);
	str_copy(target->reason, sizeof(target->reason), EVIL);
	str_copy(target->identity.title, sizeof(target->identity.title), EVIL);
	str_copy(target->identity.runtime, sizeof(target->identity.runtime), EVIL);
	str_copy(target->identity.runtime_version, sizeof(target->identity.runtime_version), EVIL);
	*capture = (struct capture){ .step = CAPTURE_FAILED, .error = EVIL };
	str_copy(capture->manifest.target, sizeof(capture->manifest.target), EVIL);
	str_copy(capture->manifest.isolate, sizeof(capture->manifest.isolate), EVIL);
	str_copy(capture->manifest.rule, sizeof(capture->manifest.rule), EVIL);
	str_copy(capture->manifest.cause, sizeof(capture->manifest.cause), EVIL);
	list_append(&scene.captures.ended, &capture->link);
	*entry = (struct spool_entry){ .manifest = capture->manifest };
	str_copy(entry->manifest.id, sizeof(entry->manifest.id), EVIL);
	list_append(&scene.spool.ready, &entry->link);
	scene.spool.files = 1;
	scene.captures.refused[0] = (struct refused){
		.reason = REFUSAL_BUSY, .target = EVIL, .isolate = EVIL, .rule = EVIL, .text = EVIL
	};
	scene.captures.refused_n = 1;
	*source = (struct discovery_source){ .name = EVIL, .error = EVIL };
	list_append(&scene.discovery.sources, &source->link);
	scene.view.reload_ok = false;
	str_copy(scene.view.reload_error, sizeof(scene.view.reload_error), EVIL);
}

static int count(const char *text, const char *part)
{
	int n = 0;

	for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
		n++;
	return n;
}

Test(page, nothing_from_outside_is_markup)
{
	struct target *target = view_add_target(&scene, EVIL, "127.0.0.1:9229");
	struct discovery_source source;
	struct spool_entry entry;
	struct capture capture;
	struct client client;

	fill_with_evil(target, &capture, &entry, &source);
	client_get(&client, &scene.web.loop, scene.web.port, "GET", "/", "");
	cr_assert_eq(client_status(&client), 200);
	cr_expect_str_eq(client_header(&client, "Content-Type"), "text/html; charset=utf-8");
	cr_expect_null(strstr(client_body(&client), "<script"));
	cr_expect_null(strstr(client_body(&client), "\xff"));
	/* reload, source name and error, target ×4, failed ×5, ready ×4, refused ×4 */
	cr_expect_eq(count(client_body(&client), EVIL_ESCAPED), 21, "%d places",
		     count(client_body(&client), EVIL_ESCAPED));
	cr_expect_not_null(strstr(client_body(&client),
				  "href=\"/api/v1/targets/%3Cscript%3E%22%27%26%0A%FF\""));
	client_close(&client);
	link_init(&scene.spool.ready);
	link_init(&scene.captures.ended);
}

Test(page, shows_the_state_of_things)
{
	struct target *down = view_add_target(&scene, "quiet", "127.0.0.1:9230");
	struct target *up = view_add_target(&scene, "busy", "127.0.0.1:9229");
	const char *page;
	struct buf buf;

	target_answer(up);
	down->state = TARGET_DOWN;
	str_copy(down->reason, sizeof(down->reason), "connection refused");
	buf_init(&buf, 1 << 20);
	cr_assert_eq(page_write(&scene.view, &buf), 0);
	page = buf_text(&buf);
	cr_expect_not_null(strstr(page, "1 of 2 up"));
	cr_expect_not_null(strstr(page, "connection refused"));
	cr_expect_not_null(strstr(page, "node 22.1.0"));
	cr_expect_not_null(strstr(page, "(50%)"));
	cr_expect_not_null(strstr(page, "<polyline points=\"0.0,23.0 40.0,15.7 80.0,8.3 "
					"120.0,1.0\"/>"));
	cr_expect_lt(strstr(page, "/targets/quiet"), strstr(page, "/targets/busy"),
		     "trouble comes first");
	cr_expect_not_null(strstr(page, "http-equiv=refresh content=10"));
	cr_expect_null(strstr(page, "src="), "no other assets");
	buf_fini(&buf);
}

static char rule_name[] = "HeapHigh", threshold[] = "80";
static struct term term = {
	.kind = TERM_COMPARE, .parent = -1, .relative_to = -1, .level = 80, .text = threshold
};
static struct rule rule = { .name = rule_name, .condition = { .terms = &term, .n = 1 } };

static void fire(struct alert *alert)
{
	term.metric = value_find("heap_used");
	*alert = (struct alert){ .rule = &rule,
				 .target = "shop",
				 .isolate = "main",
				 .state = ALERT_FIRING,
				 .active_since_wall_ms = 1000 };
	list_append(&scene.alerts.list, &alert->link);
	scene.alerts.count++;
}

static const char *render(struct buf *buf)
{
	buf_init(buf, 64 << 20);
	cr_assert_eq(page_write(&scene.view, buf), 0);
	return buf_text(buf);
}

static void expect_on_page(const char *text, bool there)
{
	struct buf buf;

	cr_expect_eq(strstr(render(&buf), text) != NULL, there, "%s", text);
	buf_fini(&buf);
}

/* An alert shows its snapshot, else the capture that is to become one, else why there is none. */
Test(page, alert_shows_its_evidence)
{
	struct manifest manifest = { .id = "0123",
				     .target = "shop",
				     .isolate = "main",
				     .rule = "HeapHigh",
				     .started_wall_ms = 2000,
				     .file_bytes = 5 << 20 };
	struct capture capture = { .step = CAPTURE_FAILED,
				   .manifest = manifest,
				   .error = "the <target> went away" };
	struct spool_entry ready = { .manifest = manifest };
	struct alert alert;

	fire(&alert);
	expect_on_page("1 alert firing", true);
	expect_on_page("<title>1 firing, heapwatchd</title>", true);
	scene.captures.refused[0] = (struct refused){ .reason = REFUSAL_COOLDOWN,
						      .target = "shop",
						      .isolate = "main",
						      .rule = "HeapHigh",
						      .wall_ms = 2000,
						      .text = "12m left <b>" };
	scene.captures.refused_n = 1;
	expect_on_page("no capture: 12m left &lt;b&gt;", true);
	list_append(&scene.captures.ended, &capture.link);
	expect_on_page("no capture: ", false);
	expect_on_page("capture failed the &lt;target&gt; went away", true);
	list_append(&scene.spool.ready, &ready.link);
	scene.spool.files = 1;
	expect_on_page("<a href=\"/api/v1/captures/0123/file\" download>heap snapshot</a>, 5 MiB",
		       true);
	/* Of another isolate, or of the last time it fired: not of this alert. */
	str_copy(ready.manifest.isolate, sizeof(ready.manifest.isolate), "worker:1");
	expect_on_page("heap snapshot</a>", false);
	str_copy(ready.manifest.isolate, sizeof(ready.manifest.isolate), "main");
	ready.manifest.started_wall_ms = 999;
	expect_on_page("heap snapshot</a>", false);
	link_init(&scene.spool.ready);
	link_init(&scene.captures.ended);
	link_init(&scene.alerts.list);
}

/* The page has a limit; what is in trouble is on it. */
Test(page, too_many_targets)
{
	struct target *down;
	const char *page;
	char name[32];
	struct buf buf;

	for (int i = 0; i < PAGE_ROWS_MAX; i++) {
		snprintf(name, sizeof(name), "up-%d", i);
		target_answer(view_add_target(&scene, name, "127.0.0.1:9229"));
	}
	expect_on_page(" more: ", false);
	expect_on_page("in trouble", false);
	view_add_target(&scene, "starting", "127.0.0.1:9230");
	down = view_add_target(&scene, "last", "127.0.0.1:9231");
	down->state = TARGET_DOWN;
	page = render(&buf);
	cr_expect_not_null(strstr(page, "1 target in trouble"));
	cr_expect_not_null(strstr(page, "/targets/last\">"));
	cr_expect_lt(strstr(page, "/targets/last\">"), strstr(page, "/targets/starting\">"));
	cr_expect_lt(strstr(page, "/targets/starting\">"), strstr(page, "/targets/up-0\">"));
	cr_expect_null(strstr(page, "/targets/up-499\">"));
	cr_expect_not_null(strstr(page, "and 2 more: <a href=\"/api/v1/targets\">"));
	buf_fini(&buf);
}

Test(page, security_headers)
{
	struct client client;

	client_get(&client, &scene.web.loop, scene.web.port, "HEAD", "/", "");
	cr_expect_not_null(
		strstr(client_header(&client, "Content-Security-Policy"), "default-src 'none'"));
	cr_expect_str_eq(client_header(&client, "X-Content-Type-Options"), "nosniff");
	cr_expect_str_eq(client_header(&client, "Cache-Control"), "no-store");
	client_close(&client);
}

/* What a worker that was taken over may have written. */
Test(page, profile_escapes_its_report)
{
	static const char text[] =
		"{\"what\":\"live\",\"counted\":\"samples\",\"interval_bytes\":1,"
		"\"duration_seconds\":1,\"bytes\":3,\"functions\":[{\"function\":"
		"\"<script>\",\"url\":\"<b>\",\"self_bytes\":3,\"total_bytes\":3}],"
		"\"calls\":[[null,0,1],[0,0,2]]}";
	struct manifest manifest = { .target = "<i>", .isolate = "<u>", .id = "a/b" };
	struct profile profile;
	struct tree *report;
	struct buf buf;

	cr_assert_eq(tree_parse(text, strlen(text), &report, NULL), 0);
	cr_assert_eq(profile_report_read(&profile, report), 0);
	buf_init(&buf, 1 << 20);
	cr_assert_eq(page_profile(&manifest, report, &profile, &buf), 0);
	cr_expect_not_null(strstr(buf_text(&buf), "&lt;script&gt;"));
	cr_expect_not_null(strstr(buf_text(&buf), "<svg "));
	cr_expect_not_null(strstr(buf_text(&buf), "still alive at the end"));
	cr_expect_null(strstr(buf_text(&buf), "<script>"));
	cr_expect_null(strstr(buf_text(&buf), "<b>"));
	cr_expect_null(strstr(buf_text(&buf), "<i>"));
	cr_expect_null(strstr(buf_text(&buf), "<u>"));
	buf_fini(&buf);
	profile_fini(&profile);
	tree_free(report);
}

static const struct manifest timeline = {
	.target = "<i>",
	.isolate = "<u>",
	.id = "a/b",
	.kind = "timeline",
	.timeline = { .n = 3,
		      .points = { { 500, 8 << 20, 2 << 20 },
				  { 1000, 0, 0 },
				  { 1500, 4 << 20, 4 << 20 } } },
};

/* Of 160 high and 20 wide; what has died stands on what lives. */
Test(page, timeline_has_a_bar_for_each_stretch)
{
	struct buf buf;
	const char *page;

	buf_init(&buf, 1 << 20);
	cr_assert_eq(page_timeline(&timeline, NULL, &buf), 0);
	page = buf_text(&buf);
	cr_expect_not_null(strstr(page, "12 MiB in 1.5s, of which 6 MiB are still alive"));
	cr_expect_eq(count(page, "<g><title>"), 2);
	cr_expect_not_null(strstr(page, "<title>0.00s to 0.50s: 8 MiB allocated, 2 MiB still "
					"alive</title><rect class=live x=0 y=120.00 width=18 "
					"height=40.00 /><rect class=dead x=0 y=0.00 width=18 "
					"height=120.00 />"));
	cr_expect_not_null(strstr(page, "<title>1.00s to 1.50s: 4 MiB allocated, 4 MiB still "
					"alive</title><rect class=live x=40 y=80.00 width=18 "
					"height=80.00 /><rect class=dead x=40 y=80.00 width=18 "
					"height=0.00 />"));
	cr_expect_eq(count(page, "<tr>"), 3, "a head, and what there was");
	cr_expect_null(strstr(page, "/report\""));
	cr_expect_null(strstr(page, "<i>"));
	cr_expect_null(strstr(page, "<u>"));
	buf_fini(&buf);
}

Test(page, timeline_escapes_its_report)
{
	static const char text[] =
		"{\"classes\":[{\"name\":\"<script>\",\"count\":7,\"self_bytes\":1024,"
		"\"retained_bytes\":4096},3,{\"name\":[]}]}";
	struct tree *report;
	struct buf buf;

	buf_init(&buf, 1 << 20);
	cr_assert_eq(tree_parse(text, strlen(text), &report, NULL), 0);
	cr_assert_eq(page_timeline(&timeline, report, &buf), 0);
	cr_expect_not_null(strstr(buf_text(&buf), "<tr><td>&lt;script&gt;</td>"));
	cr_expect_not_null(strstr(buf_text(&buf), ">4 KiB</td>"));
	cr_expect_not_null(strstr(buf_text(&buf), "/report\""));
	cr_expect_null(strstr(buf_text(&buf), "<script>"));
	buf_fini(&buf);
	tree_free(report);
}

Test(page, tracking_escapes_its_report)
{
	static const char text[] =
		"{\"arrived\":{\"count\":7,\"self_bytes\":4096,\"classes\":[{\"name\":"
		"\"<script>\",\"count\":7,\"self_bytes\":1024},3,{\"name\":[]}]}}";
	struct manifest manifest = { .target = "<i>",
				     .isolate = "<u>",
				     .id = "a/b",
				     .analysis = { .verdict = { .text = "<b>" },
						   .arrived_objects = 7,
						   .arrived_bytes = 4096 } };
	struct tree *report;
	struct buf buf;

	cr_assert_eq(tree_parse(text, strlen(text), &report, NULL), 0);
	buf_init(&buf, 1 << 20);
	cr_assert_eq(page_tracking(&manifest, report, &buf), 0);
	cr_expect_not_null(strstr(buf_text(&buf), "<tr><td>&lt;script&gt;</td>"));
	cr_expect_not_null(strstr(buf_text(&buf), "7 objects, 4 KiB"));
	cr_expect_not_null(strstr(buf_text(&buf), "25.0%"));
	cr_expect_null(strstr(buf_text(&buf), "<script>"));
	cr_expect_null(strstr(buf_text(&buf), "<b>"));
	cr_expect_null(strstr(buf_text(&buf), "<i>"));
	cr_expect_null(strstr(buf_text(&buf), "<u>"));
	buf_fini(&buf);
	tree_free(report);

	cr_assert_eq(tree_parse("{}", 2, &report, NULL), 0);
	buf_init(&buf, 1 << 20);
	cr_expect_eq(page_tracking(&manifest, report, &buf), -EBADMSG);
	buf_fini(&buf);
	tree_free(report);
}
