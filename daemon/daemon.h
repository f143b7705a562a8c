#pragma once

/* Everything the process owns, by value where it can be, in the order it is started. */

#include "capture/adopt.h"
#include "capture/analysis.h"
#include "capture/capture.h"
#include "http/server.h"
#include "http/view.h"
#include "inspect/abandoned.h"
#include "inspect/session.h"
#include "loop/loop.h"
#include "loop/uvloop.h"
#include "notify/notify.h"
#include "otlp/otlp.h"
#include "schema.h"
#include "service.h"
#include "spool/spool.h"
#include "watch/alert.h"
#include "watch/alert_file.h"
#include "watch/discover.h"
#include "watch/openings.h"
#include "watch/target.h"

struct daemon {
	const struct flags *flags;
	struct settings *settings; /* owned; replaced whole by a reload */
	struct loop loop;
	struct loop_signal on_term, on_int, on_hup;
	struct loop_timer heartbeat;
	struct loop_deferred reclaim;
	struct uvloop uvloop;
	struct http_client *http_client;
	struct ws_context *ws;
	struct partings *partings; /* owned */
	struct session_context inspectors;
	struct abandoned abandoned;
	struct spool spool;
	int state_fd; /* owned */
	struct openings openings;
	struct targets targets;
	struct discovery discovery;
	struct alerts alerts;
	struct alert_file alert_file;
	struct notify notify;
	struct otlp otlp;
	struct captures captures;
	struct adoption *adoption; /* owned */
	struct analyses analyses;
	char analyzer[4096]; /* path of the worker */
	struct http_view view;
	struct http_server *server;
	struct service service;
};

/* Run until a signal ends it. Returns the exit status of the process. */
int daemon_main(const struct flags *flags);

/* Load and check configuration and rules as a start would; complaints go to stderr. Exit status. */
int daemon_check(const struct flags *flags);
