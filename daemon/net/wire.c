/*
 * The wire of a capture thread
 *
 * The socket does not block, poll(2) does: on the socket and on the cancel descriptor at once, and
 * never longer than the deadline. Every read is preceded by such a wait even while bytes are
 * streaming in, so that a cancellation is seen within one buffer.
 *
 * The head of the server's answer is peeked at and taken off the socket exactly: what follows it
 * are frames, which wait in the kernel for the first wire_receive().
 */

#include "net/wire.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/access.h"
#include "net/address.h"
#include "net/packet.h"
#include "net/tls.h"
#include "net/upgrade.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/rand.h"
#include "util/str.h"

enum {
	BUFFER_BYTES = 256 * 1024, /* beyond this the framing gets no faster */
	HEAD_MAX_BYTES = 8 * 1024,
	PONG_TIMEOUT_S = 5,
	UNIX_RETRY_MS = 10,
	CLOSE_NORMAL = 1000,
};

/* ---- waiting ---- */

static int ms_until(uint64_t deadline_ns)
{
	uint64_t now_ns = clock_mono_ns(), ms;

	if (now_ns >= deadline_ns)
		return 0;
	ms = (deadline_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

static uint64_t deadline_after(uint64_t timeout_ns)
{
	uint64_t now_ns = clock_mono_ns();

	return timeout_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + timeout_ns;
}

/* 0 when fd is ready (or broken: the next call on it will tell), -ETIMEDOUT, -ECANCELED. */
static int wait_for(struct wire *wire, int fd, short events, uint64_t deadline_ns)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = events },
		{ .fd = wire->cancel_fd, .events = POLLIN },
	};
	int n;

	do {
		n = poll(fds, 2, ms_until(deadline_ns));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (fds[1].revents)
		return -ECANCELED;
	return n == 0 ? -ETIMEDOUT : 0;
}

/* What TLS has decrypted already does not show at the socket; a cancellation is seen all the same.
 */
static int wait_to_read(struct wire *wire, uint64_t deadline_ns)
{
	int r;

	if (wire->tls == NULL || !tls_pending(wire->tls))
		return wait_for(wire, wire->fd, POLLIN, deadline_ns);
	r = wait_for(wire, -1, 0, 0);
	return r == -ETIMEDOUT ? 0 : r;
}

/* ---- bytes, in clear or not: as send() and recv(), with -errno as the result ---- */

static ssize_t put_bytes(struct wire *wire, const char *data, size_t size)
{
	ssize_t n;

	if (wire->tls != NULL)
		return tls_write(wire->tls, data, size);
	n = send(wire->fd, data, size, MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

static ssize_t take_bytes(struct wire *wire, char *data, size_t size, int flags)
{
	ssize_t n;

	if (wire->tls != NULL)
		return flags & MSG_PEEK ? tls_peek(wire->tls, data, size)
					: tls_read(wire->tls, data, size);
	n = recv(wire->fd, data, size, flags);
	return n < 0 ? -errno : n;
}

/* What a failed call means, for people. */
static const char *reason_of(const struct wire *wire, int r)
{
	return wire->tls != NULL && r == -EACCES ? tls_reason(wire->tls) : strerror(-r);
}

static int write_all(struct wire *wire, const char *data, size_t size, uint64_t deadline_ns)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = put_bytes(wire, data + done, size - done);
		int r;

		if (n >= 0) {
			done += (size_t)n;
			continue;
		}
		if (n == -EINTR)
			continue;
		/* TLS may have sent a piece of a record. */
		wire->torn = done > 0 || wire->tls != NULL;
		if (n != -EAGAIN)
			return (int)n;
		r = wait_for(wire, wire->fd, POLLOUT, deadline_ns);
		if (r < 0)
			return r;
	}
	wire->torn = false;
	return 0;
}

/* ---- connect ---- */

/* A unix socket whose queue is full says EAGAIN and cannot be waited for: try again in a while. */
static int start_connect(struct wire *wire, const struct sockaddr *sa, socklen_t size,
			 uint64_t deadline_ns)
{
	while (connect(wire->fd, sa, size) < 0) {
		uint64_t next_ns = deadline_after(UNIX_RETRY_MS * NS_PER_MS);
		int r;

		if (errno == EINPROGRESS)
			return wait_for(wire, wire->fd, POLLOUT, deadline_ns);
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		if (clock_mono_ns() >= deadline_ns)
			return -ETIMEDOUT;
		r = wait_for(wire, -1, 0, next_ns < deadline_ns ? next_ns : deadline_ns);
		if (r != -ETIMEDOUT)
			return r;
	}
	return 0;
}

static int connect_to(struct wire *wire, const struct address *to, uint64_t deadline_ns)
{
	struct sockaddr_storage sa;
	socklen_t size = (socklen_t)address_to_sockaddr(to, &sa), error_size = sizeof(int);
	int r, error = 0, one = 1;

	if (size == 0)
		return -EINVAL;
	wire->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (wire->fd < 0)
		return -errno;
	if (sa.ss_family != AF_UNIX &&
	    setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		return -errno;
	r = start_connect(wire, (struct sockaddr *)&sa, size, deadline_ns);
	if (r < 0)
		return r;
	if (getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &error, &error_size) < 0)
		return -errno;
	return -error;
}

/* After connect_to(), where the address says so. */
static int secure(struct wire *wire, const struct address *to, uint64_t deadline_ns,
		  struct err *err)
{
	int r;

	if (!to->is_tls)
		return 0;
	r = tls_new(&wire->tls, wire->fd, to, err);
	if (r < 0)
		return r;
	while ((r = tls_handshake(wire->tls, err)) == -EAGAIN) {
		r = wait_for(wire, wire->fd, tls_wants_write(wire->tls) ? POLLOUT : POLLIN,
			     deadline_ns);
		if (r < 0)
			return err_set(err, r, "TLS: no answer: %s", strerror(-r));
	}
	return r;
}

/* ---- upgrade ---- */

static int ask_upgrade(struct wire *wire, const struct address *to, const char *path,
		       const char *key, const char *token, uint64_t deadline_ns)
{
	char host[ADDRESS_TEXT_MAX];
	struct buf request;
	int r;

	buf_init(&request, UPGRADE_REQUEST_MAX);
	r = upgrade_request(&request, path, address_host_header(host, to), key, token);
	if (r == 0)
		r = write_all(wire, request.data, request.size, deadline_ns);
	if (token != NULL && request.data != NULL)
		explicit_bzero(request.data, request.size);
	buf_fini(&request);
	return r;
}

/* How much of head (old bytes seen before, then fresh ones) belongs to the head; 0: it goes on. */
static size_t head_end(const char *head, size_t old, size_t size)
{
	size_t from = old > 3 ? old - 3 : 0;
	const char *end = memmem(head + from, size - from, "\r\n\r\n", 4);

	return end ? (size_t)(end - head) + 4 : 0;
}

/* Takes exactly the head off the socket; or what there is of it, when it cannot be HTTP. */
static int read_head(struct wire *wire, char *head, size_t *ret_size, uint64_t deadline_ns)
{
	size_t size = 0, end = 0;

	while (end == 0) {
		int r = wait_to_read(wire, deadline_ns);
		ssize_t n;

		if (r < 0)
			return r;
		n = take_bytes(wire, head + size, HEAD_MAX_BYTES - size, MSG_PEEK);
		if (n == -EAGAIN || n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		if (n == 0)
			return size == HEAD_MAX_BYTES ? -EPROTO : -ECONNRESET;
		end = head_end(head, size, size + (size_t)n);
		n = take_bytes(wire, head + size, end ? end - size : (size_t)n, 0);
		if (n < 0)
			return (int)n;
		size += (size_t)n;
		if (size >= 5 && memcmp(head, "HTTP/", 5) != 0)
			break;
	}
	*ret_size = size;
	return 0;
}

static int upgrade(struct wire *wire, const struct address *to, const char *path,
		   uint64_t deadline_ns, struct err *err)
{
	char key[UPGRADE_KEY_MAX];
	uint8_t nonce[16];
	size_t size = 0;
	char *token = NULL;
	int r = access_token(to->access, &token, err);

	if (r < 0)
		return r;
	r = rand_bytes(nonce, sizeof(nonce));
	if (r == 0)
		r = ask_upgrade(wire, to, path, upgrade_key(key, nonce), token, deadline_ns);
	access_token_free(token);
	if (r == 0)
		r = read_head(wire, wire->buffer, &size, deadline_ns);
	if (r == -EPROTO)
		return err_set(err, r, "the server's answer has no end");
	if (r < 0)
		return err_set(err, r, "no answer to the upgrade: %s", reason_of(wire, r));
	return upgrade_check(wire->buffer, size, key, err);
}

/* ---- frames ---- */

static int send_frame(struct wire *wire, enum frame_opcode opcode, const char *data, size_t size,
		      uint64_t timeout_ns)
{
	uint8_t mask[4];
	char *frame;
	int r;

	if (wire->fd < 0)
		return -ENOTCONN;
	if (wire->torn)
		return -EPIPE;
	r = rand_bytes(mask, sizeof(mask));
	if (r < 0)
		return r;
	frame = malloc(size + FRAME_HEADER_MAX);
	if (!frame)
		return -ENOMEM;
	size = frame_write(frame, opcode, data, size, mask);
	r = write_all(wire, frame, size, deadline_after(timeout_ns));
	if (r == 0)
		wire->bytes_out += size;
	free(frame);
	return r;
}

static int on_text(void *owner, const char *data, size_t size, bool last)
{
	struct wire *wire = owner;

	return wire->events->text(wire->owner, data, size, last);
}

static int on_control(void *owner, enum frame_opcode opcode, const char *data, size_t size)
{
	struct wire *wire = owner;

	if (opcode == FRAME_CLOSE)
		wire->closed = true;
	if (opcode == FRAME_PING) {
		int r = send_frame(wire, FRAME_PONG, data, size, PONG_TIMEOUT_S * NS_PER_S);

		if (r < 0)
			return r;
	}
	return wire->events->control ? wire->events->control(wire->owner, opcode, data, size) : 0;
}

static const struct frame_events wire_events = { .text = on_text, .control = on_control };

/* ---- the connection ---- */

/* The parts that both kinds have. After an error nothing is left open. */
static int open_socket(struct wire *wire, const struct address *to, int cancel_fd,
		       uint64_t deadline_ns, void *owner, struct err *err)
{
	int r;

	*wire = (struct wire){ .fd = -1, .cancel_fd = cancel_fd, .buffer_size = BUFFER_BYTES };
	wire->owner = owner;
	wire->buffer = malloc(wire->buffer_size);
	if (!wire->buffer)
		return err_set(err, -ENOMEM, "out of memory");
	r = connect_to(wire, to, deadline_ns);
	if (r < 0)
		return err_set(err, r, "cannot connect: %s", strerror(-r));
	return secure(wire, to, deadline_ns, err);
}

static int opened(struct wire *wire, int r)
{
	if (r < 0) {
		wire->torn = true;
		wire_close(wire);
	}
	return r;
}

int wire_open(struct wire *wire, const struct address *to, const char *path, int cancel_fd,
	      uint64_t timeout_ns, const struct frame_events *events, void *owner, struct err *err)
{
	uint64_t deadline_ns = deadline_after(timeout_ns);
	int r;

	if (!upgrade_path_valid(path)) {
		*wire = (struct wire){ .fd = -1, .cancel_fd = cancel_fd };
		return err_set(err, -EINVAL, "'%s' is not a path", path);
	}
	r = open_socket(wire, to, cancel_fd, deadline_ns, owner, err);
	wire->events = events;
	frame_reader_init(&wire->reader, &wire_events, wire);
	if (r == 0)
		r = upgrade(wire, to, path, deadline_ns, err);
	return opened(wire, r);
}

int wire_open_packets(struct wire *wire, const struct address *to, int cancel_fd,
		      uint64_t timeout_ns, const struct packet_events *events, void *owner,
		      struct err *err)
{
	int r = open_socket(wire, to, cancel_fd, deadline_after(timeout_ns), owner, err);

	wire->is_packets = true;
	packet_reader_init(&wire->packets, events, owner);
	return opened(wire, r);
}

/* ---- plain HTTP ---- */

/* How long the whole answer is, by its head; 0: until the connection ends. */
static size_t answer_size(const char *head, size_t head_size)
{
	static const char name[] = "\r\nContent-Length:";
	const char *at = strcasestr(head, name);

	if (at == NULL || at >= head + head_size)
		return 0;
	return head_size + strtoul(at + sizeof(name) - 1, NULL, 10);
}

/* All of it into buf; the size of its head, -errno. */
static ssize_t read_answer(struct wire *wire, struct buf *buf, uint64_t deadline_ns)
{
	size_t head = 0, size = 0;

	for (;;) {
		char block[4096];
		int r = wait_to_read(wire, deadline_ns);
		ssize_t n = r < 0 ? 0 : take_bytes(wire, block, sizeof(block), 0);

		if (n == -EAGAIN || n == -EINTR)
			continue;
		if (r < 0 || n < 0)
			return r < 0 ? r : n;
		if (n > 0)
			r = buf_append(buf, block, (size_t)n);
		if (r < 0)
			return r;
		if (head == 0 && n > 0) {
			head = head_end(buf->data, 0, buf->size);
			size = head > 0 ? answer_size(buf_text(buf), head) : 0;
		}
		if (n > 0 && (size == 0 || buf->size < size))
			continue;
		return head > 0 && buf->size >= size ? (ssize_t)head : -EPROTO;
	}
}

/* HTTP/1.1, for Chromium hangs up on 1.0. */
static ssize_t ask_get(struct wire *wire, const struct address *to, const char *path,
		       uint64_t deadline_ns, struct buf *buf, struct err *err)
{
	char request[UPGRADE_REQUEST_MAX], host[ADDRESS_TEXT_MAX], *token = NULL;
	int r = access_token(to->access, &token, err), size;

	if (r == 0)
		r = connect_to(wire, to, deadline_ns);
	if (r == 0)
		r = secure(wire, to, deadline_ns, err);
	if (r == 0) {
		size = snprintf(request, sizeof(request),
				"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s%s%s\r\n",
				path, address_host_header(host, to),
				token ? "Authorization: Bearer " : "", token ? token : "",
				token ? "\r\n" : "");
		r = write_all(wire, request, (size_t)size, deadline_ns);
		explicit_bzero(request, (size_t)size);
	}
	access_token_free(token);
	return r < 0 ? r : read_answer(wire, buf, deadline_ns);
}

int wire_get(const struct address *to, const char *path, int cancel_fd, uint64_t timeout_ns,
	     struct buf *buf, struct err *err)
{
	struct wire wire = { .fd = -1, .cancel_fd = cancel_fd };
	struct err why = { 0 };
	ssize_t n = upgrade_path_valid(path)
			    ? ask_get(&wire, to, path, deadline_after(timeout_ns), buf, &why)
			    : -EINVAL;

	if (n < 0)
		err_set(err, (int)n, "no answer to GET %s: %s", path,
			why.text[0] ? why.text : reason_of(&wire, (int)n));
	tls_free(wire.tls);
	if (wire.fd >= 0)
		close(wire.fd);
	if (n < 0)
		return (int)n;
	if (n < 13 || memcmp(buf->data, "HTTP/1.", 7) != 0 || memcmp(buf->data + 8, " 200", 4) != 0)
		return err_set(err, -EPROTO, "GET %s was not answered with status 200", path);
	buf->size -= (size_t)n;
	memmove(buf->data, buf->data + n, buf->size);
	return 0;
}

int wire_knock(const struct address *to, uint64_t timeout_ns)
{
	struct wire wire = { .fd = -1, .cancel_fd = -1 };
	int r = connect_to(&wire, to, deadline_after(timeout_ns));

	if (wire.fd >= 0)
		close(wire.fd);
	return r;
}

static int send_packet(struct wire *wire, const char *text, size_t size, uint64_t timeout_ns)
{
	uint64_t deadline_ns = deadline_after(timeout_ns);
	char prefix[PACKET_PREFIX_MAX];
	size_t n = packet_prefix(prefix, size);
	int r;

	if (wire->fd < 0)
		return -ENOTCONN;
	if (wire->torn)
		return -EPIPE;
	r = write_all(wire, prefix, n, deadline_ns);
	if (r == 0)
		r = write_all(wire, text, size, deadline_ns);
	wire->torn = r != 0;
	if (r == 0)
		wire->bytes_out += n + size;
	return r;
}

int wire_send(struct wire *wire, const char *text, size_t size, uint64_t timeout_ns)
{
	if (wire->is_packets)
		return send_packet(wire, text, size, timeout_ns);
	return send_frame(wire, FRAME_TEXT, text, size, timeout_ns);
}

int wire_receive(struct wire *wire, uint64_t timeout_ns)
{
	ssize_t n;
	int r;

	if (wire->closed || wire->fd < 0)
		return WIRE_E_CLOSED;
	r = wait_to_read(wire, deadline_after(timeout_ns));
	if (r < 0)
		return r;
	n = take_bytes(wire, wire->buffer, wire->buffer_size, 0);
	if (n < 0)
		return n == -EAGAIN || n == -EINTR ? 0 : (int)n;
	if (n == 0)
		return WIRE_E_CLOSED;
	wire->bytes_in += (uint64_t)n;
	if (wire->is_packets)
		return packet_feed(&wire->packets, wire->buffer, (size_t)n);
	r = frame_feed(&wire->reader, wire->buffer, (size_t)n);
	return r == 0 && wire->closed ? WIRE_E_CLOSED : r;
}

/* The code that says "done"; whoever closes first names it and the other repeats it. */
static void send_close(struct wire *wire)
{
	const char code[2] = { (char)(CLOSE_NORMAL >> 8), (char)(CLOSE_NORMAL & 0xff) };
	uint8_t mask[4];
	char frame[sizeof(code) + FRAME_HEADER_MAX];
	size_t size;

	if (rand_bytes(mask, sizeof(mask)) < 0)
		return;
	size = frame_write(frame, FRAME_CLOSE, code, sizeof(code), mask);
	if (put_bytes(wire, frame, size) == (ssize_t)size)
		wire->bytes_out += size;
}

void wire_close(struct wire *wire)
{
	if (wire->fd >= 0) {
		if (!wire->torn && !wire->is_packets)
			send_close(wire);
		tls_free(wire->tls);
		if (wire->shared)
			(void)shutdown(wire->fd, SHUT_RDWR);
		close(wire->fd);
	}
	wire->tls = NULL;
	wire->fd = -1;
	free(wire->buffer);
	wire->buffer = NULL;
}
