#pragma once

/*
 * Where to POST, and how to be let in there: a URL with TLS files, token or password. Owns copies
 * of all of it, so that a reload may take the settings away while a request is under way.
 */

#include <stddef.h>
#include <stdint.h>

struct access;
struct endpoint_settings;
struct err;
struct http_answer;
struct http_client;
struct http_fetch;

struct endpoint {
	char *url; /* owned; without secrets, for people and metrics */
	/* Owned; what is asked for when the name in the certificate is another than in the URL. */
	char *named_url, *connect_to;
	struct access *access; /* owned */
	char *user, *password_file; /* owned; NULL: none */
	uint64_t timeout_ns;
};

/* 0, -EINVAL (no URL), -ENOMEM; fini after a failure too. */
int endpoint_init(struct endpoint *endpoint, const char *url,
		  const struct endpoint_settings *settings);
void endpoint_fini(struct endpoint *endpoint);

/*
 * POST JSON, a text or so many bytes (size 0: a text) of what the headers say it is packed as;
 * payload is borrowed until fn is called. headers: "Name: value", NULL at the end. 0;
 * -errno with text in err: a file cannot be read, or no memory; then fn is not called.
 */
int endpoint_post(const struct endpoint *endpoint, struct http_client *client, const char *payload,
		  size_t size, const char *const *headers,
		  void (*fn)(void *owner, const struct http_answer *answer), void *owner,
		  struct http_fetch **ret, struct err *err);

/* An answer for people: its status and the beginning of what it says, in one line. */
void endpoint_describe(const struct http_answer *answer, char *dst, size_t size);
