#include "scene.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "fake_inspector.h"
#include "loop/uvloop.h"
#include "net/http_call.h"
#include "net/ws.h"
#include "util/clock.h"

/* /probe against a scripted inspector, and against things that are none. */

static struct view_scene scene;
static struct uvloop uvloop;
static struct session_context sessions;

static void on_polled(void *owner, struct target *target)
{
	struct http_view *view = owner;

	probe_polled(view, target->id);
}

static void setup(void)
{
	view_start(&scene);
	cr_assert_eq(uvloop_init(&uvloop, &scene.web.loop), 0);
	sessions.loop = &scene.web.loop;
	cr_assert_eq(http_client_new(&sessions.http, &scene.web.loop), 0);
	cr_assert_eq(ws_context_new(&sessions.ws, &scene.web.loop, &uvloop), 0);
	targets_fini(&scene.targets);
	cr_assert_eq(targets_init(&scene.targets, &sessions), 0);
	scene.targets.on_polled = on_polled;
	scene.targets.on_removed = on_polled;
	scene.targets.owner = &scene.view;
}

static void teardown(void)
{
	http_server_free(scene.web.server);
	targets_fini(&scene.targets);
	alerts_fini(&scene.alerts);
	ws_context_free(sessions.ws);
	http_client_free(sessions.http);
	uvloop_fini(&uvloop);
	loop_fini(&scene.web.loop);
}

TestSuite(probe, .init = setup, .fini = teardown, .timeout = 60);

/* Polled by nobody but probes: its own turn comes in an hour. */
static void watch(const char *name, uint16_t port, uint64_t timeout_ns)
{
	struct target_spec spec = { .name = (char *)(uintptr_t)name,
				    .poll = { .interval_ns = 3600 * NS_PER_S,
					      .timeout_ns = timeout_ns,
					      .backoff_max_ns = 3600 * NS_PER_S } };
	char address[64];

	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	cr_assert_eq(address_parse(&spec.address, address, NULL), 0);
	cr_assert_eq(targets_replace(&scene.targets, "config", &spec, 1), 0);
}

static void forget_all(void)
{
	cr_assert_eq(targets_replace(&scene.targets, "config", NULL, 0), 0);
}

static void ask(struct client *client, const char *path, const char *extra)
{
	char request[512];

	client_open(client, &scene.web.loop, scene.web.port);
	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path,
		 extra);
	client_send(client, request);
}

static void probe(struct client *client, const char *path, const char *extra)
{
	ask(client, path, extra);
	client_wait(client, false);
}

static void expect_has(const struct client *client, const char *line)
{
	cr_expect_not_null(strstr(client_body(client), line), "no %s in %s", line,
			   client_body(client));
}

static void expect_has_not(const struct client *client, const char *text)
{
	cr_expect_null(strstr(client_body(client), text), "%s in %s", text, client_body(client));
}

/* A listening socket nobody accepts from: a target that connects and says nothing. */
static int silent_peer(uint16_t *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(listen(fd, 8), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

/* Until the poll under way has ended, whichever way. */
static void await_end_of_poll(void)
{
	const struct target *target = targets_find_name(&scene.targets, "quiet");
	uint64_t until_ns = clock_mono_ns() + CLIENT_WAIT_MS * NS_PER_MS;

	cr_assert_not_null(target);
	while (target->polling && clock_mono_ns() < until_ns)
		loop_turn(&scene.web.loop, 10);
	cr_assert_not(target->polling);
	cr_assert_eq(target->failures[TARGET_FAILURE_TIMEOUT], 1);
}

/* Every probe is one poll, and shows what that poll said. */
Test(probe, target_that_answers)
{
	struct fake_script script = { 0 };
	struct fake_inspector *fake = fake_start(&script);
	char by_address[64];
	struct client client;
	unsigned polls;

	watch("shop", fake_port(fake), 5 * NS_PER_S);
	probe(&client, "/probe?target=shop", "");
	cr_expect_eq(client_status(&client), 200);
	cr_expect_str_eq(client_header(&client, "Content-Type"),
			 "text/plain; version=0.0.4; charset=utf-8");
	expect_has(&client, "\nheapwatch_up 1\n");
	expect_has(&client, "heapwatch_heap_used_bytes{isolate=\"main\"} 3000000\n");
	expect_has_not(&client, "target=");
	expect_has_not(&client, "heapwatch_build_info");
	client_close(&client);
	polls = fake_heard(fake, "getHeapUsage");
	snprintf(by_address, sizeof(by_address), "/probe?target=127.0.0.1:%u", fake_port(fake));
	probe(&client, by_address, "Accept: application/openmetrics-text;version=1.0.0\r\n");
	cr_expect_eq(client_status(&client), 200);
	expect_has(&client, "\nheapwatch_up 1\n");
	expect_has(&client, "\n# EOF\n");
	cr_expect_eq(fake_heard(fake, "getHeapUsage"), polls + 1);
	client_close(&client);
	forget_all();
	fake_stop(fake);
}

/* Several who ask at once share a poll, and each gets an answer. */
Test(probe, several_at_once)
{
	struct fake_script script = { 0 };
	struct fake_inspector *fake = fake_start(&script);
	struct client clients[5];

	watch("shop", fake_port(fake), 5 * NS_PER_S);
	for (size_t i = 0; i < 5; i++)
		ask(&clients[i], "/probe?target=shop", "");
	for (size_t i = 0; i < 5; i++) {
		client_wait(&clients[i], false);
		expect_has(&clients[i], "\nheapwatch_up 1\n");
		client_close(&clients[i]);
	}
	cr_expect_null(scene.view.probes);
	forget_all();
	fake_stop(fake);
}

/* Down is an answer, not a failure; no value of better days is shown. */
Test(probe, target_that_went_down)
{
	struct fake_script script = { 0 };
	struct fake_inspector *fake = fake_start(&script);
	struct client client;

	watch("shop", fake_port(fake), 5 * NS_PER_S);
	probe(&client, "/probe?target=shop", "");
	expect_has(&client, "\nheapwatch_up 1\n");
	client_close(&client);
	fake_stop(fake);
	probe(&client, "/probe?target=shop", "");
	cr_expect_eq(client_status(&client), 200);
	expect_has(&client, "\nheapwatch_up 0\n");
	expect_has_not(&client, "heapwatch_heap_used_bytes{");
	client_close(&client);
}

static const struct {
	const char *path;
	int status;
} unknown[] = {
	{ "/probe?target=nobody", 404 },
	{ "/probe?target=127.0.0.1:1", 404 },
	{ "/probe?target=http://169.254.169.254/", 404 },
	{ "/probe?target=SHOP", 404 },
	{ "/probe?target=", 400 },
	{ "/probe", 400 },
};

Test(probe, target_that_is_unknown)
{
	struct fake_script script = { 0 };
	struct fake_inspector *fake = fake_start(&script);

	watch("shop", fake_port(fake), 5 * NS_PER_S);
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		struct client client;

		probe(&client, unknown[i].path, "");
		cr_expect_eq(client_status(&client), unknown[i].status, "%s: %d", unknown[i].path,
			     client_status(&client));
		client_close(&client);
	}
	cr_expect_null(scene.view.probes);
	forget_all();
	fake_stop(fake);
}

static const struct {
	const char *header;
	uint64_t poll_timeout_ns, least_ms, most_ms;
} waits[] = {
	/* What the scraper grants less half a second, however patient the target's settings are. */
	{ "X-Prometheus-Scrape-Timeout-Seconds: 0.8\r\n", 30 * NS_PER_S, 290, 5000 },
	/* Less than the offset: the shortest wait, not none and not the longest. */
	{ "X-Prometheus-Scrape-Timeout-Seconds: 0.1\r\n", 30 * NS_PER_S, 90, 5000 },
	/* Nonsense is as if nothing was said: the poll itself fails first. */
	{ "X-Prometheus-Scrape-Timeout-Seconds: nan\r\n", 300 * NS_PER_MS, 100, 5000 },
	{ "X-Prometheus-Scrape-Timeout-Seconds: -5\r\n", 300 * NS_PER_MS, 100, 5000 },
	{ "X-Prometheus-Scrape-Timeout-Seconds: inf\r\n", 300 * NS_PER_MS, 100, 5000 },
	{ "", 300 * NS_PER_MS, 100, 5000 },
};

/* The scraper gets its answer before it gives up. */
Test(probe, scrape_timeout)
{
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		uint16_t port;
		int peer = silent_peer(&port);
		uint64_t began_ns, took_ms;
		struct client client;

		watch("quiet", port, waits[i].poll_timeout_ns);
		began_ns = clock_mono_ns();
		probe(&client, "/probe?target=quiet", waits[i].header);
		took_ms = (clock_mono_ns() - began_ns) / NS_PER_MS;
		cr_expect_eq(client_status(&client), 200);
		expect_has(&client, "\nheapwatch_up 0\n");
		cr_expect_geq(took_ms, waits[i].least_ms, "%zu: %llu ms", i,
			      (unsigned long long)took_ms);
		cr_expect_lt(took_ms, waits[i].most_ms, "%zu: %llu ms", i,
			     (unsigned long long)took_ms);
		client_close(&client);
		forget_all();
		close(peer);
	}
}

Test(probe, target_removed_meanwhile)
{
	uint16_t port;
	int peer = silent_peer(&port);
	struct client client;

	watch("quiet", port, 30 * NS_PER_S);
	ask(&client, "/probe?target=quiet", "");
	while (scene.view.probes == NULL && !client.ended)
		client_turn(&client, 10);
	forget_all();
	client_wait(&client, false);
	/* The poll did not succeed; the next scrape will find no such target. */
	cr_expect_eq(client_status(&client), 200);
	expect_has(&client, "\nheapwatch_up 0\n");
	cr_expect_null(scene.view.probes);
	client_close(&client);
	probe(&client, "/probe?target=quiet", "");
	cr_expect_eq(client_status(&client), 404);
	client_close(&client);
	close(peer);
}

/* Whoever waits is told; nothing of the probe is left for a poll that ends later. */
Test(probe, server_stopped_meanwhile)
{
	struct http_server *server = scene.web.server;
	uint16_t port;
	int peer = silent_peer(&port);
	struct client client;

	watch("quiet", port, 200 * NS_PER_MS);
	ask(&client, "/probe?target=quiet", "");
	while (scene.view.probes == NULL && !client.ended)
		client_turn(&client, 10);
	scene.web.server = NULL;
	http_server_free(server);
	cr_expect_null(scene.view.probes);
	cr_expect(client_ends(&client, CLIENT_WAIT_MS));
	cr_expect_eq(client_status(&client), 503, "%s", client.data);
	client_close(&client);
	await_end_of_poll();
	close(peer);
}

/* A client that left is not answered; the poll goes on without it. */
Test(probe, client_left_meanwhile)
{
	struct fake_script script = { 0 };
	struct fake_inspector *fake = fake_start(&script);
	struct client client;

	watch("shop", fake_port(fake), 5 * NS_PER_S);
	ask(&client, "/probe?target=shop", "");
	while (scene.view.probes == NULL && client.size == 0)
		client_turn(&client, 10);
	client_close(&client);
	probe(&client, "/probe?target=shop", "");
	expect_has(&client, "\nheapwatch_up 1\n");
	client_close(&client);
	forget_all();
	fake_stop(fake);
}

/* The deadline of the server is the last one, also when the reload has just made it short. */
Test(probe, response_timeout_is_the_limit)
{
	uint16_t port;
	int peer = silent_peer(&port);
	uint64_t began_ns;
	struct client client;

	scene.web.settings.response_timeout_ns = 400 * NS_PER_MS;
	cr_assert_eq(http_server_set(scene.web.server, &scene.web.settings), 0);
	watch("quiet", port, 30 * NS_PER_S);
	began_ns = clock_mono_ns();
	probe(&client, "/probe?target=quiet", "X-Prometheus-Scrape-Timeout-Seconds: 60\r\n");
	cr_expect_lt(clock_mono_ns() - began_ns, 10 * NS_PER_S);
	cr_expect_eq(client_status(&client), 200, "answered by the probe, not by the server");
	expect_has(&client, "\nheapwatch_up 0\n");
	client_close(&client);
	forget_all();
	close(peer);
}
