#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "http/exposition.h"

static const struct {
	double value;
	const char *text;
} numbers[] = {
	{ 0, "0" },
	{ 1, "1" },
	{ 0.1, "0.1" },
	{ 0.3, "0.3" },
	{ 1.5, "1.5" },
	{ 1700000000.25, "1700000000.25" },
	{ 0.000001, "0.000001" },
	{ 8589934592, "8589934592" },
	{ -1.5, "-1.5" },
	{ 1e-7, "1e-07" },
	{ 1e300, "1e+300" },
	{ INFINITY, "+Inf" },
	{ -INFINITY, "-Inf" },
	{ NAN, "NaN" },
};

Test(exposition, numbers)
{
	char text[NUMBER_TEXT_MAX];

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		size_t size = number_format(text, numbers[i].value);

		cr_expect_str_eq(text, numbers[i].text);
		cr_expect_eq(size, strlen(text));
	}
}

/* Whatever bits: the text reads back as the same value and fits. */
Test(exposition, numbers_read_back)
{
	char text[NUMBER_TEXT_MAX];
	uint64_t bits = 0x123456789abcdef1;

	for (int i = 0; i < 200000; i++) {
		double value, micros;

		bits ^= bits << 13;
		bits ^= bits >> 7;
		bits ^= bits << 17;
		memcpy(&value, &bits, sizeof(value));
		micros = (double)(bits >> 20) / 1e6;
		if (isnan(value))
			continue;
		cr_assert_lt(number_format(text, value), NUMBER_TEXT_MAX);
		cr_assert_eq(strtod(text, NULL), value, "%s", text);
		number_format(text, micros);
		cr_assert_eq(strtod(text, NULL), micros, "%s", text);
	}
}

static const struct {
	const char *value, *text;
} labels[] = {
	{ "", "a=\"\"" },
	{ "plain", "a=\"plain\"" },
	{ "a\"b", "a=\"a\\\"b\"" },
	{ "a\\b", "a=\"a\\\\b\"" },
	{ "a\nb", "a=\"a\\nb\"" },
	{ "\\\"\n", "a=\"\\\\\\\"\\n\"" },
	{ "tab\there", "a=\"tab\there\"" },
	{ "\xc3\xa9\xf0\x9f\x98\x80", "a=\"\xc3\xa9\xf0\x9f\x98\x80\"" },
	{ "{}=,", "a=\"{}=,\"" },
	/* Not UTF-8: a bare byte, a cut sequence, an overlong one, a surrogate. */
	{ "x\xffy", "a=\"x\xef\xbf\xbdy\"" },
	{ "\xc3", "a=\"\xef\xbf\xbd\"" },
	{ "\xc0\xaf", "a=\"\xef\xbf\xbd\xef\xbf\xbd\"" },
	{ "\xed\xa0\x80", "a=\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
};

Test(exposition, labels)
{
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		struct buf buf;

		buf_init(&buf, 1024);
		label_append(&buf, 0, "a", labels[i].value);
		cr_expect_str_eq(buf_text(&buf), labels[i].text);
		buf_fini(&buf);
	}
}

static void write_some(struct buf *buf, enum exposition format)
{
	static const double bounds[] = { 0.005, 1, 2.5, 1048576 };
	const struct label_text none = { "", 0 }, target = { "target=\"a\"", 10 };
	struct exposition_writer w;
	struct histogram histogram;

	histogram_init(&histogram, bounds, 4);
	histogram_observe(&histogram, 0.5);
	histogram_observe(&histogram, 2);
	histogram_observe(&histogram, 1e9);
	exposition_init(&w, buf, format);
	exposition_family(&w, METRIC_UP);
	sample_uint(&w, target, NULL, 1);
	exposition_family(&w, METRIC_TARGET_INFO);
	sample_uint(&w, target, "runtime=\"node\"", 1);
	exposition_family(&w, METRIC_TARGET_RESTARTS); /* no sample: must not appear */
	exposition_family(&w, METRIC_SCRAPE_DURATION);
	sample_ns(&w, target, NULL, 1000500);
	exposition_family(&w, METRIC_INSPECTOR_SENT);
	sample_uint(&w, target, NULL, UINT64_MAX);
	exposition_family(&w, METRIC_RELOAD_TIME);
	sample_ms(&w, none, NULL, 1700000000120);
	exposition_family(&w, METRIC_CAPTURE_DURATION);
	sample_histogram(&w, (struct label_text){ "kind=\"snapshot\"", 15 }, &histogram);
	exposition_family(&w, METRIC_SELF_CPU);
	sample_double(&w, none, NULL, 0.25);
	cr_expect_eq(exposition_end(&w), 0);
}

#define SCRAPE_HELP   "Time the last poll of the target took."
#define INFO_HELP     "Static facts about the target; join on target."
#define UP_HELP       "Whether the last poll of the target succeeded (1) or not (0)."
#define SENT_HELP     "Bytes sent to the inspector of the target."
#define RELOAD_HELP   "Unix time of the last successful configuration load."
#define DURATION_HELP "Time from request to closed file."
#define CPU_HELP      "Total user and system CPU time spent in seconds."

#define BUCKETS                                                                                    \
	"heapwatch_capture_duration_seconds_bucket{kind=\"snapshot\",le=\"0.005\"} 0\n"            \
	"heapwatch_capture_duration_seconds_bucket{kind=\"snapshot\",le=\"1.0\"} 1\n"              \
	"heapwatch_capture_duration_seconds_bucket{kind=\"snapshot\",le=\"2.5\"} 2\n"              \
	"heapwatch_capture_duration_seconds_bucket{kind=\"snapshot\",le=\"1048576.0\"} 2\n"        \
	"heapwatch_capture_duration_seconds_bucket{kind=\"snapshot\",le=\"+Inf\"} 3\n"             \
	"heapwatch_capture_duration_seconds_count{kind=\"snapshot\"} 3\n"                          \
	"heapwatch_capture_duration_seconds_sum{kind=\"snapshot\"} 1000000002.5\n"

static const char golden_text[] =
	"# HELP heapwatch_up " UP_HELP "\n"
	"# TYPE heapwatch_up gauge\n"
	"heapwatch_up{target=\"a\"} 1\n"
	"# HELP heapwatch_target_info " INFO_HELP "\n"
	"# TYPE heapwatch_target_info gauge\n"
	"heapwatch_target_info{target=\"a\",runtime=\"node\"} 1\n"
	"# HELP heapwatch_scrape_duration_seconds " SCRAPE_HELP "\n"
	"# TYPE heapwatch_scrape_duration_seconds gauge\n"
	"heapwatch_scrape_duration_seconds{target=\"a\"} 0.0010005\n"
	"# HELP heapwatch_inspector_sent_bytes_total " SENT_HELP "\n"
	"# TYPE heapwatch_inspector_sent_bytes_total counter\n"
	"heapwatch_inspector_sent_bytes_total{target=\"a\"} 18446744073709551615\n"
	"# HELP heapwatch_config_last_reload_success_timestamp_seconds " RELOAD_HELP "\n"
	"# TYPE heapwatch_config_last_reload_success_timestamp_seconds gauge\n"
	"heapwatch_config_last_reload_success_timestamp_seconds 1700000000.12\n"
	"# HELP heapwatch_capture_duration_seconds " DURATION_HELP "\n"
	"# TYPE heapwatch_capture_duration_seconds histogram\n" BUCKETS
	"# HELP process_cpu_seconds_total " CPU_HELP "\n"
	"# TYPE process_cpu_seconds_total counter\n"
	"process_cpu_seconds_total 0.25\n";

static const char golden_openmetrics[] =
	"# TYPE heapwatch_up gauge\n"
	"# HELP heapwatch_up " UP_HELP "\n"
	"heapwatch_up{target=\"a\"} 1\n"
	"# TYPE heapwatch_target info\n"
	"# HELP heapwatch_target " INFO_HELP "\n"
	"heapwatch_target_info{target=\"a\",runtime=\"node\"} 1\n"
	"# TYPE heapwatch_scrape_duration_seconds gauge\n"
	"# UNIT heapwatch_scrape_duration_seconds seconds\n"
	"# HELP heapwatch_scrape_duration_seconds " SCRAPE_HELP "\n"
	"heapwatch_scrape_duration_seconds{target=\"a\"} 0.0010005\n"
	"# TYPE heapwatch_inspector_sent_bytes counter\n"
	"# UNIT heapwatch_inspector_sent_bytes bytes\n"
	"# HELP heapwatch_inspector_sent_bytes " SENT_HELP "\n"
	"heapwatch_inspector_sent_bytes_total{target=\"a\"} 18446744073709551615\n"
	"# TYPE heapwatch_config_last_reload_success_timestamp_seconds gauge\n"
	"# UNIT heapwatch_config_last_reload_success_timestamp_seconds seconds\n"
	"# HELP heapwatch_config_last_reload_success_timestamp_seconds " RELOAD_HELP "\n"
	"heapwatch_config_last_reload_success_timestamp_seconds 1700000000.12\n"
	"# TYPE heapwatch_capture_duration_seconds histogram\n"
	"# UNIT heapwatch_capture_duration_seconds seconds\n"
	"# HELP heapwatch_capture_duration_seconds " DURATION_HELP "\n" BUCKETS
	"# TYPE process_cpu_seconds counter\n"
	"# UNIT process_cpu_seconds seconds\n"
	"# HELP process_cpu_seconds " CPU_HELP "\n"
	"process_cpu_seconds_total 0.25\n"
	"# EOF\n";

Test(exposition, golden)
{
	struct buf buf;

	buf_init(&buf, 65536);
	write_some(&buf, EXPOSITION_TEXT);
	cr_expect_str_eq(buf_text(&buf), golden_text);
	buf_clear(&buf);
	write_some(&buf, EXPOSITION_OPENMETRICS);
	cr_expect_str_eq(buf_text(&buf), golden_openmetrics);
	buf_fini(&buf);
}

Test(exposition, limit_is_kept)
{
	struct exposition_writer w;
	struct buf buf;

	buf_init(&buf, 1000);
	exposition_init(&w, &buf, EXPOSITION_TEXT);
	exposition_family(&w, METRIC_UP);
	for (int i = 0; i < 100; i++)
		sample_uint(&w, (struct label_text){ "target=\"a\"", 10 }, NULL, 1);
	cr_expect_eq(exposition_end(&w), -E2BIG);
	cr_expect_leq(buf.size, 1000);
	buf_fini(&buf);
}

/* What the writer relies on: no escapes in helps, units that end names, one row per name. */
Test(exposition, table_is_sound)
{
	for (const struct metric_desc *desc = metric_table; desc->name != NULL; desc++) {
		size_t name = strlen(desc->name), unit = strlen(desc->unit);

		cr_expect_null(strpbrk(desc->help, "\"\\\n|"), "%s", desc->name);
		cr_expect_eq(desc->help[strlen(desc->help) - 1], '.', "%s", desc->name);
		cr_expect(unit == 0 || strcmp(desc->name + name - unit, desc->unit) == 0, "%s",
			  desc->name);
		cr_expect_null(strstr(desc->name, "_total"), "%s", desc->name);
		if (desc->type == METRIC_INFO)
			cr_expect_str_eq(desc->name + name - 5, "_info");
		for (const struct metric_desc *other = metric_table; other != desc; other++)
			cr_expect_str_neq(other->name, desc->name);
	}
	cr_expect_null(metric_table[METRICS].name);
}
