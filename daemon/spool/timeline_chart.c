/*
 * The chart of a timeline in JSON: an array of points, absent where nothing was told. What is read
 * may be anything: points beyond the table, or that make no sense, are left out.
 */

#include "spool/timeline_chart.h"

#include <stddef.h>

#include "json/tree.h"
#include "json/write.h"

struct timeline_point timeline_chart_sum(const struct timeline_chart *chart)
{
	struct timeline_point all = { 0 };

	for (uint64_t i = 0; i < chart->n; i++) {
		all.at_ms = chart->points[i].at_ms;
		all.seen_bytes += chart->points[i].seen_bytes;
		all.live_bytes += chart->points[i].live_bytes;
	}
	return all;
}

void timeline_chart_write(const struct timeline_chart *chart, struct json_writer *w)
{
	if (chart->n == 0)
		return;
	json_write_key(w, "timeline");
	json_write_array(w);
	for (size_t i = 0; i < chart->n; i++) {
		json_write_object(w);
		json_member_uint(w, "at_ms", chart->points[i].at_ms);
		json_member_uint(w, "seen_bytes", chart->points[i].seen_bytes);
		json_member_uint(w, "live_bytes", chart->points[i].live_bytes);
		json_write_object_end(w);
	}
	json_write_array_end(w);
}

void timeline_chart_read(const struct tree *array, struct timeline_chart *ret)
{
	*ret = (struct timeline_chart){ 0 };
	if (!tree_is_array(array))
		return;
	for (size_t i = 0; i < tree_size(array) && ret->n < TIMELINE_POINTS_MAX; i++) {
		const struct tree *node = tree_at(array, i);
		struct timeline_point point;

		if (tree_uint(node, "at_ms", &point.at_ms) &&
		    tree_uint(node, "seen_bytes", &point.seen_bytes) &&
		    tree_uint(node, "live_bytes", &point.live_bytes) &&
		    point.live_bytes <= point.seen_bytes)
			ret->points[ret->n++] = point;
	}
}
