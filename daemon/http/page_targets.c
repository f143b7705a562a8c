/*
 * Targets on the status page. Those in trouble come first: with a thousand of them nobody scrolls
 * to find the one that is down.
 */

#include "http/page.h"

#include <stdio.h>
#include <string.h>

#include "http/view.h"
#include "util/clock.h"
#include "watch/discover.h"
#include "watch/target.h"

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

static void write_profile_link(struct buf *buf, const struct target *target)
{
	if (target->spec.poll.profile_interval_ns == 0)
		return;
	buf_puts(buf, " <a href=\"/targets/");
	html_segment(buf, target->spec.name);
	buf_puts(buf, "/profile\">profile</a>");
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
	buf_puts(buf, "</span>");
	write_profile_link(buf, target);
	buf_puts(buf, "</td>");
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
			if (isolate->page[0] != '\0') {
				buf_puts(buf, " ");
				html_text(buf, isolate->page);
			}
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
	buf_puts(buf, "<td class=num data-l=\"Last poll\">");
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
	buf_printf(buf, "<tr><td><span class=\"pill %s\">%s</span> ", level_of(target->state),
		   target_state_name(target->state));
	if (target->state != TARGET_UP && target->state_since_wall_ms > 0) {
		buf_puts(buf, "<span class=dim>for ");
		html_age(buf, clock_wall_ms() - target->state_since_wall_ms);
		buf_puts(buf, "</span> ");
	}
	buf_puts(buf, "<span class=why>");
	html_text(buf, target->reason);
	buf_puts(buf, "</span></td>");
	write_name(buf, target);
	write_runtime(buf, target);
	buf_printf(buf, "<td class=num data-l=Isolates>%u</td>", target->isolates_n);
	write_heap(buf, target);
	write_poll(buf, target);
	buf_puts(buf, "</tr>\n");
}

/* How much a person should look at it: 2 nothing is known any more, 1 something goes on, 0 well. */
static int urgency(const struct target *target)
{
	if (target->state == TARGET_UP)
		return 0;
	return strcmp(level_of(target->state), "bad") == 0 ? 2 : 1;
}

static size_t write_targets(struct buf *buf, const struct targets *targets, int wanted, size_t room)
{
	list_each (at, &targets->list) {
		const struct target *target = container_of(at, struct target, link);

		if (urgency(target) == wanted && room > 0) {
			write_target(buf, target);
			room--;
		}
	}
	return room;
}

size_t page_count_trouble(const struct http_view *view)
{
	size_t n = 0;

	list_each (at, &view->targets->list)
		n += urgency(container_of(at, struct target, link)) == 2;
	return n;
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
	size_t up = 0, room = PAGE_ROWS_MAX;

	list_each (at, &view->targets->list)
		up += container_of(at, struct target, link)->up;
	buf_printf(buf, "<h2 id=targets>Targets <small>%zu of %u up</small></h2>\n", up,
		   view->targets->count);
	write_sources(buf, view->discovery);
	if (view->targets->count == 0) {
		buf_puts(buf, "<p class=card>There are no targets. Name one in the configuration "
			      "or with --target.</p>\n");
		return;
	}
	buf_puts(buf,
		 "<div class=card><table><tr><th>State<th>Target<th>Runtime<th class=num>Isolates"
		 "<th>Heap used<th>Recent<th class=num>Last poll</tr>\n");
	for (int wanted = 2; wanted >= 0; wanted--)
		room = write_targets(buf, view->targets, wanted, room);
	buf_puts(buf, "</table></div>\n");
	page_rest(buf, view->targets->count, "/api/v1/targets");
}
