/*
 * Fuzz harness of the JSON scanner. For any bytes: fed whole or in parts it tells the same, with a
 * small buffer or a large one; and its verdict and content are those of jansson, where jansson can
 * tell and the scanner's own limits are kept.
 */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "by_jansson.h"
#include "events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every key and number fits. */
enum { ROOMY_BYTES = 1 << 16 };

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz_json_scan: %s\n", what);
	abort();
}

/* Cuts that depend on the input alone, so that a finding can be replayed. */
static size_t mix(const uint8_t *data, size_t size)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ data[i]) * 0x100000001b3u;
	return (size_t)(hash >> 20);
}

static void check_parts(const char *text, size_t size, size_t buffer_size, size_t mixed)
{
	struct events whole = events_scan_whole(text, size, buffer_size);
	struct events two, many;

	two = events_scan(text, size, 1 + mixed % (size + 1), SIZE_MAX, buffer_size);
	require(events_same(&whole, &two), "two parts differ from the whole");
	many = events_scan(text, size, 0, 1 + mixed % 5, buffer_size);
	require(events_same(&whole, &many), "many parts differ from the whole");
	require(whole.offset <= size, "an offset behind the end");
	require(whole.r == 0 || whole.r == -EBADMSG || whole.r == -E2BIG, "an unknown code");
	events_fini(&whole);
	events_fini(&two);
	events_fini(&many);
}

static void check_verdict(const char *text, size_t size)
{
	struct events events = events_scan_whole(text, size, ROOMY_BYTES);
	struct buf canonical;
	enum by_jansson verdict;

	buf_init(&canonical, EVENTS_LIMIT_BYTES);
	verdict = by_jansson(text, size, &canonical);
	if (events.r != -E2BIG && verdict == BY_JANSSON_BAD)
		require(events.r == -EBADMSG, "accepted what is no document");
	if (events.r != -E2BIG && verdict == BY_JANSSON_GOOD) {
		require(events.r == 0, "refused a document");
		require(strcmp(buf_text(&events.canonical), buf_text(&canonical)) == 0,
			"another content");
	}
	buf_fini(&canonical);
	events_fini(&events);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	size_t mixed = mix(data, size);

	check_parts(text, size, JSON_BUFFER_MIN, mixed);
	check_parts(text, size, ROOMY_BYTES, mixed);
	check_verdict(text, size);
	return 0;
}
