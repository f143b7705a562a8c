#pragma once

/*
 * What a browser may be tricked into: a page of a stranger that posts to us (Origin), or a
 * stranger's name that resolves to 127.0.0.1 (Host). Pure functions.
 */

#include <stdbool.h>

/*
 * Is this Host header one a person could have meant on a loopback listener? localhost, a numeric
 * address, or the host of external_url (may be NULL). NULL host: yes, no browser leaves it out.
 */
bool guard_host(const char *host, const char *external_url);

/*
 * May a request that changes something come from here? Without an Origin (no browser): yes; else
 * the origin must be this server's own, by its Host header or external_url.
 */
bool guard_origin(const char *origin, const char *fetch_site, const char *host,
		  const char *external_url);
