/*
 * The daemon as a source
 *
 * One request at a time on a small loop of its own. Files are asked for as they are on the disk
 * (?raw=1): their sums can be checked, and what is encrypted is opened here, where the key is.
 */

#include "ctl/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/tap.h"
#include "json/tree.h"
#include "json/write.h"
#include "loop/loop.h"
#include "net/access.h"
#include "net/address.h"
#include "net/http_call.h"
#include "net/secret.h"
#include "pipeline/stage.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"
#include "util/url.h"

enum { URL_MAX = 512, PAYLOAD_MAX = 1024, BODY_MAX = 64 << 20, STEP_MS = 1000 };

/* Over all; of a file: from one piece to the next. */
#define TIMEOUT_NS (60 * NS_PER_S)

struct source_http {
	struct source source;
	struct loop loop;
	struct http_client *client; /* owned */
	char base[URL_MAX]; /* "http://127.0.0.1:19229" */
	const char *unix_socket; /* borrowed, or NULL */
	struct access_files tls; /* borrowed names */
	const char *user; /* borrowed, or NULL */
	char *password; /* owned */
};

struct call {
	struct source_http *http;
	struct stage *to; /* where a file goes, or NULL */
	int stage_r; /* what it returned */
	struct tree *answer; /* owned: of a call that gathers; NULL: no JSON */
	struct err *err;
	int exit;
	bool done;
};

static int on_piece(void *owner, const void *data, size_t size)
{
	struct call *call = owner;

	call->stage_r = stage_put(call->to, data, size);
	return call->stage_r == 0 ? 0 : -ECANCELED;
}

/* The status as an exit, the daemon's own words as the reason. */
static int refuse(struct call *call, const struct http_answer *answer)
{
	const char *text = NULL;
	const char *type = "";
	int exit, code = answer->status == 404 ? -ENOENT : -EREMOTEIO;

	tree_string(call->answer, "errorType", &type);
	exit = answer->status == 429 || strcmp(type, "guard") == 0 ? CTL_REFUSED : CTL_FAILURE;

	if (call->answer != NULL && tree_string(call->answer, "error", &text))
		return source_fail(call->err, exit, code, "%s", text);
	return source_fail(call->err, exit, code, "the daemon answered %ld", answer->status);
}

static int fail(struct call *call, const struct http_answer *answer)
{
	if (call->stage_r != 0)
		return source_fail(call->err, CTL_FAILURE, call->stage_r, "%s",
				   chain_error(call->to));
	if (answer->r == -ENOMEM)
		return source_fail(call->err, CTL_FAILURE, answer->r, "out of memory");
	if (answer->r == -EINVAL)
		return source_fail(call->err, CTL_USAGE, answer->r, "--host: %s", answer->reason);
	if (answer->status != 0)
		return source_fail(call->err, CTL_FAILURE, answer->r, "the answer broke off: %s",
				   answer->reason);
	return source_fail(call->err, CTL_UNREACHABLE, answer->r,
			   "no daemon answers at %s: %s (is heapwatchd running? -D FOLDER works "
			   "without it)",
			   call->http->unix_socket != NULL ? call->http->unix_socket
							   : call->http->base,
			   answer->reason);
}

static void on_done(void *owner, const struct http_answer *answer)
{
	struct call *call = owner;

	call->done = true;
	if (answer->r == 0 && answer->size > 0)
		tree_parse(answer->body, answer->size, &call->answer, NULL);
	if (answer->r != 0)
		call->exit = fail(call, answer);
	else if (answer->status < 200 || answer->status > 299)
		call->exit = refuse(call, answer);
	else if (call->to == NULL && tree_get(call->answer, "data") == NULL)
		call->exit = source_fail(call->err, CTL_FAILURE, -EBADMSG,
					 "this is not heapwatchd: its answer has no data");
}

/* Asks and waits; call->answer is the caller's to free. */
static int ask(struct source_http *http, const char *method, const char *path, const char *payload,
	       struct call *call)
{
	static const char *const headers[] = { "User-Agent: heapwatchctl", NULL };
	char url[URL_MAX + 128];
	struct http_request request = {
		.method = method,
		.url = url,
		.unix_socket = http->unix_socket,
		.headers = headers,
		.tls = &http->tls,
		.user = http->user,
		.password = http->password,
		.accept = call->to == NULL ? "application/json" : NULL,
		.payload = payload,
		.timeout_ns = TIMEOUT_NS,
		.body_max = BODY_MAX,
		.sink = call->to != NULL ? on_piece : NULL,
	};
	struct http_fetch *fetch;
	int r;

	snprintf(url, sizeof(url), "%s%s", http->base, path);
	call->http = http;
	r = http_call(&fetch, http->client, &request, on_done, call);
	while (r == 0 && !call->done)
		r = loop_turn(&http->loop, STEP_MS);
	if (r < 0)
		return source_fail(call->err, CTL_FAILURE, r, "%s", strerror(-r));
	return call->exit;
}

/* ---- what a source can ---- */

static int take_item(const struct tree *entry, struct item_array *ret, struct err *err)
{
	struct item *item = item_array_add(ret);
	const char *file = "error";
	struct err why = { .text = "" };
	int r;

	if (item == NULL)
		return source_fail(err, CTL_FAILURE, -ENOMEM, "out of memory");
	r = manifest_from_tree(entry, &item->manifest, &why);
	if (r < 0)
		return source_fail(err, CTL_FAILURE, r, "the daemon's list: %s", why.text);
	tree_string(entry, "file", &file);
	if (presence_parse(file, &item->file) < 0)
		item->file = PRESENCE_ERROR;
	return CTL_OK;
}

static int http_list(struct source *source, struct item_array *ret, struct err *err)
{
	struct call call = { .err = err };
	int exit = ask(container_of(source, struct source_http, source), "GET", "/api/v1/captures",
		       NULL, &call);
	const struct tree *ready = tree_get(call.answer, "data.ready");

	if (exit == CTL_OK && !tree_is_array(ready))
		exit = source_fail(err, CTL_FAILURE, -EBADMSG, "the daemon's answer has no list");
	for (size_t i = 0; exit == CTL_OK && i < tree_size(ready); i++)
		exit = take_item(tree_at(ready, i), ret, err);
	tree_free(call.answer);
	return exit;
}

static int http_fetch_part(struct source *source, const struct manifest *manifest, enum part part,
			   struct stage *to, struct err *err)
{
	static const char *const paths[] = {
		[PART_CAPTURE] = "file", [PART_SCRIPTS] = "scripts", [PART_REPORT] = "report"
	};
	struct call call = { .to = to, .err = err };
	char path[128];
	int exit;

	snprintf(path, sizeof(path), "/api/v1/captures/%s/%s?raw=1", manifest->id, paths[part]);
	exit = ask(container_of(source, struct source_http, source), "GET", path, NULL, &call);
	tree_free(call.answer);
	return exit;
}

static int change(struct source *source, const char *method, const char *id, const char *payload,
		  struct err *err)
{
	struct call call = { .err = err };
	char path[128];
	int exit;

	snprintf(path, sizeof(path), "/api/v1/captures/%s", id);
	exit = ask(container_of(source, struct source_http, source), method, path, payload, &call);
	tree_free(call.answer);
	return exit;
}

static int http_remove(struct source *source, const char *id, struct err *err)
{
	return change(source, "DELETE", id, NULL, err);
}

static int http_pin(struct source *source, const char *id, bool pinned, struct err *err)
{
	return change(source, "PATCH", id, pinned ? "{\"pinned\":true}" : "{\"pinned\":false}",
		      err);
}

static int http_vacuum(struct source *source, const struct vacuum_wish *wish, uint64_t *ret_files,
		       uint64_t *ret_bytes, struct err *err)
{
	struct call call = { .err = err };
	struct json_writer w;
	struct buf payload;
	int exit;

	buf_init(&payload, PAYLOAD_MAX);
	json_write_init(&w, &payload);
	json_write_object(&w);
	if (wish->has_max_use)
		json_member_uint(&w, "max_use_bytes", wish->max_use_bytes);
	if (wish->has_keep_free)
		json_member_uint(&w, "keep_free_bytes", wish->keep_free_bytes);
	if (wish->has_max_files)
		json_member_uint(&w, "max_files", wish->max_files);
	if (wish->has_max_age)
		json_member_double(&w, "max_age_seconds",
				   (double)wish->max_age_ns / (double)NS_PER_S);
	json_write_object_end(&w);
	if (buf_text(&payload) == NULL)
		exit = source_fail(err, CTL_FAILURE, -ENOMEM, "out of memory");
	else
		exit = ask(container_of(source, struct source_http, source), "POST",
			   "/api/v1/spool/vacuum", buf_text(&payload), &call);
	tree_uint(call.answer, "data.removed", ret_files);
	tree_uint(call.answer, "data.bytes", ret_bytes);
	tree_free(call.answer);
	buf_fini(&payload);
	return exit;
}

/* POST to what a target has: "/captures", "/gc". */
static int ask_target(struct source *source, const char *target, const char *what,
		      const char *payload, struct call *call)
{
	struct buf path;
	int exit;

	buf_init(&path, URL_MAX);
	buf_puts(&path, "/api/v1/targets/");
	url_quote(&path, target);
	buf_puts(&path, what);
	if (buf_text(&path) == NULL)
		exit = source_fail(call->err, CTL_USAGE, -EINVAL,
				   "the name of the target is too long");
	else
		exit = ask(container_of(source, struct source_http, source), "POST",
			   buf_text(&path), payload, call);
	buf_fini(&path);
	return exit;
}

static int take_id(const struct call *call, char ret_id[CAPTURE_ID_MAX])
{
	const char *id;

	if (!tree_string(call->answer, "data.id", &id) || !str_copy(ret_id, CAPTURE_ID_MAX, id))
		return source_fail(call->err, CTL_FAILURE, -EBADMSG,
				   "the daemon's answer has no id");
	return CTL_OK;
}

static int http_capture(struct source *source, const char *target, const char *payload,
			char ret_id[CAPTURE_ID_MAX], struct err *err)
{
	struct call call = { .err = err };
	int exit = ask_target(source, target, "/captures", payload, &call);

	if (exit == CTL_OK)
		exit = take_id(&call, ret_id);
	tree_free(call.answer);
	return exit;
}

static int http_peek(struct source *source, const char *id, char ret_id[CAPTURE_ID_MAX],
		     struct err *err)
{
	struct call call = { .err = err };
	struct buf path;
	int exit;

	buf_init(&path, URL_MAX);
	buf_puts(&path, "/api/v1/captures/");
	url_quote(&path, id);
	buf_puts(&path, "/peek");
	if (buf_text(&path) == NULL)
		exit = source_fail(err, CTL_USAGE, -EINVAL, "no capture has such an id");
	else
		exit = ask(container_of(source, struct source_http, source), "POST",
			   buf_text(&path), "{}", &call);
	if (exit == CTL_OK)
		exit = take_id(&call, ret_id);
	buf_fini(&path);
	tree_free(call.answer);
	return exit;
}

static bool is_first(const struct tree *data)
{
	const char *kind = "", *id = "", *profile = "";
	uint64_t index = 0;

	tree_string(data, "kind", &kind);
	tree_string(data, "id", &id);
	tree_string(data, "profile", &profile);
	tree_uint(data, "series_index", &index);
	if (strcmp(kind, "tracking") == 0)
		return index == 1;
	return profile[0] != '\0' && strcmp(profile, id) == 0;
}

static void take_second(const struct tree *data, struct capture_look *ret)
{
	const char *second = "";

	ret->has_second = is_first(data);
	tree_string(data, "second", &second);
	str_copy(ret->second, sizeof(ret->second), second);
}

static int http_look(struct source *source, const char *id, struct capture_look *ret,
		     struct err *err)
{
	struct call call = { .err = err };
	const char *state = "", *reason = "it failed";
	bool refused = false;
	char path[128];
	int exit;

	snprintf(path, sizeof(path), "/api/v1/captures/%s", id);
	exit = ask(container_of(source, struct source_http, source), "GET", path, NULL, &call);
	tree_string(call.answer, "data.state", &state);
	tree_string(call.answer, "data.error", &reason);
	tree_bool(call.answer, "data.refused", &refused);
	*ret = (struct capture_look){ .done = strcmp(state, "succeeded") == 0 };
	take_second(tree_get(call.answer, "data"), ret);
	if (exit == CTL_OK && strcmp(state, "failed") == 0)
		exit = source_fail(err, refused ? CTL_REFUSED : CTL_FAILURE, -EREMOTEIO, "%s",
				   reason);
	tree_free(call.answer);
	return exit;
}

static bool take_result(const struct tree *data, struct gc_result *ret)
{
	const char *isolate;

	ret->has_before = tree_uint(data, "heap_before_bytes", &ret->before_bytes);
	ret->has_after = tree_uint(data, "heap_after_bytes", &ret->after_bytes);
	return tree_string(data, "isolate", &isolate) &&
	       str_copy(ret->isolate, sizeof(ret->isolate), isolate) &&
	       (!ret->has_before || !ret->has_after ||
		tree_uint(data, "freed_bytes", &ret->freed_bytes)) &&
	       tree_double(data, "duration_seconds", &ret->seconds);
}

static int http_collect(struct source *source, const char *target, const char *isolate,
			struct gc_result *ret, struct err *err)
{
	struct call call = { .err = err };
	struct json_writer w;
	struct buf payload;
	int exit;

	buf_init(&payload, PAYLOAD_MAX);
	json_write_init(&w, &payload);
	json_write_object(&w);
	if (isolate != NULL)
		json_member_string(&w, "isolate", isolate);
	json_write_object_end(&w);
	if (buf_text(&payload) == NULL)
		exit = source_fail(err, CTL_USAGE, -EINVAL, "no isolate has such a name");
	else
		exit = ask_target(source, target, "/gc", buf_text(&payload), &call);
	if (exit == CTL_OK && !take_result(tree_get(call.answer, "data"), ret))
		exit = source_fail(err, CTL_FAILURE, -EBADMSG, "the daemon's answer has no sizes");
	tree_free(call.answer);
	buf_fini(&payload);
	return exit;
}

static void http_free(struct source *source)
{
	struct source_http *http = container_of(source, struct source_http, source);

	http_client_free(http->client);
	loop_fini(&http->loop);
	secret_free(http->password);
	free(http);
}

static const struct source_ops http_ops = {
	.list = http_list,
	.fetch = http_fetch_part,
	.remove = http_remove,
	.pin = http_pin,
	.vacuum = http_vacuum,
	.capture = http_capture,
	.peek = http_peek,
	.look = http_look,
	.collect = http_collect,
	.free = http_free,
};

/* "unix:/path", "http://host:port", "https://...", "host:port". */
static bool set_host(struct source_http *http, const char *host)
{
	size_t size;

	if (str_has_prefix(host, "unix:")) {
		http->unix_socket = host + 5;
		return host[5] == '/' &&
		       str_copy(http->base, sizeof(http->base), "http://localhost");
	}
	snprintf(http->base, sizeof(http->base), "%s%s",
		 strstr(host, "://") != NULL ? "" : "http://", host);
	size = strlen(http->base);
	while (size > 0 && http->base[size - 1] == '/')
		http->base[--size] = '\0';
	return strlen(host) + sizeof("http://") < sizeof(http->base) &&
	       (str_has_prefix(http->base, "http://") || str_has_prefix(http->base, "https://"));
}

/* Does nobody but this host hear what is sent there? */
static bool is_local(const struct source_http *http)
{
	struct address address;

	return http->unix_socket != NULL ||
	       (address_parse(&address, http->base, NULL) == 0 && address_is_local(&address));
}

static int set_login(struct source_http *http, const struct login_wish *wish, struct err *err)
{
	bool tls = str_has_prefix(http->base, "https://");
	struct err why = { .text = "" };

	if (!tls && (wish->ca_file != NULL || wish->cert_file != NULL))
		return source_fail(err, CTL_USAGE, -EINVAL, "--%s: %.64s is not https://",
				   wish->ca_file != NULL ? "ca-file" : "cert-file",
				   http->unix_socket != NULL ? "a unix socket" : http->base);
	if (wish->user != NULL && !tls && !is_local(http))
		return source_fail(err, CTL_USAGE, -EINVAL,
				   "--user: the password would be sent in clear: use https://");
	http->tls = (struct access_files){ .ca_file = wish->ca_file,
					   .cert_file = wish->cert_file,
					   .key_file = wish->key_file };
	http->user = wish->user;
	if (wish->user != NULL && secret_read(wish->password_file, &http->password, &why) < 0)
		return source_fail(err, CTL_FAILURE, why.code, "--password-file: %s", why.text);
	return CTL_OK;
}

static int set_up(struct source_http *http, const struct ctl_options *options, struct err *err)
{
	if (!set_host(http, options->host))
		return source_fail(err, CTL_USAGE, -EINVAL,
				   "--host: '%.64s' is no address of a daemon (examples: "
				   "http://127.0.0.1:19229, unix:/run/heapwatch/ctl.sock)",
				   options->host);
	return set_login(http, &options->login, err);
}

int source_http_open(struct source **ret, const struct ctl_options *options, struct err *err)
{
	struct source_http *http = calloc(1, sizeof(*http));
	int r;

	if (http == NULL)
		return source_fail(err, CTL_FAILURE, -ENOMEM, "out of memory");
	http->source.ops = &http_ops;
	r = set_up(http, options, err);
	if (r != CTL_OK) {
		http_free(&http->source);
		return r;
	}
	r = loop_init(&http->loop);
	if (r < 0) {
		secret_free(http->password);
		free(http);
		return source_fail(err, CTL_FAILURE, r, "%s", strerror(-r));
	}
	r = http_client_new(&http->client, &http->loop);
	if (r < 0) {
		http_free(&http->source);
		return source_fail(err, CTL_FAILURE, r, "%s", strerror(-r));
	}
	*ret = &http->source;
	return CTL_OK;
}
