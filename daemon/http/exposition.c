/*
 * Exposition formats
 *
 * A scrape of a thousand targets is some eighty thousand lines, made on the control thread while
 * everything else waits: so labels are escaped once per target, numbers are formatted by hand, and
 * a sample is one reservation and a few copies.
 *
 * The formats differ in the heads of families and in the end, never in a sample: a series must not
 * change its labels with the format its scraper happens to negotiate. That is why bounds of buckets
 * are written as "1.0" in both.
 *
 * Label values are UTF-8 by the format's definition. What is not becomes U+FFFD, so that one odd
 * byte in a program's title does not cost the whole scrape.
 */

#include "http/exposition.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/str.h"

/* Digits of a number, a space, a newline, braces, comma and the longest ending of a name. */
enum { SAMPLE_EXTRA_BYTES = 64, UTF8_MAX = 4 };

static const char *const text_types[] = {
	[METRIC_GAUGE] = "gauge",
	[METRIC_COUNTER] = "counter",
	[METRIC_INFO] = "gauge",
	[METRIC_HISTOGRAM] = "histogram",
};

static const char *const openmetrics_types[] = {
	[METRIC_GAUGE] = "gauge",
	[METRIC_COUNTER] = "counter",
	[METRIC_INFO] = "info",
	[METRIC_HISTOGRAM] = "histogram",
};

void exposition_init(struct exposition_writer *w, struct buf *buf, enum exposition format)
{
	*w = (struct exposition_writer){ .buf = buf, .format = format };
}

void exposition_family(struct exposition_writer *w, enum metric_id id)
{
	w->desc = &metric_table[id];
	w->head_written = false;
}

int exposition_end(struct exposition_writer *w)
{
	if (w->format == EXPOSITION_OPENMETRICS)
		buf_puts(w->buf, "# EOF\n");
	return w->buf->error;
}

/* Help texts are ours: no escapes are needed, which the tests see to. */
static void write_head(struct exposition_writer *w)
{
	const struct metric_desc *desc = w->desc;
	const char *total = desc->type == METRIC_COUNTER ? "_total" : "";
	int size = (int)strlen(desc->name);

	w->head_written = true;
	if (w->format == EXPOSITION_TEXT) {
		buf_printf(w->buf, "# HELP %s%s %s\n# TYPE %s%s %s\n", desc->name, total,
			   desc->help, desc->name, total, text_types[desc->type]);
		return;
	}
	if (desc->type == METRIC_INFO)
		size -= (int)strlen("_info");
	buf_printf(w->buf, "# TYPE %.*s %s\n", size, desc->name, openmetrics_types[desc->type]);
	if (desc->unit[0] != '\0')
		buf_printf(w->buf, "# UNIT %.*s %s\n", size, desc->name, desc->unit);
	buf_printf(w->buf, "# HELP %.*s %s\n", size, desc->name, desc->help);
}

/* ---- numbers ---- */

static char *put_uint(char *at, uint64_t value)
{
	char digits[20];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	while (n > 0)
		*at++ = digits[--n];
	return at;
}

/* value / 10^places, without zeros at the end: exact, where a double would not be. */
static char *put_fixed(char *at, uint64_t value, unsigned places)
{
	uint64_t scale = 1, rest;

	for (unsigned i = 0; i < places; i++)
		scale *= 10;
	at = put_uint(at, value / scale);
	rest = value % scale;
	if (rest > 0)
		*at++ = '.';
	while (rest > 0) {
		scale /= 10;
		*at++ = (char)('0' + rest / scale);
		rest %= scale;
	}
	return at;
}

/* Most doubles here are seconds with few decimals: try that before the long way. */
static bool put_plain(char **at, double value)
{
	double micros = value * 1e6;

	if (!(micros >= 0 && micros < 9e15) || floor(micros) != micros || micros / 1e6 != value)
		return false;
	*at = put_fixed(*at, (uint64_t)micros, 6);
	return true;
}

size_t number_format(char dst[NUMBER_TEXT_MAX], double value)
{
	char *end = dst;

	if (isnan(value))
		return (size_t)snprintf(dst, NUMBER_TEXT_MAX, "NaN");
	if (isinf(value))
		return (size_t)snprintf(dst, NUMBER_TEXT_MAX, value > 0 ? "+Inf" : "-Inf");
	if (put_plain(&end, value)) {
		*end = '\0';
		return (size_t)(end - dst);
	}
	for (int digits = 15; digits < 17; digits++) {
		int n = snprintf(dst, NUMBER_TEXT_MAX, "%.*g", digits, value);

		if (strtod(dst, NULL) == value)
			return (size_t)n;
	}
	return (size_t)snprintf(dst, NUMBER_TEXT_MAX, "%.17g", value);
}

/* ---- labels ---- */

/* Bytes from text on that need no escape. */
static size_t plain_span(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at >= ' ' && *at < 0x7f && *at != '"' && *at != '\\')
		at++;
	return (size_t)(at - (const unsigned char *)text);
}

static const char *escape_one(struct buf *buf, const char *text)
{
	size_t size;

	switch (*text) {
	case '"':
		buf_append(buf, "\\\"", 2);
		return text + 1;
	case '\\':
		buf_append(buf, "\\\\", 2);
		return text + 1;
	case '\n':
		buf_append(buf, "\\n", 2);
		return text + 1;
	default:
		size = str_utf8_sequence(text, strnlen(text, UTF8_MAX));
		if (size > 0)
			buf_append(buf, text, size);
		else
			buf_append(buf, "\xef\xbf\xbd", 3);
		return text + (size > 0 ? size : 1);
	}
}

void label_append(struct buf *buf, size_t start, const char *name, const char *value)
{
	if (buf->size > start)
		buf_append(buf, ",", 1);
	buf_puts(buf, name);
	buf_append(buf, "=\"", 2);
	while (*value != '\0') {
		size_t plain = plain_span(value);

		buf_append(buf, value, plain);
		value += plain;
		if (*value != '\0')
			value = escape_one(buf, value);
	}
	buf_append(buf, "\"", 1);
}

/* ---- samples ---- */

static char *put(char *at, const char *text, size_t size)
{
	memcpy(at, text, size);
	return at + size;
}

/* Name and labels; NULL when the buffer has failed. The value and "\n" may follow. */
static char *begin_sample(struct exposition_writer *w, const char *ending, struct label_text labels,
			  const char *more)
{
	size_t name_size = strlen(w->desc->name), ending_size = strlen(ending);
	size_t more_size = more != NULL ? strlen(more) : 0;
	char *at;

	if (!w->head_written)
		write_head(w);
	if (buf_reserve(w->buf,
			name_size + ending_size + labels.size + more_size + SAMPLE_EXTRA_BYTES) < 0)
		return NULL;
	at = w->buf->data + w->buf->size;
	at = put(at, w->desc->name, name_size);
	at = put(at, ending, ending_size);
	if (labels.size + more_size > 0) {
		*at++ = '{';
		if (labels.size > 0)
			at = put(at, labels.text, labels.size);
		if (labels.size > 0 && more_size > 0)
			*at++ = ',';
		if (more_size > 0)
			at = put(at, more, more_size);
		*at++ = '}';
	}
	*at++ = ' ';
	return at;
}

static void end_sample(struct exposition_writer *w, char *at)
{
	*at++ = '\n';
	w->buf->size = (size_t)(at - w->buf->data);
}

static const char *ending_of(const struct exposition_writer *w)
{
	return w->desc->type == METRIC_COUNTER ? "_total" : "";
}

void sample_uint(struct exposition_writer *w, struct label_text labels, const char *more,
		 uint64_t value)
{
	char *at = begin_sample(w, ending_of(w), labels, more);

	if (at != NULL)
		end_sample(w, put_uint(at, value));
}

void sample_double(struct exposition_writer *w, struct label_text labels, const char *more,
		   double value)
{
	char *at = begin_sample(w, ending_of(w), labels, more);

	if (at != NULL)
		end_sample(w, at + number_format(at, value));
}

void sample_ns(struct exposition_writer *w, struct label_text labels, const char *more,
	       uint64_t value_ns)
{
	char *at = begin_sample(w, ending_of(w), labels, more);

	if (at != NULL)
		end_sample(w, put_fixed(at, value_ns, 9));
}

void sample_ms(struct exposition_writer *w, struct label_text labels, const char *more,
	       int64_t value_ms)
{
	char *at = begin_sample(w, ending_of(w), labels, more);

	if (at != NULL)
		end_sample(w, put_fixed(at, value_ms > 0 ? (uint64_t)value_ms : 0, 3));
}

static void write_bucket(struct exposition_writer *w, struct label_text labels, double bound,
			 uint64_t count)
{
	char le[NUMBER_TEXT_MAX + 8], number[NUMBER_TEXT_MAX], *at;

	number_format(number, bound);
	snprintf(le, sizeof(le), "le=\"%s%s\"", number,
		 strpbrk(number, ".eIN") == NULL ? ".0" : "");
	at = begin_sample(w, "_bucket", labels, le);
	if (at != NULL)
		end_sample(w, put_uint(at, count));
}

void sample_histogram(struct exposition_writer *w, struct label_text labels,
		      const struct histogram *histogram)
{
	uint64_t count = 0;
	char *at;

	for (size_t i = 0; i < histogram->bounds_n; i++) {
		count += histogram->counts[i];
		write_bucket(w, labels, histogram->bounds[i], count);
	}
	count += histogram->counts[histogram->bounds_n];
	write_bucket(w, labels, HUGE_VAL, count);
	at = begin_sample(w, "_count", labels, NULL);
	if (at != NULL)
		end_sample(w, put_uint(at, count));
	at = begin_sample(w, "_sum", labels, NULL);
	if (at != NULL)
		end_sample(w, at + number_format(at, histogram->sum));
}
