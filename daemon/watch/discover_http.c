/*
 * http_sd: targets named by a service
 *
 * The URL is asked at intervals, which the answer may set (X-Prometheus-Refresh-Interval-Seconds).
 * Only a whole, well-formed answer with status 200 counts; after anything else the last good
 * targets stay, since a service that is down says nothing about the programs it knew. The token is
 * read for each request, because it may be rotated, and is never logged.
 */

#include "watch/discover_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/doc.h"
#include "loop/loop.h"
#include "net/http_call.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"

/* What an answer may set the interval to. */
#define REFRESH_MIN_NS NS_PER_S
#define REFRESH_MAX_NS (24 * 3600 * NS_PER_S)

/* A JSON web token with many claims has some kilobytes. */
enum { TOKEN_BYTES_MAX = 16 << 10 };

struct http_source {
	struct source source;
	struct source_part part; /* all there is */
	char *url; /* owned */
	char *token_file; /* owned; NULL: none */
	uint64_t refresh_ns, timeout_ns;
	struct loop_timer refresh;
	struct http_fetch *fetch; /* under way */
};

static struct http_source *http_source(struct source *source)
{
	return container_of(source, struct http_source, source);
}

static void ended(struct http_source *http, bool changed, uint64_t next_ns)
{
	source_refreshed(&http->source, changed);
	loop_timer_set(&http->refresh, next_ns);
}

static uint64_t next_refresh(const struct http_source *http, uint64_t asked_ns)
{
	if (asked_ns == 0)
		return http->refresh_ns;
	if (asked_ns < REFRESH_MIN_NS)
		return REFRESH_MIN_NS;
	return asked_ns > REFRESH_MAX_NS ? REFRESH_MAX_NS : asked_ns;
}

/* YAML is for files: a service that answers with anything but a JSON list is not one of ours. */
static bool is_json_list(const struct http_answer *answer)
{
	return answer->body[strspn(answer->body, " \t\r\n")] == '[';
}

static bool take_answer(struct http_source *http, const struct http_answer *answer)
{
	struct source *source = &http->source;

	if (answer->r < 0)
		source_part_failed(source, &http->part, "%s", answer->reason);
	else if (answer->status != 200)
		source_part_failed(source, &http->part, "answered with status %ld, not 200",
				   answer->status);
	else if (!is_json_list(answer))
		source_part_failed(source, &http->part, "the answer is not a JSON list");
	else
		return source_part_parse(source, &http->part, answer->body, answer->size) == 0;
	return false;
}

static void on_answer(void *owner, const struct http_answer *answer)
{
	struct http_source *http = owner;
	bool good;

	http->fetch = NULL;
	good = take_answer(http, answer);
	ended(http, good, next_refresh(http, good ? answer->refresh_ns : 0));
}

/* What may stand in a header: one word of visible characters. */
static bool is_token(const char *text)
{
	size_t n = 0;

	while (text[n] > ' ' && text[n] < 0x7f)
		n++;
	return n > 0 && text[n] == '\0';
}

/* NULL when there is none to send. */
static int read_token(struct http_source *http, char **ret)
{
	size_t size;
	int r;

	*ret = NULL;
	if (!http->token_file)
		return 0;
	r = file_read(http->token_file, TOKEN_BYTES_MAX, ret, &size);
	if (r < 0) {
		source_part_failed(&http->source, &http->part, "bearer_token_file %.96s: %s",
				   http->token_file, strerrordesc_np(-r));
		return r;
	}
	while (size > 0 && strchr(" \t\r\n", (*ret)[size - 1]))
		(*ret)[--size] = '\0';
	if (is_token(*ret))
		return 0;
	source_part_failed(&http->source, &http->part, "bearer_token_file %.96s: not one word",
			   http->token_file);
	return -EINVAL;
}

static void refresh(void *owner)
{
	struct http_source *http = owner;
	struct http_request request = { .url = http->url,
					.accept = "application/json",
					.timeout_ns = http->timeout_ns,
					.body_max = DOC_SIZE_MAX };
	char *token = NULL;
	int r;

	if (http->fetch)
		return;
	r = read_token(http, &token);
	if (r == 0) {
		request.bearer = token;
		r = http_call(&http->fetch, http->source.discovery->http, &request, on_answer,
			      http);
		if (r < 0)
			source_part_failed(&http->source, &http->part, "cannot be asked: %s",
					   strerrordesc_np(-r));
	}
	if (token)
		explicit_bzero(token, strlen(token));
	free(token);
	if (r < 0)
		ended(http, false, http->refresh_ns);
}

static void http_free(struct source *source)
{
	struct http_source *http = http_source(source);

	if (http->fetch)
		http_cancel(http->fetch);
	loop_timer_fini(&http->refresh);
	source_part_fini(&http->part);
	source_fini(source);
	free(http->url);
	free(http->token_file);
	free(http);
}

static int http_new(struct source **ret, struct discovery *discovery, const char *what)
{
	struct http_source *http = calloc(1, sizeof(*http));
	char name[64];
	int r;

	if (!http)
		return -ENOMEM;
	source_init(&http->source, discovery, &http_source_ops);
	source_name(name, "http", what);
	http->url = strdup(what);
	r = http->url ? source_part_init(&http->source, &http->part, name) : -ENOMEM;
	if (r == 0)
		r = loop_timer_init(&http->refresh, discovery->loop, refresh, http);
	if (r < 0) {
		http_free(&http->source);
		return r;
	}
	*ret = &http->source;
	return 0;
}

static bool same_token_file(const struct http_source *http, const char *file)
{
	if (!file || !http->token_file)
		return file == http->token_file;
	return strcmp(file, http->token_file) == 0;
}

static void http_again(struct source *source)
{
	struct http_source *http = http_source(source);

	if (http->fetch)
		http_cancel(http->fetch);
	http->fetch = NULL;
	refresh(http);
}

static int http_set(struct source *source, const void *settings)
{
	const struct http_sd_settings *wanted = settings;
	struct http_source *http = http_source(source);
	char *token_file = NULL;

	if (http->refresh_ns == wanted->refresh_ns && http->timeout_ns == wanted->timeout_ns &&
	    same_token_file(http, wanted->bearer_token_file))
		return 0;
	if (wanted->bearer_token_file) {
		token_file = strdup(wanted->bearer_token_file);
		if (!token_file)
			return -ENOMEM;
	}
	free(http->token_file);
	http->token_file = token_file;
	http->refresh_ns = wanted->refresh_ns;
	http->timeout_ns = wanted->timeout_ns;
	http_again(source);
	return 0;
}

const struct source_ops http_source_ops = {
	.kind = "http", .new = http_new, .set = http_set, .again = http_again, .free = http_free
};
