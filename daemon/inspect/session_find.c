/*
 * Finding
 *
 * /json/version names most runtimes. Those that have none are tried by what they list, in the order
 * of the table, and what does not even speak HTTP by what it says first. A runtime that is named in
 * the configuration is not guessed at.
 */

#include "inspect/session_find.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inspect/channel.h"
#include "inspect/dialect.h"
#include "inspect/runtime.h"
#include "json/tree.h"
#include "net/access.h"
#include "util/err.h"
#include "util/str.h"

enum {
	/* A list of a hundred pages is some 60 KB; more than this is no inspector. */
	LIST_BYTES_MAX = 1 << 20,
	URL_BYTES_MAX = ADDRESS_TEXT_MAX + 320, /* with the longest name of DNS */
};

static struct channel *channel_of(struct link *link)
{
	return container_of(link, struct channel, link);
}

static enum session_end end_of_answer(const struct http_answer *answer)
{
	switch (answer->r) {
	case -ECONNREFUSED:
	case -ENOENT: /* of a unix socket */
		return SESSION_END_REFUSED;
	case -ETIMEDOUT:
		return answer->connected ? SESSION_END_SILENT : SESSION_END_UNREACHABLE;
	case -EHOSTUNREACH:
	case -ENETUNREACH:
		return SESSION_END_UNREACHABLE;
	default:
		return SESSION_END_NOT_INSPECTOR;
	}
}

int find_get(struct session *session, const char *path, http_done_fn *fn)
{
	const struct address *address = &session->address;
	const struct access_files *files = address->access ? &address->access->files : NULL;
	const char *name = address->is_tls && files ? files->server_name : NULL;
	char host[ADDRESS_TEXT_MAX], url[URL_BYTES_MAX], *token;
	struct err err = { 0 };
	struct http_request request = {
		.url = url,
		.host = host,
		.tls = files,
		.unix_socket =
			session->address.family == ADDRESS_UNIX ? session->address.host : NULL,
		.timeout_ns = session->limits.connect_ns,
		.body_max = LIST_BYTES_MAX,
	};
	int r;

	/* A file that cannot be read is no trouble of the session's: it is said as any other end.
	 */
	if (access_token(address->access, &token, &err) < 0) {
		session_fail(session, SESSION_END_PROTOCOL, "%s", err.text);
		return 0;
	}
	request.bearer = token;
	address_host_header(host, address);
	/* The certificate is for the name, the Host header and the connection for the address. */
	if (name != NULL)
		request.connect_to = host;
	r = name != NULL ? snprintf(url, sizeof(url), "https://%s:%u%s", name, address->port, path)
			 : snprintf(url, sizeof(url), "%s://%s%s",
				    address->is_tls ? "https" : "http", host, path);
	r = (size_t)r < sizeof(url)
		    ? http_call(&session->fetch, session->context->http, &request, fn, session)
		    : -ENAMETOOLONG;
	access_token_free(token);
	return r;
}

int session_offer(struct session *session, const char *isolate, const char *path)
{
	struct channel *channel;

	list_each (link, &session->channels) {
		channel = channel_of(link);
		if (strcmp(channel->isolate, isolate) == 0 && strcmp(channel->path, path) == 0) {
			channel->offered = true;
			return 0;
		}
	}
	if (session->channels_n >= session->limits.isolates_max)
		return 0;
	if (strlen(path) >= sizeof(channel->path))
		return -ENAMETOOLONG;
	channel = channel_new(session, isolate, path);
	if (channel == NULL)
		return -ENOMEM;
	channel->offered = true;
	return 0;
}

/* The dialect reads the list; what it does not offer any more goes. 0 or its failure. */
static int take_list(struct session *session, const char *list, size_t size, struct err *err)
{
	int r;

	list_each (link, &session->channels)
		channel_of(link)->offered = false;
	r = session->runtime->dialect->found(session, list, size, err);
	if (r < 0)
		return r;
	if (session->identity.runtime[0] == '\0') {
		str_copy(session->identity.runtime, sizeof(session->identity.runtime),
			 session->runtime->name);
		str_copy(session->identity.engine, sizeof(session->identity.engine),
			 session->runtime->engine);
	}
	list_each_safe (link, &session->channels) {
		struct channel *channel = channel_of(link);

		if (channel->offered)
			continue;
		if (channel_is_greeted(channel))
			session_isolate_gone(session, channel->isolate);
		channel_free(channel);
	}
	return 0;
}

/* False (and the session has failed) unless it is an answer with a body. */
/* A proxy that does not let us in; no inspector says so by itself. */
static bool is_refusal(const struct http_answer *answer)
{
	return answer->r == 0 && (answer->status == 401 || answer->status == 403);
}

static void refused(struct session *session, const struct http_answer *answer, const char *path)
{
	const struct access *access = session->address.access;
	bool sent = access != NULL && access->files.credentials_file != NULL;

	session_fail(session, SESSION_END_NOT_INSPECTOR,
		     "%s answered HTTP status %ld: %s authorization", path, answer->status,
		     sent ? "it does not accept our" : "it wants an");
}

static bool answer_is_good(struct session *session, const struct http_answer *answer,
			   const char *path)
{
	enum session_end end;

	if (answer->r < 0) {
		end = end_of_answer(answer);
		session_fail(session, end, "%s",
			     end == SESSION_END_REFUSED ? "connection refused" : answer->reason);
		return false;
	}
	if (is_refusal(answer))
		refused(session, answer, path);
	else if (answer->status != 200)
		session_fail(session, SESSION_END_NOT_INSPECTOR, "%s answered HTTP status %ld",
			     path, answer->status);
	return answer->status == 200;
}

static void got_list(void *owner, const struct http_answer *answer)
{
	struct session *session = owner;
	struct err err = { 0 };
	int r;

	session->fetch = NULL;
	session->bytes_in += answer->size;
	if (!answer_is_good(session, answer, session->runtime->list_path))
		return;
	r = take_list(session, answer->body, answer->size, &err);
	if (r == -ENOENT)
		session_fail(session, SESSION_END_NOT_INSPECTOR, "%s", err.text);
	else if (r < 0)
		session_fail(session, SESSION_END_NOT_INSPECTOR,
			     "%s is not that of a known runtime", session->runtime->list_path);
	else
		session_found(session);
}

void find_again(struct session *session)
{
	int r = find_get(session, session->runtime->list_path, got_list);

	if (r < 0)
		session_fail(session, SESSION_END_LOST, "cannot ask for %s: %s",
			     session->runtime->list_path, strerror(-r));
}

/* The runtime is known: what can be connected to? */
static void find_channels(struct session *session)
{
	struct err err = { 0 };

	if (session->runtime->list_path != NULL) {
		find_again(session);
		return;
	}
	if (take_list(session, NULL, 0, &err) < 0)
		session_fail(session, SESSION_END_NOT_INSPECTOR, "%s", err.text);
	else
		session_found(session);
}

static void find_next(struct session *session);

static void got_candidate(void *owner, const struct http_answer *answer)
{
	struct session *session = owner;
	struct err err = { 0 };
	int r = -EPROTO;

	session->fetch = NULL;
	session->bytes_in += answer->size;
	session->runtime = *session->candidate;
	if (answer->r == 0 && answer->status == 200)
		r = take_list(session, answer->body, answer->size, &err);
	if (r == 0 || r == -ENOENT) {
		if (r == 0)
			session_found(session);
		else
			session_fail(session, SESSION_END_NOT_INSPECTOR, "%s", err.text);
		return;
	}
	session->candidate++;
	find_next(session);
}

/* No /json/version: try those runtimes that have none. */
static void find_next(struct session *session)
{
	int r;

	while (*session->candidate != NULL &&
	       ((*session->candidate)->versioned || (*session->candidate)->list_path == NULL))
		session->candidate++;
	if (*session->candidate == NULL) {
		session->runtime = NULL;
		session_fail(session, SESSION_END_NOT_INSPECTOR,
			     "/json/version answered HTTP status %ld, and it is no inspector that "
			     "has none",
			     session->version_status);
		return;
	}
	r = find_get(session, (*session->candidate)->list_path, got_candidate);
	if (r < 0)
		session_fail(session, SESSION_END_LOST, "cannot ask for %s: %s",
			     (*session->candidate)->list_path, strerror(-r));
}

/* Something that is no HTTP: a runtime that is known by what it says first. */
static void find_unlisted(struct session *session, const char *reason)
{
	for (session->candidate = runtime_all; *session->candidate != NULL; session->candidate++) {
		if ((*session->candidate)->versioned || (*session->candidate)->list_path != NULL)
			continue;
		session->runtime = *session->candidate;
		session->guessed = true;
		find_channels(session);
		return;
	}
	session_fail(session, SESSION_END_NOT_INSPECTOR, "%s", reason);
}

static void take_version(struct session *session, const struct http_answer *answer)
{
	const struct runtime *wanted = session->wanted, *runtime;
	const char *browser = "";

	if (tree_parse(answer->body, answer->size, &session->version, NULL) < 0) {
		session_fail(session, SESSION_END_NOT_INSPECTOR, "/json/version is not JSON");
		return;
	}
	runtime = runtime_of_version(session->version, &session->identity);
	tree_string(session->version, "Browser", &browser);
	if (runtime == NULL)
		session_fail(session, SESSION_END_NOT_INSPECTOR,
			     "the inspector of \"%.60s\" is not supported%s", browser,
			     runtime_hint(browser));
	else if (wanted != NULL && strcmp(wanted->name, runtime->name) != 0)
		session_fail(session, SESSION_END_NOT_INSPECTOR, "it is %s, not %s as configured",
			     runtime->name, wanted->name);
	if (session->state == SESSION_CLOSED)
		return;
	session->runtime = runtime;
	find_channels(session);
}

static void got_version(void *owner, const struct http_answer *answer)
{
	struct session *session = owner;

	session->fetch = NULL;
	session->bytes_in += answer->size;
	if (answer->r == 0 && answer->status == 200) {
		take_version(session, answer);
	} else if (is_refusal(answer)) {
		refused(session, answer, "/json/version");
	} else if (session->wanted == NULL && answer->r == 0) {
		session->candidate = runtime_all;
		session->version_status = answer->status;
		find_next(session);
	} else if (session->wanted == NULL && !session->address.is_tls &&
		   (answer->r == -EPROTO || (answer->r == -ECONNRESET && answer->connected))) {
		find_unlisted(session, answer->reason);
	} else if (session->wanted == NULL && answer->r == -EPROTO) {
		session_fail(session, SESSION_END_NOT_INSPECTOR,
			     "%s; TLS (wss://) is not supported by firefox, if it is one",
			     answer->reason);
	} else {
		answer_is_good(session, answer, "/json/version");
	}
}

int find_begin(struct session *session)
{
	if (session->wanted == NULL || session->wanted->versioned)
		return find_get(session, "/json/version", got_version);
	session->runtime = session->wanted;
	if (session->address.is_tls && session->runtime->dialect->packets)
		session_fail(session, SESSION_END_NOT_INSPECTOR,
			     "not supported by %s: TLS (wss://); have a tunnel end at it in plain "
			     "TCP or a unix socket",
			     session->runtime->name);
	else
		find_channels(session);
	return 0;
}
