/*
 * WebSocket connections on libwebsockets
 *
 * The library (lws) rides on our nested libuv loop. It is old (4.1.6 on Debian 12) and has habits
 * that a client of inspectors must break; each guard here stands for one that was seen to bite:
 *
 * - The kick. lws arms its libuv timer only at the end of its own service calls. A time-out that
 *   is set from outside would never fire, and closing a connection is a time-out of zero; so every
 *   call into lws is followed by lws_cancel_service(), once per turn however many there were.
 * - The end. Only LWS_CALLBACK_WSI_DESTROY comes for every connection, exactly once; the other
 *   callbacks merely say why. The connection's memory is freed after it and nowhere else. When the
 *   connect call itself fails it may have come already, or never come.
 * - The orphan. When connect(2) fails at once (no route, no such socket file) lws closes the
 *   descriptor but forgets its libuv watcher, which would keep the loop alive for ever and watch
 *   whatever gets that descriptor next. uvloop_reap() buries it.
 * - Time. lws counts in whole seconds and treats connect and handshake apart, so each connection
 *   brings its own timer, and those of lws are put out of reach.
 * - Silence. The default policy sends a PING after five minutes; Node hangs up on any PING. The
 *   policy here has none: a dead peer shows by unanswered requests and by TCP keepalive.
 * - lws follows redirects and obeys $http_proxy; both are off.
 *
 * `closed` is told at the end of the turn, never from inside lws, so that its owner may free what
 * it likes and open the next connection at once.
 */

#include "net/ws.h"

#include <errno.h>
#include <libwebsockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "loop/loop.h"
#include "loop/uvloop.h"
#include "net/access.h"
#include "net/address.h"
#include "net/frame.h"
#include "net/upgrade.h"
#include "net/wss.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/list.h"
#include "util/log.h"

enum {
	FDS_MAX = 65536, /* lws keeps 16 bytes per descriptor that could be open */
	RX_PIECE_BYTES = 1024, /* polling replies are ~120 bytes, and each connection has one */
	LWS_TIMEOUT_S = 86400, /* out of the way of our own timers */
	/* Put by lws in the place of codes it does not know, "try again later" (1013) among them;
	 * no peer has found fault with our frames, which is what it means. */
	LWS_UNKNOWN_CODE = 1002,
	KEPT_BYTES = 16 * 1024, /* an assembly buffer grown beyond this is not kept */
	REASON_MAX = 160,
	KEEPALIVE_IDLE_S = 30,
	KEEPALIVE_PROBES = 3,
	KEEPALIVE_INTERVAL_S = 10,
	WS_TOKEN_MAX = 4096, /* as long as net/access.c reads */
};

struct ws_context {
	struct lws_context *lws; /* owned */
	struct loop *loop;
	struct uvloop *uvloop;
	struct loop_deferred kick;
	void *foreign[1]; /* libuv's loop */
	struct link all; /* of ws */
};

/* A message waiting to be written; lws wants room for the frame's header before it. */
struct ws_out {
	struct link link;
	size_t size;
	unsigned char data[];
};

struct ws {
	struct link link; /* in context->all */
	struct wss *secure; /* owned; then nothing of lws is used */
	char *token; /* owned: sent with the upgrade */
	struct ws_context *context;
	struct lws *wsi; /* NULL before it is born and after it is destroyed */
	struct lws *born; /* the same from its first callback on; may be gone */
	const struct ws_events *events;
	void *owner;
	struct ws_limits limits;
	struct loop_timer deadline; /* of connect and upgrade */
	struct loop_deferred end; /* tells `closed` */
	struct buf message; /* of several pieces, being put together */
	struct link queue; /* of ws_out */
	size_t queued_bytes;
	uint64_t message_bytes; /* seen of the current message */
	uint64_t frame_left;
	uint64_t bytes_in, bytes_out;
	bool opening; /* ws_open() has not returned */
	bool gone; /* lws has destroyed it */
	bool connected; /* TCP is up */
	bool open; /* the upgrade is done */
	bool ended; /* result and reason are decided */
	bool abandoned; /* ws_close() was called */
	int result;
	char reason[REASON_MAX];
};

static void kick(struct ws_context *context)
{
	loop_defer(context->loop, &context->kick);
}

static void on_kick(void *owner)
{
	struct ws_context *context = owner;

	lws_cancel_service(context->lws);
}

/* ---- the end of a connection ---- */

static void ws_free(struct ws *ws)
{
	if (!ws)
		return;
	list_each_safe (pos, &ws->queue)
		free(container_of(pos, struct ws_out, link));
	loop_timer_fini(&ws->deadline);
	loop_deferred_cancel(&ws->end);
	buf_fini(&ws->message);
	access_token_free(ws->token);
	link_remove(&ws->link);
	free(ws);
}

static void on_end(void *owner)
{
	struct ws *ws = owner;

	ws->events->closed(ws->owner, ws->result, ws->reason);
	ws_free(ws);
}

/* The first who knows why says so. */
static void decide(struct ws *ws, int result, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void decide(struct ws *ws, int result, const char *fmt, ...)
{
	va_list args;

	if (ws->ended)
		return;
	ws->ended = true;
	ws->result = result;
	va_start(args, fmt);
	vsnprintf(ws->reason, sizeof(ws->reason), fmt, args);
	va_end(args);
}

/* lws has let go. While ws_open() is on the stack it looks for itself. */
static void destroyed(struct ws *ws)
{
	if (ws->connected)
		decide(ws, -ECONNRESET, "connection lost");
	else
		decide(ws, -ECONNREFUSED, "cannot connect");
	ws->gone = true;
	ws->wsi = NULL;
	ws->open = false;
	loop_timer_clear(&ws->deadline);
	if (ws->opening)
		return;
	if (ws->abandoned)
		ws_free(ws);
	else
		loop_defer(ws->context->loop, &ws->end);
}

/* Makes lws close the connection in its next turn, without a close frame and without waiting. */
static void kill(struct ws *ws)
{
	if (ws->wsi)
		lws_set_timeout(ws->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
	kick(ws->context);
}

static void on_deadline(void *owner)
{
	struct ws *ws = owner;

	decide(ws, -ETIMEDOUT, "%s",
	       ws->connected ? "no answer to the upgrade in time" : "no connection in time");
	kill(ws);
}

/* ---- what lws tells ---- */

static void on_connection_error(struct ws *ws, const char *text, size_t size)
{
	unsigned status = lws_http_client_http_response(ws->wsi);

	if (!text)
		size = 0;
	if (!ws->connected)
		decide(ws, -ECONNREFUSED, "cannot connect");
	else if (status)
		decide(ws, -EPROTO, "the server refused the upgrade: HTTP status %u", status);
	else
		decide(ws, -EPROTO, "no WebSocket server: %.*s", (int)size, size ? text : "");
}

static void on_open(struct ws *ws)
{
	ws->open = true;
	loop_timer_clear(&ws->deadline);
	ws->events->open(ws->owner);
}

/* Close frames carry a code and perhaps a text. */
static void on_peer_close(struct ws *ws, const unsigned char *data, size_t size)
{
	unsigned code = frame_close_code((const char *)data, size);
	char text[FRAME_CLOSE_TEXT_MAX];

	decide(ws, code == FRAME_CLOSE_BUSY || code == LWS_UNKNOWN_CODE ? -EBUSY : 0, "%s",
	       frame_close_text(text, (const char *)data, size));
}

/* A piece is part of one frame; the first piece of a frame tells how long its header was. */
static void count_in(struct ws *ws, size_t size)
{
	uint64_t after = lws_remaining_packet_payload(ws->wsi);

	if (ws->frame_left == 0) {
		uint64_t payload = size + after;

		ws->bytes_in += payload < 126 ? 2 : payload < 65536 ? 4 : 10;
	}
	ws->bytes_in += size;
	ws->frame_left = after;
}

static void deliver(struct ws *ws, const char *data)
{
	size_t size = (size_t)ws->message_bytes;

	if (size > ws->limits.message_max || ws->message.error)
		data = NULL;
	else if (!data)
		data = "";
	ws->message_bytes = 0;
	ws->events->message(ws->owner, data, size);
	if (ws->message.capacity > KEPT_BYTES)
		buf_fini(&ws->message);
	else
		buf_clear(&ws->message);
}

/* Returns -1 to make lws hang up. */
static int on_piece(struct ws *ws, const char *data, size_t size)
{
	bool last = lws_is_final_fragment(ws->wsi);

	if (lws_frame_is_binary(ws->wsi)) {
		decide(ws, -EPROTO, "the peer sent a binary message");
		return -1;
	}
	count_in(ws, size);
	ws->message_bytes += size;
	if (last && ws->message_bytes == size) {
		deliver(ws, data);
	} else {
		buf_append(&ws->message, data, size);
		if (last)
			deliver(ws, ws->message.data);
	}
	return 0;
}

/* Spurious calls happen: the queue decides whether there is anything to write. */
static int on_writable(struct ws *ws)
{
	struct ws_out *out;
	int written;

	if (list_empty(&ws->queue))
		return 0;
	out = container_of(ws->queue.next, struct ws_out, link);
	link_remove(&out->link);
	ws->queued_bytes -= out->size;
	written = lws_write(ws->wsi, out->data + LWS_PRE, out->size, LWS_WRITE_TEXT);
	if (written < 0 || (size_t)written < out->size) {
		free(out);
		decide(ws, -ECONNRESET, "cannot write");
		return -1;
	}
	/* A client's header: that of a server, plus four bytes of mask. */
	ws->bytes_out += out->size + (out->size < 126 ? 6 : out->size < 65536 ? 8 : 14);
	free(out);
	if (!list_empty(&ws->queue))
		lws_callback_on_writable(ws->wsi);
	return 0;
}

/*
 * Node sends each answer as a segment of its own under Nagle's algorithm: the second of two waits
 * for our acknowledgement of the first, which the kernel would delay by 40 ms. The option does not
 * stick.
 */
static void acknowledge_now(const struct ws *ws)
{
	int on = 1;

	/* A unix socket refuses, and has nothing to acknowledge. */
	(void)setsockopt(lws_get_socket_fd(ws->wsi), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static int on_traffic(struct ws *ws, enum lws_callback_reasons what, void *in, size_t size)
{
	acknowledge_now(ws);
	if (what == LWS_CALLBACK_CLIENT_RECEIVE)
		return on_piece(ws, in ? in : "", size);
	if (what == LWS_CALLBACK_CLIENT_WRITEABLE)
		return on_writable(ws);
	on_open(ws);
	return 0;
}

/* in points at where the request is written on. */
static int add_header(struct ws *ws, void *in, size_t size)
{
	unsigned char **at = in, *end = *at + size;
	char value[WS_TOKEN_MAX + sizeof("Bearer ")];
	int r = 0;

	if (ws->token) {
		int n = snprintf(value, sizeof(value), "Bearer %s", ws->token);

		r = lws_add_http_header_by_name(ws->wsi, (const unsigned char *)"Authorization:",
						(const unsigned char *)value, n, at, end);
		explicit_bzero(value, sizeof(value));
		access_token_free(ws->token);
		ws->token = NULL;
	}
	if (r != 0)
		return r;
	return lws_add_http_header_by_name(ws->wsi, (const unsigned char *)UPGRADE_HEADER_NAME,
					   (const unsigned char *)UPGRADE_HEADER_VALUE,
					   strlen(UPGRADE_HEADER_VALUE), at, end);
}

static int dispatch(struct ws *ws, enum lws_callback_reasons what, void *in, size_t size)
{
	switch (what) {
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
		ws->connected = true;
		return add_header(ws, in, size);
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		on_connection_error(ws, in, size);
		return 0;
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
	case LWS_CALLBACK_CLIENT_RECEIVE:
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return ws->ended ? -1 : on_traffic(ws, what, in, size);
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		on_peer_close(ws, in, size);
		return 0;
	default:
		return 0;
	}
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons what, void *user, void *in,
		  size_t size)
{
	struct ws *ws = lws_get_opaque_user_data(wsi);
	int r;

	(void)user;
	if (!ws)
		return 0;
	ws->wsi = wsi;
	ws->born = wsi;
	if (what == LWS_CALLBACK_WSI_DESTROY) {
		lws_set_opaque_user_data(wsi, NULL);
		destroyed(ws);
		return 0;
	}
	if (ws->abandoned)
		return -1;
	r = dispatch(ws, what, in, size);
	return ws->abandoned ? -1 : r;
}

/* ---- the context ---- */

static const struct lws_protocols protocols[] = {
	{ .name = "inspector", .callback = on_lws, .rx_buffer_size = RX_PIECE_BYTES },
	{ 0 },
};

static const lws_retry_bo_t no_pings = {
	.secs_since_valid_ping = 0,
	.secs_since_valid_hangup = 0,
};

static void on_log(int level, const char *line)
{
	int size = (int)strcspn(line, "\n");

	if (level == LLL_ERR)
		log_warn("net", "libwebsockets: %.*s", size, line);
	else
		log_debug("net", "libwebsockets: %.*s", size, line);
}

/* lws sizes its tables by the soft limit, once; above ten million it silently takes 2560. */
static void set_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max < FDS_MAX ? limit.rlim_max : FDS_MAX;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn("net", "cannot raise the limit of open files: error %d", errno);
}

int ws_context_new(struct ws_context **ret, struct loop *loop, struct uvloop *uvloop)
{
	struct ws_context *context = calloc(1, sizeof(*context));
	struct lws_context_creation_info info = { 0 };

	if (!context)
		return -ENOMEM;
	context->loop = loop;
	context->uvloop = uvloop;
	context->foreign[0] = uvloop->uv;
	link_init(&context->all);
	loop_deferred_init(&context->kick, on_kick, context);
	set_fd_limit();
	unsetenv("http_proxy");
	lws_set_log_level(LLL_ERR | LLL_WARN | LLL_NOTICE, on_log);

	info.options = LWS_SERVER_OPTION_LIBUV;
	info.foreign_loops = context->foreign;
	info.pcontext = &context->lws;
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.uid = -1;
	info.gid = -1;
	info.protocols = protocols;
	info.retry_and_idle_policy = &no_pings;
	info.timeout_secs = LWS_TIMEOUT_S;
	info.connect_timeout_secs = LWS_TIMEOUT_S;
	info.ka_time = KEEPALIVE_IDLE_S;
	info.ka_probes = KEEPALIVE_PROBES;
	info.ka_interval = KEEPALIVE_INTERVAL_S;
	context->lws = lws_create_context(&info);
	if (!context->lws) {
		free(context);
		return -ENOMEM;
	}
	*ret = context;
	return 0;
}

/* lws comes down in two calls, between which libuv must have run out of its handles. */
void ws_context_free(struct ws_context *context)
{
	if (!context)
		return;
	list_each_safe (pos, &context->all)
		ws_close(container_of(pos, struct ws, link));
	loop_deferred_cancel(&context->kick);
	lws_context_destroy(context->lws);
	if (uvloop_drain(context->uvloop) < 0)
		log_warn("net", "libwebsockets did not let go of its connections in time");
	if (context->lws)
		lws_context_destroy(context->lws);
	free(context);
}

/* ---- connections ---- */

static int ws_new(struct ws **ret, struct ws_context *context, const struct ws_limits *limits)
{
	struct ws *ws = calloc(1, sizeof(*ws));
	int r;

	if (!ws)
		return -ENOMEM;
	ws->context = context;
	ws->limits = *limits;
	link_init(&ws->queue);
	link_init(&ws->link);
	loop_deferred_init(&ws->end, on_end, ws);
	buf_init(&ws->message, limits->message_max);
	list_append(&context->all, &ws->link);
	r = loop_timer_init(&ws->deadline, context->loop, on_deadline, ws);
	if (r == 0)
		r = loop_timer_set(&ws->deadline, limits->connect_ns);
	if (r < 0) {
		ws_free(ws);
		return r;
	}
	*ret = ws;
	return 0;
}

/* The connect call failed. If lws is still closing it, that is no longer any of our business. */
static void connect_failed(struct ws *ws)
{
	bool closing = ws->born && uvloop_reap(ws->context->uvloop, ws->born);

	if (closing && !ws->gone)
		lws_set_opaque_user_data(ws->born, NULL);
	destroyed(ws);
}

static void connect_now(struct ws *ws, const struct address *to, const char *path)
{
	char host[ADDRESS_TEXT_MAX], address[ADDRESS_TEXT_MAX];
	struct lws_client_connect_info info = {
		.context = ws->context->lws,
		.address = address,
		.port = to->port,
		.ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT,
		.path = path,
		.host = address_host_header(host, to),
		.ietf_version_or_minus_one = -1,
		.pwsi = &ws->wsi,
		.local_protocol_name = protocols[0].name,
		.opaque_user_data = ws,
		.retry_and_idle_policy = &no_pings,
	};
	struct lws *wsi;

	snprintf(address, sizeof(address), "%s%s", to->family == ADDRESS_UNIX ? "+" : "", to->host);
	ws->opening = true;
	wsi = lws_client_connect_via_info(&info);
	ws->opening = false;
	kick(ws->context);
	if (!wsi || ws->gone)
		connect_failed(ws);
}

/* ---- over TLS ---- */

static void on_secure_open(void *owner)
{
	struct ws *ws = owner;

	ws->open = true;
	ws->events->open(ws->owner);
}

static void on_secure_message(void *owner, const char *data, size_t size)
{
	struct ws *ws = owner;

	ws->events->message(ws->owner, data, size);
}

static void on_secure_closed(void *owner, int r, const char *reason)
{
	struct ws *ws = owner;

	ws->secure = NULL;
	ws->ended = true;
	ws->events->closed(ws->owner, r, reason);
	ws_free(ws);
}

static const struct ws_events secure_events = {
	.open = on_secure_open,
	.message = on_secure_message,
	.closed = on_secure_closed,
};

static int open_secure(struct ws *ws, const struct address *to, const char *path)
{
	loop_timer_clear(&ws->deadline);
	return wss_open(&ws->secure, ws->context->loop, to, path, &ws->limits, &secure_events, ws);
}

/* A token that cannot be read ends the connection before it begins, with the reason. */
static void open_clear(struct ws *ws, const struct address *to, const char *path)
{
	struct err err = { 0 };
	int r = access_token(to->access, &ws->token, &err);

	if (r == 0) {
		connect_now(ws, to, path);
		return;
	}
	decide(ws, r, "%s", err.text);
	loop_timer_clear(&ws->deadline);
	loop_defer(ws->context->loop, &ws->end);
}

int ws_open(struct ws **ret, struct ws_context *context, const struct address *to, const char *path,
	    const struct ws_limits *limits, const struct ws_events *events, void *owner)
{
	struct ws *ws;
	int r;

	if (!upgrade_path_valid(path))
		return -EINVAL;
	r = ws_new(&ws, context, limits);
	if (r < 0)
		return r;
	ws->events = events;
	ws->owner = owner;
	if (to->is_tls)
		r = open_secure(ws, to, path);
	else
		open_clear(ws, to, path);
	if (r < 0) {
		ws_free(ws);
		return r;
	}
	*ret = ws;
	return 0;
}

int ws_send(struct ws *ws, const char *text, size_t size)
{
	struct ws_out *out;

	if (!ws->open || ws->ended || ws->abandoned)
		return -ENOTCONN;
	if (ws->secure)
		return wss_send(ws->secure, text, size);
	if (size > ws->limits.send_queue_max || ws->queued_bytes > ws->limits.send_queue_max - size)
		return -ENOBUFS;
	out = malloc(sizeof(*out) + LWS_PRE + size);
	if (!out)
		return -ENOMEM;
	link_init(&out->link);
	out->size = size;
	memcpy(out->data + LWS_PRE, text, size);
	list_append(&ws->queue, &out->link);
	ws->queued_bytes += size;
	lws_callback_on_writable(ws->wsi);
	kick(ws->context);
	return 0;
}

void ws_hand_over(struct ws *ws, const struct ws_events *events, void *owner)
{
	ws->events = events;
	ws->owner = owner;
}

void ws_close(struct ws *ws)
{
	if (!ws || ws->abandoned)
		return;
	ws->abandoned = true;
	loop_timer_clear(&ws->deadline);
	wss_close(ws->secure);
	if (ws->wsi)
		kill(ws);
	else
		ws_free(ws);
}

uint64_t ws_bytes_in(const struct ws *ws)
{
	return ws->secure ? wss_bytes_in(ws->secure) : ws->bytes_in;
}

uint64_t ws_bytes_out(const struct ws *ws)
{
	return ws->secure ? wss_bytes_out(ws->secure) : ws->bytes_out;
}
