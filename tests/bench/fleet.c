/*
 * A fleet of targets in one process
 *
 * All of 127.0.0.0/8 is this machine: one socket that listens on every loopback address is
 * thousands of targets, each with its own address. It answers from a tape (tape.h), one epoll loop
 * for all connections, so that a bench measures the one who asks. Anything that is not on the tape
 * ends the program: then the bench would not measure what it claims.
 *
 * Usage: bench_fleet TAPE SECONDS. Prints its port; ends when its input does, or after SECONDS.
 */

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/frame.h"
#include "net/upgrade.h"
#include "tape.h"
#include "util/clock.h"

enum {
	IN_BYTES = 8192, /* of one connection: a head, or the requests of one poll */
	OUT_BYTES = 65536,
	EVENTS_N = 256,
	HEADER_BYTES = 2, /* of a frame, before its length */
	MASK_BYTES = 4,
};

struct conn {
	int fd;
	bool upgraded;
	size_t used;
	char in[IN_BYTES];
};

static struct tape tape;
static int epoll_fd;
static unsigned counter = 10000000;
static char out[OUT_BYTES];

static void conn_end(struct conn *conn)
{
	close(conn->fd);
	free(conn);
}

/* Answers are small: a socket that does not take one whole is a client that does not read. */
static void put(const struct conn *conn, const char *data, size_t size)
{
	if (send(conn->fd, data, size, MSG_NOSIGNAL) != (ssize_t)size && errno != EPIPE &&
	    errno != ECONNRESET)
		err(1, "a client does not read");
}

/* ---- HTTP ---- */

static void put_document(const struct conn *conn, const char *body)
{
	int n = snprintf(out, sizeof(out),
			 "HTTP/1.0 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\n"
			 "Cache-Control: no-cache\r\nContent-Length: %zu\r\n\r\n%s",
			 strlen(body), body);

	put(conn, out, (size_t)n);
}

static void upgrade(struct conn *conn)
{
	static const char name[] = "\r\nSec-WebSocket-Key: ";
	const char *at = strstr(conn->in, name);
	char key[64], accept[UPGRADE_ACCEPT_MAX];
	int n;

	if (at == NULL || sscanf(at + sizeof(name) - 1, "%63[^\r]", key) != 1)
		errx(1, "no request of the tape: %.60s", conn->in);
	n = snprintf(out, sizeof(out),
		     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		     "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		     upgrade_accept(accept, key));
	put(conn, out, (size_t)n);
	conn->upgraded = true;
}

/* How much of the input was a head. */
static size_t take_head(struct conn *conn)
{
	const char *end = memmem(conn->in, conn->used, "\r\n\r\n", 4), *version, *answer;

	if (end == NULL)
		return 0;
	conn->in[end - conn->in] = '\0';
	version = strstr(conn->in, " HTTP/1.");
	answer =
		version == NULL ? NULL : tape_answer(&tape, conn->in, (size_t)(version - conn->in));
	if (answer != NULL)
		put_document(conn, answer);
	else
		upgrade(conn);
	return (size_t)(end - conn->in) + 4;
}

/* ---- messages ---- */

static size_t put_header(char *dst, size_t size)
{
	dst[0] = (char)(0x80 | FRAME_TEXT);
	if (size < 126) {
		dst[1] = (char)size;
		return 2;
	}
	dst[1] = 126;
	dst[2] = (char)(size >> 8);
	dst[3] = (char)size;
	return 4;
}

static void count(char *text)
{
	char *at = strstr(text, TAPE_COUNTER), digits[16];

	if (at == NULL)
		return;
	snprintf(digits, sizeof(digits), "%u", counter++);
	memcpy(at, digits, strlen(TAPE_COUNTER));
}

static void answer(const struct conn *conn, const char *text, size_t size)
{
	static const char begin[] = "{\"id\":";
	char header[4], *body = out + sizeof(header);
	const char *rest = memchr(text, ',', size), *found;
	size_t n, header_n;

	if (size < sizeof(begin) || memcmp(text, begin, sizeof(begin) - 1) != 0 || rest == NULL)
		errx(1, "no request: %.*s", (int)size, text);
	rest++;
	found = tape_answer(&tape, rest, size - (size_t)(rest - text));
	if (found == NULL)
		errx(1, "not on the tape: %.*s", (int)size, text);
	n = (size_t)snprintf(body, sizeof(out) - sizeof(header), "%.*s%s", (int)(rest - text), text,
			     found);
	if (n > UINT16_MAX)
		errx(1, "an answer is too long");
	count(body);
	header_n = put_header(header, n);
	memcpy(body - header_n, header, header_n);
	put(conn, body - header_n, header_n + n);
}

/* How much of the input was a frame; closes_ret tells that it was the last one. */
static size_t take_frame(struct conn *conn, bool *closes_ret)
{
	unsigned char *in = (unsigned char *)conn->in;
	size_t size, head = HEADER_BYTES;

	if (conn->used < HEADER_BYTES + 2 + MASK_BYTES)
		return 0;
	size = in[1] & 0x7f;
	if (size == 126) {
		size = (size_t)in[2] << 8 | in[3];
		head += 2;
	}
	if (conn->used < head + MASK_BYTES + size)
		return 0;
	for (size_t i = 0; i < size; i++)
		in[head + MASK_BYTES + i] ^= in[head + (i & 3)];
	if ((in[0] & 0x0f) == FRAME_TEXT)
		answer(conn, conn->in + head + MASK_BYTES, size);
	else
		*closes_ret = true;
	return head + MASK_BYTES + size;
}

/* ---- connections ---- */

/* False when the connection is over. */
static bool serve(struct conn *conn)
{
	ssize_t n = recv(conn->fd, conn->in + conn->used, IN_BYTES - conn->used, 0);
	bool closes = false;
	size_t taken;

	if (n < 0 && errno == EAGAIN)
		return true;
	if (n <= 0)
		return false;
	conn->used += (size_t)n;
	do {
		taken = conn->upgraded ? take_frame(conn, &closes) : take_head(conn);
		conn->used -= taken;
		memmove(conn->in, conn->in + taken, conn->used);
	} while (taken > 0 && conn->used > 0 && !closes);
	return !closes && conn->used < IN_BYTES;
}

static void watch(int fd, void *owner)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = owner };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "epoll_ctl");
}

static void accept_all(int listener)
{
	int fd, one = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		struct conn *conn = calloc(1, sizeof(*conn));

		if (conn == NULL)
			err(1, "calloc");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		conn->fd = fd;
		watch(fd, conn);
	}
	if (errno != EAGAIN && errno != ECONNABORTED)
		err(1, "accept");
}

/* Every address, but of the loopback interface only. */
static int listen_on_loopback(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t size = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) < 0 ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 4096) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &size) < 0)
		err(1, "cannot listen");
	printf("listening %u\n", ntohs(sa.sin_port));
	fflush(stdout);
	return fd;
}

static void turn(int listener, int timeout_ms)
{
	struct epoll_event events[EVENTS_N];
	int n = epoll_wait(epoll_fd, events, EVENTS_N, timeout_ms);

	for (int i = 0; i < n; i++) {
		struct conn *conn = events[i].data.ptr;

		if (conn == NULL)
			accept_all(listener);
		else if (conn->fd == STDIN_FILENO)
			exit(0);
		else if (!serve(conn))
			conn_end(conn);
	}
}

int main(int argc, char **argv)
{
	static struct conn input = { .fd = STDIN_FILENO };
	struct rlimit limit;
	uint64_t end_ns;
	int listener;

	if (argc != 3)
		errx(2, "usage: bench_fleet TAPE SECONDS");
	tape_load(&tape, argv[1]);
	end_ns = clock_mono_ns() + strtoull(argv[2], NULL, 10) * NS_PER_S;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		err(1, "epoll_create1");
	listener = listen_on_loopback();
	watch(listener, NULL);
	watch(STDIN_FILENO, &input);
	while (clock_mono_ns() < end_ns)
		turn(listener, 1000);
	return 0;
}
