#include "scene.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "http/page.h"
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

TestSuite(page, .init = setup, .fini = teardown);

#define EVIL	     "<script>\"'&\n\xff"
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
	scene.captures.refused[0] = (struct refused){ .reason = REFUSAL_BUSY, .target = EVIL,
						      .isolate = EVIL, .rule = EVIL,
						      .text = EVIL };
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
