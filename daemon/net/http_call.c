/*
 * HTTP on libcurl
 *
 * The multi interface in its socket form: curl says which descriptors and which time it waits for,
 * our loop does the waiting. Completions are told at the end of the turn, one per fetch, when no
 * curl function is on the stack: so the one told may cancel others, start new ones or free the
 * client.
 *
 * What a stranger's server may cost is bounded: one deadline over all (a stream into a sink may
 * last, but not stand still), a cap on the body and on the headers, no redirects, no compression,
 * no proxy, no HTTP/0.9. The deadline is a timer of ours: curl 7.88 forgets its own when anything
 * else happens to the transfer within the millisecond before it (its time-out of 200 ms for the
 * next address is enough), and then waits for ever. Node leaves the connection open after its
 * answer even when asked to close: curl reads by Content-Length and hangs up itself.
 *
 * Names are resolved on curl's own thread. CURLOPT_QUICK_EXIT lets a fetch end while a silent
 * resolver still has that thread; without it curl would wait for it, and the loop with it.
 */

#include "net/http_call.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "loop/loop.h"
#include "net/access.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/list.h"
#include "util/log.h"

/* From 2020 to the end of 9999: others are of clocks that nobody has set. */
static const int64_t date_min_s = 1577836800, date_max_s = 253402300799;

enum {
	HEADERS_MAX_BYTES = 64 * 1024,
	REFRESH_MAX_S = 86400,
	RETRY_MAX_S = 86400,
	CURL_CONNECT_S = 86400, /* out of the way of our deadline */
};

struct http_client {
	CURLM *multi; /* owned */
	struct loop *loop;
	struct loop_timer timer;
	struct link fetches;
	struct link sockets;
};

/* A descriptor that curl waits for. */
struct http_socket {
	struct link link;
	struct http_client *client;
	struct loop_fd io;
};

struct http_fetch {
	struct link link; /* in client->fetches */
	struct http_client *client;
	CURL *easy; /* owned */
	struct curl_slist *headers; /* owned */
	struct curl_slist *connect_to; /* owned */
	struct loop_deferred done;
	struct loop_timer deadline;
	struct buf body;
	size_t header_bytes;
	uint64_t refresh_ns;
	int64_t date_wall_ms;
	CURLcode code;
	uint64_t timeout_ns;
	http_sink_fn *sink;
	int sink_error; /* what the sink returned */
	http_done_fn *fn;
	void *owner;
	char error[CURL_ERROR_SIZE];
};

/* ---- descriptors and time ---- */

/* Marks what has ended; it is told at the end of the turn. */
static void collect(struct http_client *client)
{
	struct CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(client->multi, &left))) {
		struct http_fetch *fetch;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&fetch);
		fetch->code = message->data.result;
		loop_defer(client->loop, &fetch->done);
	}
}

static void act(struct http_client *client, curl_socket_t fd, int events)
{
	CURLMcode code;
	int running;

	code = curl_multi_socket_action(client->multi, fd, events, &running);
	if (code != CURLM_OK)
		log_warn("net", "curl: %s", curl_multi_strerror(code));
	collect(client);
}

static void on_io(void *owner, int fd, unsigned what)
{
	struct http_socket *s = owner;
	int events = 0;

	if (what & LOOP_READ)
		events |= CURL_CSELECT_IN;
	if (what & LOOP_WRITE)
		events |= CURL_CSELECT_OUT;
	act(s->client, fd, events);
}

static void on_timer(void *owner)
{
	act(owner, CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi, long delay_ms, void *owner)
{
	struct http_client *client = owner;

	(void)multi;
	if (delay_ms >= 0)
		return loop_timer_set(&client->timer, (uint64_t)delay_ms * NS_PER_MS) < 0 ? -1 : 0;
	loop_timer_clear(&client->timer);
	return 0;
}

static void socket_free(struct http_socket *s)
{
	if (!s)
		return;
	loop_fd_fini(&s->io);
	link_remove(&s->link);
	free(s);
}

static struct http_socket *socket_new(struct http_client *client, int fd)
{
	struct http_socket *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->client = client;
	list_append(&client->sockets, &s->link);
	if (loop_fd_init(&s->io, client->loop, fd, on_io, s) == 0 &&
	    curl_multi_assign(client->multi, fd, s) == CURLM_OK)
		return s;
	socket_free(s);
	return NULL;
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *owner, void *assigned)
{
	struct http_client *client = owner;
	struct http_socket *s = assigned;
	unsigned want = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(client->multi, fd, NULL);
		socket_free(s);
		return 0;
	}
	if (!s)
		s = socket_new(client, fd);
	if (!s)
		return -1;
	if (what != CURL_POLL_OUT)
		want |= LOOP_READ;
	if (what != CURL_POLL_IN)
		want |= LOOP_WRITE;
	return loop_fd_want(&s->io, want) < 0 ? -1 : 0;
}

int http_client_new(struct http_client **ret, struct loop *loop)
{
	struct http_client *client;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->loop = loop;
	link_init(&client->fetches);
	link_init(&client->sockets);
	client->multi = curl_multi_init();
	if (!client->multi || loop_timer_init(&client->timer, loop, on_timer, client) < 0) {
		http_client_free(client);
		return -ENOMEM;
	}
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
	*ret = client;
	return 0;
}

void http_client_free(struct http_client *client)
{
	if (!client)
		return;
	list_each_safe (pos, &client->fetches)
		http_cancel(container_of(pos, struct http_fetch, link));
	curl_multi_cleanup(client->multi);
	list_each_safe (pos, &client->sockets)
		socket_free(container_of(pos, struct http_socket, link));
	loop_timer_fini(&client->timer);
	free(client);
}

/* ---- one fetch ---- */

static void fetch_free(struct http_fetch *fetch)
{
	if (!fetch)
		return;
	link_remove(&fetch->link);
	loop_deferred_cancel(&fetch->done);
	loop_timer_fini(&fetch->deadline);
	if (fetch->easy) {
		curl_multi_remove_handle(fetch->client->multi, fetch->easy);
		curl_easy_cleanup(fetch->easy);
	}
	curl_slist_free_all(fetch->headers);
	curl_slist_free_all(fetch->connect_to);
	buf_fini(&fetch->body);
	free(fetch);
}

void http_cancel(struct http_fetch *fetch)
{
	fetch_free(fetch);
}

static int to_errno(CURL *easy, CURLcode code, bool connected)
{
	long error = 0;

	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_COULDNT_CONNECT:
		curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &error);
		return error > 0 ? -(int)error : -ECONNREFUSED;
	case CURLE_COULDNT_RESOLVE_HOST:
		return -EHOSTUNREACH;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_WRITE_ERROR:
	case CURLE_FILESIZE_EXCEEDED:
		return -EFBIG;
	case CURLE_UNSUPPORTED_PROTOCOL:
		/* Of the URL; or of the answer, which was no HTTP and so would be HTTP/0.9. */
		return connected ? -EPROTO : -EINVAL;
	case CURLE_WEIRD_SERVER_REPLY:
		return -EPROTO;
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		return -ECONNRESET;
	case CURLE_URL_MALFORMAT:
		return -EINVAL;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static const char *reason_of(struct http_fetch *fetch, int r, bool connected)
{
	if (r == -ETIMEDOUT)
		return connected ? "no answer in time" : "no connection in time";
	if (r == -EPROTO)
		return "the answer is not HTTP";
	if (r == -EFBIG)
		return "the answer is larger than allowed";
	return fetch->error[0] ? fetch->error : curl_easy_strerror(fetch->code);
}

static void on_done(void *owner)
{
	struct http_fetch *fetch = owner;
	struct http_answer answer = { .refresh_ns = fetch->refresh_ns,
				      .date_wall_ms = fetch->date_wall_ms };
	curl_off_t connect_us = 0, retry_s = 0;

	if (fetch->code == CURLE_WRITE_ERROR && fetch->body.error == -ENOMEM)
		fetch->code = CURLE_OUT_OF_MEMORY;
	curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &answer.status);
	curl_easy_getinfo(fetch->easy, CURLINFO_CONNECT_TIME_T, &connect_us);
	curl_easy_getinfo(fetch->easy, CURLINFO_RETRY_AFTER, &retry_s);
	answer.connected = connect_us > 0;
	if (retry_s > 0)
		answer.retry_after_ns =
			(uint64_t)(retry_s < RETRY_MAX_S ? retry_s : RETRY_MAX_S) * NS_PER_S;
	answer.r = to_errno(fetch->easy, fetch->code, answer.connected);
	if (fetch->sink_error != 0)
		answer.r = fetch->sink_error;
	answer.reason = reason_of(fetch, answer.r, answer.connected);
	answer.body = buf_text(&fetch->body);
	answer.size = fetch->body.size;
	if (!answer.body) {
		answer.body = "";
		answer.size = 0;
	}
	/* Out of the client's reach, should fn free it. */
	curl_multi_remove_handle(fetch->client->multi, fetch->easy);
	link_remove(&fetch->link);
	fetch->fn(fetch->owner, &answer);
	curl_easy_cleanup(fetch->easy);
	fetch->easy = NULL;
	fetch_free(fetch);
}

static void on_deadline(void *owner)
{
	struct http_fetch *fetch = owner;

	fetch->code = CURLE_OPERATION_TIMEDOUT;
	loop_defer(fetch->client->loop, &fetch->done);
}

static size_t on_body(char *data, size_t one, size_t size, void *owner)
{
	struct http_fetch *fetch = owner;
	long status = 0;

	(void)one;
	if (fetch->sink != NULL) {
		loop_timer_set(&fetch->deadline, fetch->timeout_ns);
		curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
	}
	if (status == 200) {
		fetch->sink_error = fetch->sink(fetch->owner, data, size);
		return fetch->sink_error == 0 ? size : 0;
	}
	return buf_append(&fetch->body, data, size) == 0 ? size : 0;
}

/* The value of a header of that name, "Name:", cut to the size of dst. False: it is another. */
static bool header_is(const char *name, const char *line, size_t size, char *dst, size_t dst_size)
{
	size_t n = strlen(name);

	if (size <= n || strncasecmp(line, name, n) != 0)
		return false;
	snprintf(dst, dst_size, "%.*s", (int)(size - n), line + n);
	return true;
}

static void see_refresh(struct http_fetch *fetch, const char *line, size_t size)
{
	char digits[16];
	unsigned long seconds;

	if (!header_is("X-Prometheus-Refresh-Interval-Seconds:", line, size, digits,
		       sizeof(digits)))
		return;
	seconds = strtoul(digits, NULL, 10);
	if (seconds > REFRESH_MAX_S)
		seconds = REFRESH_MAX_S;
	fetch->refresh_ns = seconds * NS_PER_S;
}

static void see_date(struct http_fetch *fetch, const char *line, size_t size)
{
	char text[64];
	time_t seconds;

	if (!header_is("Date:", line, size, text, sizeof(text)))
		return;
	seconds = curl_getdate(text, NULL);
	if (seconds >= date_min_s && seconds <= date_max_s)
		fetch->date_wall_ms = (int64_t)seconds * 1000;
}

static size_t on_header(char *line, size_t one, size_t size, void *owner)
{
	struct http_fetch *fetch = owner;

	(void)one;
	fetch->header_bytes += size;
	if (fetch->header_bytes > HEADERS_MAX_BYTES)
		return 0;
	see_refresh(fetch, line, size);
	see_date(fetch, line, size);
	return size;
}

/* "name: value"; a line break in a value would be a header of its own. */
static int add_header(struct http_fetch *fetch, const char *name, const char *value)
{
	struct curl_slist *longer;
	char *line;
	int r;

	if (!value)
		return 0;
	if (strpbrk(value, "\r\n"))
		return -EINVAL;
	r = asprintf(&line, "%s: %s", name, value);
	if (r < 0)
		return -ENOMEM;
	longer = curl_slist_append(fetch->headers, line);
	free(line);
	if (!longer)
		return -ENOMEM;
	fetch->headers = longer;
	return 0;
}

/* Lines that are headers already. */
static int add_lines(struct http_fetch *fetch, const char *const *lines)
{
	for (size_t i = 0; lines && lines[i]; i++) {
		struct curl_slist *longer;

		if (strpbrk(lines[i], "\r\n"))
			return -EINVAL;
		longer = curl_slist_append(fetch->headers, lines[i]);
		if (!longer)
			return -ENOMEM;
		fetch->headers = longer;
	}
	return 0;
}

static int add_headers(struct http_fetch *fetch, const struct http_request *request)
{
	int r = add_header(fetch, "Host", request->host);

	/* Each has a connection of its own. WebKit keeps one that it was not told of for good, as
	 * it never hears that the client has gone. */
	if (r == 0)
		r = add_header(fetch, "Connection", "close");
	if (r == 0)
		r = add_header(fetch, "Accept", request->accept);
	if (r == 0 && request->payload != NULL)
		r = add_header(fetch, "Content-Type", "application/json");
	/* Nobody is asked whether the body may come. */
	if (r == 0 && request->payload != NULL)
		r = add_header(fetch, "Expect", "");
	if (r == 0 && request->bearer) {
		char *token;

		if (asprintf(&token, "Bearer %s", request->bearer) < 0)
			return -ENOMEM;
		r = add_header(fetch, "Authorization", token);
		free(token);
	}
	return r == 0 ? add_lines(fetch, request->headers) : r;
}

/* A body is sent with whatever method; POST without one says Content-Length: 0. */
static int set_method(CURL *easy, const struct http_request *request)
{
	bool post = request->method != NULL && strcmp(request->method, "POST") == 0;
	const char *payload = request->payload != NULL ? request->payload : post ? "" : NULL;

	size_t size = request->payload_size;

	if (payload != NULL) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE,
				 (long)(size > 0 ? size : strlen(payload)));
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, payload);
	}
	if (request->method != NULL &&
	    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) != CURLE_OK)
		return -ENOMEM;
	return 0;
}

static int set_text(CURL *easy, CURLoption option, const char *text)
{
	if (!text)
		return 0;
	return curl_easy_setopt(easy, option, text) == CURLE_OK ? 0 : -ENOMEM;
}

/* By name and password, without being asked for them first. */
static int set_login(CURL *easy, const struct http_request *request)
{
	int r;

	if (!request->user)
		return 0;
	curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
	r = set_text(easy, CURLOPT_USERNAME, request->user);
	return r == 0 ? set_text(easy, CURLOPT_PASSWORD, request->password) : r;
}

/* No session is resumed: the files count anew each time. A key with a passphrase is refused. */
static int set_tls(CURL *easy, const struct access_files *files)
{
	int r;

	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	if (!files)
		return 0;
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, files->insecure_skip_verify ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, files->insecure_skip_verify ? 0L : 2L);
	r = set_text(easy, CURLOPT_CAINFO, files->ca_file);
	if (r == 0)
		r = set_text(easy, CURLOPT_SSLCERT, files->cert_file);
	if (r == 0)
		r = set_text(easy, CURLOPT_SSLKEY,
			     files->key_file ? files->key_file : files->cert_file);
	return r == 0 ? set_text(easy, CURLOPT_KEYPASSWD, "") : r;
}

/* Names the peer to connect to whatever the URL says, without asking a resolver. */
static int set_peer(struct http_fetch *fetch, const char *connect_to)
{
	char *line;

	if (!connect_to)
		return 0;
	if (asprintf(&line, "::%s", connect_to) < 0)
		return -ENOMEM;
	fetch->connect_to = curl_slist_append(NULL, line);
	free(line);
	if (!fetch->connect_to)
		return -ENOMEM;
	curl_easy_setopt(fetch->easy, CURLOPT_CONNECT_TO, fetch->connect_to);
	return 0;
}

/* Options whose value may need memory are checked, the others cannot fail. */
static int set_options(struct http_fetch *fetch, const struct http_request *request)
{
	CURL *easy = fetch->easy;

	if (curl_easy_setopt(easy, CURLOPT_URL, request->url) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->unix_socket) != CURLE_OK)
		return -ENOMEM;
	if (curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK)
		return -ENOTSUP;
	curl_easy_setopt(easy, CURLOPT_PRIVATE, fetch);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, fetch->error);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CURL_CONNECT_S);
	if (request->sink == NULL)
		curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)request->body_max);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fetch->headers);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, fetch);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, fetch);
	return set_method(easy, request);
}

int http_call(struct http_fetch **ret, struct http_client *client,
	      const struct http_request *request, http_done_fn *fn, void *owner)
{
	struct http_fetch *fetch = calloc(1, sizeof(*fetch));
	int r;

	if (!fetch)
		return -ENOMEM;
	fetch->client = client;
	fetch->timeout_ns = request->timeout_ns;
	fetch->sink = request->sink;
	fetch->fn = fn;
	fetch->owner = owner;
	link_init(&fetch->link);
	loop_deferred_init(&fetch->done, on_done, fetch);
	buf_init(&fetch->body, request->body_max);
	r = add_headers(fetch, request);
	if (r == 0)
		fetch->easy = curl_easy_init();
	if (r == 0 && !fetch->easy)
		r = -ENOMEM;
	if (r == 0)
		r = set_options(fetch, request);
	if (r == 0)
		r = set_tls(fetch->easy, request->tls);
	if (r == 0)
		r = set_login(fetch->easy, request);
	if (r == 0)
		r = set_peer(fetch, request->connect_to);
	if (r == 0)
		r = loop_timer_init(&fetch->deadline, client->loop, on_deadline, fetch);
	if (r == 0)
		r = loop_timer_set(&fetch->deadline, request->timeout_ns);
	if (r == 0 && curl_multi_add_handle(client->multi, fetch->easy) != CURLM_OK)
		r = -ENOMEM;
	if (r < 0) {
		fetch_free(fetch);
		return r;
	}
	list_append(&client->fetches, &fetch->link);
	*ret = fetch;
	return 0;
}
