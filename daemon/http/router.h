#pragma once

/* Finds the row of the route table for a method and a path. */

#include "http/server.h"

struct route;

enum route_verdict {
	ROUTE_FOUND,
	ROUTE_NONE, /* no pattern is of this path: 404 */
	ROUTE_METHOD, /* a pattern is, but not with this method: 405 */
	ROUTE_ENCODING, /* a parameter is no percent-encoded text: 400 */
};

enum { ROUTER_ALLOW_MAX = 64 };

struct route_match {
	const struct route *route; /* for ROUTE_METHOD: a row of the path */
	const char *params[HTTP_PARAMS_MAX]; /* point into path */
	char allow[ROUTER_ALLOW_MAX]; /* for ROUTE_METHOD: "GET, HEAD" */
};

/*
 * path is as it came, without the query; it is cut and decoded in place when the route has
 * parameters, so give a copy. A parameter may hold an encoded slash, but no zero byte.
 */
enum route_verdict router_match(const struct route *routes, const char *method, char *path,
				struct route_match *ret);
