#pragma once

/* A loop with WebSocket connections whose events are written down. */

#include <stdbool.h>
#include <stddef.h>

#include "loop/loop.h"
#include "loop/uvloop.h"
#include "net/ws.h"
#include "util/clock.h"

enum { CLIENT_PATIENCE_MS = 10000, CLIENT_MESSAGE_MAX = 64 * 1024, CLIENT_KEPT = 16 };

struct client {
	struct loop loop;
	struct uvloop uvloop;
	struct ws_context *context;
};

struct seen {
	struct ws *ws;
	int opened, messages, dropped, closed;
	size_t sizes[CLIENT_KEPT]; /* of the first messages */
	char texts[CLIENT_KEPT][32]; /* their beginnings; "(dropped)" for what was over the cap */
	char last[CLIENT_MESSAGE_MAX + 1];
	int r;
	char reason[256];
};

extern const struct ws_limits
	client_limits; /* 2 s, messages of CLIENT_MESSAGE_MAX, a queue of 64 KiB */
extern const struct ws_events client_events; /* owner: struct seen */

void client_init(struct client *client);
void client_fini(struct client *client);

/* Open a connection of client_events and client_limits. */
void client_open(struct client *client, const struct address *to, struct seen *seen);

/* Turns until *n is at least wanted; fails the test when that takes too long. */
void client_until(struct client *client, const int *n, int wanted);

/* The same for what another thread counts, of which the loop does not hear. */
void client_until_told(struct client *client, const int *n, int wanted);
