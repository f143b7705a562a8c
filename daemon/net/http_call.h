#pragma once

/*
 * HTTP requests of ours, on a loop: /json/list of inspectors, http_sd, what heapwatchctl asks of
 * the daemon, what alerts and metrics are sent with. http_call.c is the only file that includes
 * libcurl (multi interface on our loop). No redirects, no proxy, no cookies, a cap on the body, a
 * deadline; the connection is closed afterwards.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct access_files;
struct http_client;
struct http_fetch;
struct loop;

/* Takes a piece of a body; anything but 0 ends the call and becomes the answer's r. */
typedef int http_sink_fn(void *owner, const void *data, size_t size);

struct http_request {
	const char *method; /* NULL: GET */
	const char *url; /* http:// or https:// */
	const char *unix_socket; /* path, or NULL */
	const char *host; /* Host header, or NULL for the URL's own */
	const char *bearer; /* token, or NULL */
	const char *user, *password; /* of basic authentication; user NULL: none */
	const char *const *headers; /* more of them, "Name: value", NULL at the end; or NULL */
	const struct access_files *tls; /* of https://; NULL: the system's. Borrowed for the call */
	const char *connect_to; /* HOST:PORT in place of the URL's, or NULL */
	const char *accept; /* or NULL */
	const char *payload; /* JSON, borrowed until the end; NULL: none */
	size_t payload_size; /* 0: it is a text */
	uint64_t timeout_ns; /* over all; with a sink, from each piece to the next */
	size_t body_max; /* of what is gathered */
	http_sink_fn *sink; /* NULL: gather. Gets the body of a 200, any other one is gathered */
};

struct http_answer {
	int r; /* 0; -ECONNREFUSED, -ETIMEDOUT, -EFBIG, -EPROTO (no HTTP), -EIO and others */
	long status;
	const char *body; /* zero-terminated, valid during the call */
	size_t size;
	uint64_t refresh_ns; /* X-Prometheus-Refresh-Interval-Seconds, 0 when absent */
	uint64_t retry_after_ns; /* Retry-After (seconds or a date), from now; 0 when absent */
	int64_t date_wall_ms; /* Date: what its clock says, in whole seconds; 0 when absent */
	bool connected; /* TCP was up: a time-out then means that nobody answers */
	const char *reason; /* for people, never NULL */
};

typedef void http_done_fn(void *owner, const struct http_answer *answer);

int http_client_new(struct http_client **ret, struct loop *loop);

/* Cancels what is under way (no callbacks). NULL is fine. */
void http_client_free(struct http_client *client);

/* Calls fn exactly once, never before it returns, unless cancelled. 0 or -errno. */
int http_call(struct http_fetch **ret, struct http_client *client,
	      const struct http_request *request, http_done_fn *fn, void *owner);
void http_cancel(struct http_fetch *fetch);
