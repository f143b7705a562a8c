/* Connections that a daemon before us has left are read to their end, and nothing is said. */

#include "inspect/abandoned.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "loop/loop.h"
#include "net/address.h"
#include "util/clock.h"
#include "util/err.h"

#define WAIT_NS    (20 * NS_PER_S)
#define SILENCE_NS (100 * NS_PER_MS)

static const char exiting[] = "{\"method\":\"NodeRuntime.waitingForDisconnect\",\"params\":{}}";

static struct loop loop;
static struct abandoned all;
static unsigned over; /* how many are */
static char last[64];

static void on_ended(void *owner, const char *id)
{
	cr_expect_eq(owner, &over);
	over++;
	snprintf(last, sizeof(last), "%s", id);
}

static void begin(void)
{
	signal(SIGPIPE, SIG_IGN);
	cr_assert_eq(loop_init(&loop), 0);
	abandoned_init(&all, &loop);
	all.on_ended = on_ended;
	all.owner = &over;
	all.silence_ns = SILENCE_NS;
	over = 0;
}

static void finish(void)
{
	abandoned_fini(&all);
	loop_fini(&loop);
}

TestSuite(abandoned, .init = begin, .fini = finish);

/* A connection: ours, which is taken over, what somebody else has of it as well, and the peer's. */
struct ends {
	int kept, peer;
};

static struct ends abandon(const char *id, uint64_t limit_ns)
{
	struct ends ends;
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ends.kept = fcntl(pair[0], F_DUPFD_CLOEXEC, 0);
	ends.peer = pair[1];
	cr_assert_eq(fcntl(ends.peer, F_SETFL, O_NONBLOCK), 0);
	abandoned_add(&all, pair[0], id, limit_ns);
	return ends;
}

static void drop(const struct ends *ends)
{
	close(ends->kept);
	close(ends->peer);
}

static void say(const struct ends *ends, const char *data, size_t size)
{
	uint64_t until_ns = clock_mono_ns() + WAIT_NS;

	while (size > 0) {
		ssize_t n = send(ends->peer, data, size, MSG_NOSIGNAL);

		cr_assert(n > 0 || errno == EAGAIN);
		data += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
		cr_assert_lt(clock_mono_ns(), until_ns);
		cr_assert_eq(loop_turn(&loop, 0), 0);
	}
}

static void await(unsigned n)
{
	uint64_t until_ns = clock_mono_ns() + WAIT_NS;

	while (over < n) {
		cr_assert_lt(clock_mono_ns(), until_ns);
		cr_assert_eq(loop_turn(&loop, 10), 0);
	}
}

/* What the peer has been told: nothing but the end, or not even that. */
static void expect_heard(const struct ends *ends, bool end)
{
	char byte;
	ssize_t n = recv(ends->peer, &byte, 1, 0);

	if (end)
		cr_expect_eq(n, 0);
	else
		cr_expect(n < 0 && errno == EAGAIN);
}

Test(abandoned, is_read_until_nothing_comes_and_then_ended)
{
	static char block[64 * 1024];
	struct ends ends = abandon("one", WAIT_NS);
	uint64_t began_ns;

	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 100; i++)
		say(&ends, block, sizeof(block));
	expect_heard(&ends, false);
	began_ns = clock_mono_ns();
	await(1);
	cr_expect_geq(clock_mono_ns() - began_ns, SILENCE_NS / 2);
	cr_expect_str_eq(last, "one");
	/* Though the other one has it still. */
	expect_heard(&ends, true);
	drop(&ends);
}

Test(abandoned, is_over_when_the_peer_closes)
{
	struct ends one, two;

	all.silence_ns = WAIT_NS;
	one = abandon("one", WAIT_NS);
	two = abandon("two", WAIT_NS);
	say(&one, "all", 3);
	close(one.peer);
	await(1);
	cr_expect_str_eq(last, "one");
	expect_heard(&two, false);
	shutdown(two.peer, SHUT_WR);
	await(2);
	expect_heard(&two, true);
	close(one.kept);
	drop(&two);
}

Test(abandoned, that_was_over_before_is_over_at_once)
{
	struct ends ends = abandon("one", WAIT_NS);

	close(ends.peer);
	await(1);
	close(ends.kept);
}

Test(abandoned, that_never_ends_has_a_deadline)
{
	uint64_t began_ns = clock_mono_ns();
	struct ends ends = abandon("one", 2 * SILENCE_NS);

	all.silence_ns = WAIT_NS;
	while (over == 0) {
		(void)!write(ends.peer, "x", 1);
		cr_assert_lt(clock_mono_ns() - began_ns, WAIT_NS);
		cr_assert_eq(loop_turn(&loop, 1), 0);
	}
	cr_expect_geq(clock_mono_ns() - began_ns, 2 * SILENCE_NS);
	drop(&ends);
}

Test(abandoned, that_is_silent_has_the_same_deadline)
{
	struct ends ends;

	all.silence_ns = 10 * WAIT_NS;
	ends = abandon("one", SILENCE_NS);
	await(1);
	drop(&ends);
}

Test(abandoned, is_left_at_once_by_one_that_wants_to_exit)
{
	all.silence_ns = WAIT_NS;
	for (size_t cut = 0; cut < sizeof(exiting) - 1; cut++) {
		struct ends ends = abandon("one", WAIT_NS);

		over = 0;
		say(&ends, "\x81\x40", 2); /* a frame begins */
		say(&ends, exiting, cut);
		cr_assert_eq(loop_turn(&loop, 0), 0);
		/* The end of the message need not be there. */
		cr_expect(over == 0 || cut >= sizeof(exiting) - 15);
		if (over == 0)
			say(&ends, exiting + cut, sizeof(exiting) - 1 - cut);
		await(1);
		expect_heard(&ends, true);
		drop(&ends);
	}
}

/* A snapshot may hold that text, within a string: a chunk is JSON in JSON. */
Test(abandoned, is_not_left_for_a_text_in_the_snapshot)
{
	static const char chunk[] =
		"{\"method\":\"HeapProfiler.addHeapSnapshotChunk\",\"params\":{\"chunk\":"
		"\"{\\\"method\\\":\\\"NodeRuntime.waitingForDisconnect\\\"}\"}}";
	struct ends ends;

	all.silence_ns = WAIT_NS;
	ends = abandon("one", WAIT_NS);
	say(&ends, chunk, sizeof(chunk) - 1);
	for (int i = 0; i < 10; i++)
		cr_assert_eq(loop_turn(&loop, 0), 0);
	cr_expect_eq(over, 0);
	expect_heard(&ends, false);
	drop(&ends);
}

/* systemd hands it to the daemon that comes next. */
Test(abandoned, is_not_ended_when_we_stop)
{
	struct ends ends = abandon("one", WAIT_NS);

	abandoned_fini(&all);
	abandoned_fini(&all);
	cr_expect_eq(over, 0);
	expect_heard(&ends, false);
	cr_expect_eq(send(ends.kept, "x", 1, MSG_NOSIGNAL), 1);
	drop(&ends);
}

Test(abandoned, more_than_there_is_room_for_are_closed)
{
	enum { MANY = 300, ROOM = 256 };
	struct ends ends[MANY];

	all.silence_ns = WAIT_NS;
	for (int i = 0; i < MANY; i++)
		ends[i] = abandon("one", WAIT_NS);
	cr_expect_eq(over, MANY - ROOM);
	cr_expect_eq(all.n, ROOM);
	for (int i = 0; i < MANY; i++)
		drop(&ends[i]);
	await(MANY);
	cr_expect_eq(all.n, 0);
}

/* ---- whose it is ---- */

/* A connection to a listener at this address, which is closed again; the accepted end stays. */
static int connect_to(const struct sockaddr *sa, socklen_t size, struct sockaddr_storage *at)
{
	int listener = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t at_size = sizeof(*at);

	cr_assert_eq(bind(listener, sa, size), 0);
	cr_assert_eq(listen(listener, 1), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)at, &at_size), 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)at, at_size), 0);
	abandoned_add(&all, fd, "one", WAIT_NS);
	fd = accept(listener, NULL, NULL);
	cr_assert_geq(fd, 0);
	close(listener);
	return fd;
}

static bool has(const char *text)
{
	struct address address;
	struct err err;

	cr_assert_eq(address_parse(&address, text, &err), 0);
	return abandoned_has(&all, &address);
}

Test(abandoned, is_of_the_target_at_its_address)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	struct sockaddr_storage at = { 0 };
	char text[ADDRESS_TEXT_MAX];
	int peer;

	v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	peer = connect_to((struct sockaddr *)&v4, sizeof(v4), &at);
	snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(((struct sockaddr_in *)&at)->sin_port));
	cr_expect(has(text));
	snprintf(text, sizeof(text), "ws://localhost:%u/path",
		 ntohs(((struct sockaddr_in *)&at)->sin_port));
	cr_expect(has(text));
	snprintf(text, sizeof(text), "[::1]:%u", ntohs(((struct sockaddr_in *)&at)->sin_port));
	cr_expect_not(has(text));
	cr_expect_not(has("127.0.0.1:1"));
	close(peer);
	await(1);
	cr_expect_not(has("127.0.0.1:1"));

	peer = connect_to((struct sockaddr *)&v6, sizeof(v6), &at);
	snprintf(text, sizeof(text), "[::1]:%u", ntohs(((struct sockaddr_in6 *)&at)->sin6_port));
	cr_expect(has(text));
	close(peer);
	await(2);
	cr_expect_not(has(text));
}

Test(abandoned, is_of_the_target_at_its_unix_socket)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_storage at = { 0 };
	char folder[] = "/tmp/abandoned.XXXXXX", text[ADDRESS_TEXT_MAX];
	int peer;

	cr_assert_not_null(mkdtemp(folder));
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/socket", folder);
	peer = connect_to((struct sockaddr *)&un, sizeof(un), &at);
	snprintf(text, sizeof(text), "unix:%s", un.sun_path);
	cr_expect(has(text));
	cr_expect_not(has("unix:/other"));
	close(peer);
	await(1);
	cr_expect_not(has(text));
	unlink(un.sun_path);
	rmdir(folder);
}
