/*
 * Units people write and read
 *
 * Parsing follows Prometheus for durations (whole numbers, largest unit first, each unit once) and
 * systemd for sizes, and is done by hand rather than with strtod(): that one accepts spaces, signs,
 * hexadecimals, "nan" and the decimal point of the locale. Formatting truncates instead of
 * rounding, so that 1023.99 KiB never reads as "1024 KiB".
 */

#include "util/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/clock.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The digits at *at, which moves behind them. -EINVAL when there is none. */
static int take_uint(const char **at, uint64_t *ret)
{
	uint64_t value = 0;
	bool over = false;

	if (!is_digit(**at))
		return -EINVAL;
	for (; is_digit(**at); (*at)++) {
		over |= __builtin_mul_overflow(value, 10u, &value);
		over |= __builtin_add_overflow(value, (uint64_t)(**at - '0'), &value);
	}
	*ret = value;
	return over ? -ERANGE : 0;
}

int str_parse_uint(const char *text, uint64_t *ret)
{
	uint64_t value;
	int r;

	r = take_uint(&text, &value);
	if (*text != '\0')
		return -EINVAL;
	if (r == 0)
		*ret = value;
	return r;
}

/* The unit the text begins with (the longest that fits: "ms" before "m"), or NULL. */
static const struct unit *take_unit(const char **at, const struct unit *units, size_t n)
{
	const struct unit *best = NULL;
	size_t best_size = 0;

	for (size_t i = 0; i < n; i++) {
		size_t size = strlen(units[i].name);

		if (size > best_size && strncmp(*at, units[i].name, size) == 0) {
			best = &units[i];
			best_size = size;
		}
	}
	*at += best_size;
	return best;
}

static int add_scaled(uint64_t *sum, uint64_t value, uint64_t factor)
{
	uint64_t product;

	if (__builtin_mul_overflow(value, factor, &product) ||
	    __builtin_add_overflow(*sum, product, sum))
		return -ERANGE;
	return 0;
}

/* A year is 365 days, as in Prometheus. */
static const struct unit duration_units[] = {
	{ "y", 365 * 24 * 3600 * NS_PER_S },
	{ "w", 7 * 24 * 3600 * NS_PER_S },
	{ "d", 24 * 3600 * NS_PER_S },
	{ "h", 3600 * NS_PER_S },
	{ "m", 60 * NS_PER_S },
	{ "s", NS_PER_S },
	{ "ms", NS_PER_MS },
};
enum { DURATION_UNITS_N = sizeof(duration_units) / sizeof(duration_units[0]) };

int str_parse_duration(const char *text, uint64_t *ret_ns)
{
	uint64_t sum = 0, last = UINT64_MAX;
	bool over = false;

	if (strcmp(text, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	do {
		const struct unit *unit;
		uint64_t value = 0;
		int r = take_uint(&text, &value);

		if (r == -EINVAL)
			return r;
		unit = take_unit(&text, duration_units, DURATION_UNITS_N);
		if (unit == NULL || unit->factor >= last)
			return -EINVAL;
		last = unit->factor;
		over |= r < 0 || add_scaled(&sum, value, unit->factor) < 0;
	} while (*text != '\0');
	if (over)
		return -ERANGE;
	*ret_ns = sum;
	return 0;
}

static const struct unit byte_units[] = {
	{ "B", 1 },
	{ "KiB", 1ull << 10 },
	{ "MiB", 1ull << 20 },
	{ "GiB", 1ull << 30 },
	{ "TiB", 1ull << 40 },
	{ "kB", 1000ull },
	{ "MB", 1000000ull },
	{ "GB", 1000000000ull },
	{ "TB", 1000000000000ull },
};

int str_parse_bytes(const char *text, uint64_t *ret_bytes)
{
	uint64_t value = 0, sum = 0, factor = 1;
	int r;

	r = take_uint(&text, &value);
	if (r == -EINVAL)
		return r;
	if (*text != '\0') {
		const struct unit *unit =
			take_unit(&text, byte_units, sizeof(byte_units) / sizeof(byte_units[0]));

		if (unit == NULL || *text != '\0')
			return -EINVAL;
		factor = unit->factor;
	}
	if (r < 0 || add_scaled(&sum, value, factor) < 0)
		return -ERANGE;
	*ret_bytes = sum;
	return 0;
}

/* Digits as one whole number and its power of ten: a single division rounds only once. */
static int take_decimal(const char **at, double *ret)
{
	double digits = 0, scale = 1;

	if (!is_digit(**at))
		return -EINVAL;
	for (; is_digit(**at); (*at)++)
		digits = digits * 10 + (**at - '0');
	if (**at == '.') {
		(*at)++;
		if (!is_digit(**at))
			return -EINVAL;
		for (; is_digit(**at); (*at)++) {
			if (scale > 1e15)
				continue; /* finer than a double */
			digits = digits * 10 + (**at - '0');
			scale *= 10;
		}
	}
	*ret = digits / scale;
	return 0;
}

int str_parse_ratio(const char *text, double *ret)
{
	double value;
	int r;

	r = take_decimal(&text, &value);
	if (r < 0)
		return r;
	if (*text == '%') {
		text++;
		value /= 100;
	}
	if (*text != '\0')
		return -EINVAL;
	if (!(value <= 1))
		return -ERANGE;
	*ret = value;
	return 0;
}

/* "2.5s": one decimal, left out when it is zero. */
static void format_tenths(char dst[STR_UNIT_MAX], uint64_t tenths, const char *unit)
{
	if (tenths % 10 == 0)
		snprintf(dst, STR_UNIT_MAX, "%llu%s", (unsigned long long)(tenths / 10), unit);
	else
		snprintf(dst, STR_UNIT_MAX, "%llu.%llu%s", (unsigned long long)(tenths / 10),
			 (unsigned long long)(tenths % 10), unit);
}

static void format_short_duration(char dst[STR_UNIT_MAX], uint64_t ns)
{
	if (ns >= NS_PER_S || ns == 0)
		format_tenths(dst, ns / (NS_PER_S / 10), "s");
	else if (ns >= NS_PER_MS)
		format_tenths(dst, ns / (NS_PER_MS / 10), "ms");
	else if (ns >= 1000)
		format_tenths(dst, ns / 100, "us");
	else
		format_tenths(dst, ns * 10, "ns");
}

char *str_format_duration(char dst[STR_UNIT_MAX], uint64_t ns)
{
	/* From days down; weeks and years do not help the eye. */
	const struct unit *units = &duration_units[2];
	enum { UNITS_N = 4 };
	size_t first = 0;
	unsigned major, minor; /* 2^64 ns are 213,503 days */

	if (ns < 60 * NS_PER_S) {
		format_short_duration(dst, ns);
		return dst;
	}
	while (ns < units[first].factor)
		first++;
	major = (unsigned)(ns / units[first].factor);
	minor = 0;
	if (first + 1 < UNITS_N)
		minor = (unsigned)(ns % units[first].factor / units[first + 1].factor);
	if (minor == 0)
		snprintf(dst, STR_UNIT_MAX, "%u%s", major, units[first].name);
	else
		snprintf(dst, STR_UNIT_MAX, "%u%s%u%s", major, units[first].name, minor,
			 units[first + 1].name);
	return dst;
}

char *str_format_bytes(char dst[STR_UNIT_MAX], uint64_t bytes)
{
	static const char *const names[] = { " B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB" };
	unsigned shift = 0;
	uint64_t below;

	while (shift < 60 && bytes >> shift >= 1024)
		shift += 10;
	below = bytes & ((UINT64_C(1) << shift) - 1); /* ten times this still fits */
	format_tenths(dst, (bytes >> shift) * 10 + (below * 10 >> shift), names[shift / 10]);
	return dst;
}

char *str_format_known_bytes(char dst[STR_UNIT_MAX], bool known, uint64_t bytes)
{
	if (!known)
		str_copy(dst, STR_UNIT_MAX, "unknown");
	else
		str_format_bytes(dst, bytes);
	return dst;
}
