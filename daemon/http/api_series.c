/*
 * /api/v1/targets/NAME/series: the recent past of its isolates, in the shape of Prometheus' range
 * queries, so that its tools read it. `resolution` tells the rings apart: raw, fast, slow.
 */

#include "http/api.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "http/server.h"
#include "http/view.h"
#include "util/clock.h"
#include "util/when.h"
#include "watch/target.h"

/* What the query wants; NULL: all. */
struct wanted {
	const char *isolate, *metric, *resolution;
	int64_t start_ms, end_ms;
	uint64_t now_mono_ns;
	int64_t now_wall_ms;
};

/* One matrix row in the making. */
struct row {
	struct json_writer *w;
	const struct wanted *wanted;
	const struct target *target;
	const struct isolate *isolate;
};

static bool is_wanted(const char *wish, const char *name)
{
	return wish == NULL || strcmp(wish, name) == 0;
}

static bool row_begin(const struct row *row, const char *metric, const char *resolution)
{
	char name[64];

	if (!is_wanted(row->wanted->metric, metric) ||
	    !is_wanted(row->wanted->resolution, resolution))
		return false;
	snprintf(name, sizeof(name), "heapwatch_%s_bytes", metric);
	json_write_object(row->w);
	json_write_key(row->w, "metric");
	json_write_object(row->w);
	json_member_string(row->w, "__name__", name);
	json_member_string(row->w, "target", row->target->spec.name);
	json_member_string(row->w, "isolate", row->isolate->name);
	json_member_string(row->w, "resolution", resolution);
	json_write_object_end(row->w);
	json_write_key(row->w, "values");
	json_write_array(row->w);
	return true;
}

static void row_end(const struct row *row)
{
	json_write_array_end(row->w);
	json_write_object_end(row->w);
}

/* Values are texts, as Prometheus has them. */
static void row_value(const struct row *row, uint64_t mono_ns, uint64_t value)
{
	const struct wanted *wanted = row->wanted;
	int64_t wall_ms = series_wall_ms(mono_ns, wanted->now_mono_ns, wanted->now_wall_ms);
	char text[24];

	if (wall_ms < wanted->start_ms || wall_ms > wanted->end_ms)
		return;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	json_write_array(row->w);
	json_write_double(row->w, (double)wall_ms / 1000);
	json_write_string(row->w, text);
	json_write_array_end(row->w);
}

static void write_raw(const struct row *row)
{
	const struct series *series = &row->isolate->series;

	for (int size = 0; size < 2; size++) {
		if (!row_begin(row, size ? "heap_size" : "heap_used", "raw"))
			continue;
		for (uint32_t i = 0; i < series->count; i++) {
			const struct point *point = series_at(series, i);

			row_value(row, point->mono_ns, size ? point->heap_size : point->heap_used);
		}
		row_end(row);
	}
}

static void write_window(const struct row *row, enum series_window window)
{
	const struct series *series = &row->isolate->series;
	uint32_t n = series_buckets(series, window);

	for (enum series_signal s = SIGNAL_LIVE; s < SIGNALS; s++) {
		if (!row_begin(row, series_signal_name(s), series_window_name(window)))
			continue;
		for (uint32_t i = 0; i < n; i++) {
			const struct bucket *bucket = series_bucket(series, window, i);

			if (bucket->kib[s] != BUCKET_ABSENT)
				row_value(row, series_bucket_ns(series, window, bucket),
					  1024ull * bucket->kib[s]);
		}
		row_end(row);
	}
}

static int read_time(const struct http_exchange *exchange, const char *name, int64_t now_wall_ms,
		     int64_t *ret)
{
	const char *text = http_argument(exchange, name);
	double seconds;
	char rest;

	if (text == NULL)
		return 0;
	/* Prometheus' tools give Unix seconds, people the rest. */
	if (sscanf(text, "%lf%c", &seconds, &rest) == 1 && seconds >= 0 && seconds < 1e11) {
		*ret = (int64_t)(seconds * 1000);
		return 0;
	}
	return when_parse(text, now_wall_ms, ret);
}

static bool is_metric(const char *name)
{
	bool found = strcmp(name, "heap_used") == 0 || strcmp(name, "heap_size") == 0;

	for (enum series_signal s = SIGNAL_LIVE; s < SIGNALS; s++)
		found |= strcmp(name, series_signal_name(s)) == 0;
	return found;
}

static bool is_resolution(const char *name)
{
	return strcmp(name, "raw") == 0 || strcmp(name, series_window_name(WINDOW_FAST)) == 0 ||
	       strcmp(name, series_window_name(WINDOW_SLOW)) == 0;
}

/* 0, or -EINVAL with the name of the argument that is wrong. */
static int read_wanted(const struct http_exchange *exchange, struct wanted *ret, const char **wrong)
{
	*ret = (struct wanted){ .isolate = http_argument(exchange, "isolate"),
				.metric = http_argument(exchange, "metric"),
				.resolution = http_argument(exchange, "resolution"),
				.start_ms = INT64_MIN,
				.end_ms = INT64_MAX,
				.now_mono_ns = clock_mono_ns(),
				.now_wall_ms = clock_wall_ms() };
	*wrong = "start";
	if (read_time(exchange, "start", ret->now_wall_ms, &ret->start_ms) < 0)
		return -EINVAL;
	*wrong = "end";
	if (read_time(exchange, "end", ret->now_wall_ms, &ret->end_ms) < 0)
		return -EINVAL;
	*wrong = "metric";
	if (ret->metric != NULL && !is_metric(ret->metric))
		return -EINVAL;
	*wrong = "resolution";
	return ret->resolution == NULL || is_resolution(ret->resolution) ? 0 : -EINVAL;
}

static void write_isolates(struct json_writer *w, const struct wanted *wanted,
			   const struct target *target, const struct link *list)
{
	list_each (at, list) {
		const struct isolate *isolate = container_of(at, struct isolate, link);
		struct row row = { w, wanted, target, isolate };

		if (!is_wanted(wanted->isolate, isolate->name))
			continue;
		write_raw(&row);
		for (enum series_window window = WINDOW_FAST; window < WINDOWS; window++)
			write_window(&row, window);
	}
}

int api_series(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	const struct target *target = targets_find_name(view->targets, exchange->params[0]);
	struct api_answer answer;
	struct wanted wanted;
	const char *wrong;

	if (target == NULL)
		return http_answer_error(exchange, 404, NULL, "no target has this name");
	if (read_wanted(exchange, &wanted, &wrong) < 0)
		return http_answer_error(exchange, 400, NULL, "the argument '%s' is wrong", wrong);
	if (wanted.isolate != NULL && target_find_isolate(target, wanted.isolate) == NULL &&
	    target_find_missing(target, wanted.isolate) == NULL)
		return http_answer_error(exchange, 404, NULL, "the target has no such isolate");
	api_begin(&answer);
	json_write_object(&answer.json);
	json_member_string(&answer.json, "resultType", "matrix");
	json_write_key(&answer.json, "result");
	json_write_array(&answer.json);
	write_isolates(&answer.json, &wanted, target, &target->isolates);
	write_isolates(&answer.json, &wanted, target, &target->missing);
	json_write_array_end(&answer.json);
	json_write_object_end(&answer.json);
	return api_finish(&answer, exchange, 200);
}
