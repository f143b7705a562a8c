/* Units: what is accepted, what is not, and what people read. */

#include "util/str.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct uint_case {
	const char *text;
	int r;
	uint64_t value;
};

typedef int parse_fn(const char *text, uint64_t *ret);

static void check_all(parse_fn *parse, const struct uint_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = 4711;
		int r = parse(cases[i].text, &value);

		cr_assert_eq(r, cases[i].r, "'%s' gave %d", cases[i].text, r);
		cr_assert_eq(value, r == 0 ? cases[i].value : 4711, "'%s' gave %llu", cases[i].text,
			     (unsigned long long)value);
	}
}

Test(str_unit, uint)
{
	static const struct uint_case cases[] = {
		{ "0", 0, 0 },
		{ "007", 0, 7 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "99999999999999999999999", -ERANGE, 0 },
		{ "99999999999999999999999x", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
	};

	check_all(str_parse_uint, cases, COUNT(cases));
}

Test(str_unit, duration)
{
	static const struct uint_case cases[] = {
		{ "0", 0, 0 },
		{ "500ms", 0, 500000000ull },
		{ "10s", 0, 10000000000ull },
		{ "1h30m", 0, 5400000000000ull },
		{ "1d2h3m4s5ms", 0, 93784005000000ull },
		{ "1w", 0, 604800000000000ull },
		{ "1y", 0, 31536000000000000ull },
		{ "584y", 0, 18417024000000000000ull },
		{ "585y", -ERANGE, 0 },
		{ "99999999999999999999s", -ERANGE, 0 },
		{ "584y350d", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "10", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "10 s", -EINVAL, 0 },
		{ "30m1h", -EINVAL, 0 },
		{ "1s1s", -EINVAL, 0 },
		{ "1ms1s", -EINVAL, 0 },
		{ "1.5s", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "10 parsecs", -EINVAL, 0 },
		{ "1sx", -EINVAL, 0 },
		{ "00", -EINVAL, 0 },
	};

	check_all(str_parse_duration, cases, COUNT(cases));
}

Test(str_unit, bytes)
{
	static const struct uint_case cases[] = {
		{ "0", 0, 0 },
		{ "1048576", 0, 1048576 },
		{ "7B", 0, 7 },
		{ "64KiB", 0, 65536 },
		{ "3MiB", 0, 3145728 },
		{ "2GiB", 0, 2147483648ull },
		{ "1TiB", 0, 1099511627776ull },
		{ "2kB", 0, 2000 },
		{ "10MB", 0, 10000000 },
		{ "4GB", 0, 4000000000ull },
		{ "5TB", 0, 5000000000000ull },
		{ "16777215TiB", 0, 18446742974197923840ull },
		{ "16777216TiB", -ERANGE, 0 },
		{ "10mb", -EINVAL, 0 },
		{ "10M", -EINVAL, 0 },
		{ "1.5GiB", -EINVAL, 0 },
		{ "KiB", -EINVAL, 0 },
		{ "1KiBs", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};

	check_all(str_parse_bytes, cases, COUNT(cases));
}

Test(str_unit, ratio)
{
	static const struct {
		const char *text;
		int r;
		double value;
	} cases[] = {
		{ "80%", 0, 0.8 },      { "0.8", 0, 0.8 },
		{ "0", 0, 0 },          { "1", 0, 1 },
		{ "100%", 0, 1 },       { "0.85", 0, 0.85 },
		{ "12.5%", 0, 0.125 },  { "0.1234567890123456789", 0, 0.1234567890123456789 },
		{ "101%", -ERANGE, 0 }, { "80", -ERANGE, 0 },
		{ "", -EINVAL, 0 },     { ".5", -EINVAL, 0 },
		{ "5.", -EINVAL, 0 },   { "-0.1", -EINVAL, 0 },
		{ "nan", -EINVAL, 0 },  { "0x1", -EINVAL, 0 },
		{ "50 %", -EINVAL, 0 }, { "50%%", -EINVAL, 0 },
		{ "1e-1", -EINVAL, 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		double value = -1;
		int r = str_parse_ratio(cases[i].text, &value);

		cr_assert_eq(r, cases[i].r, "'%s' gave %d", cases[i].text, r);
		cr_assert(fabs(value - (r == 0 ? cases[i].value : -1)) < 1e-15, "'%s' gave %.17g",
			  cases[i].text, value);
	}
}

Test(str_unit, ratio_of_absurd_length)
{
	char text[1000];
	double value = 5;

	snprintf(text, sizeof(text), "0.%0990d", 1);
	cr_assert_eq(str_parse_ratio(text, &value), 0);
	cr_assert_eq(value, 0);
	memset(text, '9', 900);
	text[900] = '\0';
	cr_assert_eq(str_parse_ratio(text, &value), -ERANGE);
}

Test(str_unit, durations_for_people)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "0s" },
		{ 999, "999ns" },
		{ 1500, "1.5us" },
		{ 250000, "250us" },
		{ 1200000, "1.2ms" },
		{ 999999999, "999.9ms" },
		{ 2500000000, "2.5s" },
		{ 10000000000, "10s" },
		{ 59999999999, "59.9s" },
		{ 60000000000, "1m" },
		{ 61000000000, "1m1s" },
		{ 5400000000000, "1h30m" },
		{ 5430000000000, "1h30m" },
		{ 3600000000000, "1h" },
		{ 3601000000000, "1h" },
		{ 93600000000000, "1d2h" },
		{ UINT64_MAX, "213503d23h" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char dst[STR_UNIT_MAX];

		cr_assert_str_eq(str_format_duration(dst, cases[i].ns), cases[i].text);
	}
}

Test(str_unit, bytes_for_people)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 B" },
		{ 1023, "1023 B" },
		{ 1024, "1 KiB" },
		{ 1536, "1.5 KiB" },
		{ 1048575, "1023.9 KiB" },
		{ 1048576, "1 MiB" },
		{ 1503238553, "1.3 GiB" },
		{ 1503238554, "1.4 GiB" },
		{ UINT64_MAX, "15.9 EiB" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char dst[STR_UNIT_MAX];

		cr_assert_str_eq(str_format_bytes(dst, cases[i].bytes), cases[i].text);
	}
}
