#pragma once

/* The status page: for people, with or without a graphical browser, without a script. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/buf.h"

struct http_exchange;
struct http_view;
struct manifest;
struct profile;
struct series;
struct tree;

/* GET / */
int page_status(struct http_exchange *exchange);

/* GET /captures/:id, for timelines, and those with a report that has a page; in api_report.c. */
int page_capture(struct http_exchange *exchange);
int page_target_profile(struct http_exchange *exchange);

/* The page of a profile and its report, which may be anything. 0, -ENOMEM or the buffer's error. */
int page_profile(const struct manifest *manifest, const struct tree *report,
		 const struct profile *profile, struct buf *buf);

/*
 * The same of the second capture of a tracking. -EBADMSG: the report says nothing of what came;
 * else the buffer's error.
 */
int page_tracking(const struct manifest *manifest, const struct tree *report, struct buf *buf);

/* The same of a timeline with a chart; report: of what it holds, or NULL. The buffer's error. */
int page_timeline(const struct manifest *manifest, const struct tree *report, struct buf *buf);

/* Is it a timeline with a chart, which has a page without a report as well? */
bool page_has_chart(const struct manifest *manifest);

/* Has it such a page, once it has a report? */
bool page_is_there(const struct manifest *manifest);

/* The whole page. 0 or the buffer's error. */
int page_write(const struct http_view *view, struct buf *buf);

/* ---- between the parts of the page ---- */

extern const char page_style[];

/* Text from outside, escaped for element content and attribute values. */
void html_text(struct buf *buf, const char *text);

/* One path segment of a URL, percent-encoded. */
void html_segment(struct buf *buf, const char *text);

/* "3s", "2m 5s" for a monotonic or wall distance in ms; "1.4 GiB". */
void html_age(struct buf *buf, int64_t ms);
void html_bytes(struct buf *buf, uint64_t bytes);

/* " 12.5%" of whole, in small. */
void html_share(struct buf *buf, uint64_t part, uint64_t whole);

/* "12345 objects, 1.4 MiB": what came, of the second capture of a tracking. */
void html_arrived(struct buf *buf, const struct manifest *manifest);

/* A bar of value in limit, with the figures beside it. level marks it: "ok", "warn", "bad". */
void html_bar(struct buf *buf, uint64_t value, uint64_t limit);

/* Heap in use over time as inline SVG; nothing when there are fewer than two points. */
void page_sparkline(struct buf *buf, const struct series *series);

/* What the top of the page and its title count: alerts that fire, targets that cannot be watched.
 */
size_t page_count_firing(const struct http_view *view);
size_t page_count_trouble(const struct http_view *view);

/* Rows of alerts or targets: a page made anew every ten seconds has its limit. */
enum { PAGE_ROWS_MAX = 500 };

/* "and N more", when n rows are more than that. */
void page_rest(struct buf *buf, size_t n, const char *url);

/* The head of the page of a capture, with this style besides, and what it is of. */
void page_begin(struct buf *buf, const struct manifest *manifest, const char *style);

/* A link to what the API has of a capture: "/report". */
void page_link(struct buf *buf, const struct manifest *manifest, const char *what,
	       const char *text);

/* A link to the file of a capture. */
void page_download(struct buf *buf, const struct manifest *manifest, const char *text);

void page_alerts(struct buf *buf, const struct http_view *view);
void page_targets(struct buf *buf, const struct http_view *view);
void page_captures(struct buf *buf, const struct http_view *view);
void page_spool(struct buf *buf, const struct http_view *view);
