#pragma once

/*
 * What the handlers may see of the daemon: borrowed parts, and the few things they may ask the root
 * to do. It is the owner of the server.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct alerts;
struct analyses;
struct buf;
struct captures;
struct collection_end;
struct discovery;
struct err;
struct gc_wait;
struct http_server;
struct loop;
struct notify;
struct otlp;
struct probe;
struct spool;
struct targets;
struct web_settings;

struct http_view {
	struct loop *loop;
	struct targets *targets;
	struct alerts *alerts;
	const struct notify *notify; /* NULL: nobody is told */
	const struct otlp *otlp; /* NULL: nothing is pushed */
	struct captures *captures;
	struct analyses *analyses; /* NULL: none */
	struct spool *spool;
	struct discovery *discovery;
	struct http_server *server;
	struct probe *probes; /* held requests, of probe.c */
	struct gc_wait *gc_waits; /* of api_gc.c */
	const struct web_settings *web;
	const char *version, *revision, *compiler;
	uint64_t event_loop_lag_ns; /* worst of the last interval */
	int64_t started_wall_ms;
	bool ready;
	bool reload_ok;
	int64_t reload_wall_ms; /* of the last success */
	char reload_error[512]; /* "" when the last one succeeded */

	/* Load the configuration again: 0, or -EINVAL with all complaints, a line each, in errors.
	 */
	int (*reload)(void *root, struct buf *errors);
	void *root;
};

/* Tell who waits for this target (held /probe requests) that a poll of it is complete. */
void probe_polled(struct http_view *view, uint64_t target_id);

/* Tell who waits for this forced collection that it is over. */
void gc_collected(struct http_view *view, const struct collection_end *end);
