#pragma once

/*
 * What a scan told, as text that can be compared. A trace keeps every event as it came, with its
 * depth; a canonical text joins the pieces of strings and forgets how numbers were written, so that
 * the same can be made from another parser's tree. Shared by the unit tests and the fuzz harness.
 */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/scan.h"
#include "json/write.h"
#include "util/buf.h"

enum { EVENTS_LIMIT_BYTES = 64 << 20 };

struct events {
	struct buf trace, canonical, pending;
	int r; /* what the scan returned in the end */
	uint64_t offset;
};

static inline void events_init(struct events *events)
{
	buf_init(&events->trace, EVENTS_LIMIT_BYTES);
	buf_init(&events->canonical, EVENTS_LIMIT_BYTES);
	buf_init(&events->pending, EVENTS_LIMIT_BYTES);
	events->r = 0;
	events->offset = 0;
}

static inline void events_fini(struct events *events)
{
	buf_fini(&events->trace);
	buf_fini(&events->canonical);
	buf_fini(&events->pending);
}

static inline void canonical_real(struct buf *buf, double value)
{
	buf_printf(buf, "%.17g,", value);
}

static inline void canonical_text(struct events *events, const struct json_event *event)
{
	buf_append(&events->pending, event->text, event->size);
	if (event->kind == JSON_STRING_PART)
		return;
	json_quote(&events->canonical, buf_text(&events->pending), events->pending.size);
	buf_puts(&events->canonical, event->kind == JSON_KEY ? ":" : ",");
	buf_clear(&events->pending);
}

static inline void canonical_number(struct events *events, const struct json_event *event)
{
	char *text;

	if (event->kind == JSON_INTEGER) {
		buf_printf(&events->canonical, "%lld,", (long long)event->integer);
		return;
	}
	text = strndup(event->text, event->size);
	canonical_real(&events->canonical, strtod(text, NULL));
	free(text);
}

static inline void canonical_event(struct events *events, const struct json_event *event)
{
	static const char *const words[] = {
		[JSON_OBJECT] = "{",     [JSON_OBJECT_END] = "},", [JSON_ARRAY] = "[",
		[JSON_ARRAY_END] = "],", [JSON_TRUE] = "true,",    [JSON_FALSE] = "false,",
		[JSON_NULL] = "null,",
	};

	if (event->kind == JSON_INTEGER || event->kind == JSON_REAL)
		canonical_number(events, event);
	else if (event->kind == JSON_KEY || event->kind == JSON_STRING ||
		 event->kind == JSON_STRING_PART)
		canonical_text(events, event);
	else
		buf_puts(&events->canonical, words[event->kind]);
}

/* "k1:name ", "i2:-5 ", "{0 " */
static inline int events_take(void *owner, const struct json_event *event)
{
	static const char letters[] = "{}[]kpsirtfn";
	struct events *events = owner;

	buf_printf(&events->trace, "%c%u", letters[event->kind], event->depth);
	if (event->kind == JSON_INTEGER)
		buf_printf(&events->trace, ":%lld", (long long)event->integer);
	if (event->size > 0 || event->text != NULL) {
		buf_puts(&events->trace, ":");
		buf_append(&events->trace, event->text, event->size);
	}
	buf_puts(&events->trace, " ");
	canonical_event(events, event);
	return 0;
}

/*
 * Scan data in feeds of at most `step` bytes, the first one of `first` bytes. Every feed gets its
 * own copy of its bytes, so that reading past it is an error a sanitizer sees.
 */
static inline struct events events_scan(const char *data, size_t size, size_t first, size_t step,
					size_t buffer_size)
{
	char *buffer = malloc(buffer_size);
	struct events events;
	struct json_scan scan;
	size_t at = 0;

	events_init(&events);
	json_scan_init(&scan, buffer, buffer_size, events_take, &events);
	while (at < size && events.r == 0) {
		size_t want = at == 0 && first > 0 ? first : step;
		size_t n = want < size - at ? want : size - at;
		char *copy = malloc(n);

		memcpy(copy, data + at, n);
		events.r = json_scan_feed(&scan, copy, n);
		free(copy);
		at += n;
	}
	if (events.r == 0)
		events.r = json_scan_end(&scan);
	events.offset = scan.offset;
	free(buffer);
	return events;
}

static inline struct events events_scan_whole(const char *data, size_t size, size_t buffer_size)
{
	return events_scan(data, size, size, size, buffer_size);
}

static inline bool events_same(const struct events *a, const struct events *b)
{
	return a->r == b->r && a->offset == b->offset && a->trace.size == b->trace.size &&
	       memcmp(buf_text((struct buf *)(uintptr_t)&a->trace),
		      buf_text((struct buf *)(uintptr_t)&b->trace), a->trace.size) == 0;
}
