/*
 * Fuzzing what people write inside rules: matchers, templates, thresholds, times of the calendar
 *
 * The input is a text (up to its first zero byte, as in a YAML scalar). Whatever it is, a mistake
 * must come with a column inside the text and a reason; what is accepted must also work: matchers
 * match, templates expand to what the check promised, thresholds are finite.
 */

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/labels.h"
#include "util/buf.h"
#include "util/calendar.h"
#include "util/str.h"
#include "watch/matcher.h"
#include "watch/template.h"
#include "watch/threshold.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void require_reason(const struct err *err, const char *text)
{
	require(err->text[0] != '\0');
	require(err->column >= 1 && (size_t)err->column <= strlen(text) + 1);
}

static const char *get(const void *thing, const char *name)
{
	return name[0] == 'a' ? thing : NULL;
}

static void try_matchers(const char *text)
{
	struct matchers *matchers = NULL;
	struct err err = { 0 };
	int r;

	r = matchers_parse(&matchers, text, &err);
	if (r == -EINVAL) {
		require_reason(&err, text);
		return;
	}
	require(r == 0);
	matchers_match(matchers, get, "api-1");
	matchers_match(matchers, get, "");
	matchers_free(matchers);
}

static void try_template(const char *text)
{
	struct labels labels = { 0 };
	struct err err = { 0 };
	struct buf buf;
	int r;

	if (template_check(text, &err) < 0) {
		require_reason(&err, text);
		return;
	}
	require(labels_set(&labels, "target", "api") == 0);
	buf_init(&buf, 1 << 20);
	r = template_expand(text, &labels, 1234.5, &buf);
	require(r == 0 || r == -E2BIG);
	labels_fini(&labels);
	buf_fini(&buf);
}

static void try_threshold(const char *text)
{
	static const enum value_unit units[] = { VALUE_BYTES, VALUE_COUNT, VALUE_SECONDS,
						 VALUE_RATIO };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		struct err err = { 0 };
		double value = -1;

		if (threshold_parse(text, units[i], &value, &err) == 0)
			require(isfinite(value) && value >= 0);
		else
			require(err.text[0] != '\0');
	}
}

/* What is accepted comes some time, and each time after the one before; or never. */
static void try_calendar(const char *text)
{
	struct calendar calendar;
	struct err err = { 0 };
	int64_t next = 1795860000000;

	if (calendar_parse(text, &calendar, &err) < 0) {
		require(err.text[0] != '\0' && err.column >= 1);
		return;
	}
	for (int i = 0; i < 3 && next != INT64_MAX; i++) {
		int64_t before = next;

		next = calendar_next(&calendar, before);
		require(next > before);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = str_dup_span((const char *)data, size);

	require(text != NULL);
	try_matchers(text);
	try_template(text);
	try_threshold(text);
	try_calendar(text);
	free(text);
	return 0;
}
