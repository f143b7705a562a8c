#pragma once

/*
 * Writer of the two exposition formats. The caller names a family, then gives samples with ready
 * made labels; the head of a family is written with its first sample, so that one without samples
 * does not appear.
 */

#include <stddef.h>
#include <stdint.h>
#include "http/metric_table.h"
#include "http/negotiate.h"
#include "util/buf.h"

/* The 10,000 targets of the default limit take some 70 MB; past this something is wrong. */
enum { EXPOSITION_MAX = 256 * 1024 * 1024 };

struct exposition_writer {
	struct buf *buf; /* borrowed; its sticky error is the writer's */
	enum exposition format;
	const struct metric_desc *desc;
	bool head_written;
};

/* Labels without braces: `a="x",b="y"`, escaped once and used for many samples. */
struct label_text {
	const char *text;
	size_t size;
};

void exposition_init(struct exposition_writer *w, struct buf *buf, enum exposition format);
void exposition_family(struct exposition_writer *w, enum metric_id id);

/* After the last family. 0 or the buffer's error. */
int exposition_end(struct exposition_writer *w);

/* more: further labels, for this sample only; NULL: none. Both may be empty. */
void sample_uint(struct exposition_writer *w, struct label_text labels, const char *more,
		 uint64_t value);
void sample_double(struct exposition_writer *w, struct label_text labels, const char *more,
		   double value);

/* Exact seconds from nanoseconds or (Unix time) milliseconds. */
void sample_ns(struct exposition_writer *w, struct label_text labels, const char *more,
	       uint64_t value_ns);
void sample_ms(struct exposition_writer *w, struct label_text labels, const char *more,
	       int64_t value_ms);
void sample_histogram(struct exposition_writer *w, struct label_text labels,
		      const struct histogram *histogram);

/* Append name="value", escaped, after a comma when buf is not at its start. */
void label_append(struct buf *buf, size_t start, const char *name, const char *value);

/* Shortest decimal text that reads back as the same value; "+Inf", "-Inf", "NaN". */
enum { NUMBER_TEXT_MAX = 32 };
size_t number_format(char dst[NUMBER_TEXT_MAX], double value);
