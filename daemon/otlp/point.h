#pragma once

/*
 * Metrics and their points as OTLP writes them in JSON: names in lowerCamelCase, 64-bit numbers as
 * texts, enumerations as numbers. A metric appears with its first point, so that none is empty.
 * https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "json/write.h"
#include "otlp/metric.h"

struct histogram;

struct otlp_writer {
	struct json_writer json;
	const struct otlp_metric *metric; /* the one that is being written */
	bool open; /* it has a point */
	uint64_t points; /* in all */
};

struct otlp_attribute {
	const char *name, *value; /* borrowed; NULL value: there is none */
};

enum { OTLP_POINT_ATTRIBUTES = 2 };

/* Whose value, and when. */
struct otlp_point {
	int64_t start_wall_ms; /* of a sum; 0: not known */
	int64_t wall_ms;
	struct otlp_attribute attributes[OTLP_POINT_ATTRIBUTES];
};

void otlp_metric_begin(struct otlp_writer *w, enum otlp_metric_id id);
void otlp_metric_end(struct otlp_writer *w);

void otlp_point_uint(struct otlp_writer *w, const struct otlp_point *point, uint64_t value);

/* One that is not finite is left out: JSON has no such number. */
void otlp_point_double(struct otlp_writer *w, const struct otlp_point *point, double value);

/* Into coarser buckets: each of bounds (ascending) is one of the histogram's own. */
void otlp_point_histogram(struct otlp_writer *w, const struct otlp_point *point,
			  const struct histogram *histogram, const double *bounds, size_t n);

/* Elements of an array of attributes. */
void otlp_write_text(struct json_writer *json, const char *name, const char *value);
void otlp_write_int(struct json_writer *json, const char *name, int64_t value);
