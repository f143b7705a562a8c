#pragma once

/* The API is one table of method, pattern, function and help; docs/API.md is made from it. */

#include <stddef.h>

struct buf;
struct http_exchange;

struct route {
	const char *method; /* "GET" also answers HEAD */
	const char *pattern; /* "/api/v1/captures/:id" */
	int (*handle)(struct http_exchange *exchange);
	const char *help;
};

extern const struct route http_routes[]; /* ends with a NULL pattern */

int routes_markdown(struct buf *buf);
