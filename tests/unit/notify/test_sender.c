/*
 * Alerts that are never delivered, by the reason that is counted: a receiver of the tests, and the
 * simulated clock.
 */

#include "notify/sender.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "net/http_call.h"
#include "notify/settings.h"
#include "peer.h"
#include "util/clock.h"
#include "util/log.h"

enum { TURNS_MAX = 10000, TRIES = 8 };

static struct loop loop;
static struct http_client *http;
static struct server server;
static struct sender *sender;
static bool held;

static void set_time(uint64_t seconds)
{
	clock_simulate(seconds * NS_PER_S, (int64_t)seconds * 1000 + 1700000000000);
	loop.now_ns = seconds * NS_PER_S;
}

static void answer(struct peer *peer)
{
	if (!peer_read_head(peer))
		return;
	peer_puts(peer, peer->arg);
	peer_wait_end(peer);
}

/* The endpoint is set anew: what waits is tried at once. */
static void try_now(void)
{
	struct endpoint_settings settings = { .timeout_ns = 60 * NS_PER_S };
	char host[ADDRESS_TEXT_MAX], url[128];
	struct endpoint endpoint;

	snprintf(url, sizeof(url), "http://%s/", address_host_header(host, &server.address));
	cr_assert_eq(endpoint_init(&endpoint, url, &settings), 0);
	sender_set(sender, &endpoint, 10);
}

/* A sender to a receiver that says this to everything. */
static void start(const struct sender_kind *kind, const char *says)
{
	log_setup(LEVEL_ERROR, LOG_LOGFMT);
	set_time(1000);
	held = false;
	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(http_client_new(&http, &loop), 0);
	server_start(&server, NULL, answer, (void *)(uintptr_t)says);
	cr_assert_eq(sender_new(&sender, kind, &loop, http, &held), 0);
	try_now();
}

static int stop(void)
{
	int connections = server_stop(&server);

	sender_free(sender);
	http_client_free(http);
	loop_fini(&loop);
	clock_real();
	return connections;
}

static void add(const char *name, uint64_t life_s)
{
	struct labels labels = { 0 }, none = { 0 };
	struct notice_content content = { .labels = &labels,
					  .annotations = &none,
					  .void_ns = loop.now_ns + life_s * NS_PER_S };
	struct notice *notice;

	cr_assert_eq(labels_set(&labels, "alertname", name), 0);
	cr_assert_eq(notice_restore(&notice, &content), 0);
	sender_add(sender, notice);
	notice_unref(notice);
	labels_fini(&labels);
}

/* Until nothing waits any more: a minute passes before each further try. */
static void drain(void)
{
	for (unsigned i = 0; i < TURNS_MAX && sender_waiting(sender, NULL) > 0; i++) {
		cr_assert_eq(loop_turn(&loop, sender->waiting ? 0 : 1000), 0);
		if (sender->waiting) {
			set_time(loop.now_ns / NS_PER_S + 60);
			try_now();
		}
	}
	cr_assert_eq(sender_waiting(sender, NULL), 0);
}

#define SAYS(status) "HTTP/1.1 " status " Told\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

static void expect_dropped(enum sender_drop why, uint64_t n)
{
	for (enum sender_drop i = SENDER_DROP_FULL; i < SENDER_DROPS; i++)
		cr_expect_eq(sender->dropped[i], i == why ? n : 0, "%s: %lu", sender_drop_name(i),
			     sender->dropped[i]);
	cr_expect_eq(sender->sent, 0);
}

TestSuite(sender, .timeout = 60);

/* Alone, an Alertmanager is asked eight times in all; it hears of an alert that fires again. */
Test(sender, what_fails_again_and_again)
{
	start(&sender_alertmanager, SAYS("500"));
	add("A", 3600);
	drain();
	expect_dropped(SENDER_DROP_FAILED, 1);
	cr_expect_eq(sender->errors, TRIES);
	cr_expect_str_eq(sender_drop_name(SENDER_DROP_FAILED), "failed");
	cr_expect_eq(stop(), TRIES);
}

/* A webhook hears of a change once: until it is too late. */
Test(sender, what_a_webhook_fails_at_is_tried_until_it_is_stale)
{
	start(&sender_webhook, SAYS("500"));
	sender->send_resolved = true;
	add("A", 3600);
	drain();
	expect_dropped(SENDER_DROP_STALE, 1);
	cr_expect_gt(sender->errors, TRIES);
	stop();
}

/* Its receiver is no fault of the alert's: only time ends that. */
Test(sender, what_waited_too_long)
{
	start(&sender_alertmanager, SAYS("404"));
	add("A", 300);
	add("B", 600);
	drain();
	expect_dropped(SENDER_DROP_STALE, 2);
	cr_expect_str_eq(sender_drop_name(SENDER_DROP_STALE), "stale");
	stop();
}

/* It never goes out, not even when nothing keeps it any more. */
Test(sender, what_is_stale_is_not_sent)
{
	start(&sender_alertmanager, SAYS("200"));
	held = true;
	add("A", 240);
	set_time(1239);
	sender_wake(sender);
	cr_assert_eq(loop_turn(&loop, 0), 0);
	cr_expect_eq(sender->n, 1);
	held = false;
	set_time(1240);
	sender_wake(sender);
	drain();
	expect_dropped(SENDER_DROP_STALE, 1);
	cr_expect_eq(stop(), 0);
}

Test(sender, what_is_refused)
{
	start(&sender_alertmanager, SAYS("400"));
	add("A", 3600);
	drain();
	expect_dropped(SENDER_DROP_REFUSED, 1);
	cr_expect_eq(stop(), 1);
}
