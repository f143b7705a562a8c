/*
 * The scanner against jansson on documents made at random (fixed seed): same content, whatever the
 * buffer and the cuts; and on the same documents with bytes changed, dropped or doubled: the same
 * verdict, where jansson can tell.
 */

#include "json/scan.h"

#include <errno.h>

#include <criterion/criterion.h>

#include "by_jansson.h"
#include "events.h"

enum { DOCUMENTS_N = 1500, DOCUMENT_DEPTH = 6, MUTATIONS_N = 12 };

static unsigned seed = 20260131;

static unsigned pick(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}

static void put_space(struct buf *doc)
{
	static const char *const spaces[] = { "", "", "", " ", "\n", "\t\r\n  " };

	buf_puts(doc, spaces[pick(6)]);
}

static void put_string(struct buf *doc)
{
	static const char *const pieces[] = {
		"a",        "plain text",   "0123456789abcdef0123456789abcdef",
		"\\n",      "\\\"",         "\\\\",
		"\\/",      "\\u0000",      "\\u001f",
		"\\u00e9",  "\\u20ac",      "\\ud83d\\ude00",
		"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
		"{[,:]}",   "\\b\\f\\r\\t",
	};
	unsigned n = pick(5) == 0 ? pick(40) : pick(4);

	buf_puts(doc, "\"");
	while (n-- > 0)
		buf_puts(doc, pieces[pick(sizeof(pieces) / sizeof(pieces[0]))]);
	buf_puts(doc, "\"");
}

static void put_number(struct buf *doc)
{
	static const char *const numbers[] = {
		"0",   "-0",    "7",     "-12",    "9223372036854775807", "-9223372036854775808",
		"0.5", "-1e-7", "1E+20", "3.25e2", "1234567890.125",      "999999999999999999",
	};

	if (pick(2))
		buf_printf(doc, "%d", (int)pick(100000) - 50000);
	else
		buf_puts(doc, numbers[pick(sizeof(numbers) / sizeof(numbers[0]))]);
}

static void put_value(struct buf *doc, unsigned depth);

static void put_object(struct buf *doc, unsigned depth)
{
	unsigned n = pick(5);

	buf_puts(doc, "{");
	for (unsigned i = 0; i < n; i++) {
		put_space(doc);
		/* The number keeps keys apart, the rest exercises their decoding. */
		buf_printf(doc, "\"%u%s\"", i, (const char *[]){ "", "\\n", "\\u20ac" }[pick(3)]);
		put_space(doc);
		buf_puts(doc, ":");
		put_value(doc, depth + 1);
		buf_puts(doc, i + 1 < n ? "," : "");
	}
	put_space(doc);
	buf_puts(doc, "}");
}

static void put_array(struct buf *doc, unsigned depth)
{
	unsigned n = pick(8);

	buf_puts(doc, "[");
	for (unsigned i = 0; i < n; i++) {
		put_value(doc, depth + 1);
		buf_puts(doc, i + 1 < n ? "," : "");
	}
	put_space(doc);
	buf_puts(doc, "]");
}

static void put_value(struct buf *doc, unsigned depth)
{
	static const char *const words[] = { "true", "false", "null" };
	unsigned kind = pick(depth < DOCUMENT_DEPTH ? 7 : 4);

	put_space(doc);
	if (kind < 2)
		put_number(doc);
	else if (kind == 2)
		put_string(doc);
	else if (kind == 3)
		buf_puts(doc, words[pick(3)]);
	else if (kind < 6)
		put_object(doc, depth);
	else
		put_array(doc, depth);
	put_space(doc);
}

static void expect_cuts_alike(const struct buf *doc, const struct events *whole, size_t buffer)
{
	size_t first = 1 + pick((unsigned)doc->size), step = 1 + pick(50);
	struct events parts = events_scan(doc->data, doc->size, first, step, buffer);

	cr_assert(events_same(whole, &parts), "cut at %zu, then %zu: %.*s", first, step,
		  (int)doc->size, doc->data);
	events_fini(&parts);
}

static enum by_jansson check(const struct buf *doc)
{
	size_t buffer = JSON_BUFFER_MIN + pick(3) * 100;
	struct events events = events_scan_whole(doc->data, doc->size, buffer);
	enum by_jansson verdict;
	struct buf canonical;

	buf_init(&canonical, SIZE_MAX);
	verdict = by_jansson(doc->data, doc->size, &canonical);
	expect_cuts_alike(doc, &events, buffer);
	if (verdict == BY_JANSSON_GOOD) {
		cr_assert_eq(events.r, 0, "%d at %llu: %.*s", events.r,
			     (unsigned long long)events.offset, (int)doc->size, doc->data);
		cr_assert_str_eq(buf_text(&events.canonical), buf_text(&canonical), "%.*s",
				 (int)doc->size, doc->data);
	} else if (verdict == BY_JANSSON_BAD) {
		/* A change can also make a key longer than the buffer. */
		cr_assert(events.r == -EBADMSG || events.r == -E2BIG, "%d: %.*s", events.r,
			  (int)doc->size, doc->data);
	}
	buf_fini(&canonical);
	events_fini(&events);
	return verdict;
}

Test(scan_random, same_content_as_jansson)
{
	for (int i = 0; i < DOCUMENTS_N; i++) {
		struct buf doc;

		buf_init(&doc, SIZE_MAX);
		put_value(&doc, 0);
		cr_assert_eq(check(&doc), BY_JANSSON_GOOD, "made badly: %s", buf_text(&doc));
		buf_fini(&doc);
	}
}

static void mutate(struct buf *doc)
{
	static const char bytes[] = "{}[]:,\"\\ \n0123456789.eE+-truefalsn/u\x01\xff";
	size_t at = pick((unsigned)doc->size);

	switch (pick(3)) {
	case 0:
		doc->data[at] = bytes[pick(sizeof(bytes) - 1)];
		break;
	case 1:
		memmove(doc->data + at, doc->data + at + 1, doc->size - at - 1);
		doc->size--;
		break;
	default:
		buf_append(doc, "", 1);
		memmove(doc->data + at + 1, doc->data + at, doc->size - at - 1);
		break;
	}
}

Test(scan_random, same_verdict_as_jansson)
{
	int verdicts[3] = { 0 };

	for (int i = 0; i < DOCUMENTS_N; i++) {
		struct buf doc;

		buf_init(&doc, SIZE_MAX);
		put_value(&doc, 3);
		for (int m = 0; m < MUTATIONS_N && doc.size > 0; m++) {
			mutate(&doc);
			if (doc.size > 0)
				verdicts[check(&doc)]++;
		}
		buf_fini(&doc);
	}
	/* Changes that only ever broke documents, or never did, would show nothing. */
	cr_assert_gt(verdicts[BY_JANSSON_GOOD], 500);
	cr_assert_gt(verdicts[BY_JANSSON_BAD], 500);
}
