/*
 * Redaction: the table of strings
 *
 * A string that lies in the input whole is judged where it stands. One that is cut is kept back
 * until its end has come, unless nothing names it: then only its end is looked for.
 */

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "pipeline/redact_parts.h"

/* The first quote or backslash, or the end. */
static const char *find_special(const char *at, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');

	for (; end - at >= 16; at += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)at);
		__m128i found = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote),
					     _mm_cmpeq_epi8(bytes, backslash));
		unsigned mask = (unsigned)_mm_movemask_epi8(found);

		if (mask != 0)
			return at + __builtin_ctz(mask);
	}
#endif
	while (at < end && *at != '"' && *at != '\\')
		at++;
	return at;
}

/* The closing quote of the string that goes on at `at`, or the end. */
static const char *find_quote(struct redact *redact, const char *at)
{
	while (at < redact->end) {
		if (redact->escaped) {
			redact->escaped = false;
			at++;
			continue;
		}
		at = find_special(at, redact->end);
		if (at == redact->end || *at == '"')
			break;
		redact->escaped = true;
		at++;
	}
	return at;
}

static bool is_named(const struct redact *redact)
{
	return redact->string < redact->marks_n && redact->marks[redact->string] != 0;
}

/* Behind a string whose text is no longer, or never was, part of what is handed on. */
static int end_string(struct redact *redact, const char *quote)
{
	redact->at = quote + 1;
	redact->string++;
	redact->expect = EXPECT_COMMA;
	redact->state = STATE_STRINGS;
	redact->too_long = false;
	buf_clear(&redact->held);
	return 0;
}

/* Index 0 is what blanked names point to. */
static int put_blank(struct redact *redact)
{
	static const char text[] = "(redacted)";

	return redact->string == 0 ? redact_emit(redact, text, sizeof(text) - 1) : 0;
}

static int put_name(struct redact *redact, const char *text, size_t size)
{
	if (redact_name(redact, text, size))
		return redact_emit(redact, text, size);
	return redact_emit(redact, redact->name, redact->name_size);
}

/* Between the quotes: text is in the input. */
static int judge_here(struct redact *redact, const char *text, const char *quote)
{
	size_t size = (size_t)(quote - text);
	int r;

	if (is_named(redact) && size <= REDACT_NAME_MAX && redact_name(redact, text, size))
		return end_string(redact, quote);
	r = redact_pass(redact, text, size);
	if (r == 0)
		r = !is_named(redact) || size > REDACT_NAME_MAX
			    ? put_blank(redact)
			    : redact_emit(redact, redact->name, redact->name_size);
	return r == 0 ? end_string(redact, quote) : r;
}

static int hold(struct redact *redact, const char *from, const char *to)
{
	size_t size = (size_t)(to - from);

	if (redact->too_long || !is_named(redact))
		return 0;
	redact->too_long = size > REDACT_NAME_MAX - redact->held.size;
	return redact->too_long ? 0 : buf_append(&redact->held, from, size);
}

/* The rest of a string that was cut: nothing of it has been handed on but the quote. */
int redact_text(struct redact *redact)
{
	const char *from = redact->at, *quote = find_quote(redact, from);
	int r = hold(redact, from, quote);

	redact->at = redact->span = quote;
	if (r != 0 || quote == redact->end)
		return r;
	r = redact->too_long || !is_named(redact)
		    ? put_blank(redact)
		    : put_name(redact, redact->held.data, redact->held.size);
	return r == 0 ? end_string(redact, quote) : r;
}

static int begin_string(struct redact *redact)
{
	const char *text = redact->at + 1, *quote;

	redact->escaped = false;
	quote = find_quote(redact, text);
	if (quote < redact->end)
		return judge_here(redact, text, quote);
	redact->escaped = false;
	redact->at = text;
	redact->state = STATE_TEXT;
	return redact_pass(redact, text, 0);
}

static int end_strings(struct redact *redact)
{
	if (redact->index_max >= redact->string)
		return redact_refuse(redact, "fewer strings than are named");
	redact->at++;
	redact->state = STATE_AFTER;
	return 0;
}

int redact_strings(struct redact *redact)
{
	while (redact->at < redact->end && redact->state == STATE_STRINGS) {
		char c = *redact->at;
		int r = 0;

		if (c == '"' && redact->expect <= EXPECT_VALUE) {
			r = begin_string(redact);
		} else if (c == ']' && redact->expect != EXPECT_VALUE) {
			r = end_strings(redact);
		} else if (c == ',' && redact->expect == EXPECT_COMMA) {
			redact->expect = EXPECT_VALUE;
			redact->at++;
		} else if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
			redact->at++;
		} else {
			r = redact_refuse(redact, "something other than strings");
		}
		if (r != 0)
			return r;
	}
	return 0;
}
