#pragma once

/*
 * HTTP GET from the control thread: /json/list of inspectors, http_sd. http_get.c is the only file
 * that includes libcurl (multi interface on our loop). No redirects, no proxy, no cookies, a cap on
 * the body, one deadline over everything; the connection is closed afterwards.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_client;
struct http_fetch;
struct loop;

struct http_request {
	const char *url; /* http:// or https:// */
	const char *unix_socket; /* path, or NULL */
	const char *host; /* Host header, or NULL for the URL's own */
	const char *bearer; /* token, or NULL */
	const char *accept; /* or NULL */
	uint64_t timeout_ns; /* over all */
	size_t body_max;
};

struct http_answer {
	int r; /* 0; -ECONNREFUSED, -ETIMEDOUT, -EFBIG, -EPROTO (no HTTP), -EIO and others */
	long status;
	const char *body; /* zero-terminated, valid during the call */
	size_t size;
	uint64_t refresh_ns; /* X-Prometheus-Refresh-Interval-Seconds, 0 when absent */
	bool connected; /* TCP was up: a time-out then means that nobody answers */
	const char *reason; /* for people, never NULL */
};

typedef void http_done_fn(void *owner, const struct http_answer *answer);

int http_client_new(struct http_client **ret, struct loop *loop);

/* Cancels what is under way (no callbacks). NULL is fine. */
void http_client_free(struct http_client *client);

/* Calls fn exactly once, never before it returns, unless cancelled. 0 or -errno. */
int http_get(struct http_fetch **ret, struct http_client *client,
	     const struct http_request *request, http_done_fn *fn, void *owner);
void http_cancel(struct http_fetch *fetch);
