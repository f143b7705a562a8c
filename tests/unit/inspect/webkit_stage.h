#pragma once

/*
 * The stage of the tests of Bun's and WebKit's sessions: an owner that keeps what it is told, and
 * steps of a session with a page.
 */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "inspect/channel.h"
#include "inspect/runtime.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/str.h"
#include "webkit_play.h"

enum { WEBKIT = 6, SAFARI = 7, BUN = 5 }; /* indices of runtime_words */

/* ---- a session ---- */

static struct loop loop;
static struct session_context context = { .loop = &loop };
static struct session session;
static unsigned polled, gone, closed;
static uint64_t used;
static bool wants_gc_events;
static char isolate_seen[64], reason_seen[160];
static const char *listed; /* at each poll; NULL: one_page */

static inline void on_identified(void *owner, const struct identity *identity)
{
	(void)owner, (void)identity;
}

static inline void on_sample(void *owner, const char *isolate, const struct sample *sample)
{
	(void)owner;
	used = sample->value[SAMPLE_HEAP_USED];
	str_copy(isolate_seen, sizeof(isolate_seen), isolate);
}

static inline void on_gone(void *owner, const char *isolate)
{
	(void)owner, (void)isolate;
	gone++;
}

static inline void on_polled(void *owner, enum session_activity activity, uint64_t rss_bytes)
{
	(void)owner, (void)activity, (void)rss_bytes;
	polled++;
}

static inline void on_late(void *owner, enum session_end why, const char *reason)
{
	(void)owner, (void)why, (void)reason;
}

static inline void on_closed(void *owner, enum session_end end, const char *reason)
{
	(void)owner, (void)end;
	closed++;
	str_copy(reason_seen, sizeof(reason_seen), reason);
}

static inline void on_gc(void *owner, const char *isolate, const struct gc_event *event)
{
	(void)owner, (void)isolate;
	cr_expect(event->is_span);
}

static const struct session_events events = {
	.identified = on_identified,
	.sample = on_sample,
	.isolate_gone = on_gone,
	.gc = on_gc,
	.polled = on_polled,
	.late = on_late,
	.closed = on_closed,
};

static inline void setup(void)
{
	polled = gone = closed = 0;
	used = 0;
	listed = NULL;
	sockets_n = 0;
	fetch.open = false;
	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(session_init(&session, &context, &events, NULL), 0);
}

static inline void teardown(void)
{
	session_fini(&session);
	loop_fini(&loop);
	forget_sent();
}

static inline void open_as(int word, const char *path)
{
	struct address address = { .family = ADDRESS_INET, .host = "127.0.0.1", .port = 9222 };
	struct session_limits limits = {
		.connect_ns = 5 * NS_PER_S,
		.poll_ns = 5 * NS_PER_S,
		.evaluate = true,
		.gc_events = wants_gc_events,
		.isolates_max = 4,
	};

	str_copy(address.path, sizeof(address.path), path);
	cr_assert_eq(session_open(&session, &address, runtime_of_word(word), &limits), 0);
}

static inline void http_answers(const char *body)
{
	struct http_answer answer = {
		.status = 200, .body = body, .size = strlen(body), .connected = true, .reason = ""
	};

	cr_assert(fetch.open);
	fetch.open = false;
	fetch.fn(fetch.owner, &answer);
}

static inline void says(struct ws *ws, const char *text)
{
	ws->events->message(ws->owner, text, strlen(text));
}

/* As WebKit's server writes it. */
#define HTML(rows)                                                                                 \
	"<html><head><title>Remote inspector</title></head><body><h1>Inspectable targets</h1>"     \
	"<div id='targetlist'><table>" rows "</table></div></body></html>"
#define ROW(title, path)                                                                           \
	"<tbody><tr><td class=\"data\"><div class=\"targetname\">" title                           \
	"</div><div class=\"targeturl\">http://x/</div></td><td class=\"input\"><input "           \
	"type=\"button\" value=\"Inspect\" onclick=\"window.open('Main.html?ws=' + "               \
	"window.location.host + '" path "', '_blank', "                                            \
	"'location=no,menubar=no,status=no,toolbar=no');\"></td></tr></tbody>"

static const char one_page[] = HTML(ROW("a", "/socket/1/3/WebPage"));
static const char created[] = "{\"method\":\"Target.targetCreated\",\"params\":{\"targetInfo\":{"
			      "\"targetId\":\"page-8\",\"type\":\"page\"}}}";

static inline void from_page(struct ws *ws, const char *target, const char *text)
{
	struct buf buf;

	buf_init(&buf, 65536);
	buf_printf(
		&buf,
		"{\"method\":\"Target.dispatchMessageFromTarget\",\"params\":{\"targetId\":\"%s\","
		"\"message\":",
		target);
	json_quote(&buf, text, strlen(text));
	buf_puts(&buf, "}}");
	says(ws, buf_text(&buf));
	buf_fini(&buf);
}

#define UPDATE                                                                                     \
	"{\"method\":\"Memory.trackingUpdate\",\"params\":{\"event\":{\"timestamp\":0,"            \
	"\"categories\":[{\"type\":\"jit\",\"size\":1},{\"type\":\"javascript\",\"size\":5000}]}}" \
	"}"

static inline void answer_stop(struct ws *ws, const char *target)
{
	char text[64];

	snprintf(text, sizeof(text), "{\"result\":{},\"id\":%d}", id_of("Memory.stopTracking"));
	from_page(ws, target, text);
}

static inline struct ws *greeted_page(void)
{
	open_as(WEBKIT, "");
	http_answers(one_page);
	cr_assert_eq(sockets_n, 1);
	cr_assert_str_eq(sockets[0].path, "/socket/1/3/WebPage");
	sockets[0].events->open(sockets[0].owner);
	cr_assert_eq(sent_n, 0, "the browser speaks first");
	says(&sockets[0], created);
	cr_assert_eq(session.state, SESSION_IDLE);
	return &sockets[0];
}

static inline void begin_poll(void)
{
	cr_assert_eq(session_poll(&session), 0);
	http_answers(listed != NULL ? listed : one_page);
}
