/*
 * The scanner, document by document: the exact events of good ones, the exact place of the error of
 * bad ones, and that neither depends on where the input is cut. Compiled twice: as it is, and with
 * the portable search instead of the one with SSE2.
 */

#include "json/scan.h"

#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "events.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Literals with bytes that are not text need their size. */
#define TEXT(literal) (literal), sizeof(literal) - 1

static const struct {
	const char *text;
	size_t size;
	const char *trace;
} good[] = {
	{ TEXT("{}"), "{0 }0 " },
	{ TEXT(" \t\r\n[ ] \n"), "[0 ]0 " },
	{ TEXT("0"), "i0:0 " },
	{ TEXT("-0"), "i0:0 " },
	{ TEXT(" 42 "), "i0:42 " },
	{ TEXT("\"\""), "s0: " },
	{ TEXT("true"), "t0 " },
	{ TEXT("false\n"), "f0 " },
	{ TEXT("null"), "n0 " },
	{ TEXT("[true,false,null]"), "[0 t1 f1 n1 ]0 " },
	{ TEXT("{\"a\":1,\"b\":{\"c\":[]}}"), "{0 k1:a i1:1 k1:b {1 k2:c [2 ]2 }1 }0 " },
	{ TEXT("{ \"a\" : [ 1 , 2 ] , \"\" : \"x\" }"), "{0 k1:a [1 i2:1 i2:2 ]1 k1: s1:x }0 " },
	{ TEXT("{\"a\":1,\"a\":2}"), "{0 k1:a i1:1 k1:a i1:2 }0 " },
	{ TEXT("[1,-2,30]"), "[0 i1:1 i1:-2 i1:30 ]0 " },
	{ TEXT("[1,[2,{\"k\":3}],4]"), "[0 i1:1 [1 i2:2 {2 k3:k i3:3 }2 ]1 i1:4 ]0 " },
	{ TEXT("[1,\"a\",2,true,3]"), "[0 i1:1 s1:a i1:2 t1 i1:3 ]0 " },
	/* numbers */
	{ TEXT("[0.5,1e3,1E+3,1e-3,-0.0,10.25E2]"),
	  "[0 r1:0.5 r1:1e3 r1:1E+3 r1:1e-3 r1:-0.0 r1:10.25E2 ]0 " },
	{ TEXT("[999999999999999999,1000000000000000000,-1000000000000000000]"),
	  "[0 i1:999999999999999999 i1:1000000000000000000 i1:-1000000000000000000 ]0 " },
	{ TEXT("[9223372036854775807,-9223372036854775808]"),
	  "[0 i1:9223372036854775807 i1:-9223372036854775808 ]0 " },
	{ TEXT("[9223372036854775808,-9223372036854775809,18446744073709551616]"),
	  "[0 r1:9223372036854775808 r1:-9223372036854775809 r1:18446744073709551616 ]0 " },
	{ TEXT("1e400"), "r0:1e400 " },
	/* strings */
	{ TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "s0:\"\\/\b\f\n\r\t " },
	{ TEXT("\"\\u0041\\u00e9\\u20AC\\u00Ff\""), "s0:A\xc3\xa9\xe2\x82\xac\xc3\xbf " },
	{ TEXT("\"\\ud83d\\ude00\""), "s0:\xf0\x9f\x98\x80 " },
	{ TEXT("\"\\uDBFF\\uDFFF\\ud800\\udc00\""), "s0:\xf4\x8f\xbf\xbf\xf0\x90\x80\x80 " },
	{ TEXT("\"\xc3\xa9\x7f\""), "s0:\xc3\xa9\x7f " },
	{ TEXT("{\"\\u006b\\n\":0}"), "{0 k1:k\n i1:0 }0 " },
	/* lone surrogates */
	{ TEXT("\"\\ud800\""), "s0:\xef\xbf\xbd " },
	{ TEXT("\"\\udc00\""), "s0:\xef\xbf\xbd " },
	{ TEXT("\"\\ud800x\""), "s0:\xef\xbf\xbdx " },
	{ TEXT("\"\\ud800\\n\""), "s0:\xef\xbf\xbd\n " },
	{ TEXT("\"\\ud800\\u0041\""), "s0:\xef\xbf\xbd"
				      "A " },
	{ TEXT("\"\\ud800\\ud83d\\ude00\""), "s0:\xef\xbf\xbd\xf0\x9f\x98\x80 " },
	{ TEXT("\"\\udc00\\ud800\""), "s0:\xef\xbf\xbd\xef\xbf\xbd " },
	{ TEXT("{\"\\ud800\":\"\\ud800\"}"), "{0 k1:\xef\xbf\xbd s1:\xef\xbf\xbd }0 " },
	/* not our business */
	{ TEXT("\"\xff\xfe\""), "s0:\xff\xfe " },
};

static const struct {
	const char *text;
	size_t size;
	uint64_t offset; /* of the byte to blame; the size when the end is */
} bad[] = {
	{ TEXT(""), 0 },
	{ TEXT("  "), 2 },
	{ TEXT("\xef\xbb\xbf{}"), 0 },
	{ TEXT("{"), 1 },
	{ TEXT("["), 1 },
	{ TEXT("[1"), 2 },
	{ TEXT("[1,"), 3 },
	{ TEXT("\""), 1 },
	{ TEXT("\"a"), 2 },
	{ TEXT("\"\\"), 2 },
	{ TEXT("\"\\u00"), 5 },
	{ TEXT("tru"), 3 },
	{ TEXT("{}{"), 2 },
	{ TEXT("{} x"), 3 },
	{ TEXT("1 2"), 2 },
	{ TEXT("[1,]"), 3 },
	{ TEXT("[,1]"), 1 },
	{ TEXT("[1 2]"), 3 },
	{ TEXT("[1,,2]"), 3 },
	{ TEXT("[}"), 1 },
	{ TEXT("{]"), 1 },
	{ TEXT("[1}"), 2 },
	{ TEXT("{\"a\":1]"), 6 },
	{ TEXT("]"), 0 },
	{ TEXT(","), 0 },
	{ TEXT("{\"a\":1,}"), 7 },
	{ TEXT("{,}"), 1 },
	{ TEXT("{a:1}"), 1 },
	{ TEXT("{1:1}"), 1 },
	{ TEXT("{\"a\" 1}"), 5 },
	{ TEXT("{\"a\":}"), 5 },
	{ TEXT("{\"a\"}"), 4 },
	{ TEXT("{\"a\":1 \"b\":2}"), 7 },
	{ TEXT("{\"a\"::1}"), 5 },
	{ TEXT("['a']"), 1 },
	{ TEXT("// x\n1"), 0 },
	{ TEXT("[1\f]"), 2 },
	{ TEXT("[1\0]"), 2 },
	{ TEXT("\0"), 0 },
	/* literals */
	{ TEXT("trux"), 3 },
	{ TEXT("True"), 0 },
	{ TEXT("[nul]"), 4 },
	{ TEXT("nulll"), 4 },
	{ TEXT("falsetrue"), 5 },
	{ TEXT("NaN"), 0 },
	{ TEXT("Infinity"), 0 },
	{ TEXT("undefined"), 0 },
	/* numbers */
	{ TEXT("-"), 1 },
	{ TEXT("[-]"), 2 },
	{ TEXT("+1"), 0 },
	{ TEXT(".5"), 0 },
	{ TEXT("01"), 1 },
	{ TEXT("[00]"), 2 },
	{ TEXT("[-01]"), 3 },
	{ TEXT("[1,02,3]"), 4 },
	{ TEXT("1."), 2 },
	{ TEXT("[1.]"), 3 },
	{ TEXT("[1.e3]"), 3 },
	{ TEXT("[1e]"), 3 },
	{ TEXT("[1e+]"), 4 },
	{ TEXT("1E"), 2 },
	{ TEXT("[1-2]"), 2 },
	{ TEXT("[1.2.3]"), 4 },
	{ TEXT("[1e2e3]"), 4 },
	{ TEXT("[1e2.5]"), 4 },
	{ TEXT("[--1]"), 2 },
	{ TEXT("[-a]"), 2 },
	{ TEXT("[0x10]"), 2 },
	{ TEXT("[1a]"), 2 },
	{ TEXT("[12345678901234567890123-]"), 24 },
	/* strings */
	{ TEXT("\"a\nb\""), 2 },
	{ TEXT("\"0123456789012345678\x1f\""), 20 },
	{ TEXT("\"\0\""), 1 },
	{ TEXT("\"\\x\""), 2 },
	{ TEXT("\"\\\n\""), 2 },
	{ TEXT("\"\\'\""), 2 },
	{ TEXT("\"\\U0041\""), 2 },
	{ TEXT("\"\\u00g0\""), 5 },
	{ TEXT("\"\\u 041\""), 3 },
	{ TEXT("\"\\u004\""), 6 },
	{ TEXT("\"\\ud83d\\u\""), 9 },
	{ TEXT("\"\\ud83d\n\""), 7 },
	{ TEXT("{\"a\tb\":1}"), 3 },
};

Test(scan, good_documents)
{
	for (size_t i = 0; i < COUNT(good); i++) {
		struct events events =
			events_scan_whole(good[i].text, good[i].size, JSON_BUFFER_MIN);

		cr_assert_eq(events.r, 0, "%s: %d at %llu", good[i].text, events.r,
			     (unsigned long long)events.offset);
		cr_assert_eq(events.offset, good[i].size, "%s", good[i].text);
		cr_assert_str_eq(buf_text(&events.trace), good[i].trace, "%s gave %s", good[i].text,
				 buf_text(&events.trace));
		events_fini(&events);
	}
}

Test(scan, bad_documents)
{
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct events events = events_scan_whole(bad[i].text, bad[i].size, JSON_BUFFER_MIN);

		cr_assert_eq(events.r, -EBADMSG, "'%s' gave %d", bad[i].text, events.r);
		cr_assert_eq(events.offset, bad[i].offset, "'%s': at %llu", bad[i].text,
			     (unsigned long long)events.offset);
		events_fini(&events);
	}
}

static void expect_same(const char *text, size_t size, size_t first, size_t step)
{
	struct events whole = events_scan_whole(text, size, JSON_BUFFER_MIN);
	struct events parts = events_scan(text, size, first, step, JSON_BUFFER_MIN);

	cr_assert(events_same(&whole, &parts), "'%s' cut at %zu, then every %zu: %s, not %s", text,
		  first, step, buf_text(&parts.trace), buf_text(&whole.trace));
	events_fini(&whole);
	events_fini(&parts);
}

static void expect_same_wherever_cut(const char *text, size_t size)
{
	for (size_t first = 1; first < size; first++)
		expect_same(text, size, first, size);
	for (size_t step = 1; step <= 3; step++)
		expect_same(text, size, 0, step);
}

Test(scan, cuts_change_nothing)
{
	for (size_t i = 0; i < COUNT(good); i++)
		expect_same_wherever_cut(good[i].text, good[i].size);
	for (size_t i = 0; i < COUNT(bad); i++)
		expect_same_wherever_cut(bad[i].text, bad[i].size);
}

/* Whatever is cut off a document in brackets or quotes, its end is missing and nothing else. */
Test(scan, beginnings_are_not_documents)
{
	for (size_t i = 0; i < COUNT(good); i++) {
		const char *text = good[i].text;

		if (strchr("{[\"", text[0]) == NULL)
			continue;
		for (size_t size = 0; size < good[i].size; size++) {
			struct events events = events_scan_whole(text, size, JSON_BUFFER_MIN);

			cr_assert_eq(events.r, -EBADMSG, "%.*s", (int)size, text);
			cr_assert_eq(events.offset, size, "%.*s", (int)size, text);
			events_fini(&events);
		}
	}
}

static size_t nested(char *dst, size_t depth)
{
	memset(dst, '[', depth);
	memset(dst + depth, ']', depth);
	return 2 * depth;
}

Test(scan, depth_has_a_limit)
{
	char text[2 * (JSON_DEPTH_MAX + 1)];
	size_t size = nested(text, JSON_DEPTH_MAX);
	struct events events = events_scan_whole(text, size, JSON_BUFFER_MIN);

	cr_assert_eq(events.r, 0);
	cr_assert_not_null(strstr(buf_text(&events.trace), "[1023 ]1023 "));
	events_fini(&events);

	size = nested(text, JSON_DEPTH_MAX + 1);
	events = events_scan_whole(text, size, JSON_BUFFER_MIN);
	cr_assert_eq(events.r, -E2BIG);
	cr_assert_eq(events.offset, JSON_DEPTH_MAX);
	events_fini(&events);
}

/* Whether each level is an object or an array is known on the way back. */
Test(scan, deep_levels_are_told_apart)
{
	char text[4096] = "";
	size_t size = 0;

	for (int i = 0; i < 200; i++)
		size += (size_t)snprintf(text + size, sizeof(text) - size,
					 i % 3 == 0 ? "[" : "{\"a\":");
	size += (size_t)snprintf(text + size, sizeof(text) - size, "1");
	for (int i = 199; i >= 0; i--)
		text[size++] = i % 3 == 0 ? ']' : '}';
	expect_same_wherever_cut(text, size);
	for (size_t i = size - 200; i < size; i++) {
		struct events events;

		text[i] ^= ']' ^ '}';
		events = events_scan_whole(text, size, JSON_BUFFER_MIN);
		text[i] ^= ']' ^ '}';
		cr_assert_eq(events.r, -EBADMSG);
		cr_assert_eq(events.offset, i);
		events_fini(&events);
	}
}

/* An array of one string: `before` plain bytes, `middle`, `after` plain bytes. */
static size_t around(char *dst, size_t before, const char *middle, size_t after)
{
	size_t n = strlen(middle);

	memcpy(dst, "[\"", 2);
	memset(dst + 2, 'a', before);
	memcpy(dst + 2 + before, middle, n);
	memset(dst + 2 + before + n, 'b', after);
	memcpy(dst + 2 + before + n + after, "\"]", 3);
	return 2 + before + n + after + 2;
}

/* Longer than two blocks of the search, the one that is looked at and what is copied behind it. */
enum { RUN_MAX = 80, RUN_TEXT_MAX = 256 };

static void expect_run(size_t before, const char *escaped, const char *plain, size_t after)
{
	char text[RUN_TEXT_MAX], expected[RUN_TEXT_MAX];
	size_t size = around(text, before, escaped, after);
	struct events events = events_scan_whole(text, size, RUN_TEXT_MAX);

	snprintf(expected, sizeof(expected), "[0 s1:%.*s%s%.*s ]0 ", (int)before, text + 2, plain,
		 (int)after, text + size - 2 - after);
	cr_assert_str_eq(buf_text(&events.trace), expected);
	events_fini(&events);
}

/* Every kind of special byte at every distance from both ends of the input. */
Test(scan, runs_of_every_length)
{
	static const struct {
		const char *escaped, *plain;
	} middles[] = {
		{ "", "" },
		{ "\\n", "\n" },
		{ "\\\\\\\"", "\\\"" },
		{ "\\n\\tx\\/", "\n\tx/" },
		{ "\\u0041", "A" },
		{ "\xc3\xa9\xff", "\xc3\xa9\xff" },
		{ " !#[]^\x7f", " !#[]^\x7f" },
	};

	for (size_t m = 0; m < COUNT(middles); m++) {
		for (size_t before = 0; before < RUN_MAX; before++) {
			for (size_t after = 0; after < RUN_MAX; after++)
				expect_run(before, middles[m].escaped, middles[m].plain, after);
		}
	}
}

static void expect_refused(char control, size_t before, size_t after)
{
	const char middle[2] = { control, '\0' };
	char text[RUN_TEXT_MAX];
	size_t size = around(text, before, middle, after);
	struct events events = events_scan_whole(text, size, RUN_TEXT_MAX);

	cr_assert_eq(events.r, -EBADMSG);
	cr_assert_eq(events.offset, 2 + before, "0x%02x after %zu", (unsigned)control, before);
	events_fini(&events);
}

Test(scan, control_bytes_are_refused_at_every_place)
{
	for (char c = 1; c < 0x20; c++) {
		for (size_t before = 0; before < RUN_MAX; before++) {
			expect_refused(c, before, 0);
			expect_refused(c, before, RUN_MAX);
		}
	}
}

/* Counts the pieces of a string and checks that each but the last is full. */
struct pieces {
	struct buf joined;
	size_t n, smallest;
};

static int take_piece(void *owner, const struct json_event *event)
{
	struct pieces *pieces = owner;

	if (event->kind != JSON_STRING && event->kind != JSON_STRING_PART)
		return 0;
	buf_append(&pieces->joined, event->text, event->size);
	pieces->n++;
	if (event->kind == JSON_STRING_PART && event->size < pieces->smallest)
		pieces->smallest = event->size;
	return 0;
}

static struct pieces scan_pieces(const char *text, size_t size, size_t step)
{
	char buffer[JSON_BUFFER_MIN];
	struct pieces pieces = { .smallest = sizeof(buffer) };
	struct json_scan scan;

	buf_init(&pieces.joined, SIZE_MAX);
	json_scan_init(&scan, buffer, sizeof(buffer), take_piece, &pieces);
	for (size_t at = 0; at < size; at += step)
		cr_assert_eq(json_scan_feed(&scan, text + at, step < size - at ? step : size - at),
			     0);
	cr_assert_eq(json_scan_end(&scan), 0);
	return pieces;
}

Test(scan, long_strings_come_in_full_pieces)
{
	static const size_t steps[] = { 1, 7, 64, 100, 100000 };
	char text[2000];
	size_t size = 0;

	text[size++] = '"';
	for (int i = 0; i < 300; i++)
		size += (size_t)sprintf(text + size, i % 3 == 0 ? "\\n" : "abc%d", i % 10);
	text[size++] = '"';
	for (size_t i = 0; i < COUNT(steps); i++) {
		struct pieces pieces = scan_pieces(text, size, steps[i]);

		cr_assert_eq(pieces.joined.size, 100 + 200 * 4);
		cr_assert_eq(pieces.n, (900 + JSON_BUFFER_MIN - 1) / JSON_BUFFER_MIN);
		cr_assert_eq(pieces.smallest, JSON_BUFFER_MIN);
		buf_fini(&pieces.joined);
	}
}

Test(scan, characters_are_not_torn_between_pieces)
{
	char text[1000];
	size_t size;

	for (size_t before = 55; before < 70; before++) {
		struct pieces pieces;

		size = around(text, before, "\\ud83d\\ude00\\u20ac\\ud800", 3);
		pieces = scan_pieces(text, size, size);
		cr_assert_eq(pieces.joined.size, before + 4 + 3 + 3 + 3);
		cr_assert_eq(memcmp(pieces.joined.data + before,
				    "\xf0\x9f\x98\x80\xe2\x82\xac\xef\xbf\xbd"
				    "bbb",
				    13),
			     0);
		cr_assert_geq(pieces.smallest, JSON_BUFFER_MIN - 3);
		buf_fini(&pieces.joined);
		expect_same_wherever_cut(text, size);
	}
}

/* A string that fills the buffer to the last byte is whole; one byte more makes a piece. */
Test(scan, full_buffer_is_not_a_piece_yet)
{
	char text[128];
	struct pieces pieces;

	pieces = scan_pieces(text, around(text, JSON_BUFFER_MIN, "", 0), 128);
	cr_assert_eq(pieces.n, 1);
	buf_fini(&pieces.joined);
	pieces = scan_pieces(text, around(text, JSON_BUFFER_MIN, "\\n", 0), 128);
	cr_assert_eq(pieces.n, 2);
	buf_fini(&pieces.joined);
}

Test(scan, keys_and_numbers_have_to_fit)
{
	char text[256];
	struct events events;
	int size;

	size = sprintf(text, "{\"%0*d\":%0*d}", JSON_BUFFER_MIN, 0, 1, 5);
	events = events_scan_whole(text, (size_t)size, JSON_BUFFER_MIN);
	cr_assert_eq(events.r, 0);
	events_fini(&events);

	size = sprintf(text, "{\"%0*d\":5}", JSON_BUFFER_MIN + 1, 0);
	events = events_scan_whole(text, (size_t)size, JSON_BUFFER_MIN);
	cr_assert_eq(events.r, -E2BIG);
	cr_assert_eq(events.offset, 2 + JSON_BUFFER_MIN);
	events_fini(&events);
	expect_same_wherever_cut(text, (size_t)size);

	size = sprintf(text, "[%.*f]", JSON_BUFFER_MIN - 2, 1.0);
	events = events_scan_whole(text, (size_t)size, JSON_BUFFER_MIN);
	cr_assert_eq(events.r, 0);
	events_fini(&events);
	expect_same_wherever_cut(text, (size_t)size);

	size = sprintf(text, "[%.*f]", JSON_BUFFER_MIN - 1, 1.0);
	events = events_scan_whole(text, (size_t)size, JSON_BUFFER_MIN);
	cr_assert_eq(events.r, -E2BIG);
	cr_assert_eq(events.offset, 1 + JSON_BUFFER_MIN);
	events_fini(&events);
	expect_same_wherever_cut(text, (size_t)size);
}

struct stopper {
	enum json_event_kind at;
	int after; /* calls since it stopped */
	bool stopped;
};

static int stop_at(void *owner, const struct json_event *event)
{
	struct stopper *stopper = owner;

	stopper->after += stopper->stopped;
	if (event->kind != stopper->at)
		return 0;
	stopper->stopped = true;
	return 7;
}

Test(scan, the_owner_can_stop_at_any_event)
{
	static const char text[] = "{\"k\":[1,2.5,true,false,null,\"s\",{}],"
				   "\"long\":\"012345678901234567890123456789"
				   "012345678901234567890123456789012345678901234567890\"}";

	for (int kind = JSON_OBJECT; kind <= JSON_NULL; kind++) {
		struct stopper stopper = { .at = (enum json_event_kind)kind };
		char buffer[JSON_BUFFER_MIN];
		struct json_scan scan;

		json_scan_init(&scan, buffer, sizeof(buffer), stop_at, &stopper);
		cr_assert_eq(json_scan_feed(&scan, text, sizeof(text) - 1), 7, "kind %d", kind);
		cr_assert_eq(json_scan_feed(&scan, text, sizeof(text) - 1), 7);
		cr_assert_eq(json_scan_end(&scan), 7);
		cr_assert_eq(stopper.after, 0, "kind %d: went on", kind);
		cr_assert_lt(scan.offset, sizeof(text) - 1 + (kind == JSON_OBJECT_END));
	}
}

Test(scan, a_number_at_the_end_can_stop_too)
{
	struct stopper stopper = { .at = JSON_INTEGER };
	char buffer[JSON_BUFFER_MIN];
	struct json_scan scan;

	json_scan_init(&scan, buffer, sizeof(buffer), stop_at, &stopper);
	cr_assert_eq(json_scan_feed(&scan, "12", 2), 0);
	cr_assert_eq(json_scan_end(&scan), 7);
}

Test(scan, reset_forgets_everything)
{
	static const char *const unfinished[] = {
		"{\"a\":[1,2", "\"abc", "\"\\ud83d", "\"\\ud83d\\u12",
		"{\"key",      "tru",   "12.5",      "[1,x",
	};
	char buffer[JSON_BUFFER_MIN];
	struct json_scan scan;

	for (size_t i = 0; i < COUNT(unfinished); i++) {
		struct events events;

		events_init(&events);
		json_scan_init(&scan, buffer, sizeof(buffer), events_take, &events);
		json_scan_feed(&scan, unfinished[i], strlen(unfinished[i]));
		json_scan_reset(&scan);
		buf_clear(&events.trace);
		cr_assert_eq(json_scan_feed(&scan, "[\"x\",{\"k\":1}]", 13), 0, "%s",
			     unfinished[i]);
		cr_assert_eq(json_scan_end(&scan), 0);
		cr_assert_eq(scan.offset, 13);
		cr_assert_str_eq(buf_text(&events.trace), "[0 s1:x {1 k2:k i2:1 }1 ]0 ");
		events_fini(&events);
	}
}

Test(scan, empty_feeds_are_nothing)
{
	char buffer[JSON_BUFFER_MIN];
	struct events events;
	struct json_scan scan;

	events_init(&events);
	json_scan_init(&scan, buffer, sizeof(buffer), events_take, &events);
	for (const char *at = "[1,\"a\\n\"]"; *at != '\0'; at++) {
		cr_assert_eq(json_scan_feed(&scan, NULL, 0), 0);
		cr_assert_eq(json_scan_feed(&scan, at, 1), 0);
	}
	cr_assert_eq(json_scan_end(&scan), 0);
	cr_assert_str_eq(buf_text(&events.trace), "[0 i1:1 s1:a\n ]0 ");
	events_fini(&events);
}
