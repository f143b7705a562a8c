/*
 * Templates: what they expand to, what is refused and where. The numbers are what Prometheus 2.42
 * prints for the same templates (promtool test rules), but for durations beyond 64 bits, where it
 * overflows.
 */

#include "watch/template.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "util/buf.h"

static void expect(const char *template, const struct labels *labels, double value,
		   const char *expected)
{
	struct buf buf;
	struct err err = { 0 };

	cr_assert_eq(template_check(template, &err), 0, "%s: %s", template, err.text);
	buf_init(&buf, 4096);
	cr_assert_eq(template_expand(template, labels, value, &buf), 0, "%s", template);
	cr_expect_str_eq(buf_text(&buf), expected);
	buf_fini(&buf);
}

Test(template, labels_and_spacing)
{
	struct labels labels = { 0 };

	cr_assert_eq(labels_set(&labels, "target", "api"), 0);
	cr_assert_eq(labels_set(&labels, "_a1", "{{ $value }}"), 0);
	expect("", &labels, 1, "");
	expect("plain } }} { text", &labels, 1, "plain } }} { text");
	expect("{{ $labels.target }}", &labels, 1, "api");
	expect("{{$labels.target}}/{{\t$labels.target\n}}", &labels, 1, "api/api");
	expect("<{{ $labels.absent }}>", &labels, 1, "<>");
	expect("{{ $value }}{{$value|humanize}}{{ $value  |  humanize }}", &labels, 2, "222");
	/* What a label says is not a template. */
	expect("{{ $labels._a1 }}", &labels, 1, "{{ $value }}");
	labels_fini(&labels);
}

/* $value, humanize, humanize1024, humanizePercentage, humanizeDuration */
static const struct {
	double value;
	const char *expected;
} numbers[] = {
	{ 0, "0|0|0|0%|0s" },
	{ -0.0, "-0|-0|-0|-0%|-0s" },
	{ 1, "1|1|1|100%|1s" },
	{ -1, "-1|-1|-1|-100%|-1s" },
	{ 100, "100|100|100|1e+04%|1m 40s" },
	{ 1.5, "1.5|1.5|1.5|150%|1.5s" },
	{ -3.5, "-3.5|-3.5|-3.5|-350%|-3.5s" },
	{ 12.345, "12.345|12.35|12.35|1234%|12.35s" },
	{ 0.1, "0.1|100m|0.1|10%|100ms" },
	{ 0.0001, "0.0001|100u|0.0001|0.01%|100us" },
	{ 0.00001234, "1.234e-05|12.34u|1.234e-05|0.001234%|12.34us" },
	{ 1.0 / 3, "0.3333333333333333|333.3m|0.3333|33.33%|333.3ms" },
	{ 0.8123456, "0.8123456|812.3m|0.8123|81.23%|812.3ms" },
	{ 999999, "999999|1000k|976.6ki|1e+08%|11d 13h 46m 39s" },
	{ 1000000, "1e+06|1M|976.6ki|1e+08%|11d 13h 46m 40s" },
	{ 1234567, "1.234567e+06|1.235M|1.177Mi|1.235e+08%|14d 6h 56m 7s" },
	{ 123456789, "1.23456789e+08|123.5M|117.7Mi|1.235e+10%|1428d 21h 33m 9s" },
	{ 2097152000, "2.097152e+09|2.097G|1.953Gi|2.097e+11%|24272d 14h 13m 20s" },
	{ 5e-324, "5e-324|4.941e-300y|4.941e-324|4.941e-322%|4.941e-300ys" },
	{ INFINITY, "+Inf|+Inf|+Inf|+Inf%|+Inf" },
	{ -INFINITY, "-Inf|-Inf|-Inf|-Inf%|-Inf" },
	{ NAN, "NaN|NaN|NaN|NaN%|NaN" },
};

Test(template, numbers_as_prometheus_prints_them)
{
	struct labels none = { 0 };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		expect("{{ $value }}|{{ $value | humanize }}|{{ $value | humanize1024 }}|"
		       "{{ $value | humanizePercentage }}|{{ $value | humanizeDuration }}",
		       &none, numbers[i].value, numbers[i].expected);
}

/* From prometheus/template/template_test.go. */
Test(template, durations_as_in_the_tests_of_prometheus)
{
	static const struct {
		double seconds;
		const char *expected;
	} cases[] = {
		{ 60, "1m 0s" },
		{ 3600, "1h 0m 0s" },
		{ 86400, "1d 0h 0m 0s" },
		{ 86400 + 3600, "1d 1h 0m 0s" },
		{ -(86400 * 2 + 3600 * 3 + 60 * 4 + 5), "-2d 3h 4m 5s" },
		{ 899.99, "14m 59s" },
		{ .12345, "123.5ms" },
		{ 60.1, "1m 0s" },
		{ 60.5, "1m 0s" },
		{ 1.2345, "1.234s" },
		/* Beyond 64 bits Prometheus overflows; the largest duration is as good as any. */
		{ 1e20, "106751991167300d 15h 30m 7s" },
		{ -1e300, "-106751991167300d 15h 30m 7s" },
	};
	struct labels none = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect("{{ $value | humanizeDuration }}", &none, cases[i].seconds,
		       cases[i].expected);
}

Test(template, mistakes)
{
	static const struct {
		const char *text;
		int column;
		const char *message;
	} cases[] = {
		{ "{{", 3, "missing }}" },
		{ "{{ ", 4, "missing }}" },
		{ "{{ $value", 10, "missing }}" },
		{ "{{ $value }", 11, "expected | or }}" },
		{ "{{ }}", 4, "expected $labels.NAME or $value" },
		{ "{{- $value }}", 3, "expected $labels.NAME or $value" },
		{ "{{ value }}", 4, "expected $labels.NAME or $value" },
		{ "{{ $values }}", 4, "expected $labels.NAME or $value" },
		{ "{{ .Value }}", 4, "expected $labels.NAME or $value" },
		{ "{{ humanize $value }}", 4, "expected $labels.NAME or $value" },
		{ "{{ $externalLabels.a }}", 4, "expected $labels.NAME or $value" },
		{ "{{ with $value }}{{ end }}", 4, "expected $labels.NAME or $value" },
		{ "{{/* why */}}", 3, "expected $labels.NAME or $value" },
		{ "{{ $labels }}", 11, "expected .NAME after $labels" },
		{ "{{ $labels. target }}", 12, "expected a label name" },
		{ "{{ $labels.1a }}", 12, "expected a label name" },
		{ "{{ $labels.a.b }}", 13, "expected }}" },
		{ "{{ $labels.a | humanize }}", 14, "labels take no filter" },
		{ "{{ $value | }}", 13, "expected a filter after |" },
		{ "{{ $value | humanize | humanize }}", 22,
		  "expected }} (a value goes through one filter)" },
		{ "{{ $value | humanize1000 }}", 13,
		  "unknown filter \"humanize1000\" (did you mean \"humanize1024\"?)" },
		{ "{{ $value | printf }}", 13,
		  "unknown filter \"printf\" (there are humanize, humanize1024, "
		  "humanizePercentage and humanizeDuration)" },
		{ "{{ $value | aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa }}", 13,
		  "unknown filter" },
		{ "\xc3\xa9\xe2\x82\xac {{ x }}", 7, "expected $labels.NAME or $value" },
		{ "a\nb {{ x }}", 8, "expected $labels.NAME or $value" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { 0 };

		cr_assert_eq(template_check(cases[i].text, &err), -EINVAL, "accepted: %s",
			     cases[i].text);
		cr_expect_eq(err.column, cases[i].column, "%s: column %d", cases[i].text,
			     err.column);
		cr_expect_str_eq(err.text, cases[i].message);
	}
}

Test(template, more_than_the_buffer_takes)
{
	struct labels none = { 0 };
	struct buf buf;

	buf_init(&buf, 4);
	cr_assert_eq(template_expand("{{ $value }}", &none, 12345, &buf), -E2BIG);
	buf_fini(&buf);
	buf_init(&buf, 4);
	cr_assert_eq(template_expand("12345", &none, 0, &buf), -E2BIG);
	buf_fini(&buf);
}
