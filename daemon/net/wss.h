#pragma once

/*
 * WebSocket over TLS on the control thread, for net/ws.c: libwebsockets can neither check a
 * certificate against an address nor read the files anew for each connection.
 */

#include <stddef.h>
#include <stdint.h>

struct address;
struct loop;
struct ws_events;
struct ws_limits;
struct wss;

/* As ws_open(), ws_send() and ws_close(). -EACCES is one more way to end: not let in. */
int wss_open(struct wss **ret, struct loop *loop, const struct address *to, const char *path,
	     const struct ws_limits *limits, const struct ws_events *events, void *owner);
int wss_send(struct wss *wss, const char *text, size_t size);
void wss_close(struct wss *wss);

/* Bytes of frames since open. */
uint64_t wss_bytes_in(const struct wss *wss);
uint64_t wss_bytes_out(const struct wss *wss);
