/* The recording side of the WebSocket tests. */

#include "ws_client.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

const struct ws_limits client_limits = {
	.connect_ns = 2 * NS_PER_S,
	.message_max = CLIENT_MESSAGE_MAX,
	.send_queue_max = 64 * 1024,
};

static void on_open(void *owner)
{
	((struct seen *)owner)->opened++;
}

static void on_message(void *owner, const char *data, size_t size)
{
	struct seen *seen = owner;
	int n = seen->messages++;

	if (n < CLIENT_KEPT) {
		seen->sizes[n] = size;
		snprintf(seen->texts[n], sizeof(seen->texts[n]), "%.*s", data ? (int)size : 9,
			 data ? data : "(dropped)");
	}
	if (!data) {
		seen->dropped++;
		return;
	}
	cr_assert_leq(size, CLIENT_MESSAGE_MAX);
	memcpy(seen->last, data, size);
	seen->last[size] = '\0';
}

static void on_closed(void *owner, int r, const char *reason)
{
	struct seen *seen = owner;

	seen->closed++;
	seen->ws = NULL;
	seen->r = r;
	snprintf(seen->reason, sizeof(seen->reason), "%s", reason);
}

const struct ws_events client_events = {
	.open = on_open,
	.message = on_message,
	.closed = on_closed,
};

void client_init(struct client *client)
{
	cr_assert_eq(loop_init(&client->loop), 0);
	cr_assert_eq(uvloop_init(&client->uvloop, &client->loop), 0);
	cr_assert_eq(ws_context_new(&client->context, &client->loop, &client->uvloop), 0);
}

void client_fini(struct client *client)
{
	ws_context_free(client->context);
	uvloop_fini(&client->uvloop);
	loop_fini(&client->loop);
}

void client_open(struct client *client, const struct address *to, struct seen *seen)
{
	cr_assert_eq(ws_open(&seen->ws, client->context, to, "/target", &client_limits,
			     &client_events, seen),
		     0);
	cr_assert(seen->opened == 0 && seen->closed == 0, "no event before ws_open() returns");
}

static void turn_until(struct client *client, const int *n, int wanted, int wait_ms)
{
	uint64_t end_ns = clock_mono_ns() + CLIENT_PATIENCE_MS * NS_PER_MS;

	while (__atomic_load_n(n, __ATOMIC_SEQ_CST) < wanted) {
		cr_assert_lt(clock_mono_ns(), end_ns, "%d instead of %d", *n, wanted);
		cr_assert_eq(loop_turn(&client->loop, wait_ms), 0);
	}
}

void client_until(struct client *client, const int *n, int wanted)
{
	turn_until(client, n, wanted, CLIENT_PATIENCE_MS);
}

void client_until_told(struct client *client, const int *n, int wanted)
{
	turn_until(client, n, wanted, 5);
}
