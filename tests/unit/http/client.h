#pragma once

/*
 * A raw HTTP client for tests, on the same thread as the server: while it waits it turns the
 * server's loop. Every wait ends by itself after CLIENT_WAIT_MS, then the test fails.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

enum { CLIENT_WAIT_MS = 20000, CLIENT_HEAD_MAX = 16384 };

struct client {
	struct loop *loop;
	int fd;
	char *data; /* owned: what came so far, zero-terminated */
	size_t size, capacity;
	bool ended; /* the server closed */
};

void client_open(struct client *client, struct loop *loop, uint16_t port);
void client_open_unix(struct client *client, struct loop *loop, const char *path);
void client_close(struct client *client);
void client_send(struct client *client, const char *text);
void client_send_bytes(struct client *client, const void *data, size_t size);

/* Turn the loop once, take what has come. */
void client_turn(struct client *client, int wait_ms);

/* Until one whole answer is there, by its Content-Length; a HEAD has no body. */
void client_wait(struct client *client, bool head);

/* Throw away what has come, before the next request on this connection. */
void client_forget(struct client *client);

/* Until the server closes; false when it did not within wait_ms. */
bool client_ends(struct client *client, int wait_ms);

int client_status(const struct client *client);

/* The value of a header of the answer, or NULL; valid until the next call. */
const char *client_header(const struct client *client, const char *name);
const char *client_body(const struct client *client);
size_t client_body_size(const struct client *client);

/* "GET /path" with Host: localhost on a connection of its own. extra: header lines, each \r\n. */
void client_get(struct client *client, struct loop *loop, uint16_t port, const char *method,
		const char *path, const char *extra);
