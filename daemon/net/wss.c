/*
 * WebSocket over TLS
 *
 * One socket that does not block, watched by the loop: TCP, TLS (net/tls.h), the upgrade
 * (net/upgrade.h), frames (net/frame.h), one after the other, under one deadline. What TLS has
 * decrypted already does not show at the socket: after a turn's share of reading the rest is read
 * in the next turn.
 *
 * `closed` is told at the end of the turn. An owner that closes within an event is not called
 * again: the memory goes when the event has returned.
 */

#include "net/wss.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/loop.h"
#include "net/access.h"
#include "net/address.h"
#include "net/frame.h"
#include "net/tls.h"
#include "net/upgrade.h"
#include "net/ws.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/rand.h"
#include "util/str.h"

enum {
	READ_BYTES = 16 * 1024, /* a record */
	READS_MAX = 16, /* in one turn: others want theirs too */
	HEAD_MAX_BYTES = 8 * 1024,
	KEPT_BYTES = 16 * 1024, /* a buffer grown beyond this is not kept */
	REASON_MAX = 160,
};

enum wss_state { WSS_CONNECTING, WSS_SHAKING, WSS_UPGRADING, WSS_OPEN };

struct wss {
	enum wss_state state;
	const struct ws_events *events;
	void *owner;
	struct ws_limits limits;
	struct loop *loop;
	struct address to; /* its access is held */
	char path[UPGRADE_PATH_MAX];
	char key[UPGRADE_KEY_MAX];
	int fd; /* owned */
	struct tls *tls; /* owned */
	struct loop_fd watch;
	struct loop_timer deadline; /* until it is open */
	struct loop_deferred later; /* the end, or reading on */
	struct frame_reader reader;
	struct buf head; /* of the server's answer */
	struct buf message; /* being put together */
	uint64_t message_bytes; /* seen of it */
	struct buf out; /* to be written from out_done on */
	size_t out_done;
	uint64_t bytes_in, bytes_out;
	bool ended;
	bool busy; /* an event is on the stack */
	bool abandoned; /* closed within it: to be freed after */
	int result;
	char reason[REASON_MAX];
};

static void wss_free(struct wss *wss)
{
	loop_deferred_cancel(&wss->later);
	loop_fd_fini(&wss->watch);
	loop_timer_fini(&wss->deadline);
	tls_free(wss->tls);
	if (wss->fd >= 0)
		close(wss->fd);
	buf_fini(&wss->head);
	buf_fini(&wss->message);
	/* It held the token. */
	if (wss->out.data)
		explicit_bzero(wss->out.data, wss->out.capacity);
	buf_fini(&wss->out);
	access_unref(wss->to.access);
	free(wss);
}

/* The first who knows why says so. */
static void end(struct wss *wss, int r, const char *reason)
{
	if (wss->ended)
		return;
	wss->ended = true;
	wss->result = r;
	str_copy(wss->reason, sizeof(wss->reason), reason);
	loop_timer_clear(&wss->deadline);
	(void)loop_fd_want(&wss->watch, 0);
	loop_defer(wss->loop, &wss->later);
}

/* ---- writing ---- */

static void write_some(struct wss *wss)
{
	while (wss->out_done < wss->out.size) {
		ssize_t n = tls_write(wss->tls, wss->out.data + wss->out_done,
				      wss->out.size - wss->out_done);

		if (n == -EAGAIN) {
			(void)loop_fd_want(&wss->watch, tls_wants_write(wss->tls)
								? LOOP_READ | LOOP_WRITE
								: LOOP_READ);
			return;
		}
		if (n < 0) {
			end(wss, (int)n, tls_reason(wss->tls));
			return;
		}
		wss->out_done += (size_t)n;
	}
	buf_clear(&wss->out);
	wss->out_done = 0;
	(void)loop_fd_want(&wss->watch, LOOP_READ);
}

static int queue_frame(struct wss *wss, enum frame_opcode opcode, const char *data, size_t size)
{
	uint8_t mask[4];
	int r = rand_bytes(mask, sizeof(mask));

	if (r == 0 &&
	    wss->out.size - wss->out_done + size + FRAME_HEADER_MAX > wss->limits.send_queue_max)
		r = -ENOBUFS;
	if (r == 0)
		r = buf_reserve(&wss->out, size + FRAME_HEADER_MAX);
	if (r < 0)
		return r == -E2BIG ? -ENOBUFS : r;
	size = frame_write(wss->out.data + wss->out.size, opcode, data, size, mask);
	wss->out.size += size;
	wss->bytes_out += size;
	write_some(wss);
	return 0;
}

/* ---- frames ---- */

static int on_text(void *owner, const char *data, size_t size, bool last)
{
	struct wss *wss = owner;
	const char *text;

	wss->message_bytes += size;
	if (wss->message_bytes <= wss->limits.message_max)
		buf_append(&wss->message, data, size);
	if (!last)
		return 0;
	text = wss->message_bytes > wss->limits.message_max ? NULL : buf_text(&wss->message);
	size = (size_t)wss->message_bytes;
	wss->message_bytes = 0;
	wss->events->message(wss->owner, text, size);
	if (wss->message.capacity > KEPT_BYTES || wss->message.error != 0)
		buf_fini(&wss->message);
	else
		buf_clear(&wss->message);
	return wss->abandoned || wss->ended ? -ECANCELED : 0;
}

static int on_control(void *owner, enum frame_opcode opcode, const char *data, size_t size)
{
	struct wss *wss = owner;
	bool busy = frame_close_code(data, size) == FRAME_CLOSE_BUSY;
	char text[FRAME_CLOSE_TEXT_MAX];

	if (opcode == FRAME_PING)
		return queue_frame(wss, FRAME_PONG, data, size);
	if (opcode != FRAME_CLOSE)
		return 0;
	end(wss, busy ? -EBUSY : 0, frame_close_text(text, data, size));
	return -ECANCELED;
}

static const struct frame_events frame_events = { .text = on_text, .control = on_control };

static void feed(struct wss *wss, const char *data, size_t size)
{
	wss->bytes_in += size;
	if (frame_feed(&wss->reader, data, size) == -EPROTO)
		end(wss, -EPROTO, "what it says are no frames of text");
}

/* ---- the upgrade ---- */

static void ask_upgrade(struct wss *wss)
{
	char host[ADDRESS_TEXT_MAX], *token = NULL;
	struct err err = { 0 };
	uint8_t nonce[16];
	int r = rand_bytes(nonce, sizeof(nonce));

	if (r == 0)
		r = access_token(wss->to.access, &token, &err);
	if (r == 0)
		r = upgrade_request(&wss->out, wss->path, address_host_header(host, &wss->to),
				    upgrade_key(wss->key, nonce), token);
	access_token_free(token);
	if (r < 0) {
		end(wss, r, err.text[0] ? err.text : strerrordesc_np(-r));
		return;
	}
	wss->state = WSS_UPGRADING;
	write_some(wss);
}

/* A head that is whole is checked; what follows it are frames. */
static void feed_head(struct wss *wss, const char *data, size_t size)
{
	struct err err = { 0 };
	size_t head;
	const char *stop;
	int r = buf_append(&wss->head, data, size);

	if (r < 0) {
		end(wss, -EPROTO, "the server's answer has no end");
		return;
	}
	stop = memmem(wss->head.data, wss->head.size, "\r\n\r\n", 4);
	if (!stop) {
		if (wss->head.size >= 5 && memcmp(wss->head.data, "HTTP/", 5) != 0)
			end(wss, -EPROTO, "no WebSocket server");
		return;
	}
	head = (size_t)(stop - wss->head.data) + 4;
	r = upgrade_check(wss->head.data, head, wss->key, &err);
	if (r < 0) {
		end(wss, r, err.text);
		return;
	}
	wss->state = WSS_OPEN;
	loop_timer_clear(&wss->deadline);
	wss->events->open(wss->owner);
	if (!wss->abandoned && !wss->ended && wss->head.size > head)
		feed(wss, wss->head.data + head, wss->head.size - head);
	buf_fini(&wss->head);
}

/* ---- reading ---- */

static void read_some(struct wss *wss)
{
	char block[READ_BYTES];

	for (int i = 0; i < READS_MAX && !wss->ended && !wss->abandoned; i++) {
		ssize_t n = tls_read(wss->tls, block, sizeof(block));

		if (n == -EAGAIN) {
			if (tls_wants_write(wss->tls))
				(void)loop_fd_want(&wss->watch, LOOP_READ | LOOP_WRITE);
			return;
		}
		if (n == 0)
			end(wss, wss->state == WSS_OPEN ? 0 : -ECONNRESET, "closed by the peer");
		else if (n < 0)
			end(wss, (int)n, tls_reason(wss->tls));
		else if (wss->state == WSS_OPEN)
			feed(wss, block, (size_t)n);
		else
			feed_head(wss, block, (size_t)n);
	}
	if (!wss->ended && !wss->abandoned && tls_pending(wss->tls))
		loop_defer(wss->loop, &wss->later);
}

/* ---- connecting ---- */

static void shake_hands(struct wss *wss)
{
	struct err err = { 0 };
	int r = tls_handshake(wss->tls, &err);

	if (r == -EAGAIN)
		(void)loop_fd_want(&wss->watch, tls_wants_write(wss->tls) ? LOOP_WRITE : LOOP_READ);
	else if (r < 0)
		end(wss, r, err.text);
	else
		ask_upgrade(wss);
}

static void connect_ended(struct wss *wss)
{
	socklen_t size = sizeof(int);
	struct err err = { 0 };
	int error = 0, one = 1, r;

	if (getsockopt(wss->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error != 0) {
		end(wss, -error, strerrordesc_np(error));
		return;
	}
	(void)setsockopt(wss->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	r = tls_new(&wss->tls, wss->fd, &wss->to, &err);
	if (r < 0) {
		end(wss, r, err.text);
		return;
	}
	wss->state = WSS_SHAKING;
	shake_hands(wss);
}

static void step(struct wss *wss)
{
	switch (wss->state) {
	case WSS_CONNECTING:
		connect_ended(wss);
		break;
	case WSS_SHAKING:
		shake_hands(wss);
		break;
	default:
		write_some(wss);
		read_some(wss);
	}
}

/* All events but the last are told from here. */
static void take_turn(struct wss *wss)
{
	wss->busy = true;
	step(wss);
	wss->busy = false;
	if (wss->abandoned)
		wss_free(wss);
}

static void on_ready(void *owner, int fd, unsigned what)
{
	(void)fd;
	(void)what;
	take_turn(owner);
}

static void on_later(void *owner)
{
	struct wss *wss = owner;

	if (!wss->ended) {
		take_turn(wss);
		return;
	}
	wss->events->closed(wss->owner, wss->result, wss->reason);
	wss_free(wss);
}

static void on_deadline(void *owner)
{
	struct wss *wss = owner;
	static const char *const late[] = {
		[WSS_CONNECTING] = "no connection in time",
		[WSS_SHAKING] = "TLS: no answer in time",
		[WSS_UPGRADING] = "no answer to the upgrade in time",
		[WSS_OPEN] = "",
	};

	end(wss, -ETIMEDOUT, late[wss->state]);
}

/* A failure at once is told later, as any other. */
static void connect_now(struct wss *wss, const struct sockaddr *sa, socklen_t size)
{
	int r;

	do {
		r = connect(wss->fd, sa, size) < 0 ? -errno : 0;
	} while (r == -EINTR);
	if (r == 0 || r == -EINPROGRESS)
		(void)loop_fd_want(&wss->watch, LOOP_WRITE);
	else
		end(wss, r, strerrordesc_np(-r));
}

static int set_up(struct wss *wss, sa_family_t family)
{
	int r;

	wss->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = wss->fd < 0 ? -errno : 0;
	if (r == 0)
		r = loop_fd_init(&wss->watch, wss->loop, wss->fd, on_ready, wss);
	if (r == 0)
		r = loop_timer_init(&wss->deadline, wss->loop, on_deadline, wss);
	if (r == 0)
		r = loop_timer_set(&wss->deadline, wss->limits.connect_ns);
	return r;
}

int wss_open(struct wss **ret, struct loop *loop, const struct address *to, const char *path,
	     const struct ws_limits *limits, const struct ws_events *events, void *owner)
{
	struct sockaddr_storage sa;
	socklen_t size = (socklen_t)address_to_sockaddr(to, &sa);
	struct wss *wss;
	int r;

	if (size == 0 || sa.ss_family == AF_UNIX || !upgrade_path_valid(path))
		return -EINVAL;
	wss = calloc(1, sizeof(*wss));
	if (!wss)
		return -ENOMEM;
	wss->events = events;
	wss->owner = owner;
	wss->limits = *limits;
	wss->loop = loop;
	wss->to = *to;
	access_ref(to->access);
	str_copy(wss->path, sizeof(wss->path), path);
	loop_deferred_init(&wss->later, on_later, wss);
	frame_reader_init(&wss->reader, &frame_events, wss);
	buf_init(&wss->head, HEAD_MAX_BYTES + READ_BYTES);
	buf_init(&wss->message, limits->message_max);
	buf_init(&wss->out, 2 * limits->send_queue_max + UPGRADE_REQUEST_MAX);
	r = set_up(wss, sa.ss_family);
	if (r < 0) {
		wss_free(wss);
		return r;
	}
	connect_now(wss, (const struct sockaddr *)&sa, size);
	*ret = wss;
	return 0;
}

int wss_send(struct wss *wss, const char *text, size_t size)
{
	if (wss->state != WSS_OPEN || wss->ended || wss->abandoned)
		return -ENOTCONN;
	return queue_frame(wss, FRAME_TEXT, text, size);
}

void wss_close(struct wss *wss)
{
	if (!wss || wss->abandoned)
		return;
	if (!wss->busy) {
		wss_free(wss);
		return;
	}
	wss->abandoned = true;
	wss->ended = true;
	loop_deferred_cancel(&wss->later);
	loop_timer_clear(&wss->deadline);
	(void)loop_fd_want(&wss->watch, 0);
}

uint64_t wss_bytes_in(const struct wss *wss)
{
	return wss->bytes_in;
}

uint64_t wss_bytes_out(const struct wss *wss)
{
	return wss->bytes_out;
}
