/*
 * A scripted inspector
 *
 * Messages are answered in order, each before the next is read, as one thread of a runtime does.
 * The one exception is a script that waits: it goes on reading nothing, and the test releases it.
 */

#include "fake_inspector.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net/upgrade.h"

enum { CONNECTIONS_MAX = 64, MESSAGES_MAX = 4096, HEAD_MAX = 8192, PATIENCE_S = 10 };

const char fake_path[] = "/4bb06d6c-a231-46cb-b0b6-44a606095187";

struct fake_inspector {
	const struct fake_script *script;
	int fd;
	uint16_t port;
	pthread_t acceptor;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under the lock. */
	int fds[CONNECTIONS_MAX];
	pthread_t threads[CONNECTIONS_MAX];
	unsigned connections;
	char *messages[MESSAGES_MAX];
	unsigned messages_n;
	bool released, stopping;
	unsigned turned_away;
	uint64_t sent;
};

/* The code of a close frame: 1013. */
static const char try_later[] = "\x03\xf5";

struct conn {
	struct fake_inspector *fake;
	const struct fake_script *script;
	int fd;
	size_t frames_sent; /* bytes, for script->cut */
};

/* ---- bytes ---- */

static bool write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

static bool read_all(int fd, void *dst, size_t size)
{
	return size == 0 || recv(fd, dst, size, MSG_WAITALL) == (ssize_t)size;
}

static void break_off(struct conn *conn)
{
	struct linger reset = { .l_onoff = 1 };

	setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	shutdown(conn->fd, SHUT_RDWR);
}

static bool put(struct conn *conn, const char *data, size_t size)
{
	size_t cut = conn->script->cut, step = conn->script->dribble;
	bool last = cut > 0 && conn->frames_sent + size >= cut;

	if (last)
		size = cut - conn->frames_sent;
	if (step == 0 || step > size)
		step = size;
	conn->frames_sent += size;
	pthread_mutex_lock(&conn->fake->lock);
	conn->fake->sent += size;
	pthread_mutex_unlock(&conn->fake->lock);
	for (size_t at = 0; at < size; at += step) {
		size_t n = size - at < step ? size - at : step;

		if (!write_all(conn->fd, data + at, n))
			return false;
	}
	if (last)
		shutdown(conn->fd, SHUT_RDWR);
	return !last;
}

/* ---- frames ---- */

static bool put_frame(struct conn *conn, unsigned first, const char *data, size_t size)
{
	char *frame = malloc(size + 10), *at = frame;
	bool sent;

	if (frame == NULL)
		return false;
	*at++ = (char)first;
	if (size < 126) {
		*at++ = (char)size;
	} else if (size < 65536) {
		*at++ = 126;
		*at++ = (char)(size >> 8);
		*at++ = (char)size;
	} else {
		*at++ = 127;
		for (int shift = 56; shift >= 0; shift -= 8)
			*at++ = (char)((uint64_t)size >> shift);
	}
	memcpy(at, data, size);
	sent = put(conn, frame, (size_t)(at - frame) + size);
	free(frame);
	return sent;
}

static bool put_text(struct conn *conn, const char *data, size_t size)
{
	size_t piece = conn->script->fragment, at = 0;

	if (piece == 0 || size <= piece)
		return put_frame(conn, 0x81, data, size);
	while (at < size) {
		size_t n = size - at < piece ? size - at : piece;
		unsigned first = (at == 0 ? 0x01u : 0u) | (at + n == size ? 0x80u : 0u);

		if (!put_frame(conn, first, data + at, n))
			return false;
		at += n;
	}
	return true;
}

/* One text message of the client, terminated and to be freed; NULL at the end. */
static char *get_text(struct conn *conn)
{
	uint8_t head[2], more[8], mask[4];
	uint64_t size;
	char *text;

	if (!read_all(conn->fd, head, 2) || head[0] != 0x81 || !(head[1] & 0x80))
		return NULL;
	size = head[1] & 0x7f;
	if (size >= 126) {
		unsigned n = size == 126 ? 2 : 8;

		if (!read_all(conn->fd, more, n))
			return NULL;
		size = 0;
		for (unsigned i = 0; i < n; i++)
			size = size << 8 | more[i];
	}
	text = size < 1 << 20 ? malloc(size + 1) : NULL;
	if (text == NULL || !read_all(conn->fd, mask, 4) || !read_all(conn->fd, text, size)) {
		free(text);
		return NULL;
	}
	for (uint64_t i = 0; i < size; i++)
		text[i] ^= (char)mask[i % 4];
	text[size] = '\0';
	return text;
}

/* ---- JSON ---- */

static void write_escaped(FILE *to, const char *text, size_t size, bool all)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || (all && c < 0x80))
			fprintf(to, "\\u%04X", c);
		else if (c == '"' || c == '\\')
			fprintf(to, "\\%c", c);
		else
			fputc(c, to);
	}
}

/* A message of the isolate, wrapped when that is a worker's. */
static bool say(struct conn *conn, const char *text, size_t size)
{
	char *whole = NULL;
	size_t whole_size = 0;
	FILE *to;
	bool sent;

	if (conn->script->worker == NULL)
		return put_text(conn, text, size);
	to = open_memstream(&whole, &whole_size);
	if (to == NULL)
		return false;
	fprintf(to, "{\"method\":\"NodeWorker.receivedMessageFromWorker\",\"params\":{"
		    "\"sessionId\":\"7\",\"message\":\"");
	write_escaped(to, text, size, false);
	fprintf(to, "\"}}");
	fclose(to);
	sent = put_text(conn, whole, whole_size);
	free(whole);
	return sent;
}

static bool sayf(struct conn *conn, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool sayf(struct conn *conn, const char *fmt, ...)
{
	char text[4096];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return say(conn, text, (size_t)n);
}

static bool answer(struct conn *conn, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Of the main thread, never wrapped. */
static bool answer(struct conn *conn, const char *fmt, ...)
{
	char text[4096];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return put_text(conn, text, (size_t)n);
}

static bool say_chunk(struct conn *conn, const char *data, size_t size)
{
	char *text = NULL;
	size_t text_size = 0;
	FILE *to = open_memstream(&text, &text_size);
	bool sent;

	if (to == NULL)
		return false;
	fprintf(to, "{\"method\":\"HeapProfiler.addHeapSnapshotChunk\",\"params\":{\"chunk\":\"");
	write_escaped(to, data, size, conn->script->escape_all);
	fprintf(to, "\"}}");
	fclose(to);
	sent = say(conn, text, text_size);
	free(text);
	return sent;
}

/* ---- the conversation ---- */

static void wait_release(struct conn *conn)
{
	struct fake_inspector *fake = conn->fake;

	pthread_mutex_lock(&fake->lock);
	while (!fake->released && !fake->stopping)
		pthread_cond_wait(&fake->changed, &fake->lock);
	pthread_mutex_unlock(&fake->lock);
}

/* What the script does after its first chunk. */
static bool first_chunk_sent(struct conn *conn)
{
	const struct fake_script *script = conn->script;

	if (script->hold)
		wait_release(conn);
	if (script->middle != NULL && !put_text(conn, script->middle, strlen(script->middle)))
		return false;
	if (script->worker_ends)
		return answer(conn, "{\"method\":\"NodeWorker.detachedFromWorker\",\"params\":{"
				    "\"sessionId\":\"7\"}}");
	if (script->gone || script->taken) {
		put_frame(conn, 0x88, script->taken ? try_later : "\x03\xe8", 2);
		return false;
	}
	return true;
}

static bool say_chunks(struct conn *conn)
{
	const struct fake_script *script = conn->script;
	size_t chunk = script->chunk != 0 ? script->chunk : 1000;

	for (size_t at = 0; at < script->snapshot_size; at += chunk) {
		size_t left = script->snapshot_size - at;

		if (!say_chunk(conn, script->snapshot + at, left < chunk ? left : chunk))
			return false;
		if (at == 0 && !first_chunk_sent(conn))
			return false;
		if (script->pace_ms > 0)
			poll(NULL, 0, (int)script->pace_ms);
	}
	return true;
}

static bool is_spoken_to(const struct conn *conn)
{
	char byte;

	return recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

static void wait_word(const struct conn *conn)
{
	char byte;

	(void)!recv(conn->fd, &byte, 1, MSG_PEEK);
}

static bool take_snapshot(struct conn *conn, int id)
{
	const struct fake_script *script = conn->script;

	if (script->refuse != NULL)
		return sayf(conn, "{\"error\":{\"code\":-32000,\"message\":\"%s\"},\"id\":%d}",
			    script->refuse, id);
	if (script->before != NULL && !put_text(conn, script->before, strlen(script->before)))
		return false;
	if (script->exiting)
		shutdown(conn->fake->fd, SHUT_RDWR);
	if (script->silent || script->busy || script->exiting)
		return true;
	if (script->slow)
		wait_word(conn);
	if (!sayf(conn, "{\"method\":\"HeapProfiler.reportHeapSnapshotProgress\",\"params\":{"
			"\"done\":1,\"total\":4}}"))
		return false;
	do {
		if (!say_chunks(conn))
			return false;
	} while (script->endless && !is_spoken_to(conn));
	if (script->odd_reply)
		return sayf(conn,
			    "{\"id\":%d,\"method\":\"HeapProfiler.takeHeapSnapshot\","
			    "\"params\":{\"reportProgress\":true}}",
			    id);
	return sayf(conn, "{\"id\":%d,\"result\":{}}", id);
}

static int id_of(const char *message)
{
	const char *at = strstr(message, "\"id\":");

	return at != NULL ? atoi(at + 5) : 0;
}

/* Each line of the script is a message of the isolate. */
static bool say_lines(struct conn *conn, const char *lines)
{
	while (lines != NULL && *lines != '\0') {
		size_t size = strcspn(lines, "\n");

		if (!say(conn, lines, size))
			return false;
		lines += size + (lines[size] == '\n');
	}
	return true;
}

static bool on_debugger(struct conn *conn, const char *message, int id)
{
	if (conn->script->no_debugger)
		return sayf(conn,
			    "{\"id\":%d,\"error\":{\"code\":-32601,\"message\":\"wasn't found\"}}",
			    id);
	if (conn->script->mute && strstr(message, "Debugger.enable") != NULL)
		return true;
	if (strstr(message, "Debugger.enable") != NULL && !say_lines(conn, conn->script->scripts))
		return false;
	return sayf(conn, "{\"id\":%d,\"result\":{\"debuggerId\":\"1.2\"}}", id);
}

/* A request to the isolate. */
static bool on_isolate(struct conn *conn, const char *message)
{
	int id = id_of(message);

	if (strstr(message, "Debugger.") != NULL)
		return on_debugger(conn, message, id);
	if (strstr(message, "HeapProfiler.collectGarbage") != NULL)
		return conn->script->busy || sayf(conn, "{\"id\":%d,\"result\":{}}", id);
	if (strstr(message, "HeapProfiler.takeHeapSnapshot") != NULL ||
	    strstr(message, "HeapProfiler.stopTrackingHeapObjects") != NULL)
		return take_snapshot(conn, id);
	if (strstr(message, "HeapProfiler.startTrackingHeapObjects") != NULL &&
	    conn->script->tracking != NULL)
		return sayf(conn, "{\"id\":%d,\"result\":{}}", id) &&
		       say_lines(conn, conn->script->tracking);
	if (strstr(message, "HeapProfiler.disable") != NULL && conn->script->deaf)
		return true;
	if (strstr(message, "Runtime.getHeapUsage") != NULL)
		return conn->script->frozen ||
		       sayf(conn,
			    "{\"id\":%d,\"result\":{\"usedSize\":3000000,\"totalSize\":4000000}}",
			    id);
	if (strstr(message, "HeapProfiler.disable") != NULL)
		return sayf(conn, "{\"id\":%d,\"result\":{}}", id);
	return sayf(conn, "{\"id\":%d,\"error\":{\"code\":-32601,\"message\":\"wasn't found\"}}",
		    id);
}

/* What sendMessageToWorker carries, un-escaped in place. */
static char *nested_message(char *message)
{
	char *from = strstr(message, "\"message\":\""), *to, *start;

	if (from == NULL)
		return NULL;
	from += strlen("\"message\":\"");
	start = to = from;
	for (; *from != '\0' && *from != '"'; from++) {
		if (*from == '\\')
			from++;
		*to++ = *from;
	}
	*to = '\0';
	return start;
}

static bool announce_worker(struct conn *conn)
{
	return conn->script->worker == NULL ||
	       answer(conn,
		      "{\"method\":\"NodeWorker.attachedToWorker\",\"params\":{"
		      "\"sessionId\":\"7\",\"workerInfo\":{\"workerId\":\"1\",\"type\":\"worker\","
		      "\"title\":\"%s\",\"url\":\"\"},\"waitingForDebugger\":false}}",
		      conn->script->worker);
}

static bool workers_enabled(struct conn *conn, int id)
{
	bool late = conn->script->worker_late;

	return (late || announce_worker(conn)) && answer(conn, "{\"id\":%d,\"result\":{}}", id) &&
	       (!late || announce_worker(conn));
}

static bool on_message(struct conn *conn, char *message)
{
	int id = id_of(message);

	if (strstr(message, "NodeRuntime.") != NULL)
		return answer(conn, "{\"id\":%d,\"result\":{}}", id);
	if (strstr(message, "NodeWorker.enable") != NULL)
		return workers_enabled(conn, id);
	if (conn->script->worker != NULL && strstr(message, "sendMessage") == NULL &&
	    strstr(message, "Runtime.getHeapUsage") != NULL)
		return answer(conn, "{\"id\":%d,\"result\":{\"usedSize\":3000000}}", id);
	if (strstr(message, "NodeWorker.sendMessageToWorker") != NULL) {
		char *nested = nested_message(message);

		return answer(conn, "{\"id\":%d,\"result\":{}}", id) && nested != NULL &&
		       on_isolate(conn, nested);
	}
	return on_isolate(conn, message);
}

static void keep(struct fake_inspector *fake, const char *message)
{
	pthread_mutex_lock(&fake->lock);
	if (fake->messages_n < MESSAGES_MAX)
		fake->messages[fake->messages_n++] = strdup(message);
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
}

static void converse(struct conn *conn)
{
	char *message;
	bool on = true;

	while (on && (message = get_text(conn)) != NULL) {
		keep(conn->fake, message);
		on = on_message(conn, message);
		free(message);
	}
}

/* It hears nothing of what it is told until the client has left. */
static bool turn_away(struct conn *conn)
{
	struct fake_inspector *fake = conn->fake;
	bool turned_away;
	char *message;

	pthread_mutex_lock(&fake->lock);
	turned_away = fake->turned_away < conn->script->turns_away;
	fake->turned_away += turned_away;
	pthread_mutex_unlock(&fake->lock);
	if (turned_away && put_frame(conn, 0x88, try_later, 2)) {
		while ((message = get_text(conn)) != NULL)
			free(message);
	}
	return turned_away;
}

/* ---- HTTP ---- */

static bool read_head(int fd, char *head, size_t size)
{
	size_t used = 0;

	while (used + 1 < size && recv(fd, head + used, 1, 0) == 1) {
		head[++used] = '\0';
		if (used >= 4 && strcmp(head + used - 4, "\r\n\r\n") == 0)
			return true;
	}
	return false;
}

static void send_json(const struct conn *conn, const char *json)
{
	char text[1024];
	int n = snprintf(text, sizeof(text),
			 "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n"
			 "Content-Length: %zu\r\n\r\n%s",
			 strlen(json), json);

	write_all(conn->fd, text, (size_t)n);
}

static void send_list(const struct conn *conn)
{
	char json[512];

	snprintf(json, sizeof(json),
		 "[{\"description\":\"node.js instance\",\"id\":\"%s\",\"title\":\"fake.js\","
		 "\"type\":\"node\",\"url\":\"file:///fake.js\","
		 "\"webSocketDebuggerUrl\":\"ws://127.0.0.1:%u%s\"}]",
		 fake_path + 1, conn->fake->port, fake_path);
	send_json(conn, json);
}

static bool upgrade(const struct conn *conn, const char *head)
{
	static const char name[] = "\r\nSec-WebSocket-Key: ";
	const char *at = strstr(head, name);
	char key[64] = "", accept[UPGRADE_ACCEPT_MAX], text[256];
	int n;

	if (at == NULL || sscanf(at + sizeof(name) - 1, "%63[^\r]", key) != 1)
		return false;
	n = snprintf(text, sizeof(text),
		     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		     "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		     upgrade_accept(accept, key));
	return write_all(conn->fd, text, (size_t)n);
}

static void serve(struct conn *conn)
{
	char head[HEAD_MAX];

	while (read_head(conn->fd, head, sizeof(head))) {
		if (strncmp(head, "GET /json/list ", 15) == 0) {
			send_list(conn);
		} else if (strncmp(head, "GET /json/version ", 18) == 0) {
			send_json(conn,
				  "{\"Browser\":\"node.js/v24.0.0\",\"Protocol-Version\":\"1.1\"}");
		} else {
			if (upgrade(conn, head) && !turn_away(conn))
				converse(conn);
			return;
		}
	}
}

/* ---- threads ---- */

static void *connection(void *owner)
{
	struct conn *conn = owner;

	serve(conn);
	break_off(conn);
	free(conn);
	return NULL;
}

static void connection_start(struct fake_inspector *fake, int fd)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	pthread_mutex_lock(&fake->lock);
	if (conn != NULL && fake->connections < CONNECTIONS_MAX && !fake->stopping) {
		*conn = (struct conn){ .fake = fake, .script = fake->script, .fd = fd };
		if (pthread_create(&fake->threads[fake->connections], NULL, connection, conn) ==
		    0) {
			fake->fds[fake->connections++] = fd;
			conn = NULL;
			fd = -1;
		}
	}
	pthread_mutex_unlock(&fake->lock);
	free(conn);
	if (fd >= 0)
		close(fd);
}

static void *acceptor(void *owner)
{
	struct fake_inspector *fake = owner;
	int fd;

	while ((fd = accept(fake->fd, NULL, NULL)) >= 0)
		connection_start(fake, fd);
	return NULL;
}

static bool listen_on(struct fake_inspector *fake)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(sa);

	fake->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fake->fd < 0 || bind(fake->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(fake->fd, CONNECTIONS_MAX) < 0 ||
	    getsockname(fake->fd, (struct sockaddr *)&sa, &size) < 0)
		return false;
	fake->port = ntohs(sa.sin_port);
	return true;
}

struct fake_inspector *fake_start(const struct fake_script *script)
{
	struct fake_inspector *fake = calloc(1, sizeof(*fake));

	if (fake == NULL)
		return NULL;
	fake->script = script;
	pthread_mutex_init(&fake->lock, NULL);
	pthread_cond_init(&fake->changed, NULL);
	if (listen_on(fake) && pthread_create(&fake->acceptor, NULL, acceptor, fake) == 0)
		return fake;
	if (fake->fd >= 0)
		close(fake->fd);
	free(fake);
	return NULL;
}

void fake_stop(struct fake_inspector *fake)
{
	pthread_mutex_lock(&fake->lock);
	fake->stopping = true;
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
	shutdown(fake->fd, SHUT_RDWR);
	pthread_join(fake->acceptor, NULL);
	close(fake->fd);
	for (unsigned i = 0; i < fake->connections; i++)
		shutdown(fake->fds[i], SHUT_RDWR);
	for (unsigned i = 0; i < fake->connections; i++) {
		pthread_join(fake->threads[i], NULL);
		close(fake->fds[i]);
	}
	for (unsigned i = 0; i < fake->messages_n; i++)
		free(fake->messages[i]);
	pthread_cond_destroy(&fake->changed);
	pthread_mutex_destroy(&fake->lock);
	free(fake);
}

uint16_t fake_port(const struct fake_inspector *fake)
{
	return fake->port;
}

static unsigned count(const struct fake_inspector *fake, const char *text)
{
	unsigned n = 0;

	for (unsigned i = 0; i < fake->messages_n; i++)
		n += strstr(fake->messages[i], text) != NULL;
	return n;
}

unsigned fake_heard(struct fake_inspector *fake, const char *text)
{
	unsigned n;

	pthread_mutex_lock(&fake->lock);
	n = count(fake, text);
	pthread_mutex_unlock(&fake->lock);
	return n;
}

bool fake_await(struct fake_inspector *fake, const char *text, unsigned n)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	pthread_mutex_lock(&fake->lock);
	while (r == 0 && count(fake, text) < n)
		r = pthread_cond_timedwait(&fake->changed, &fake->lock, &until);
	pthread_mutex_unlock(&fake->lock);
	return r == 0;
}

void fake_release(struct fake_inspector *fake)
{
	pthread_mutex_lock(&fake->lock);
	fake->released = true;
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
}

const char *fake_message(struct fake_inspector *fake, unsigned i)
{
	const char *message = NULL;

	pthread_mutex_lock(&fake->lock);
	if (i < fake->messages_n)
		message = fake->messages[i];
	pthread_mutex_unlock(&fake->lock);
	return message;
}

uint64_t fake_sent(struct fake_inspector *fake)
{
	uint64_t sent;

	pthread_mutex_lock(&fake->lock);
	sent = fake->sent;
	pthread_mutex_unlock(&fake->lock);
	return sent;
}
