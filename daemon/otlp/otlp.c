/*
 * Exports
 *
 * An export goes through all targets, a body at a time. Which answers are tried again is said in
 * "OTLP/HTTP Response" of https://opentelemetry.io/docs/specs/otlp/: 429, 502, 503 and 504, and no
 * answer at all, after what Retry-After says, else after exponentially growing pauses. Everything
 * else that is no success is final.
 */

#include "otlp/otlp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json/tree.h"
#include "net/http_call.h"
#include "otlp/headers.h"
#include "otlp/settings.h"
#include "pipeline/gzip.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/fnv.h"
#include "util/log.h"
#include "util/str.h"

#define RETRY_MIN_NS (1 * NS_PER_S)
#define RETRY_MAX_NS (60 * NS_PER_S)

static const char metrics_path[] = "/v1/metrics";

static const double duration_bounds[] = { .001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10 };

const char *otlp_result_name(enum otlp_result result)
{
	static const char *const names[] = {
		[OTLP_SUCCESS] = "success",
		[OTLP_PARTIAL] = "partial",
		[OTLP_REFUSED] = "refused",
		[OTLP_FAILED] = "failed",
	};

	return names[result];
}

const char *otlp_drop_name(enum otlp_drop drop)
{
	static const char *const names[] = {
		[OTLP_DROP_REJECTED] = "rejected",
		[OTLP_DROP_REFUSED] = "refused",
		[OTLP_DROP_LATE] = "late",
		[OTLP_DROP_TOO_LARGE] = "too_large",
	};

	return names[drop];
}

static void wake(struct otlp *otlp)
{
	loop_defer(otlp->loop, &otlp->pump);
}

/* ---- what is said of it ---- */

static void say_down(struct otlp *otlp, const char *why, bool again)
{
	if (!otlp->down)
		log_warn("otlp", "%s takes no metrics: %s%s", otlp->endpoint.url, why,
			 again ? "; it is tried again" : "");
	otlp->down = true;
}

static void say_up(struct otlp *otlp)
{
	if (otlp->down)
		log_info("otlp", "%s takes metrics again", otlp->endpoint.url);
	otlp->down = false;
}

/* Some points are not wanted, others are: said once, until an export goes without. */
static void say_unwanted(struct otlp *otlp, uint64_t points, const char *why)
{
	if (!otlp->told_unwanted)
		log_warn("otlp", "%s does not take %llu of %llu points: %s", otlp->endpoint.url,
			 (unsigned long long)points, (unsigned long long)otlp->points, why);
	otlp->told_unwanted = otlp->has_unwanted = true;
}

/* ---- the body ---- */

static void drop_body(struct otlp *otlp, enum otlp_drop why)
{
	if (!otlp->pending)
		return;
	otlp->dropped[why] += otlp->points;
	otlp->pending = false;
}

static void begin_export(struct otlp *otlp)
{
	if (!otlp->has_unwanted)
		otlp->told_unwanted = false;
	otlp->has_unwanted = otlp->due = false;
	otlp->exporting = true;
	otlp->cursor = (struct otlp_cursor){ 0 };
	wake(otlp);
}

static void end_export(struct otlp *otlp)
{
	otlp->exporting = false;
	if (otlp->due)
		begin_export(otlp);
}

/* Once, however often it is sent. One that cannot be packed for want of memory goes as it is. */
static void pack_body(struct otlp *otlp)
{
	otlp->packed = otlp->settings->compression == OTLP_GZIP && gzip_pack(&otlp->body) == 0;
}

/* False: there is none to be sent. */
static bool make_body(struct otlp *otlp)
{
	const struct otlp_frame frame = {
		.version = otlp->version,
		.host = otlp->host,
		.attributes = &otlp->settings->resource_attributes,
		.wall_ms = clock_wall_ms(),
	};
	int r = otlp_encode(&otlp->body, otlp->targets, &frame, &otlp->cursor, &otlp->points);

	otlp->pending = r == 0;
	if (r == 0)
		pack_body(otlp);
	if (r == -E2BIG) {
		if (otlp->dropped[OTLP_DROP_TOO_LARGE] == 0)
			log_error("otlp", "some targets have more to tell than a request may hold");
		otlp->dropped[OTLP_DROP_TOO_LARGE] += otlp->points;
		wake(otlp);
	} else if (r < 0) {
		say_down(otlp, "out of memory", true);
		end_export(otlp);
	} else if (r == OTLP_E_END) {
		end_export(otlp);
	}
	return otlp->pending;
}

/* ---- answers ---- */

static void wait_to_retry(struct otlp *otlp, uint64_t after_ns)
{
	uint64_t delay_ns = after_ns > 0 ? after_ns : backoff_next(&otlp->backoff);

	otlp->waiting = loop_timer_set(&otlp->retry, delay_ns) == 0;
}

static void failed(struct otlp *otlp, const char *why, uint64_t retry_after_ns)
{
	otlp->exports[OTLP_FAILED]++;
	say_down(otlp, why, true);
	wait_to_retry(otlp, retry_after_ns);
}

/* What is wrong with this body need not be wrong with the next one; anything else is. */
static void refused(struct otlp *otlp, const char *why, long status)
{
	bool is_body = status == 400 || status == 413 || status == 422;

	otlp->exports[OTLP_REFUSED]++;
	drop_body(otlp, OTLP_DROP_REFUSED);
	if (is_body) {
		say_unwanted(otlp, otlp->points, why);
		return;
	}
	say_down(otlp, why, false);
	end_export(otlp);
}

/* A 64-bit number in JSON is a text, or a number all the same. */
static uint64_t rejected_points(const struct tree *answer)
{
	static const char path[] = "partialSuccess.rejectedDataPoints";
	const char *text;
	uint64_t n = 0;

	if (tree_string(answer, path, &text))
		return str_parse_uint(text, &n) == 0 ? n : 0;
	return tree_uint(answer, path, &n) ? n : 0;
}

static void taken(struct otlp *otlp, const struct http_answer *answer)
{
	struct tree *tree = NULL;
	const char *message = "";
	uint64_t rejected;

	/* A receiver may leave out the body, and what it says there is for people. */
	(void)tree_parse(answer->body, answer->size, &tree, NULL);
	rejected = rejected_points(tree);
	if (rejected > otlp->points)
		rejected = otlp->points;
	tree_string(tree, "partialSuccess.errorMessage", &message);
	if (rejected > 0 || message[0] != '\0')
		say_unwanted(otlp, rejected, message);
	tree_free(tree);
	otlp->exports[rejected > 0 ? OTLP_PARTIAL : OTLP_SUCCESS]++;
	otlp->sent += otlp->points - rejected;
	otlp->dropped[OTLP_DROP_REJECTED] += rejected;
	otlp->success_wall_ms = clock_wall_ms();
	otlp->pending = false;
	backoff_reset(&otlp->backoff);
	say_up(otlp);
}

static bool is_retryable(const struct http_answer *answer)
{
	return answer->r < 0 || answer->status == 429 || answer->status == 502 ||
	       answer->status == 503 || answer->status == 504;
}

static void on_answer(void *owner, const struct http_answer *answer)
{
	struct otlp *otlp = owner;
	char text[128];

	otlp->fetch = NULL;
	histogram_observe(&otlp->duration,
			  (double)(clock_mono_ns() - otlp->asked_ns) / (double)NS_PER_S);
	endpoint_describe(answer, text, sizeof(text));
	if (is_retryable(answer))
		failed(otlp, text, answer->r == 0 ? answer->retry_after_ns : 0);
	else if (answer->status >= 200 && answer->status < 300)
		taken(otlp, answer);
	else
		refused(otlp, text, answer->status);
	wake(otlp);
}

/* ---- requests ---- */

static int post(struct otlp *otlp, struct err *err)
{
	char **lines = NULL;
	int r = otlp_header_lines(&otlp->settings->headers, otlp->packed ? "gzip" : NULL, &lines,
				  err);

	if (r == 0)
		r = endpoint_post(&otlp->endpoint, otlp->http, otlp->body.data, otlp->body.size,
				  (const char *const *)lines, on_answer, otlp, &otlp->fetch, err);
	otlp_header_lines_free(lines);
	return r;
}

static void pump(void *owner)
{
	struct otlp *otlp = owner;
	struct err err = { 0 };

	if (otlp->fetch != NULL || otlp->waiting)
		return;
	if (!otlp->pending && (!otlp->exporting || !make_body(otlp)))
		return;
	otlp->asked_ns = clock_mono_ns();
	if (post(otlp, &err) < 0)
		failed(otlp, err.text, 0);
}

static void on_retry(void *owner)
{
	struct otlp *otlp = owner;

	otlp->waiting = false;
	wake(otlp);
}

/* ---- intervals ---- */

/* At the same places in the interval whatever is loaded again, and each host at its own. */
static void arm(struct otlp *otlp)
{
	uint64_t interval_ns = otlp->settings->interval_ns;
	uint64_t delay_ns =
		sched_next(otlp->loop->now_ns, interval_ns, fnv1a_text(FNV1A_FIRST, otlp->host));

	/* A timer may come a moment before its time. */
	if (delay_ns < interval_ns / 10)
		delay_ns += interval_ns;
	(void)loop_timer_set(&otlp->tick, delay_ns);
}

/*
 * An export that goes on is let go on: others would never come to their turn. One that fails is
 * begun anew, and how long to wait remains.
 */
static void on_tick(void *owner)
{
	struct otlp *otlp = owner;

	arm(otlp);
	if (otlp->exporting && !otlp->waiting) {
		otlp->due = true;
		return;
	}
	drop_body(otlp, OTLP_DROP_LATE);
	begin_export(otlp);
}

static void stop(struct otlp *otlp)
{
	if (otlp->fetch != NULL)
		http_cancel(otlp->fetch);
	otlp->fetch = NULL;
	drop_body(otlp, OTLP_DROP_LATE);
	otlp->exporting = otlp->due = otlp->down = false;
	otlp->told_unwanted = otlp->has_unwanted = false;
	loop_timer_clear(&otlp->tick);
}

/* ---- settings ---- */

/* To be freed; NULL without memory. */
static char *make_url(const char *endpoint)
{
	const char *host = strstr(endpoint, "://") + 3, *path = host + strcspn(host, "/?#");
	char *url;

	if (strcmp(path, "") != 0 && strcmp(path, "/") != 0)
		return strdup(endpoint);
	return asprintf(&url, "%.*s%s", (int)(path - endpoint), endpoint, metrics_path) < 0 ? NULL
											    : url;
}

static int make_endpoint(struct endpoint *ret, const struct otlp_settings *settings)
{
	char *url;
	int r;

	*ret = (struct endpoint){ 0 };
	if (settings->endpoint == NULL)
		return 0;
	url = make_url(settings->endpoint);
	r = url != NULL ? endpoint_init(ret, url, &settings->access) : -ENOMEM;
	free(url);
	if (r < 0)
		endpoint_fini(ret);
	return r;
}

static bool is_same(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

int otlp_set(struct otlp *otlp, const struct otlp_settings *settings)
{
	struct endpoint endpoint;
	int r = make_endpoint(&endpoint, settings);

	otlp->settings = settings;
	if (r == 0) {
		/* What is under way somewhere else is of no interest any more. */
		if (!is_same(endpoint.url, otlp->endpoint.url))
			stop(otlp);
		endpoint_fini(&otlp->endpoint);
		otlp->endpoint = endpoint;
	}
	backoff_reset(&otlp->backoff);
	loop_timer_clear(&otlp->retry);
	otlp->waiting = false;
	if (otlp->endpoint.url != NULL)
		arm(otlp);
	wake(otlp);
	return r;
}

/* ---- start and end ---- */

int otlp_init(struct otlp *otlp, struct loop *loop, struct http_client *http,
	      const struct targets *targets, const char *version)
{
	int r;

	*otlp = (struct otlp){ .loop = loop, .http = http, .targets = targets, .version = version };
	gethostname(otlp->host, sizeof(otlp->host) - 1);
	otlp->backoff = (struct backoff){ .min_ns = RETRY_MIN_NS, .max_ns = RETRY_MAX_NS };
	buf_init(&otlp->body, OTLP_BODY_BYTES_MAX);
	histogram_init(&otlp->duration, duration_bounds,
		       sizeof(duration_bounds) / sizeof(duration_bounds[0]));
	loop_deferred_init(&otlp->pump, pump, otlp);
	r = loop_timer_init(&otlp->tick, loop, on_tick, otlp);
	return r == 0 ? loop_timer_init(&otlp->retry, loop, on_retry, otlp) : r;
}

void otlp_fini(struct otlp *otlp)
{
	if (otlp->loop == NULL)
		return;
	stop(otlp);
	loop_deferred_cancel(&otlp->pump);
	loop_timer_fini(&otlp->tick);
	loop_timer_fini(&otlp->retry);
	buf_fini(&otlp->body);
	endpoint_fini(&otlp->endpoint);
	*otlp = (struct otlp){ 0 };
}
