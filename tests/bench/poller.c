/*
 * The least that polling can cost
 *
 * Connects to COUNT addresses of a fleet, then asks each the same requests that the daemon asks, at
 * the same interval and as evenly spread, and throws the answers away: one send, one epoll_wait and
 * one recv or two per poll, no JSON, no timers, no /proc. What the daemon needs more is the price
 * of what it does with the answers.
 *
 * Usage: bench_poller TAPE PORT COUNT INTERVAL_MS SECONDS. Prints polls and seconds of CPU.
 */

#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "net/address.h"
#include "net/wire.h"
#include "tape.h"
#include "util/clock.h"
#include "util/err.h"

enum { OUT_BYTES = 16384, IN_BYTES = 65536, EVENTS_N = 64, PER_NET = 250 };

#define CONNECT_NS (10 * NS_PER_S)

/* What a poll asks, as on the tape; everything else there is said once per connection. */
static const char *const asked[] = { "\"method\":\"Runtime.getHeapUsage\"", "getHeapStatistics" };

struct peer {
	struct wire wire;
	unsigned answers; /* since it was connected */
};

static struct tape tape;
static char out[OUT_BYTES];
static size_t out_size;

static int on_text(void *owner, const char *data, size_t size, bool last)
{
	struct peer *peer = owner;

	(void)data;
	(void)size;
	peer->answers += last;
	return 0;
}

static const struct frame_events events = { .text = on_text };

/* The frames of one poll. */
static void compose(void)
{
	static const uint8_t mask[4] = { 1, 2, 3, 4 };

	for (size_t i = 0; i < tape.n; i++) {
		char text[4096];
		int n;

		if (strstr(tape.requests[i], asked[0]) == NULL &&
		    strstr(tape.requests[i], asked[1]) == NULL)
			continue;
		n = snprintf(text, sizeof(text), "{\"id\":1234,%s", tape.requests[i]);
		if (out_size + (size_t)n + FRAME_HEADER_MAX > OUT_BYTES)
			errx(1, "requests are too long");
		out_size += frame_write(out + out_size, FRAME_TEXT, text, (size_t)n, mask);
	}
	if (out_size == 0)
		errx(1, "the tape has no poll");
}

static struct peer *connect_all(unsigned n, unsigned port, int epoll_fd)
{
	struct peer *peers = calloc(n, sizeof(*peers));

	if (peers == NULL)
		err(1, "calloc");
	for (unsigned i = 0; i < n; i++) {
		struct address address = { .family = ADDRESS_INET, .port = (uint16_t)port };
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = &peers[i] };
		struct err why = { 0 };

		snprintf(address.host, sizeof(address.host), "127.1.%u.%u", i / PER_NET,
			 1 + i % PER_NET);
		if (wire_open(&peers[i].wire, &address, "/", -1, CONNECT_NS, &events, &peers[i],
			      &why) < 0)
			errx(1, "%s: %s", address.host, why.text);
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, peers[i].wire.fd, &event) < 0)
			err(1, "epoll_ctl");
	}
	return peers;
}

static void ask(const struct peer *peer)
{
	if (send(peer->wire.fd, out, out_size, MSG_NOSIGNAL) != (ssize_t)out_size)
		err(1, "send");
}

static void hear(int epoll_fd, int timeout_ms)
{
	static char in[IN_BYTES];
	struct epoll_event ready[EVENTS_N];
	int n = epoll_wait(epoll_fd, ready, EVENTS_N, timeout_ms);

	for (int i = 0; i < n; i++) {
		struct peer *peer = ready[i].data.ptr;
		ssize_t got = recv(peer->wire.fd, in, sizeof(in), 0);

		if (got <= 0 || frame_feed(&peer->wire.reader, in, (size_t)got) != 0)
			errx(1, "a connection broke");
	}
}

/* Polls evenly until the time is over; how many. */
static unsigned run(struct peer *peers, unsigned n, uint64_t interval_ns, uint64_t run_ns,
		    int epoll_fd)
{
	uint64_t start = clock_mono_ns(), now = start;
	unsigned polls = 0;

	while (now - start < run_ns) {
		uint64_t next = start + interval_ns * polls / n;

		if (now >= next)
			ask(&peers[polls++ % n]);
		else
			hear(epoll_fd, (int)((next - now + NS_PER_MS - 1) / NS_PER_MS));
		now = clock_mono_ns();
	}
	return polls;
}

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	struct peer *peers;
	unsigned n, polls, answers = 0;
	double before;
	int epoll_fd;

	if (argc != 6)
		errx(2, "usage: bench_poller TAPE PORT COUNT INTERVAL_MS SECONDS");
	n = (unsigned)atoi(argv[3]);
	tape_load(&tape, argv[1]);
	compose();
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	peers = connect_all(n, (unsigned)atoi(argv[2]), epoll_fd);
	before = cpu_seconds();
	polls = run(peers, n, strtoull(argv[4], NULL, 10) * NS_PER_MS,
		    strtoull(argv[5], NULL, 10) * NS_PER_S, epoll_fd);
	printf("{\"polls\": %u, \"cpu_seconds\": %.6f", polls, cpu_seconds() - before);
	hear(epoll_fd, 1000);
	for (unsigned i = 0; i < n; i++) {
		answers += peers[i].answers;
		wire_close(&peers[i].wire);
	}
	printf(", \"answers\": %u}\n", answers);
	free(peers);
	tape_fini(&tape);
	return answers == 0;
}
