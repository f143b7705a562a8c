/*
 * Thresholds
 *
 * A share above one is taken in percent only: "above: 80" is far more often a forgotten sign than
 * eighty times the limit.
 */

#include "watch/threshold.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/str.h"

/* Beyond a thousand per cent something else was meant. */
static const double ratio_max = 10;

/* Digits, at most one point between them; strtod() alone takes "nan", "0x1p3" and " -1" too. */
static bool parse_decimal(const char *text, size_t size, double *ret)
{
	size_t whole = strspn(text, "0123456789"), part = 0;

	if (text[whole] == '.') {
		part = strspn(text + whole + 1, "0123456789");
		if (part == 0)
			return false;
		part++;
	}
	if (whole == 0 || whole + part != size)
		return false;
	*ret = strtod(text, NULL);
	return isfinite(*ret);
}

static int parse_ratio(const char *text, double *ret, struct err *err)
{
	size_t size = strlen(text);
	bool percent = size > 0 && text[size - 1] == '%';
	double value;

	if (!parse_decimal(text, size - percent, &value))
		return err_set(err, -EINVAL, "'%s' is not a share (examples: 80%%, 0.8)", text);
	if (!percent && value > 1)
		return err_set(err, -EINVAL, "'%s' is more than the whole (did you mean '%s%%'?)",
			       text, text);
	if (percent)
		value /= 100;
	if (value > ratio_max)
		return err_set(err, -EINVAL, "'%s' is out of range (at most 1000%%)", text);
	*ret = value;
	return 0;
}

static int parse_bytes(const char *text, double *ret, struct err *err)
{
	uint64_t bytes;
	int r;

	r = str_parse_bytes(text, &bytes);
	if (r == -ERANGE)
		return err_set(err, -EINVAL, "'%s' is too large", text);
	if (r < 0)
		return err_set(err, -EINVAL, "'%s' is not a size (examples: 512MiB, 2GiB, 1048576)",
			       text);
	*ret = (double)bytes;
	return 0;
}

static int parse_seconds(const char *text, double *ret, struct err *err)
{
	uint64_t ns;

	if (parse_decimal(text, strlen(text), ret))
		return 0;
	if (str_parse_duration(text, &ns) < 0)
		return err_set(err, -EINVAL, "'%s' is not a time (examples: 500ms, 2s, 0.5)", text);
	*ret = (double)ns / (double)NS_PER_S;
	return 0;
}

int threshold_parse(const char *text, enum value_unit unit, double *ret, struct err *err)
{
	size_t size = strlen(text);

	if (unit != VALUE_RATIO && size > 0 && text[size - 1] == '%')
		return err_set(err, -EINVAL, "'%s' of what? a share needs relative_to", text);
	switch (unit) {
	case VALUE_RATIO:
		return parse_ratio(text, ret, err);
	case VALUE_BYTES:
		return parse_bytes(text, ret, err);
	case VALUE_SECONDS:
		return parse_seconds(text, ret, err);
	case VALUE_COUNT:
		break;
	}
	if (!parse_decimal(text, size, ret))
		return err_set(err, -EINVAL, "'%s' is not a number", text);
	return 0;
}
