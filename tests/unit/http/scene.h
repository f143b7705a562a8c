#pragma once

/* What tests of http/ stand on: a loop with a server, and a registry that needs no network. */

#include "capture/analysis.h"
#include "capture/capture.h"
#include "http/route.h"
#include "http/server.h"
#include "http/view.h"
#include "loop/loop.h"
#include "spool/spool.h"
#include "watch/alert.h"
#include "watch/discover.h"
#include "watch/target.h"

struct server_scene {
	struct loop loop;
	struct web_settings settings;
	char *addresses[2];
	struct http_server *server;
	uint16_t port;
};

/* Limits generous, time-outs of ten seconds; change settings before server_start(). */
void server_prepare(struct server_scene *scene);
void server_start(struct server_scene *scene, const struct route *routes, void *owner);
void server_stop(struct server_scene *scene);

/* A view with everything in it and nothing going on. */
struct view_scene {
	struct server_scene web;
	struct targets targets;
	struct alerts alerts;
	struct captures captures;
	struct capture_settings capture_settings;
	struct analyses analyses;
	struct analysis_settings analysis_settings;
	struct spool spool;
	struct discovery discovery;
	struct http_view view;
};

/* Starts the server on the real routes. */
void view_start(struct view_scene *scene);
void view_stop(struct view_scene *scene);

/* A target that was not asked yet; the registry owns it, its timer is not armed. */
struct target *view_add_target(struct view_scene *scene, const char *name, const char *address);

/* It is up, is Node 22 and has a main isolate with a known sample and a short past. */
void target_answer(struct target *target);
