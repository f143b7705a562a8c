/*
 * Alerts and targets on the status page. Targets in trouble come first: with a thousand of them
 * nobody scrolls to find the one that is down.
 */

#include "http/page.h"

#include <stdio.h>
#include <string.h>

#include "http/view.h"
#include "util/clock.h"
#include "watch/alert.h"
#include "watch/discover.h"
#include "watch/target.h"
#include "watch/value.h"

/* ---- alerts ---- */

/* In the unit of what the rule looks at. */
static void write_value(struct buf *buf, const struct alert *alert)
{
	const struct value_desc *desc = value_at(alert->rule->metric);

	if (alert->rule->relative_to >= 0)
		buf_printf(buf, "%.1f%%", alert->value * 100);
	else if (desc != NULL && desc->unit == VALUE_BYTES && alert->value >= 0)
		html_bytes(buf, (uint64_t)alert->value);
	else
		buf_printf(buf, "%.4g", alert->value);
}

static void write_alert(struct buf *buf, const struct alert *alert)
{
	const char *summary = labels_get(&alert->annotations, "summary");
	bool firing = alert->state == ALERT_FIRING;
	struct buf condition;

	buf_printf(buf, "<tr><td><span class=\"pill %s\">%s</span></td><td>",
		   firing ? "bad" : "warn", alert_state_name(alert->state));
	html_text(buf, alert->rule->name);
	buf_puts(buf, " <span class=why>");
	buf_init(&condition, 1024);
	if (rule_describe(alert->rule, &condition) == 0)
		html_text(buf, buf_text(&condition));
	buf_fini(&condition);
	buf_puts(buf, "</span></td><td>");
	html_text(buf, alert->target);
	buf_puts(buf, " <span class=why>");
	html_text(buf, alert->isolate);
	buf_puts(buf, "</span></td><td>");
	html_text(buf, summary != NULL ? summary : "");
	buf_puts(buf, "</td><td class=num>");
	write_value(buf, alert);
	buf_puts(buf, "</td><td class=num>");
	html_age(buf, clock_wall_ms() - alert->active_since_wall_ms);
	buf_puts(buf, "</td></tr>\n");
}

static void write_alerts(struct buf *buf, const struct alerts *alerts, enum alert_state state)
{
	list_each (at, &alerts->list) {
		const struct alert *alert = container_of(at, struct alert, link);

		if (alert->state == state)
			write_alert(buf, alert);
	}
}

void page_alerts(struct buf *buf, const struct http_view *view)
{
	size_t firing = 0;

	list_each (at, &view->alerts->list)
		firing += container_of(at, struct alert, link)->state == ALERT_FIRING;
	buf_printf(buf, "<h2>Alerts <small>%zu firing, %zu pending</small></h2>\n", firing,
		   (size_t)view->alerts->count - firing);
	if (view->alerts->count == 0) {
		buf_puts(buf, "<p class=card>No alert is pending or firing.</p>\n");
		return;
	}
	buf_puts(buf, "<div class=card><table><tr><th>State<th>Rule<th>Target<th>Summary<th "
		      "class=num>Value"
		      "<th class=num>For</tr>\n");
	write_alerts(buf, view->alerts, ALERT_FIRING);
	write_alerts(buf, view->alerts, ALERT_PENDING);
	buf_puts(buf, "</table></div>\n");
}

/* ---- targets ---- */

static const char *level_of(enum target_state state)
{
	switch (state) {
	case TARGET_UP:
		return "ok";
	case TARGET_CONNECTING:
	case TARGET_CAPTURING:
	case TARGET_PAUSED:
	case TARGET_EXITING:
		return "warn";
	default:
		return "bad";
	}
}

static void write_name(struct buf *buf, const struct target *target)
{
	char address[ADDRESS_TEXT_MAX];

	buf_puts(buf, "<td><a href=\"/api/v1/targets/");
	html_segment(buf, target->spec.name);
	buf_puts(buf, "\">");
	html_text(buf, target->spec.name);
	buf_puts(buf, "</a> <span class=why>");
	address_format(address, &target->spec.address);
	if (strcmp(address, target->spec.name) != 0)
		html_text(buf, address);
	buf_puts(buf, "</span></td>");
}

static void write_runtime(struct buf *buf, const struct target *target)
{
	buf_puts(buf, "<td>");
	if (target->identified) {
		html_text(buf, target->identity.runtime);
		buf_puts(buf, " ");
		html_text(buf, target->identity.runtime_version);
		buf_puts(buf, " <span class=why>");
		html_text(buf, target->identity.title);
		buf_puts(buf, "</span>");
	}
	buf_puts(buf, "</td>");
}

/* The isolate nearest to its limit speaks for the target. */
static const struct isolate *fullest(const struct target *target)
{
	const struct isolate *found = NULL;
	double most = -1;

	list_each (at, &target->isolates) {
		const struct isolate *isolate = container_of(at, struct isolate, link);
		const struct sample *last = &isolate->last;
		double limit = sample_has(last, SAMPLE_HEAP_LIMIT)
				       ? (double)last->value[SAMPLE_HEAP_LIMIT]
				       : 1e18;

		if (sample_has(last, SAMPLE_HEAP_USED) &&
		    (double)last->value[SAMPLE_HEAP_USED] / limit > most) {
			most = (double)last->value[SAMPLE_HEAP_USED] / limit;
			found = isolate;
		}
	}
	return found;
}

static void write_heap(struct buf *buf, const struct target *target)
{
	const struct isolate *isolate = fullest(target);
	const struct sample *last;

	buf_puts(buf, "<td>");
	if (isolate != NULL) {
		last = &isolate->last;
		html_bar(buf, last->value[SAMPLE_HEAP_USED],
			 sample_has(last, SAMPLE_HEAP_LIMIT) ? last->value[SAMPLE_HEAP_LIMIT] : 0);
		if (strcmp(isolate->name, "main") != 0) {
			buf_puts(buf, " <span class=why>");
			html_text(buf, isolate->name);
			buf_puts(buf, "</span>");
		}
	}
	buf_puts(buf, "</td><td>");
	if (isolate != NULL)
		page_sparkline(buf, &isolate->series);
	buf_puts(buf, "</td>");
}

static void write_poll(struct buf *buf, const struct target *target)
{
	buf_puts(buf, "<td class=num>");
	if (target->last_poll_wall_ms > 0) {
		html_age(buf, clock_wall_ms() - target->last_poll_wall_ms);
		buf_printf(buf, " ago <span class=why>%.1f ms</span>",
			   (double)target->last_poll_duration_ns / (double)NS_PER_MS);
	} else {
		buf_puts(buf, "never");
	}
	buf_puts(buf, "</td>");
}

static void write_target(struct buf *buf, const struct target *target)
{
	buf_printf(buf, "<tr><td><span class=\"pill %s\">%s</span> <span class=why>",
		   level_of(target->state), target_state_name(target->state));
	html_text(buf, target->reason);
	buf_puts(buf, "</span></td>");
	write_name(buf, target);
	write_runtime(buf, target);
	buf_printf(buf, "<td class=num>%u</td>", target->isolates_n);
	write_heap(buf, target);
	write_poll(buf, target);
	buf_puts(buf, "</tr>\n");
}

static void write_targets(struct buf *buf, const struct targets *targets, bool well)
{
	list_each (at, &targets->list) {
		const struct target *target = container_of(at, struct target, link);

		if ((target->state == TARGET_UP) == well)
			write_target(buf, target);
	}
}

/* Sources that failed keep their last good set: that must be seen. */
static void write_sources(struct buf *buf, const struct discovery *discovery)
{
	list_each (at, &discovery->sources) {
		const struct discovery_source *source =
			container_of(at, struct discovery_source, link);

		if (source->error[0] == '\0')
			continue;
		buf_puts(buf, "<p class=\"card alarm\">Discovery by ");
		html_text(buf, source->name);
		buf_puts(buf, " failed, its last good set stays: ");
		html_text(buf, source->error);
		buf_puts(buf, "</p>\n");
	}
}

void page_targets(struct buf *buf, const struct http_view *view)
{
	size_t up = 0;

	list_each (at, &view->targets->list)
		up += container_of(at, struct target, link)->up;
	buf_printf(buf, "<h2>Targets <small>%zu of %u up</small></h2>\n", up, view->targets->count);
	write_sources(buf, view->discovery);
	if (view->targets->count == 0) {
		buf_puts(buf, "<p class=card>There are no targets. Name one in the configuration "
			      "or with --target.</p>\n");
		return;
	}
	buf_puts(buf,
		 "<div class=card><table><tr><th>State<th>Target<th>Runtime<th class=num>Isolates"
		 "<th>Heap used<th>Recent<th class=num>Last poll</tr>\n");
	write_targets(buf, view->targets, false);
	write_targets(buf, view->targets, true);
	buf_puts(buf, "</table></div>\n");
}
