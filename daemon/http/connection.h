#pragma once

/*
 * Connections of clients, without the library that parses them: the phase each is in, the deadline
 * of that phase, and who has to go when there are too many. server.c moves them from phase to
 * phase.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "http/server.h"
#include "http/web_config.h"
#include "loop/loop.h"
#include "util/list.h"

struct MHD_Connection;
struct MHD_Response;
struct login;
struct server_tls;
struct http_listener;
struct sockaddr;

enum http_phase {
	PHASE_READING, /* the request is not whole yet */
	PHASE_HELD, /* a handler waits for something */
	PHASE_ANSWERING,
	PHASE_IDLE, /* kept alive between requests */
	PHASES,
};

struct http_crowd {
	struct loop *loop; /* borrowed */
	struct link list; /* longest in their phase first */
	uint32_t count; /* without those cut off */
	uint32_t max, max_per_ip;
	uint64_t phase_ns[PHASES];
	void (*held_too_long)(struct http_connection *connection);
	uint64_t cut, refused; /* connections ended by us, turned away at once */
};

/* What requests are judged by. */
struct http_site {
	struct http_server *server;
	const struct route *routes;
	char *external_url; /* owned by the server */
	struct login *login; /* the same */
	bool stopping;
};

enum { HTTP_HEADERS_MAX = 12 };

struct http_answer_header {
	char name[40];
	char *value; /* owned */
};

struct http_connection {
	struct link link;
	struct http_crowd *crowd;
	const struct http_site *site;
	struct http_listener *listener;
	struct MHD_Connection *mhd; /* borrowed */
	struct server_tls *tls; /* reference; NULL: in clear */
	struct loop_timer deadline;
	enum http_phase phase;
	int fd; /* borrowed */
	struct in6_addr peer; /* IPv4 as mapped */
	bool has_peer; /* false on unix sockets */
	bool check_host; /* it came over a loopback listener */
	bool cut; /* shut down; the end follows */

	/* The request under way; see request.h. */
	struct http_exchange exchange;
	uint64_t began_ns;
	char user[WEB_USER_MAX]; /* whose password was right; "": nobody's was asked for */
	char *uri, *path, *params; /* owned: as it came; its path; what exchange.params point into
				    */
	char method[16];
	struct buf body;
	uint64_t discarded; /* bytes of body beyond the limit */
	bool started, head_passed; /* the head is here; it was let in, or answered */
	bool whole; /* the body, too: it gets its answer whatever becomes of the connection */
	uint8_t step; /* the next of those a head passes */
	bool held, suspended;
	struct http_answer_header headers[HTTP_HEADERS_MAX];
	uint32_t headers_n;
	int status; /* 0: not answered yet */
	struct MHD_Response *answer; /* owned until queued */
	uint64_t answer_bytes;
};

void crowd_init(struct http_crowd *crowd, struct loop *loop);

/*
 * May a client with this address come in? When it is getting crowded, whoever has waited longest
 * without a whole request is cut off to make room, so that those who drip cannot lock others out.
 */
bool crowd_admit(struct http_crowd *crowd, const struct sockaddr *address);

/*
 * Do they come from one place: the same address of IPv4 (as mapped), or the same /64 of IPv6, which
 * is what one customer gets at the least?
 */
bool peers_are_near(const struct in6_addr *a, const struct in6_addr *b);

/* 0 or -ENOMEM. */
int connection_init(struct http_connection *connection, struct http_crowd *crowd, int fd,
		    const struct sockaddr *address);
void connection_fini(struct http_connection *connection);

/* The only place that changes the phase; arms its deadline, that of the phase or sooner. */
void connection_enter(struct http_connection *connection, enum http_phase phase,
		      uint64_t at_most_ns);

/* Shut the socket down: the library sees its end at the next turn. */
void connection_cut(struct http_connection *connection);

/*
 * What answer.c asks of server.c: make it the answer of the exchange, with the headers gathered so
 * far. data (malloc) and fd are taken, also on failure.
 */
int server_send(struct http_connection *connection, int status, char *data, size_t size);
int server_send_file(struct http_connection *connection, int status, int fd, uint64_t first,
		     uint64_t size);

/* A request that was held at its head is read on. */
void server_read_on(struct http_connection *connection);

/* Chunked. owner is taken, also on failure. */
int server_send_stream(struct http_connection *connection, uint64_t about, http_read_fn *read,
		       void (*free)(void *owner), void *owner);
