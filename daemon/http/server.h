#pragma once

/*
 * The HTTP endpoint on the control thread. server.c is the only file that includes libmicrohttpd:
 * its epoll descriptor is watched by our loop. Absolute deadlines for request and response cut off
 * drippers and slow readers; connections are limited in all and per address.
 *
 * A handler either answers at once or holds the request (a probe waits for its poll) and answers
 * later, before the deadline of the server.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "http/settings.h"
#include "loop/loop.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/metric.h"

struct http_connection;
struct http_server;
struct problems;
struct route;
struct web_config;

enum { HTTP_PARAMS_MAX = 4 };

struct http_exchange {
	struct http_server *server;
	struct http_connection *connection;
	const struct route *route;
	const char *method, *path;
	const char *params[HTTP_PARAMS_MAX]; /* what the :names of the pattern stand for, decoded */
	void *held; /* a handler's state while the exchange is held */
	void (*drop)(struct http_exchange *exchange); /* the exchange ends unanswered: free held */
};

int http_server_init(struct http_server **ret, struct loop *loop,
		     const struct web_settings *settings, const struct route *routes, void *owner);

/*
 * Listens on every address of the settings plus the descriptors passed by systemd (fds, n; taken).
 * An address that a descriptor is bound to already is not bound again. The settings given to init
 * must still be there.
 */
int http_server_listen(struct http_server *server, const int *fds, size_t n, struct err *err);

/* After a reload: limits and time-outs hold for connections to come. Addresses stay. 0, -ENOMEM. */
int http_server_set(struct http_server *server, const struct web_settings *settings);

/*
 * TLS, and who may ask. Before http_server_listen(): whether there is TLS is decided here. Later,
 * at a reload: certificates hold for connections to come, users at once, and when clients have to
 * show others than before, or the least version changes, open connections end, those with a whole
 * request once it is answered. NULL: neither. config is borrowed until the next call.
 */
void http_server_set_access(struct http_server *server, const struct web_config *config);

/*
 * May these settings follow? 0; -EPERM with a problem when we listen beyond loopback and would not
 * be guarded (web_config.h) any more, without web.allow_remote. server NULL: 0.
 */
int http_server_check(const struct http_server *server, const struct web_settings *settings,
		      const struct web_config *config, struct problems *problems);

/* Held exchanges are answered 503, answers under way get a moment to finish. */
void http_server_free(struct http_server *server);
void *http_server_owner(const struct http_server *server);

/* The port actually bound by the i-th listener (for port 0), 0 past the end. */
uint16_t http_server_port(const struct http_server *server, size_t i);

/* Where people find it: of the first listener that is no unix socket; NULL: there is none. */
const char *http_server_url(const struct http_server *server);

/* Query argument or request header, NULL when absent. */
const char *http_argument(const struct http_exchange *exchange, const char *name);
const char *http_header(const struct http_exchange *exchange, const char *name);

/*
 * Who asks, for people: the user whose password was right, where one was asked for; the address, or
 * of a unix socket what the kernel knows of the process at its other end; and what the client calls
 * itself, which may be anything: "user ops, 192.0.2.7 (curl/7.88.1)", "uid 1000, pid 4711
 * (heapwatchctl/0.1)". Printable ASCII. Returns dst.
 */
char *http_peer(const struct http_exchange *exchange, char *dst, size_t size);

/* The body of the request, at most HTTP_BODY_MAX bytes; zero-terminated, "" when there is none. */
enum { HTTP_BODY_MAX = 1 << 20 };
const char *http_body(const struct http_exchange *exchange, size_t *ret_size);

/*
 * Answer with what is in body (its memory is taken, also on failure). Compressed when the client
 * accepts gzip. 0 or -errno; a handler that gives the failure back has the server answer 500.
 */
int http_answer(struct http_exchange *exchange, int status, const char *content_type,
		struct buf *body);

/*
 * A failure: the JSON envelope below /api/, plain text elsewhere. type is the errorType; NULL:
 * the usual one of the status.
 */
int http_answer_error(struct http_exchange *exchange, int status, const char *type, const char *fmt,
		      ...) __attribute__((format(printf, 4, 5)));

/* A file, with Range; fd is taken. name is what the client should save it as. */
int http_answer_file(struct http_exchange *exchange, int fd, const char *content_type,
		     const char *name);

/*
 * A body that is made while it is sent. read gives at most size bytes: how many, 0 at the end,
 * -errno to break off; it is called on the control thread and must not take long. owner is taken
 * and given to free, also on failure. about: how many bytes there will be, for the deadline.
 */
typedef ssize_t http_read_fn(void *owner, void *dst, size_t size);
int http_answer_stream(struct http_exchange *exchange, const char *content_type, const char *name,
		       uint64_t about, http_read_fn *read, void (*free)(void *owner), void *owner);

/* Plain text. */
int http_answer_text(struct http_exchange *exchange, int status, const char *text);

/* Extra header for the answer to come; it replaces one the server would set itself. */
int http_set_header(struct http_exchange *exchange, const char *name, const char *value);

/*
 * Keep the exchange open; http_answer() may come later. Set held and drop first. After
 * response_timeout the server drops it and answers 503 by itself.
 */
void http_hold(struct http_exchange *exchange);

/* Counters for /metrics. */
struct http_counter {
	struct http_counter *next;
	const char *handler; /* the route's pattern */
	char method[8];
	int code;
	uint64_t requests;
};
const struct http_counter *http_counters(const struct http_server *server);
uint64_t http_auth_failures(const struct http_server *server); /* see login_failures() */
const struct histogram *http_durations(const struct http_server *server, const char *handler);
