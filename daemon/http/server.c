/*
 * HTTP server
 *
 * One libmicrohttpd daemon per listening socket, without threads: its epoll descriptor is watched
 * by our loop, and pump() lets it work. What a naive use of the library gets wrong, each found by
 * experiment:
 *
 *   At its connection limit it stops listening and begins again only at the START of a later run,
 *   so a run in which connections ended has to be followed by another one.
 *
 *   Stopping it with a suspended connection aborts the process: at the end every held exchange is
 *   answered, and the answers get a moment to leave.
 *
 *   Its time-out is one of idleness and its limits refuse the newcomer: connection.c has deadlines
 *   that are absolute and cuts off whoever waits longest.
 *
 *   Without SIGPIPE_HANDLED_BY_APP it does not use sendfile. SIGPIPE is therefore ignored here.
 *
 *   Its credentials of TLS are those of its start, and it asks for certificates of clients without
 *   looking at them: each session is given ours when it begins (server_tls.h).
 *
 * A held exchange is answered from outside of the library: the response is kept, the connection
 * resumed, and the library calls on_request() once more, which queues it.
 */

#include "http/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/connection.h"
#include "http/listen.h"
#include "http/login.h"
#include "http/request.h"
#include "http/route.h"
#include "http/server_tls.h"
#include "http/stats.h"
#include "http/web_config.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/str.h"

enum {
	/* For the head of a request; a longer one is answered 431 or 414 by the library. */
	CONNECTION_MEMORY_BYTES = 32 * 1024,
	/* Descriptors that connections of clients may never take: targets, captures, the spool. */
	FD_RESERVE = 128,
	/* Who takes an answer slower than 1 Mbit/s is a slow reader. */
	ANSWER_BYTES_PER_S_MIN = 128 * 1024,
	DRAIN_STEP_MS = 20,
	STREAM_BLOCK_BYTES = 64 * 1024,
};

#define NOT_GUARDED                                                                                \
	"without TLS and passwords or certificates of clients (--web.config.file) that needs "     \
	"web.allow_remote: true"

#define IDLE_NS   (60 * NS_PER_S) /* between two scrapes of a kept-alive connection */
#define HELD_NS   (120 * NS_PER_S) /* longer than anybody's scrape time-out */
#define ANSWER_NS (30 * NS_PER_S) /* plus the time its size needs at the least speed */
#define DRAIN_NS  (1 * NS_PER_S) /* at the end, for answers under way */

struct http_listener {
	struct http_listener *next;
	struct http_server *server;
	struct listen_socket socket;
	char url[LISTEN_NAME_MAX]; /* "": none that a browser takes */
	struct MHD_Daemon *mhd; /* owned */
	struct loop_fd watch;
	struct loop_timer timer;
	struct loop_deferred again;
	bool tls;
};

struct http_server {
	struct loop *loop; /* borrowed */
	void *owner;
	struct http_site site;
	struct http_listener *listeners; /* owned, in order */
	struct http_crowd crowd;
	struct http_stats stats;
	const struct text_list *addresses; /* borrowed until http_server_listen() */
	bool allow_remote, guarded;
	struct server_tls *tls; /* reference, for connections to come; NULL: in clear */
	int fd_max;
	uint32_t ceiling; /* of connections, whatever the settings say */
};

/* ---- the library in our loop ---- */

static unsigned connections_in(struct http_listener *listener)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(listener->mhd, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return info != NULL ? info->num_connections : 0;
}

static void pump(struct http_listener *listener)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;
	unsigned before;

	/* Again after every run that ended a connection: the library may have stopped listening,
	 * for its limit or for want of descriptors, and begins again at the start of a run. */
	do {
		before = connections_in(listener);
		MHD_run(listener->mhd);
	} while (connections_in(listener) < before);
	if (MHD_get_timeout(listener->mhd, &wait_ms) == MHD_YES)
		loop_timer_set(&listener->timer, wait_ms * NS_PER_MS);
	else
		loop_timer_clear(&listener->timer);
}

static void on_epoll(void *owner, int fd, unsigned what)
{
	(void)fd;
	(void)what;
	pump(owner);
}

static void on_timer(void *owner)
{
	pump(owner);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *cls, const char *fmt, va_list args)
{
	char text[256];

	(void)cls;
	if (!log_enabled(LEVEL_DEBUG))
		return;
	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = '\0';
	log_debug("http", "libmicrohttpd: %s", text);
}

/* ---- requests ---- */

static void forget(struct http_connection *c)
{
	if (c->answer != NULL)
		MHD_destroy_response(c->answer);
	c->answer = NULL;
	request_forget(c);
}

/* Its handshake was by demands that are no more: it ends with what is under way. */
static bool is_outdated(const struct http_connection *c)
{
	const struct server_tls *tls = c->listener->server->tls;

	return c->tls != NULL && tls != NULL && c->tls != tls &&
	       !server_tls_demands_same(c->tls, tls);
}

static enum MHD_Result queue_answer(struct http_connection *c)
{
	enum MHD_Result r;

	connection_enter(c, PHASE_ANSWERING,
			 ANSWER_NS + c->answer_bytes / ANSWER_BYTES_PER_S_MIN * NS_PER_S);
	r = MHD_queue_response(c->mhd, (unsigned)c->status, c->answer);
	MHD_destroy_response(c->answer);
	c->answer = NULL;
	return r;
}

static bool has_body(const struct http_connection *c)
{
	return http_header(&c->exchange, "Content-Length") != NULL ||
	       http_header(&c->exchange, "Transfer-Encoding") != NULL;
}

static enum MHD_Result answer_or_hold(struct http_connection *c)
{
	if (c->answer != NULL)
		return queue_answer(c);
	if (!c->held)
		return MHD_NO;
	connection_enter(c, PHASE_HELD, UINT64_MAX);
	/* Without a deadline nobody would end it. */
	if (c->cut)
		return MHD_NO;
	MHD_suspend_connection(c->mhd);
	c->suspended = true;
	return MHD_YES;
}

/* Without a body the library calls again at once, and keeps the connection. */
static enum MHD_Result pass_head(struct http_connection *c)
{
	c->head_passed = !c->held;
	if (c->held)
		return answer_or_hold(c);
	return c->answer != NULL && has_body(c) ? queue_answer(c) : MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **request)
{
	struct http_connection *c = *request;

	(void)cls;
	(void)mhd;
	(void)url;
	(void)version;
	/* What was cut off while it was held is resumed only for its end. */
	if (c == NULL || c->cut)
		return MHD_NO;
	/* The next one of a connection that is drained: nobody would answer what it holds. */
	if (c->site->stopping && !c->started)
		return MHD_NO;
	if (!c->started && request_begin(c, method) < 0)
		return MHD_NO;
	/* The first call comes a second time when the connection was suspended in it. */
	if (!c->head_passed)
		return pass_head(c);
	if (c->answer != NULL)
		return queue_answer(c);
	if (*upload_size > 0) {
		request_take_body(c, upload, *upload_size);
		*upload_size = 0;
		return MHD_YES;
	}
	request_handle(c);
	return answer_or_hold(c);
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **request,
			 enum MHD_RequestTerminationCode code)
{
	struct http_connection *c = *request;
	double seconds;

	(void)cls;
	(void)mhd;
	(void)code;
	if (c == NULL)
		return;
	seconds = (double)(clock_mono_ns() - c->began_ns) / (double)NS_PER_S;
	if (c->status != 0)
		stats_count(&c->listener->server->stats,
			    c->exchange.route != NULL ? c->exchange.route->pattern : "", c->method,
			    c->status, seconds);
	log_debug("http", "%s %s %d %.3fs", c->method, c->path != NULL ? c->path : "", c->status,
		  seconds);
	forget(c);
	*request = NULL;
	connection_enter(c, PHASE_IDLE, UINT64_MAX);
	if (is_outdated(c))
		connection_cut(c);
}

/* The first line of a request is here. What is returned becomes *request. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct http_connection *c = info != NULL ? info->socket_context : NULL;

	(void)cls;
	if (c == NULL)
		return NULL;
	forget(c);
	c->uri = strdup(uri);
	c->began_ns = clock_mono_ns();
	if (c->phase == PHASE_IDLE)
		connection_enter(c, PHASE_READING, UINT64_MAX);
	return c;
}

/* ---- connections ---- */

static enum MHD_Result on_accept(void *cls, const struct sockaddr *address, socklen_t size)
{
	struct http_listener *listener = cls;

	(void)size;
	return crowd_admit(&listener->server->crowd, address) ? MHD_YES : MHD_NO;
}

static int begin_tls(struct http_connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	c->tls = server_tls_ref(c->listener->server->tls);
	return info != NULL ? server_tls_begin(c->tls, info->tls_session) : -EIO;
}

static struct http_connection *open_connection(struct http_listener *listener,
					       struct MHD_Connection *mhd)
{
	int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	const struct sockaddr *address =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
	struct http_connection *c = calloc(1, sizeof(*c));

	if (c == NULL || connection_init(c, &listener->server->crowd, fd, address) < 0) {
		free(c);
		shutdown(fd, SHUT_RDWR);
		return NULL;
	}
	c->listener = listener;
	c->site = &listener->server->site;
	c->check_host = listener->socket.loopback && !listener->socket.unix_domain;
	c->mhd = mhd;
	request_forget(c);
	/* Descriptors are given out lowest first: this one says how many are left. */
	if (fd >= listener->server->fd_max - FD_RESERVE)
		connection_cut(c);
	if (listener->tls && begin_tls(c) < 0)
		connection_cut(c);
	return c;
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http_connection *c = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*context = open_connection(cls, mhd);
		return;
	}
	if (c == NULL)
		return;
	forget(c);
	connection_fini(c);
	server_tls_unref(c->tls);
	free(c);
	*context = NULL;
}

/* ---- answers ---- */

static void resume(struct http_connection *c)
{
	c->suspended = c->held = false;
	connection_enter(c, PHASE_ANSWERING, ANSWER_NS);
	MHD_resume_connection(c->mhd);
	loop_defer(c->listener->server->loop, &c->listener->again);
}

void server_read_on(struct http_connection *c)
{
	if (!c->suspended)
		return;
	/* The demands have changed meanwhile, and it is not whole. */
	if (is_outdated(c) && has_body(c))
		connection_cut(c);
	c->suspended = false;
	connection_enter(c, PHASE_READING, UINT64_MAX);
	MHD_resume_connection(c->mhd);
	loop_defer(c->listener->server->loop, &c->listener->again);
}

static void held_too_long(struct http_connection *c)
{
	if (request_give_up(c, "no answer in time") == 0 || !c->suspended)
		return;
	/* No memory for an answer: the client sees the connection end. */
	connection_cut(c);
	resume(c);
}

static bool add_headers(struct http_connection *c, struct MHD_Response *response)
{
	static const char *const usual[][2] = {
		{ "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; "
					     "img-src data:; form-action 'none'; "
					     "base-uri 'none'; frame-ancestors 'none'" },
		{ "X-Content-Type-Options", "nosniff" },
		{ "Referrer-Policy", "no-referrer" },
		{ "Cache-Control", "no-store" },
	};
	bool ok = true;

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		if (request_answer_header(c, usual[i][0]) == NULL)
			ok &= MHD_add_response_header(response, usual[i][0], usual[i][1]) ==
			      MHD_YES;
	}
	for (uint32_t i = 0; i < c->headers_n; i++)
		ok &= MHD_add_response_header(response, c->headers[i].name, c->headers[i].value) ==
		      MHD_YES;
	if (c->site->stopping || is_outdated(c))
		ok &= MHD_add_response_header(response, "Connection", "close") == MHD_YES;
	return ok;
}

/* From here on the exchange is answered; response is taken. */
static int finish(struct http_connection *c, int status, struct MHD_Response *response)
{
	if (response == NULL)
		return -ENOMEM;
	if (!add_headers(c, response)) {
		MHD_destroy_response(response);
		return -ENOMEM;
	}
	c->answer = response;
	c->status = status;
	c->exchange.drop = NULL;
	if (c->suspended)
		resume(c);
	return 0;
}

int server_send(struct http_connection *c, int status, char *data, size_t size)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(size, data, MHD_RESPMEM_MUST_FREE);

	if (response == NULL)
		free(data);
	c->answer_bytes = size;
	return finish(c, status, response);
}

int server_send_file(struct http_connection *c, int status, int fd, uint64_t first, uint64_t size)
{
	struct MHD_Response *response = MHD_create_response_from_fd_at_offset64(size, fd, first);

	if (response == NULL)
		close(fd);
	c->answer_bytes = size;
	return finish(c, status, response);
}

/* What the library asks for the bytes of a body. */
struct stream {
	http_read_fn *read;
	void (*free)(void *owner);
	void *owner; /* owned */
};

static ssize_t on_read(void *cls, uint64_t at, char *dst, size_t size)
{
	const struct stream *stream = cls;
	ssize_t n = stream->read(stream->owner, dst, size);

	(void)at;
	if (n < 0)
		log_warn("http", "a download broke off: %s", strerror((int)-n));
	if (n == 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	return n < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : n;
}

static void on_read_end(void *cls)
{
	struct stream *stream = cls;

	stream->free(stream->owner);
	free(stream);
}

int server_send_stream(struct http_connection *c, uint64_t about, http_read_fn *read,
		       void (*free_owner)(void *owner), void *owner)
{
	struct stream *stream = malloc(sizeof(*stream));
	struct MHD_Response *response;

	if (stream == NULL) {
		free_owner(owner);
		return -ENOMEM;
	}
	*stream = (struct stream){ read, free_owner, owner };
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, on_read,
						     stream, on_read_end);
	if (response == NULL)
		on_read_end(stream);
	c->answer_bytes = about;
	return finish(c, 200, response);
}

const char *http_argument(const struct http_exchange *exchange, const char *name)
{
	return MHD_lookup_connection_value(exchange->connection->mhd, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_header(const struct http_exchange *exchange, const char *name)
{
	return MHD_lookup_connection_value(exchange->connection->mhd, MHD_HEADER_KIND, name);
}

/* ---- the server ---- */

int http_server_set(struct http_server *server, const struct web_settings *settings)
{
	uint64_t most = server->ceiling;
	char *url = NULL;

	if (settings->external_url != NULL) {
		url = strdup(settings->external_url);
		if (url == NULL)
			return -ENOMEM;
	}
	free(server->site.external_url);
	server->site.external_url = url;
	server->allow_remote = settings->allow_remote;
	if (settings->max_connections < most)
		most = settings->max_connections;
	server->crowd.max = (uint32_t)most;
	server->crowd.max_per_ip = (uint32_t)(settings->max_connections_per_ip < most
						      ? settings->max_connections_per_ip
						      : most);
	server->crowd.phase_ns[PHASE_READING] = settings->request_timeout_ns;
	server->crowd.phase_ns[PHASE_HELD] =
		settings->response_timeout_ns < HELD_NS ? settings->response_timeout_ns : HELD_NS;
	server->crowd.phase_ns[PHASE_ANSWERING] = settings->response_timeout_ns;
	server->crowd.phase_ns[PHASE_IDLE] = IDLE_NS;
	return 0;
}

/* Those whose request is whole are answered first; it may be the one that had us reload. */
static void cut_outdated(struct http_server *server)
{
	list_each (at, &server->crowd.list) {
		struct http_connection *c = container_of(at, struct http_connection, link);

		if ((c->phase == PHASE_READING || c->phase == PHASE_IDLE) && !c->whole &&
		    is_outdated(c))
			connection_cut(c);
	}
}

void http_server_set_access(struct http_server *server, const struct web_config *config)
{
	bool tls = config != NULL && config->server_tls != NULL;

	login_set(server->site.login, config != NULL ? &config->users : NULL);
	if (server->listeners != NULL && tls != (server->tls != NULL)) {
		log_warn("http",
			 "TLS begins or ends with --web.config.file at the next start only");
		return;
	}
	server->guarded = web_config_is_guarded(config);
	server_tls_unref(server->tls);
	server->tls = tls ? server_tls_ref(config->server_tls) : NULL;
	cut_outdated(server);
}

int http_server_check(const struct http_server *server, const struct web_settings *settings,
		      const struct web_config *config, struct problems *problems)
{
	const struct http_listener *at = server != NULL ? server->listeners : NULL;

	while (at != NULL && at->socket.loopback)
		at = at->next;
	if (at == NULL || settings->allow_remote || (at->tls && web_config_is_guarded(config)))
		return 0;
	problems_add(problems, "configuration", 0, 0, NULL, "listening at %s, beyond loopback: %s",
		     at->url, NOT_GUARDED);
	return -EPERM;
}

int http_server_init(struct http_server **ret, struct loop *loop,
		     const struct web_settings *settings, const struct route *routes, void *owner)
{
	struct http_server *server = calloc(1, sizeof(*server));
	struct rlimit limit;
	int r;

	if (server == NULL)
		return -ENOMEM;
	server->loop = loop;
	server->owner = owner;
	server->addresses = &settings->listen_addresses;
	server->site = (struct http_site){ .server = server, .routes = routes };
	server->fd_max = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < INT32_MAX
				 ? (int)limit.rlim_cur
				 : INT32_MAX;
	server->ceiling =
		(uint32_t)(server->fd_max > 4 * FD_RESERVE ? server->fd_max / 4 : FD_RESERVE);
	crowd_init(&server->crowd, loop);
	server->crowd.held_too_long = held_too_long;
	r = login_new(&server->site.login, loop);
	if (r == 0)
		r = http_server_set(server, settings);
	if (r < 0) {
		http_server_free(server);
		return r;
	}
	signal(SIGPIPE, SIG_IGN);
	*ret = server;
	return 0;
}

/* The library's limit cannot be changed later, and a reload may raise that of the settings. */
static struct MHD_Daemon *start_daemon(struct http_listener *listener)
{
	struct http_server *server = listener->server;

	return MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
			(listener->tls ? MHD_USE_TLS : 0),
		0, on_accept, listener, on_request, listener, MHD_OPTION_EXTERNAL_LOGGER, on_log,
		NULL, MHD_OPTION_LISTEN_SOCKET, listener->socket.fd, MHD_OPTION_CONNECTION_LIMIT,
		server->ceiling, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(IDLE_NS / NS_PER_S),
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
		MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, listener, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, listener, MHD_OPTION_URI_LOG_CALLBACK, on_uri, listener,
		listener->tls ? MHD_OPTION_HTTPS_CERT_CALLBACK2 : MHD_OPTION_END,
		server_tls_no_certificate, MHD_OPTION_END);
}

static int watch_listener(struct http_listener *listener)
{
	const union MHD_DaemonInfo *info;
	int r;

	listener->mhd = start_daemon(listener);
	if (listener->mhd == NULL)
		return -ENOMEM;
	listener->socket.fd = -1; /* the library's now */
	info = MHD_get_daemon_info(listener->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	if (info == NULL)
		return -EIO;
	r = loop_timer_init(&listener->timer, listener->server->loop, on_timer, listener);
	if (r == 0)
		r = loop_fd_init(&listener->watch, listener->server->loop, info->epoll_fd, on_epoll,
				 listener);
	if (r == 0)
		r = loop_fd_want(&listener->watch, LOOP_READ);
	if (r == 0)
		pump(listener);
	return r;
}

static void log_listening(const char *name, bool tls)
{
	struct log_field fields[] = { { "address", name }, { "tls", tls ? "yes" : NULL } };

	log_event(LEVEL_INFO, "http", NULL, fields, 2, "listening");
}

/* The socket is taken, also on failure. */
static int add_listener(struct http_server *server, struct listen_socket *socket, struct err *err)
{
	struct http_listener **end = &server->listeners, *listener;
	char name[LISTEN_NAME_MAX];
	int r;

	if (!socket->loopback && !server->allow_remote && !server->guarded) {
		listen_close(socket);
		return err_set(err, -EPERM, "listening beyond loopback: %s", NOT_GUARDED);
	}
	listener = calloc(1, sizeof(*listener));
	if (listener == NULL) {
		listen_close(socket);
		return err_set(err, -ENOMEM, "out of memory");
	}
	listen_name(name, socket);
	/* What goes over a unix socket stays in the kernel. */
	listener->tls = server->tls != NULL && !socket->unix_domain;
	listen_url(listener->url, socket, listener->tls);
	listener->server = server;
	listener->socket = *socket;
	loop_deferred_init(&listener->again, on_timer, listener);
	while (*end != NULL)
		end = &(*end)->next;
	*end = listener;
	r = watch_listener(listener);
	if (r < 0)
		return err_set(err, r, "cannot serve HTTP: %s", strerror(-r));
	log_listening(name, listener->tls);
	return 0;
}

static bool is_passed(const char *address, const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct listen_socket passed = { .fd = fds[i] };

		if (listen_is(&passed, address))
			return true;
	}
	return false;
}

static int listen_at(struct http_server *server, const char *address, struct err *err)
{
	struct listen_socket socket;
	int r = listen_open(&socket, address, err);

	return r < 0 ? r : add_listener(server, &socket, err);
}

int http_server_listen(struct http_server *server, const int *fds, size_t n, struct err *err)
{
	struct listen_socket socket;
	int r = 0;

	for (size_t i = 0; i < server->addresses->n && r == 0; i++) {
		/* A socket unit that names the same address has bound it for us. */
		if (!is_passed(server->addresses->items[i], fds, n))
			r = listen_at(server, server->addresses->items[i], err);
	}
	for (size_t i = 0; i < n && r == 0; i++) {
		r = listen_adopt(&socket, fds[i], err);
		if (r == 0)
			r = add_listener(server, &socket, err);
	}
	return r;
}

/* Everything that can be answered is; returns true when all connections have ended. */
static bool drain_step(struct http_server *server)
{
	list_each_safe (at, &server->crowd.list) {
		struct http_connection *c = container_of(at, struct http_connection, link);

		if (c->phase == PHASE_HELD)
			c->crowd->held_too_long(c);
		else if (c->phase != PHASE_ANSWERING)
			connection_cut(c);
	}
	for (struct http_listener *at = server->listeners; at != NULL; at = at->next) {
		if (at->mhd != NULL)
			MHD_run(at->mhd);
	}
	return list_empty(&server->crowd.list);
}

static void drain(struct http_server *server)
{
	uint64_t until_ns = clock_mono_ns() + DRAIN_NS;

	server->site.stopping = true;
	for (struct http_listener *at = server->listeners; at != NULL; at = at->next) {
		if (at->mhd != NULL)
			at->socket.fd = MHD_quiesce_daemon(at->mhd);
	}
	while (!drain_step(server) && clock_mono_ns() < until_ns)
		poll(NULL, 0, DRAIN_STEP_MS);
}

static void free_listener(struct http_listener *listener)
{
	loop_deferred_cancel(&listener->again);
	loop_timer_fini(&listener->timer);
	loop_fd_fini(&listener->watch);
	if (listener->mhd != NULL)
		MHD_stop_daemon(listener->mhd);
	listen_close(&listener->socket);
	free(listener);
}

void http_server_free(struct http_server *server)
{
	if (server == NULL)
		return;
	drain(server);
	while (server->listeners != NULL) {
		struct http_listener *next = server->listeners->next;

		free_listener(server->listeners);
		server->listeners = next;
	}
	login_free(server->site.login);
	server_tls_unref(server->tls);
	stats_fini(&server->stats);
	free(server->site.external_url);
	free(server);
}

void *http_server_owner(const struct http_server *server)
{
	return server->owner;
}

uint16_t http_server_port(const struct http_server *server, size_t i)
{
	const struct http_listener *at = server->listeners;

	while (at != NULL && i-- > 0)
		at = at->next;
	return at != NULL ? at->socket.port : 0;
}

const char *http_server_url(const struct http_server *server)
{
	const struct http_listener *at = server->listeners;

	while (at != NULL && at->url[0] == '\0')
		at = at->next;
	return at != NULL ? at->url : NULL;
}

const struct http_counter *http_counters(const struct http_server *server)
{
	return server->stats.counters;
}

uint64_t http_auth_failures(const struct http_server *server)
{
	return login_failures(server->site.login);
}

const struct histogram *http_durations(const struct http_server *server, const char *handler)
{
	return stats_duration(&server->stats, handler);
}
