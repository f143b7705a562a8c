#pragma once

/*
 * The stage of the tests of Bun and WebKit: what sessions and captures call of net/ is played, and
 * what is said is kept.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/download.h"
#include "net/http_call.h"
#include "net/ws.h"
#include "util/buf.h"
#include "util/str.h"

enum { SENT_MAX = 64 };

/* ---- net/, played ---- */

struct ws {
	const struct ws_events *events;
	void *owner;
	char path[128];
	bool open;
	int refuses; /* what it is given to send, with this */
};

static struct ws sockets[16];
static size_t sockets_n;
static struct http_fetch {
	http_done_fn *fn;
	void *owner;
	bool open;
} fetch;
static char *sent[SENT_MAX];
static size_t sent_n;

static void keep(const char *text, size_t size)
{
	cr_assert_lt(sent_n, SENT_MAX);
	sent[sent_n++] = str_dup_span(text, size);
}

int http_call(struct http_fetch **ret, struct http_client *client,
	      const struct http_request *request, http_done_fn *fn, void *owner)
{
	(void)client, (void)request;
	fetch = (struct http_fetch){ .fn = fn, .owner = owner, .open = true };
	*ret = &fetch;
	return 0;
}

void http_cancel(struct http_fetch *which)
{
	which->open = false;
}

int ws_open(struct ws **ret, struct ws_context *context, const struct address *to, const char *path,
	    const struct ws_limits *limits, const struct ws_events *events, void *owner)
{
	struct ws *ws = &sockets[sockets_n++];

	cr_assert_leq(sockets_n, sizeof(sockets) / sizeof(sockets[0]));
	(void)context, (void)to, (void)limits;
	*ws = (struct ws){ .events = events, .owner = owner, .open = true };
	snprintf(ws->path, sizeof(ws->path), "%s", path);
	*ret = ws;
	return 0;
}

int ws_send(struct ws *ws, const char *text, size_t size)
{
	cr_assert(ws->open);
	if (ws->refuses != 0)
		return ws->refuses;
	keep(text, size);
	return 0;
}

void ws_hand_over(struct ws *ws, const struct ws_events *events, void *owner)
{
	ws->events = events;
	ws->owner = owner;
}

void ws_close(struct ws *ws)
{
	if (ws != NULL)
		ws->open = false;
}

/* The wire of a capture. */
int wire_open(struct wire *wire, const struct address *to, const char *path, int cancel_fd,
	      uint64_t timeout_ns, const struct frame_events *events, void *owner, struct err *err)
{
	(void)wire, (void)to, (void)path, (void)cancel_fd, (void)timeout_ns, (void)events;
	(void)owner, (void)err;
	return -ENOSYS;
}

int wire_open_packets(struct wire *wire, const struct address *to, int cancel_fd,
		      uint64_t timeout_ns, const struct packet_events *packet_events, void *owner,
		      struct err *err)
{
	(void)wire, (void)to, (void)cancel_fd, (void)timeout_ns, (void)packet_events;
	(void)owner, (void)err;
	return -ENOSYS;
}

int wire_get(const struct address *to, const char *path, int cancel_fd, uint64_t timeout_ns,
	     struct buf *buf, struct err *err)
{
	(void)to, (void)path, (void)cancel_fd, (void)timeout_ns, (void)buf, (void)err;
	return -ENOSYS;
}

int wire_send(struct wire *wire, const char *text, size_t size, uint64_t timeout_ns)
{
	(void)wire, (void)timeout_ns;
	keep(text, size);
	return 0;
}

int wire_receive(struct wire *wire, uint64_t timeout_ns)
{
	(void)wire, (void)timeout_ns;
	return -ENOSYS;
}

int wire_knock(const struct address *to, uint64_t timeout_ns)
{
	(void)to, (void)timeout_ns;
	return 0;
}

void wire_close(struct wire *wire)
{
	(void)wire;
}

/* ---- what was said ---- */

static inline void forget_sent(void)
{
	for (size_t i = 0; i < sent_n; i++)
		free(sent[i]);
	sent_n = 0;
}

/* The id in the newest request that has the text: of the page's when it is wrapped. */
static inline int id_of(const char *text)
{
	for (size_t i = sent_n; i-- > 0;) {
		const char *at = strstr(sent[i], "{\\\"id\\\":");

		if (strstr(sent[i], text) == NULL)
			continue;
		return at != NULL ? atoi(at + 8) : atoi(strstr(sent[i], "\"id\":") + 5);
	}
	return 0;
}

static inline unsigned times_sent(const char *text)
{
	unsigned n = 0;

	for (size_t i = 0; i < sent_n; i++)
		n += strstr(sent[i], text) != NULL;
	return n;
}
