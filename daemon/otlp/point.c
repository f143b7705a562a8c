/* Points of OTLP. What a value of each kind stands in is said by otlp_metric_begin()'s metric. */

#include "otlp/point.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "util/clock.h"
#include "util/metric.h"

/* AGGREGATION_TEMPORALITY_CUMULATIVE */
enum { CUMULATIVE = 2 };

static void write_uint64(struct json_writer *json, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	json_write_string(json, text);
}

static void write_time(struct json_writer *json, const char *name, int64_t wall_ms)
{
	json_write_key(json, name);
	write_uint64(json, (uint64_t)wall_ms * NS_PER_MS);
}

static void begin_attribute(struct json_writer *json, const char *name)
{
	json_write_object(json);
	json_member_string(json, "key", name);
	json_write_key(json, "value");
	json_write_object(json);
}

static void end_attribute(struct json_writer *json)
{
	json_write_object_end(json);
	json_write_object_end(json);
}

void otlp_write_text(struct json_writer *json, const char *name, const char *value)
{
	begin_attribute(json, name);
	json_member_string(json, "stringValue", value);
	end_attribute(json);
}

void otlp_write_int(struct json_writer *json, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	begin_attribute(json, name);
	json_member_string(json, "intValue", text);
	end_attribute(json);
}

/* ---- metrics ---- */

void otlp_metric_begin(struct otlp_writer *w, enum otlp_metric_id id)
{
	w->metric = &otlp_metrics[id];
	w->open = false;
}

static void open_metric(struct otlp_writer *w)
{
	static const char *const data[] = {
		[OTLP_GAUGE] = "gauge",
		[OTLP_UP_DOWN] = "sum",
		[OTLP_COUNTER] = "sum",
		[OTLP_HISTOGRAM] = "histogram",
	};
	const struct otlp_metric *metric = w->metric;

	json_write_object(&w->json);
	json_member_string(&w->json, "name", metric->name);
	json_member_string(&w->json, "description", metric->help);
	json_member_string(&w->json, "unit", metric->unit);
	json_write_key(&w->json, data[metric->kind]);
	json_write_object(&w->json);
	if (metric->kind != OTLP_GAUGE)
		json_member_uint(&w->json, "aggregationTemporality", CUMULATIVE);
	if (metric->kind == OTLP_UP_DOWN || metric->kind == OTLP_COUNTER)
		json_member_bool(&w->json, "isMonotonic", metric->kind == OTLP_COUNTER);
	json_write_key(&w->json, "dataPoints");
	json_write_array(&w->json);
	w->open = true;
}

void otlp_metric_end(struct otlp_writer *w)
{
	if (!w->open)
		return;
	json_write_array_end(&w->json);
	json_write_object_end(&w->json);
	json_write_object_end(&w->json);
}

/* ---- points ---- */

static void write_attributes(struct json_writer *json, const struct otlp_point *point)
{
	json_write_key(json, "attributes");
	json_write_array(json);
	for (size_t i = 0; i < OTLP_POINT_ATTRIBUTES; i++) {
		if (point->attributes[i].value != NULL)
			otlp_write_text(json, point->attributes[i].name,
					point->attributes[i].value);
	}
	json_write_array_end(json);
}

/* A wall clock that was put back must not make a sum begin after it was seen. */
static void begin_point(struct otlp_writer *w, const struct otlp_point *point)
{
	if (!w->open)
		open_metric(w);
	w->points++;
	json_write_object(&w->json);
	if (point->attributes[0].value != NULL || point->attributes[1].value != NULL)
		write_attributes(&w->json, point);
	if (w->metric->kind != OTLP_GAUGE && point->start_wall_ms > 0 &&
	    point->start_wall_ms <= point->wall_ms)
		write_time(&w->json, "startTimeUnixNano", point->start_wall_ms);
	write_time(&w->json, "timeUnixNano", point->wall_ms);
}

void otlp_point_uint(struct otlp_writer *w, const struct otlp_point *point, uint64_t value)
{
	begin_point(w, point);
	json_write_key(&w->json, "asInt");
	write_uint64(&w->json, value <= INT64_MAX ? value : INT64_MAX);
	json_write_object_end(&w->json);
}

void otlp_point_double(struct otlp_writer *w, const struct otlp_point *point, double value)
{
	if (!isfinite(value))
		return;
	begin_point(w, point);
	json_member_double(&w->json, "asDouble", value);
	json_write_object_end(&w->json);
}

static void write_buckets(struct json_writer *json, const struct histogram *histogram,
			  const double *bounds, size_t n)
{
	size_t from = 0;

	json_write_key(json, "bucketCounts");
	json_write_array(json);
	for (size_t i = 0; i <= n; i++) {
		uint64_t count = 0;

		while (from < histogram->bounds_n &&
		       (i == n || histogram->bounds[from] <= bounds[i]))
			count += histogram->counts[from++];
		if (i == n)
			count += histogram->counts[from];
		write_uint64(json, count);
	}
	json_write_array_end(json);
	json_write_key(json, "explicitBounds");
	json_write_array(json);
	for (size_t i = 0; i < n; i++)
		json_write_double(json, bounds[i]);
	json_write_array_end(json);
}

void otlp_point_histogram(struct otlp_writer *w, const struct otlp_point *point,
			  const struct histogram *histogram, const double *bounds, size_t n)
{
	uint64_t count = 0;

	for (size_t i = 0; i <= histogram->bounds_n; i++)
		count += histogram->counts[i];
	begin_point(w, point);
	json_write_key(&w->json, "count");
	write_uint64(&w->json, count);
	json_member_double(&w->json, "sum", histogram->sum);
	write_buckets(&w->json, histogram, bounds, n);
	json_write_object_end(&w->json);
}
