/* Copies: the same document, however it came; long texts are cut. */

#include "json/copy.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "util/buf.h"

enum { TEXT_MAX = 100 };

static struct buf out;

static int on_event(void *owner, const struct json_event *event)
{
	return json_copy_event(owner, event);
}

static int copy(const char *text, size_t step, size_t limit)
{
	char buffer[JSON_BUFFER_MIN];
	struct json_scan scan;
	struct json_copy copy;
	int r = 0;

	buf_fini(&out);
	buf_init(&out, limit);
	json_copy_init(&copy, &out, TEXT_MAX);
	json_scan_init(&scan, buffer, sizeof(buffer), on_event, &copy);
	for (size_t at = 0, size = strlen(text); r == 0 && at < size; at += step)
		r = json_scan_feed(&scan, text + at, size - at < step ? size - at : step);
	return r == 0 ? json_scan_end(&scan) : r;
}

Test(copy, says_the_same)
{
	static const char *const documents[] = {
		"{}",
		"[]",
		"[[],{},[[]]]",
		"{\"a\":{\"b\":[1,-2,{\"c\":null}],\"d\":true},\"e\":false}",
		"[1.5,-1e300,123456789012345678901234567890,0]",
		"[\"\",\"\\\"\\\\\\n\",\"\xc3\xa4\",\"x\"]",
		"\"alone\"",
		"{\"a\\\"b\":[\"c\",[\"d\"],\"e\"]}",
	};

	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		for (size_t step = 1; step < 8; step++) {
			cr_assert_eq(copy(documents[i], step, 1000), 0);
			cr_expect_str_eq(buf_text(&out), documents[i], "in pieces of %zu", step);
		}
	}
	cr_assert_eq(copy(" [ 1 , { \"a\" : 2 } ] ", 3, 1000), 0);
	cr_expect_str_eq(buf_text(&out), "[1,{\"a\":2}]");
	buf_fini(&out);
}

/* What comes in pieces is longer than the scanner's buffer. */
Test(copy, cuts_long_texts)
{
	char text[2 * JSON_BUFFER_MIN + 8] = "[\"", wanted[JSON_BUFFER_MIN + 8] = "[\"";

	memset(text + 2, 'x', 2 * JSON_BUFFER_MIN);
	memset(wanted + 2, 'x', JSON_BUFFER_MIN);
	strcat(text, "\",1]");
	strcat(wanted, "\",1]");
	cr_assert_eq(copy(text, 7, 1000), 0);
	cr_expect_str_eq(buf_text(&out), wanted);
	buf_fini(&out);
}

Test(copy, tells_that_the_buffer_is_full)
{
	cr_expect_eq(copy("[1,2,3,4]", 100, 4), -E2BIG);
	buf_fini(&out);
}
