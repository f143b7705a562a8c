/*
 * Router
 *
 * The table is short and read top down; a path is compared segment by segment with each pattern.
 * Parameters are decoded after the match, so that an encoded slash in a target's name (of a unix
 * socket, say) stays inside of its segment.
 */

#include "http/router.h"

#include <stdio.h>
#include <string.h>

#include "http/route.h"

static bool matches(const char *pattern, const char *path)
{
	while (*pattern != '\0') {
		if (*pattern == ':') {
			size_t size = strcspn(path, "/");

			if (size == 0)
				return false;
			path += size;
			pattern += strcspn(pattern, "/");
			continue;
		}
		if (*pattern++ != *path++)
			return false;
	}
	return *path == '\0';
}

static bool method_matches(const char *routed, const char *method)
{
	return strcmp(routed, method) == 0 ||
	       (strcmp(routed, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

static void allow(struct route_match *match, const char *method)
{
	size_t used = strlen(match->allow);

	snprintf(match->allow + used, sizeof(match->allow) - used, "%s%s%s", used > 0 ? ", " : "",
		 method, strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool decode(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		int high, low;

		if (*from != '%') {
			*to++ = *from;
			continue;
		}
		high = hex_digit(from[1]);
		low = high < 0 ? -1 : hex_digit(from[2]);
		if (low < 0 || high * 16 + low == 0)
			return false;
		*to++ = (char)(high * 16 + low);
		from += 2;
	}
	*to = '\0';
	return true;
}

/* Cut the parameters out of a path that matches. */
static bool take_params(const char *pattern, char *path, struct route_match *match)
{
	size_t n = 0;

	while (*pattern != '\0' && *path != '\0') {
		char *end;

		if (*pattern != ':') {
			pattern++;
			path++;
			continue;
		}
		end = path + strcspn(path, "/");
		pattern += strcspn(pattern, "/");
		if (n < HTTP_PARAMS_MAX)
			match->params[n++] = path;
		path = *end != '\0' ? end + 1 : end;
		pattern += *pattern == '/';
		*end = '\0';
	}
	for (size_t i = 0; i < n; i++) {
		/* params[] are const for handlers; the memory is the caller's path. */
		if (!decode((char *)(uintptr_t)match->params[i]))
			return false;
	}
	return true;
}

enum route_verdict router_match(const struct route *routes, const char *method, char *path,
				struct route_match *ret)
{
	*ret = (struct route_match){ .route = NULL };
	for (const struct route *route = routes; route->pattern != NULL; route++) {
		if (!matches(route->pattern, path))
			continue;
		ret->route = route;
		if (method_matches(route->method, method))
			return take_params(route->pattern, path, ret) ? ROUTE_FOUND
								      : ROUTE_ENCODING;
		allow(ret, route->method);
	}
	return ret->route != NULL ? ROUTE_METHOD : ROUTE_NONE;
}
