/* Redaction of profiles: what is kept of names and addresses, however the file is cut; all other
 * text goes. */

#include "pipeline/redact_profile.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect.h"
#include "pipeline/stage.h"

#define FRAME(name, url)                                                                           \
	"{\"callFrame\":{\"functionName\":\"" name "\",\"scriptId\":\"12\",\"url\":\"" url         \
	"\",\"lineNumber\":3,\"columnNumber\":-1},\"selfSize\":64,\"id\":1,\"children\":[]}"

static struct collect sink;
static char error[STAGE_ERROR_MAX];

static int run(enum redact_level level, const char *text, size_t step)
{
	struct stage *stage;
	int r;

	collect_fini(&sink);
	collect_init(&sink);
	cr_assert_eq(redact_profile_new(&stage, level, &sink.stage), 0);
	r = feed(stage, text, strlen(text), step);
	memcpy(error, stage->error, sizeof(error));
	stage->ops->free(stage);
	return r;
}

static void expect(enum redact_level level, const char *text, const char *wanted)
{
	for (size_t step = 1; step < 40; step++) {
		cr_assert_eq(run(level, text, step), 0, "%s", error);
		cr_assert_eq(sink.finished, 1);
		cr_expect_str_eq(buf_text(&sink.data), wanted, "in pieces of %zu", step);
	}
	collect_fini(&sink);
}

Test(redact_profile, addresses_are_cut_as_in_lists_of_scripts)
{
	static const struct {
		const char *text, *wanted;
	} frames[] = {
		{ FRAME("f", "file:///app/x.js?token=secret"), FRAME("f", "file:///app/x.js") },
		{ FRAME("f", "/app/x.js?token=secret"), FRAME("f", "/app/x.js") },
		{ FRAME("f", "/app/x.js#secret"), FRAME("f", "/app/x.js") },
		{ FRAME("f", "https://who:secret@host/x.js#secret"),
		  FRAME("f", "https://host/x.js") },
		{ FRAME("f", "data:text/javascript,secret"), FRAME("f", "data:") },
		{ FRAME("f", "node:internal/timers"), FRAME("f", "node:internal/timers") },
		{ FRAME("f", ""), FRAME("f", "") },
	};

	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		expect(REDACT_STRINGS, frames[i].text, frames[i].wanted);
		expect(REDACT_ALL, frames[i].text, frames[i].wanted);
	}
}

Test(redact_profile, names_are_cut_as_those_of_a_snapshot)
{
	static const struct {
		const char *text, *strings, *all;
	} frames[] = {
		{ FRAME("get keepMany", ""), FRAME("get keepMany", ""), FRAME("get keepMany", "") },
		{ FRAME("a b", ""), FRAME("a b", ""), FRAME("", "") },
		{ FRAME("http://h/?secret", ""), FRAME("http://h/", ""), FRAME("", "") },
		{ FRAME("(V8 API)", ""), FRAME("(V8 API)", ""), FRAME("(V8 API)", "") },
		{ FRAME("(BYTECODE_COMPILER)", ""), FRAME("(BYTECODE_COMPILER)", ""),
		  FRAME("(BYTECODE_COMPILER)", "") },
		{ FRAME("(secret)", ""), FRAME("(secret)", ""), FRAME("", "") },
		{ FRAME("4929123456", ""), FRAME("4929123456", ""), FRAME("", "") },
		{ FRAME("\xc3\xa4", ""), FRAME("\xc3\xa4", ""), FRAME("", "") },
	};

	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		expect(REDACT_STRINGS, frames[i].text, frames[i].strings);
		expect(REDACT_ALL, frames[i].text, frames[i].all);
	}
}

Test(redact_profile, other_text_goes_and_numbers_stay)
{
	expect(REDACT_STRINGS,
	       "{\"head\":{\"note\":\"secret\",\"functionName\":[\"secret\",{\"url\":\"/"
	       "a\"},\"secret\"],"
	       "\"url\":{\"x\":\"secret\"}},\"scriptId\":\"SECRET\",\"what\":\"live\","
	       "\"n\":[1,-2,2.5,true,null]}",
	       "{\"head\":{\"note\":\"\",\"functionName\":[\"\",{\"url\":\"/a\"},\"\"],"
	       "\"url\":{\"x\":\"\"}},\"scriptId\":\"\",\"what\":\"live\","
	       "\"n\":[1,-2,2.5,true,null]}");
	expect(REDACT_STRINGS, "\"secret\"", "\"\"");
}

/* The end of what is too long may be the one that would have told how to cut it. */
static void expect_long(const char *prefix, const char *suffix, const char *wanted)
{
	size_t filler = 3 * REDACT_FRAME_MAX, used;
	char *text = malloc(filler + 200), kept[200];

	cr_assert_not_null(text);
	used = (size_t)sprintf(text, "{\"%s", prefix);
	memset(text + used, 'x', filler);
	sprintf(text + used + filler, "%s\",\"id\":7}", suffix);
	sprintf(kept, "{\"%s\",\"id\":7}", wanted);
	for (size_t step = 1; step < 5000; step = step * 3 + 1) {
		cr_assert_eq(run(REDACT_STRINGS, text, step), 0, "%s", error);
		cr_expect_str_eq(buf_text(&sink.data), kept, "in pieces of %zu", step);
	}
	collect_fini(&sink);
	free(text);
}

Test(redact_profile, what_is_too_long_is_cut_or_dropped)
{
	expect_long("url\":\"https://who:", "@host/x.js", "url\":\"");
	expect_long("url\":\"https://host/x.js?", "", "url\":\"https://host/x.js");
	expect_long("url\":\"/x.js#", "", "url\":\"/x.js");
	expect_long("url\":\"data:text/javascript,", "", "url\":\"data:");
	expect_long("functionName\":\"f", "", "functionName\":\"");
	expect_long("what\":\"live", "", "what\":\"");
}

/* The same of what does not come as JSON; both ends of the limit. */
Test(redact_profile, frames_of_their_own)
{
	char kept[REDACT_FRAME_MAX], text[REDACT_FRAME_MAX + 1];

	redact_frame_url(REDACT_STRINGS, kept, "http://u:p@h/x.js?q", 19);
	cr_expect_str_eq(kept, "http://h/x.js");
	redact_frame_url(REDACT_NONE, kept, "http://u:p@h/x.js?q", 19);
	cr_expect_str_eq(kept, "http://u:p@h/x.js?q");
	redact_frame_name(REDACT_ALL, kept, "window.work", 11);
	cr_expect_str_eq(kept, "window.work");
	redact_frame_name(REDACT_ALL, kept, "work for alice", 14);
	cr_expect_str_eq(kept, "");
	memset(text, 'x', sizeof(text));
	redact_frame_url(REDACT_STRINGS, kept, text, REDACT_FRAME_MAX - 1);
	cr_expect_eq(strlen(kept), REDACT_FRAME_MAX - 1);
	redact_frame_url(REDACT_STRINGS, kept, text, REDACT_FRAME_MAX);
	cr_expect_eq(strlen(kept), 0);
	redact_frame_url(REDACT_NONE, kept, text, sizeof(text));
	cr_expect_eq(strlen(kept), REDACT_FRAME_MAX - 1);
	redact_frame_name(REDACT_STRINGS, kept, text, sizeof(text));
	cr_expect_eq(strlen(kept), 0);
}

/* More than is handed on at once. */
Test(redact_profile, goes_on_in_pieces)
{
	static const char frame[] = FRAME("f", "/a?b"), kept[] = FRAME("f", "/a");
	enum { FRAMES = 2000 };
	char *text = malloc(FRAMES * sizeof(frame) + 3);
	size_t used = 0;

	cr_assert_not_null(text);
	for (size_t i = 0; i < FRAMES; i++)
		used += (size_t)sprintf(text + used, "%s%s", i == 0 ? "[" : ",", frame);
	strcpy(text + used, "]");
	cr_assert_eq(run(REDACT_ALL, text, 1000), 0, "%s", error);
	cr_expect_eq(sink.data.size, FRAMES * sizeof(kept) + 1);
	cr_expect_gt(sink.puts, 5);
	cr_expect_null(strstr(buf_text(&sink.data), "/a?"));
	collect_fini(&sink);
	free(text);
}

Test(redact_profile, refuses_what_is_no_profile)
{
	static const char *const texts[] = {
		"{\"a b\":1}",
		"{\"4929123456\":1}",
		"{\"head\":",
		"head",
		"{}{}",
		"",
		"{\"abcdefghijklmnopqrstuvwxyzabcdefg\":1}",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cr_expect_eq(run(REDACT_STRINGS, texts[i], 3), -EBADMSG, "%s", texts[i]);
		cr_expect_not_null(strstr(error, "not a heap profile"));
	}
	collect_fini(&sink);
}

Test(redact_profile, passes_on_what_the_next_gives)
{
	struct stage *stage;

	collect_init(&sink);
	sink.fail_at = 1;
	sink.result = 1;
	cr_assert_eq(redact_profile_new(&stage, REDACT_ALL, &sink.stage), 0);
	cr_expect_eq(feed(stage, "{}", 2, 2), 1);
	cr_expect_str_eq(stage->error, "");
	stage->ops->free(stage);
	collect_fini(&sink);
}
