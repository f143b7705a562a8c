/*
 * Files of captures and what is done to them: downloads, pins, vacuum.
 *
 * A browser that loads a snapshot wants it expanded, whoever archives it wants it as it is: the
 * first takes zstd as a coding of the transfer or gets it expanded on the way, the second says
 * raw=1.
 */

#include "http/api.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture/capture.h"
#include "http/expand.h"
#include "http/negotiate.h"
#include "http/server.h"
#include "http/view.h"
#include "json/tree.h"
#include "spool/select.h"
#include "spool/spool.h"
#include "spool/vacuum.h"
#include "util/clock.h"
#include "util/err.h"

/* ---- downloads ---- */

/* One file of a capture: itself, or its list of scripts. */
struct stored {
	const char *name, *sha256;
	bool compressed, encrypted;
	uint64_t about_bytes; /* expanded, when that is known */
};

static ssize_t read_expanded(void *owner, void *dst, size_t size)
{
	return expand_read(owner, dst, size);
}

static void free_expanded(void *owner)
{
	expand_free(owner);
}

static int answer_expanded(struct http_exchange *exchange, int fd, const struct stored *stored)
{
	char name[SPOOL_NAME_MAX];
	struct expand *expand;
	int r;

	r = expand_open(&expand, fd);
	if (r < 0)
		return r;
	select_plain_name(name, sizeof(name), stored->name);
	http_set_header(exchange, "Vary", "Accept-Encoding");
	return http_answer_stream(exchange, "application/octet-stream", name, stored->about_bytes,
				  read_expanded, free_expanded, expand);
}

/* fd is taken. By the ETag a download is taken up again only when the file is the same. */
static int answer_as_is(struct http_exchange *exchange, int fd, const struct stored *stored,
			bool encoded)
{
	char tag[80], name[SPOOL_NAME_MAX];
	int r;

	snprintf(tag, sizeof(tag), "\"%s%s\"", stored->sha256, encoded ? "-zstd" : "");
	r = http_set_header(exchange, "ETag", tag);
	if (r == 0 && !encoded)
		return http_answer_file(exchange, fd, "application/octet-stream", stored->name);
	select_plain_name(name, sizeof(name), stored->name);
	if (r == 0)
		r = http_set_header(exchange, "Vary", "Accept-Encoding");
	if (r == 0)
		r = http_set_header(exchange, "Content-Encoding", "zstd");
	if (r < 0) {
		close(fd);
		return r;
	}
	return http_answer_file(exchange, fd, "application/octet-stream", name);
}

static int answer_stored(struct http_exchange *exchange, const struct stored *stored)
{
	const struct http_view *view = http_server_owner(exchange->server);
	const char *raw = http_argument(exchange, "raw");
	bool as_is =
		!stored->compressed || stored->encrypted || (raw != NULL && strcmp(raw, "1") == 0);
	int fd;

	fd = openat(view->spool->ready_fd, stored->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return http_answer_error(exchange, 404, NULL,
					 "the file of this capture is gone from the spool");
	if (fd < 0)
		return -errno;
	if (as_is)
		return answer_as_is(exchange, fd, stored, false);
	if (negotiate_zstd(http_header(exchange, "Accept-Encoding")))
		return answer_as_is(exchange, fd, stored, true);
	return answer_expanded(exchange, fd, stored);
}

const struct manifest *api_find_ready(struct http_exchange *exchange, int *ret_r)
{
	const struct http_view *view = http_server_owner(exchange->server);
	const struct spool_entry *entry = spool_find(view->spool, exchange->params[0]);
	const struct capture *capture = captures_find(view->captures, exchange->params[0]);

	if (entry != NULL)
		return &entry->manifest;
	if (capture != NULL && capture->step != CAPTURE_SUCCEEDED)
		*ret_r = http_answer_error(exchange, 409, NULL, "the capture is not complete");
	else
		*ret_r = http_answer_error(exchange, 404, NULL, "no capture has this id");
	return NULL;
}

static uint64_t plain_bytes(const struct manifest *manifest)
{
	return manifest->redacted_bytes > 0 ? manifest->redacted_bytes : manifest->size_bytes;
}

int api_capture_file(struct http_exchange *exchange)
{
	struct stored stored;
	const struct manifest *manifest;
	int r = 0;

	manifest = api_find_ready(exchange, &r);
	if (manifest == NULL)
		return r;
	stored = (struct stored){
		.name = manifest->name,
		.sha256 = manifest->sha256,
		.compressed = strcmp(manifest->compress, "zstd") == 0,
		.encrypted = strcmp(manifest->encrypt, "age") == 0,
		.about_bytes = plain_bytes(manifest),
	};
	return answer_stored(exchange, &stored);
}

int api_capture_scripts(struct http_exchange *exchange)
{
	struct stored stored;
	const struct manifest *manifest;
	int r = 0;

	manifest = api_find_ready(exchange, &r);
	if (manifest == NULL)
		return r;
	if (manifest->scripts_name[0] == '\0')
		return http_answer_error(exchange, 404, NULL,
					 "no list of scripts was kept beside this capture");
	stored = (struct stored){
		.name = manifest->scripts_name,
		.sha256 = manifest->scripts_sha256,
		.compressed = strcmp(manifest->compress, "zstd") == 0,
		.encrypted = strcmp(manifest->encrypt, "age") == 0,
	};
	return answer_stored(exchange, &stored);
}

/* ---- pins ---- */

static int answer_pinned(struct http_exchange *exchange, bool pinned)
{
	struct api_answer answer;

	api_begin(&answer);
	json_write_object(&answer.json);
	json_member_string(&answer.json, "id", exchange->params[0]);
	json_member_bool(&answer.json, "pinned", pinned);
	json_write_object_end(&answer.json);
	return api_finish(&answer, exchange, 200);
}

int api_capture_change(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	struct err err = { .text = "" };
	struct tree *body;
	size_t size;
	const char *text = http_body(exchange, &size);
	bool pinned = false, has = false;
	int r;

	r = tree_parse(text, size, &body, &err);
	if (r == -EBADMSG)
		return http_answer_error(exchange, 400, NULL, "body is no JSON object: %s",
					 err.text);
	if (r < 0)
		return r;
	has = tree_bool(body, "pinned", &pinned);
	tree_free(body);
	if (!has)
		return http_answer_error(exchange, 400, NULL,
					 "nothing to change: \"pinned\" takes true or false");
	if (api_find_ready(exchange, &r) == NULL)
		return r;
	r = spool_pin(view->spool, exchange->params[0], pinned);
	if (r == FILE_E_FULL)
		return http_answer_error(exchange, 429, "limit", "no space left for its manifest");
	return r < 0 ? r : answer_pinned(exchange, pinned);
}

/* ---- vacuum ---- */

/* What the body says differently from the spool's own limits. 0, -EINVAL with the member in err. */
static int read_limits(const struct tree *body, struct spool_settings *limits, struct err *err)
{
	double seconds;

	for (void *it = tree_first(body); it != NULL; it = tree_next(body, it)) {
		const char *name = tree_name(it);
		const struct tree *value = tree_value(it);
		bool ok;

		if (strcmp(name, "max_use_bytes") == 0) {
			ok = tree_uint(value, "", &limits->max_use_bytes);
		} else if (strcmp(name, "keep_free_bytes") == 0) {
			ok = tree_uint(value, "", &limits->keep_free_bytes);
		} else if (strcmp(name, "max_files") == 0) {
			ok = tree_uint(value, "", &limits->max_files);
		} else if (strcmp(name, "max_age_seconds") == 0) {
			ok = tree_double(value, "", &seconds) && seconds >= 0 && seconds < 1e9;
			if (ok)
				limits->max_age_ns = (uint64_t)(seconds * (double)NS_PER_S);
		} else {
			return err_set(err, -EINVAL, "%.64s: there is no such limit", name);
		}
		if (!ok)
			return err_set(err, -EINVAL, "%s: a number from 0 is wanted", name);
	}
	return 0;
}

static int parse_limits(struct http_exchange *exchange, struct spool_settings *limits,
			struct err *err)
{
	struct tree *body;
	size_t size;
	const char *text = http_body(exchange, &size);
	int r;

	if (size == 0)
		return 0;
	r = tree_parse(text, size, &body, err);
	if (r < 0)
		return r;
	r = tree_is_object(body) ? read_limits(body, limits, err)
				 : err_set(err, -EINVAL, "the body is no JSON object");
	tree_free(body);
	return r;
}

/* On the control thread: what goes is renamed here and unlinked by a thread of its own. */
int api_spool_vacuum(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	struct spool_settings limits = view->spool->limits;
	struct vacuum_result result = { 0 };
	struct err err = { .text = "" };
	struct api_answer answer;
	int r;

	r = parse_limits(exchange, &limits, &err);
	if (r == -EBADMSG || r == -EINVAL)
		return http_answer_error(exchange, 400, NULL, "%s", err.text);
	if (r == 0)
		r = vacuum_run(view->spool, &limits, 0, &result);
	if (r < 0)
		return r;
	api_begin(&answer);
	json_write_object(&answer.json);
	json_member_uint(&answer.json, "removed", result.removed);
	json_member_uint(&answer.json, "bytes", result.bytes);
	json_member_uint(&answer.json, "over_bytes", result.over_bytes);
	json_member_uint(&answer.json, "over_files", result.over_files);
	json_write_object_end(&answer.json);
	return api_finish(&answer, exchange, 200);
}
