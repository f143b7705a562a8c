#pragma once

/* URLs: the parts of them that are of use, without what may be a secret. */

#include <stdbool.h>
#include <stddef.h>

struct buf;

/*
 * What is kept of an address, in whatever is written: copies text without who logs in
 * ("user:password@"), without what stands behind a path (from "?" or "#" on, quoted ones too), and
 * without what a data: URL carries. Text around a URL stays, up to the first of these cuts. whole:
 * all of the text is a URL or a path; otherwise only behind "://" is anything cut. dst: size bytes,
 * not terminated; returns how many were written.
 */
size_t url_strip(char *dst, const char *text, size_t size, bool whole);

/* "/path?query" of "ws://host:port/path?query", or NULL: it has no host or no path. Borrowed. */
const char *url_path(const char *url);

/* A text as one part of a path: all but letters, digits and "-._~" as %XX. 0 or the buf's error. */
int url_quote(struct buf *buf, const char *text);
