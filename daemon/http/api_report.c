/*
 * Reports of captures: as they are, of profiles as a flame graph and a page, of trackings as a
 * page, and of timelines as one with their chart.
 *
 * A report was written by a worker that what it read may have taken over: it is parsed as anything
 * could be in it, and what is shown of it is drawn here.
 */

#include "http/api.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/analysis.h"
#include "capture/worker.h"
#include "http/page.h"
#include "http/server.h"
#include "http/view.h"
#include "json/tree.h"
#include "profile/flame.h"
#include "profile/profile.h"
#include "profile/report.h"
#include "spool/manifest.h"
#include "spool/spool.h"
#include "util/file.h"

static const char page_type[] = "text/html; charset=utf-8";

static int answer_gone(struct http_exchange *exchange)
{
	return http_answer_error(exchange, 404, NULL, "the report is gone from the spool");
}

static int answer_none(struct http_exchange *exchange, const struct manifest *manifest)
{
	const struct http_view *view = http_server_owner(exchange->server);
	const char *reason, *state = analyses_state(view->analyses, manifest, &reason);

	return http_answer_error(exchange, 404, NULL, "there is no report: %s%s%s", state,
				 reason[0] != '\0' ? ": " : "", reason);
}

/* The capture whose report is there. NULL with *ret_r: there is none, and that is answered. */
static const struct manifest *find(struct http_exchange *exchange, int *ret_r)
{
	const struct manifest *manifest = api_find_ready(exchange, ret_r);

	if (manifest != NULL && manifest->analysis.report_name[0] == '\0') {
		*ret_r = answer_none(exchange, manifest);
		return NULL;
	}
	return manifest;
}

/* A report has passed no stage and is small: it goes out as it is, for a browser to show. */
int api_capture_report(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	const struct manifest *manifest;
	char tag[80];
	int fd, r = 0;

	manifest = find(exchange, &r);
	if (manifest == NULL)
		return r;
	fd = openat(view->spool->ready_fd, manifest->analysis.report_name,
		    O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? answer_gone(exchange) : -errno;
	snprintf(tag, sizeof(tag), "\"%s\"", manifest->analysis.report_sha256);
	http_set_header(exchange, "ETag", tag);
	return http_answer_file(exchange, fd, "application/json", manifest->analysis.report_name);
}

/* ---- of profiles ---- */

static int read_report(const struct http_view *view, const struct manifest *manifest,
		       struct tree **ret)
{
	char *text;
	size_t size;
	int r = file_read_at(view->spool->ready_fd, manifest->analysis.report_name,
			     WORKER_REPORT_MAX, &text, &size);

	if (r < 0)
		return r;
	r = tree_parse(text, size, ret, NULL);
	free(text);
	return r;
}

typedef int draw_fn(const struct manifest *manifest, const struct tree *report,
		    const struct profile *profile, struct buf *buf);

/*
 * How the body came to be is in r; other is what is said of a report of another kind, and why (""
 * when that says it all). Takes the body.
 */
static int answer_made(struct http_exchange *exchange, int r, const char *type, struct buf *body,
		       const char *other, const char *why)
{
	if (r == 0)
		return http_answer(exchange, 200, type, body);
	buf_fini(body);
	if (r == -ENOENT)
		return answer_gone(exchange);
	return r == -EBADMSG ? http_answer_error(exchange, 404, NULL, "%s%s", other, why) : r;
}

/* The report's profile, drawn into an answer of this type. */
static int answer_drawn(struct http_exchange *exchange, const struct manifest *manifest,
			draw_fn *draw, const char *type)
{
	const struct http_view *view = http_server_owner(exchange->server);
	struct profile profile = { .what = PROFILE_UNKNOWN };
	struct tree *report = NULL;
	struct buf body;
	int r;

	buf_init(&body, API_BODY_MAX);
	r = read_report(view, manifest, &report);
	if (r == 0)
		r = profile_report_read(&profile, report);
	if (r == 0)
		r = draw(manifest, report, &profile, &body);
	profile_fini(&profile);
	tree_free(report);
	return answer_made(exchange, r, type, &body, "its report is none of a profile", "");
}

static int draw_flame(const struct manifest *manifest, const struct tree *report,
		      const struct profile *profile, struct buf *buf)
{
	(void)report;
	return profile_write_flame(profile, NULL, manifest->name, buf);
}

int api_capture_flame(struct http_exchange *exchange)
{
	int r = 0;
	const struct manifest *manifest = find(exchange, &r);

	return manifest == NULL ? r : answer_drawn(exchange, manifest, draw_flame, "image/svg+xml");
}

static int answer_tracking(struct http_exchange *exchange, const struct manifest *manifest)
{
	const struct http_view *view = http_server_owner(exchange->server);
	struct tree *report = NULL;
	struct buf body;
	int r;

	buf_init(&body, API_BODY_MAX);
	r = read_report(view, manifest, &report);
	if (r == 0)
		r = page_tracking(manifest, report, &body);
	tree_free(report);
	return answer_made(exchange, r, page_type, &body,
			   "its report does not say what came: ", manifest->analysis.verdict.text);
}

/* The chart is in the manifest: a report that is not there, or is bad, is only not shown. */
static int answer_timeline(struct http_exchange *exchange, const struct manifest *manifest)
{
	const struct http_view *view = http_server_owner(exchange->server);
	struct tree *report = NULL;
	struct buf body;
	int r = 0;

	buf_init(&body, API_BODY_MAX);
	if (manifest->analysis.report_name[0] != '\0')
		r = read_report(view, manifest, &report);
	if (r != -ENOMEM)
		r = page_timeline(manifest, report, &body);
	tree_free(report);
	return answer_made(exchange, r, page_type, &body, "", "");
}

int page_capture(struct http_exchange *exchange)
{
	int r = 0;
	const struct manifest *manifest = api_find_ready(exchange, &r);

	if (manifest != NULL && page_has_chart(manifest))
		return answer_timeline(exchange, manifest);
	if (manifest != NULL)
		manifest = find(exchange, &r);
	if (manifest == NULL)
		return r;
	return manifest_is_tracking(manifest)
		       ? answer_tracking(exchange, manifest)
		       : answer_drawn(exchange, manifest, page_profile, page_type);
}

/* The newest continuous profile of a target, with a report if that is wanted; NULL. */
static const struct manifest *newest_of(const struct spool *spool, const char *target, bool report)
{
	for (const struct link *at = spool->ready.prev; at != &spool->ready; at = at->prev) {
		const struct manifest *manifest =
			&container_of(at, const struct spool_entry, link)->manifest;

		if (manifest->continuous != 0 && strcmp(manifest->target, target) == 0 &&
		    (!report || manifest->analysis.report_name[0] != '\0'))
			return manifest;
	}
	return NULL;
}

int page_target_profile(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	const char *target = exchange->params[0];
	const struct manifest *manifest = newest_of(view->spool, target, true);

	if (manifest != NULL)
		return answer_drawn(exchange, manifest, page_profile, page_type);
	manifest = newest_of(view->spool, target, false);
	if (manifest != NULL)
		return answer_none(exchange, manifest);
	return http_answer_error(exchange, 404, NULL,
				 "no continuous profile of this target is in the spool");
}
