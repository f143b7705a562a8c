#include "client.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "loop/loop.h"
#include "util/clock.h"

enum { PIECE_BYTES = 65536 };

static void start(struct client *client, struct loop *loop, int family)
{
	*client = (struct client){ .loop = loop };
	client->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	client->capacity = 1;
	client->data = calloc(1, client->capacity);
	cr_assert(client->fd >= 0);
	cr_assert_not_null(client->data);
}

void client_open(struct client *client, struct loop *loop, uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };

	start(client, loop, AF_INET);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert(connect(client->fd, (struct sockaddr *)&to, sizeof(to)) == 0 ||
		  errno == EINPROGRESS);
}

void client_open_unix(struct client *client, struct loop *loop, const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	start(client, loop, AF_UNIX);
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	cr_assert_eq(connect(client->fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

void client_close(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	free(client->data);
	client->data = NULL;
}

void client_send_bytes(struct client *client, const void *data, size_t size)
{
	const char *at = data;
	uint64_t until_ns = clock_mono_ns() + CLIENT_WAIT_MS * NS_PER_MS;

	while (size > 0 && !client->ended) {
		ssize_t n = send(client->fd, at, size, MSG_NOSIGNAL);

		cr_assert(clock_mono_ns() < until_ns, "sending takes too long");
		if (n > 0) {
			at += n;
			size -= (size_t)n;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return;
		}
		client_turn(client, size > 0 ? 10 : 0);
	}
}

void client_send(struct client *client, const char *text)
{
	client_send_bytes(client, text, strlen(text));
}

/* By doubling: a long answer comes in many pieces. */
static void make_room(struct client *client)
{
	if (client->capacity - client->size > PIECE_BYTES)
		return;
	client->capacity = 2 * client->capacity + PIECE_BYTES;
	client->data = realloc(client->data, client->capacity);
	cr_assert_not_null(client->data);
}

void client_turn(struct client *client, int wait_ms)
{
	ssize_t n;

	loop_turn(client->loop, wait_ms);
	make_room(client);
	while ((n = recv(client->fd, client->data + client->size, PIECE_BYTES, 0)) > 0) {
		client->size += (size_t)n;
		client->data[client->size] = '\0';
		make_room(client);
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR && errno != ENOTCONN))
		client->ended = true;
}

bool client_ends(struct client *client, int wait_ms)
{
	uint64_t until_ns = clock_mono_ns() + (uint64_t)wait_ms * (uint64_t)NS_PER_MS;

	while (!client->ended && clock_mono_ns() < until_ns)
		client_turn(client, 5);
	return client->ended;
}

int client_status(const struct client *client)
{
	return strncmp(client->data, "HTTP/1.1 ", 9) == 0 ? atoi(client->data + 9) : 0;
}

const char *client_header(const struct client *client, const char *name)
{
	static char value[1024];
	const char *end = strstr(client->data, "\r\n\r\n"), *at = client->data;
	size_t size = strlen(name);

	while (end != NULL && (at = strstr(at, "\r\n")) != NULL && at < end) {
		at += 2;
		if (strncasecmp(at, name, size) == 0 && at[size] == ':') {
			at += size + 1 + strspn(at + size + 1, " ");
			snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "\r"), at);
			return value;
		}
	}
	return NULL;
}

const char *client_body(const struct client *client)
{
	const char *end = strstr(client->data, "\r\n\r\n");

	return end != NULL ? end + 4 : "";
}

size_t client_body_size(const struct client *client)
{
	const char *end = strstr(client->data, "\r\n\r\n");

	return end != NULL ? client->size - (size_t)(end + 4 - client->data) : 0;
}

static bool is_whole(const struct client *client, bool head)
{
	const char *length;

	if (strstr(client->data, "\r\n\r\n") == NULL)
		return false;
	length = client_header(client, "Content-Length");
	return head || length == NULL || client_body_size(client) >= strtoull(length, NULL, 10);
}

void client_forget(struct client *client)
{
	client->size = 0;
	client->data[0] = '\0';
}

void client_wait(struct client *client, bool head)
{
	uint64_t until_ns = clock_mono_ns() + CLIENT_WAIT_MS * NS_PER_MS;

	while (!is_whole(client, head)) {
		cr_assert(clock_mono_ns() < until_ns, "no answer; so far: %s", client->data);
		cr_assert(!client->ended, "closed without an answer; so far: %s", client->data);
		client_turn(client, 10);
	}
}

void client_get(struct client *client, struct loop *loop, uint16_t port, const char *method,
		const char *path, const char *extra)
{
	char request[8192];

	client_open(client, loop, port);
	snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method,
		 path, extra);
	client_send(client, request);
	client_wait(client, strcmp(method, "HEAD") == 0);
}
