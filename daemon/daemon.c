/*
 * It sees all layers, as evidence.c does: it starts the parts in order, stops them in reverse, and
 * ties the hooks by which a lower layer tells a higher one. Read daemon_start() and the hooks above
 * it, and you know who calls whom.
 */

#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "capture/collection.h"
#include "evidence.h"
#include "http/route.h"
#include "http/web_config.h"
#include "inspect/parting.h"
#include "net/http_call.h"
#include "net/ws.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"
#include "util/str.h"

/* How often the worst lateness of the loop is taken for the metric and the unit's status line. */
#define HEARTBEAT_NS (5 * NS_PER_S)

enum {
	SOCKETS_MAX = 16, /* passed by systemd */
	COMPLAINTS_MAX = 64 << 10,
};

/* ---- hooks: lower layers tell higher ones ---- */

static void on_polled(void *owner, struct target *target)
{
	struct daemon *daemon = owner;

	if (target->up)
		captures_target_up(&daemon->captures, target);
	captures_polled(&daemon->captures, target);
	probe_polled(&daemon->view, target->id);
}

static void on_removed(void *owner, struct target *target)
{
	struct daemon *daemon = owner;

	alerts_forget_target(&daemon->alerts, target->id);
	collection_target_removed(&daemon->captures, target->id);
	probe_polled(&daemon->view, target->id);
}

static void on_set(void *owner, const char *source, const struct target_spec *specs, size_t n)
{
	struct daemon *daemon = owner;
	int r = targets_replace(&daemon->targets, source, specs, n);

	if (r < 0)
		log_error("watch", "cannot take the targets of %s: %s", source, strerror(-r));
}

static int set_config_targets(struct daemon *daemon)
{
	struct target_spec *specs = NULL;
	size_t n = 0;
	int r = specs_from_settings(&daemon->settings->watch, &specs, &n);

	if (r == 0)
		r = targets_replace(&daemon->targets, "config", specs, n);
	specs_free(specs, n);
	return r;
}

/* A name that two sources gave is free again: whoever was refused it gets it now. */
static void reclaim(void *owner)
{
	struct daemon *daemon = owner;

	if (set_config_targets(daemon) < 0)
		log_error("watch", "out of memory: targets of the configuration may be missing");
	discovery_publish(&daemon->discovery);
}

static void on_released(void *owner)
{
	struct daemon *daemon = owner;

	loop_defer(&daemon->loop, &daemon->reclaim);
}

static void on_target_collected(void *owner, struct target *target,
				const struct collected *collected)
{
	struct daemon *daemon = owner;

	collection_ended(&daemon->captures, target, collected);
}

static void on_collected(void *owner, const struct collection_end *end)
{
	struct daemon *daemon = owner;

	gc_collected(&daemon->view, end);
}

static void on_resolved(void *owner, const struct alert *alert)
{
	struct daemon *daemon = owner;

	notify_resolved(&daemon->notify, alert);
}

static void write_ended(void *owner, struct json_writer *w)
{
	struct daemon *daemon = owner;

	notify_write_ended(&daemon->notify, w);
}

static int read_ended(void *owner, const struct tree *list, uint64_t age_ms)
{
	struct daemon *daemon = owner;

	return notify_read_ended(&daemon->notify, list, age_ms);
}

/* Nobody is told of what a kill could make us forget. */
static void on_alerts_changed(void *owner)
{
	struct daemon *daemon = owner;

	alert_file_touch(&daemon->alert_file);
	if (alert_file_is_behind(&daemon->alert_file))
		notify_hold(&daemon->notify);
	notify_changed(&daemon->notify);
}

static void on_ended_told(void *owner)
{
	struct daemon *daemon = owner;

	alert_file_touch_later(&daemon->alert_file);
}

static void on_alerts_saved(void *owner)
{
	struct daemon *daemon = owner;

	notify_release(&daemon->notify);
}

static void on_rearmed(void *owner, const struct rule *rule, const struct target *target,
		       const struct isolate *isolate)
{
	struct daemon *daemon = owner;

	captures_rearm(&daemon->captures, target->spec.name, isolate->name, rule->name);
}

static void on_heartbeat(void *owner)
{
	struct daemon *daemon = owner;
	unsigned up = 0;

	daemon->view.event_loop_lag_ns = loop_take_lag(&daemon->loop);
	list_each (link, &daemon->targets.list)
		up += container_of(link, struct target, link)->up;
	service_status("%u of %u targets up, %u captures running, %llu in the spool", up,
		       daemon->targets.count, daemon->captures.running_n,
		       (unsigned long long)daemon->spool.files);
	loop_timer_set(&daemon->heartbeat, HEARTBEAT_NS);
}

static void on_kept(void *owner, int fd, const char *id)
{
	struct daemon *daemon = owner;

	abandoned_add(&daemon->abandoned, fd, id, daemon->captures.settings->timeout_ns);
}

static void on_heard_out(void *owner, const char *id)
{
	(void)owner;
	service_keep(id, -1);
}

static void on_stop(void *owner)
{
	struct daemon *daemon = owner;

	log_info("daemon", "stopping");
	service_stopping();
	loop_stop(&daemon->loop, EXIT_SUCCESS);
}

/* ---- configuration: all or nothing ---- */

/* Settings and rules, both whole or neither. server: where we listen already, or NULL. */
static int load(const struct flags *flags, const struct http_server *server, struct settings **ret,
		struct rules **ret_rules, struct problems *problems)
{
	struct settings *settings = NULL;
	int r = settings_load(&settings, flags, problems);

	if (r < 0)
		return r;
	r = http_server_check(server, &settings->web, settings->web_config, problems);
	if (r == 0)
		r = rules_load(ret_rules, &settings->watch.rule_files,
			       settings->watch.evaluation_interval_ns, problems);
	if (r < 0) {
		settings_free(settings);
		return r;
	}
	*ret = settings;
	return 0;
}

static void warn_restart_needed(const struct settings *before, const struct settings *after)
{
	char names[32][96];
	size_t n = options_need_restart(settings_table, before, after, names, 32);

	for (size_t i = 0; i < n; i++)
		log_warn("daemon", "%s has changed: it takes effect at the next start", names[i]);
}

static int set_notify(struct daemon *daemon, const struct settings *settings)
{
	const char *url = settings->web.external_url;

	/* Where people find us. */
	if (url == NULL)
		url = http_server_url(daemon->server);
	return notify_set(&daemon->notify, &settings->alerting, url);
}

/*
 * Takes settings and rules in any case. It has all been checked, so only memory can run out: before
 * the settings are taken, all stays as it was; after that, what could not be done is in the result.
 */
static int apply(struct daemon *daemon, struct settings *settings, struct rules *rules)
{
	struct settings *before = daemon->settings;
	int r = alerts_set_rules(&daemon->alerts, rules), done;

	if (r < 0) {
		rules_free(rules);
		settings_free(settings);
		return r;
	}
	log_setup((enum log_level)settings->log.level, (enum log_format)settings->log.format);
	web_config_warn(settings->web_config, daemon->flags->web_config_file);
	daemon->settings = settings;
	daemon->view.web = &settings->web;
	targets_set_limits(&daemon->targets, &settings->watch);
	captures_set(&daemon->captures, &settings->capture);
	adoption_set(daemon->adoption);
	analyses_set(&daemon->analyses, &settings->analysis);
	daemon->spool.limits = settings->spool;
	r = http_server_set(daemon->server, &settings->web);
	http_server_set_access(daemon->server, settings->web_config);
	/* Always, for it holds on to the settings that are freed below. */
	done = discovery_apply(&daemon->discovery, &settings->watch);
	if (r == 0)
		r = done;
	done = set_config_targets(daemon);
	if (r == 0)
		r = done;
	done = set_notify(daemon, settings);
	if (r == 0)
		r = done;
	/* Always: it holds on to the settings. */
	done = otlp_set(&daemon->otlp, &settings->otlp);
	if (r == 0)
		r = done;
	openings_close_unheld(&daemon->openings);
	if (before != NULL)
		warn_restart_needed(before, settings);
	settings_free(before);
	return r;
}

static void complain(const struct problems *problems, struct buf *errors)
{
	for (size_t i = 0; i < problems->n; i++)
		buf_printf(errors, "%s\n", problems->items[i].text);
	if (problems->more)
		buf_puts(errors, "... and more\n");
}

static void reload_failed(struct daemon *daemon, const struct problems *problems, int r)
{
	daemon->view.reload_ok = false;
	str_copy(daemon->view.reload_error, sizeof(daemon->view.reload_error),
		 problems->n > 0 ? problems->items[0].text : strerror(-r));
	for (size_t i = 0; i < problems->n; i++)
		log_event(LEVEL_ERROR, "daemon", LOG_ID_RELOAD_FAILED, NULL, 0, "%s",
			  problems->items[i].text);
	log_error("daemon", "reload refused: the old configuration stays in force");
}

static void reload_done(struct daemon *daemon)
{
	daemon->view.reload_ok = true;
	daemon->view.reload_error[0] = '\0';
	daemon->view.reload_wall_ms = clock_wall_ms();
}

static int daemon_reload(void *owner, struct buf *errors)
{
	struct daemon *daemon = owner;
	struct settings *settings = NULL;
	struct rules *rules = NULL;
	struct problems problems;
	int r;

	service_reloading();
	problems_init(&problems);
	r = load(daemon->flags, daemon->server, &settings, &rules, &problems);
	if (r == 0)
		r = apply(daemon, settings, rules);
	if (r < 0) {
		complain(&problems, errors);
		reload_failed(daemon, &problems, r);
	} else {
		reload_done(daemon);
		log_event(LEVEL_INFO, "daemon", LOG_ID_RELOAD_DONE, NULL, 0,
			  "configuration loaded again");
	}
	problems_fini(&problems);
	service_ready();
	return r;
}

static void on_hup(void *owner)
{
	struct buf errors;

	buf_init(&errors, COMPLAINTS_MAX);
	daemon_reload(owner, &errors);
	buf_fini(&errors);
}

/* ---- start and stop ---- */

static int open_spool(struct daemon *daemon, const struct settings *settings)
{
	char path[4096];
	int r;

	if (snprintf(path, sizeof(path), "%s/spool", settings->storage.path) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = file_make_folder(path);
	if (r == 0)
		r = spool_open(&daemon->spool, path, &settings->spool);
	if (r < 0)
		log_error("capture", "cannot open the spool %s: %s", path,
			  r == -EBUSY ? "another heapwatchd uses it" : strerror(-r));
	return r;
}

/* What must not be forgotten over restarts. */
static int open_state(struct daemon *daemon, const struct settings *settings)
{
	char path[4096];
	int r = 0;

	if (snprintf(path, sizeof(path), "%s/state", settings->storage.path) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		r = -errno;
	if (r == 0) {
		daemon->state_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = daemon->state_fd < 0 ? -errno : 0;
	}
	if (r < 0)
		log_error("capture", "cannot open the folder %s: %s", path, strerror(-r));
	return r;
}

static int start_loop(struct daemon *daemon)
{
	struct loop *loop = &daemon->loop;
	int r = loop_init(loop);

	/* A write that may not be is an error to be handled, not the end of the process. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if (r == 0)
		r = loop_signal_init(&daemon->on_term, loop, SIGTERM, on_stop, daemon);
	if (r == 0)
		r = loop_signal_init(&daemon->on_int, loop, SIGINT, on_stop, daemon);
	if (r == 0)
		r = loop_signal_init(&daemon->on_hup, loop, SIGHUP, on_hup, daemon);
	if (r == 0)
		r = loop_timer_init(&daemon->heartbeat, loop, on_heartbeat, daemon);
	if (r == 0)
		r = service_init(&daemon->service, loop);
	return r;
}

static int start_net(struct daemon *daemon)
{
	int r = uvloop_init(&daemon->uvloop, &daemon->loop);

	if (r == 0)
		r = http_client_new(&daemon->http_client, &daemon->loop);
	if (r == 0)
		r = ws_context_new(&daemon->ws, &daemon->loop, &daemon->uvloop);
	if (r == 0)
		r = partings_new(&daemon->partings, &daemon->loop);
	abandoned_init(&daemon->abandoned, &daemon->loop);
	daemon->abandoned.on_ended = on_heard_out;
	daemon->inspectors = (struct session_context){
		.loop = &daemon->loop,
		.http = daemon->http_client,
		.ws = daemon->ws,
		.partings = daemon->partings,
	};
	return r;
}

/* Beside our own program, as where both are built, or where it is installed. */
static void find_analyzer(char *dst, size_t size)
{
	static const char name[] = "heapwatch-analyze";
	ssize_t n = readlink("/proc/self/exe", dst, size - 1);
	char *slash;

	dst[n > 0 ? n : 0] = '\0';
	slash = strrchr(dst, '/');
	if (slash != NULL && (size_t)(slash + 1 - dst) + sizeof(name) <= size) {
		strcpy(slash + 1, name);
		if (access(dst, X_OK) == 0)
			return;
	}
	str_copy(dst, size, ANALYZER);
}

static int start_watch(struct daemon *daemon, const struct settings *settings)
{
	int r = targets_init(&daemon->targets, &daemon->inspectors);

	if (r == 0)
		r = openings_init(&daemon->openings, &daemon->inspectors, daemon->state_fd);
	daemon->targets.openings = &daemon->openings;
	loop_deferred_init(&daemon->reclaim, reclaim, daemon);
	daemon->targets.on_polled = on_polled;
	daemon->targets.on_removed = on_removed;
	daemon->targets.on_collected = on_target_collected;
	daemon->targets.on_released = on_released;
	daemon->targets.owner = daemon;
	discovery_init(&daemon->discovery, &daemon->loop, daemon->http_client);
	daemon->discovery.on_set = on_set;
	daemon->discovery.owner = daemon;
	if (r == 0)
		r = alerts_init(&daemon->alerts, &daemon->loop, &daemon->targets);
	daemon->alerts.on_resolved = on_resolved;
	daemon->alerts.write_ended = write_ended;
	daemon->alerts.read_ended = read_ended;
	daemon->alerts.on_changed = on_alerts_changed;
	daemon->alerts.on_ended_told = on_ended_told;
	daemon->alerts.on_rearmed = on_rearmed;
	daemon->alerts.owner = daemon;
	if (r == 0)
		r = alert_file_init(&daemon->alert_file, &daemon->loop, &daemon->alerts,
				    daemon->state_fd);
	daemon->alert_file.on_saved = on_alerts_saved;
	daemon->alert_file.owner = daemon;
	if (r == 0)
		r = notify_init(&daemon->notify, &daemon->loop, daemon->http_client,
				&daemon->alerts);
	if (r == 0)
		r = otlp_init(&daemon->otlp, &daemon->loop, daemon->http_client, &daemon->targets,
			      VERSION);
	if (r == 0)
		r = captures_init(&daemon->captures, &daemon->loop, &daemon->targets,
				  &daemon->spool, &settings->capture, daemon->state_fd);
	daemon->captures.version = VERSION;
	daemon->captures.abandoned = &daemon->abandoned;
	daemon->captures.on_hold = service_keep;
	daemon->captures.on_collected = on_collected;
	daemon->captures.owner = daemon;
	if (r == 0)
		r = adoption_new(&daemon->adoption, &daemon->captures);
	find_analyzer(daemon->analyzer, sizeof(daemon->analyzer));
	if (r == 0)
		analyses_init(&daemon->analyses, &daemon->loop, &daemon->captures,
			      &settings->analysis, daemon->analyzer);
	daemon->analyses.owner = daemon;
	if (r == 0)
		evidence_tie(daemon);
	return r;
}

static int start_http(struct daemon *daemon, const struct settings *settings)
{
	struct err err = { 0 };
	int fds[SOCKETS_MAX];
	size_t n;
	int r;

	daemon->view = (struct http_view){
		.loop = &daemon->loop,
		.targets = &daemon->targets,
		.alerts = &daemon->alerts,
		.notify = &daemon->notify,
		.otlp = &daemon->otlp,
		.captures = &daemon->captures,
		.analyses = &daemon->analyses,
		.spool = &daemon->spool,
		.discovery = &daemon->discovery,
		.web = &settings->web,
		.version = VERSION,
		.revision = REVISION,
		.compiler = __VERSION__,
		.started_wall_ms = clock_wall_ms(),
		.reload = daemon_reload,
		.root = daemon,
	};
	r = http_server_init(&daemon->server, &daemon->loop, &settings->web, http_routes,
			     &daemon->view);
	if (r < 0)
		return r;
	daemon->view.server = daemon->server;
	http_server_set_access(daemon->server, settings->web_config);
	n = service_sockets(fds, SOCKETS_MAX, on_kept, daemon);
	r = http_server_listen(daemon->server, fds, n, &err);
	if (r < 0)
		log_error("http", "%s", err.text);
	return r;
}

/*
 * What targets hold in their memory passes through ours in clear, and so do the secrets of our
 * configuration: none of it may end in a core on some disk, nor be read by a debugger of our user.
 */
static void keep_memory_private(void)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		log_warn("daemon", "cannot forbid cores of this process: %s", strerror(errno));
}

/* Takes settings and rules in any case. */
static int daemon_start(struct daemon *daemon, struct settings *settings, struct rules *rules)
{
	int r = start_loop(daemon);

	keep_memory_private();
	if (r == 0)
		r = start_net(daemon);
	if (r == 0)
		r = open_spool(daemon, settings);
	if (r == 0)
		r = open_state(daemon, settings);
	if (r == 0)
		r = start_watch(daemon, settings);
	if (r == 0)
		r = start_http(daemon, settings);
	if (r < 0) {
		rules_free(rules);
		daemon->settings = settings; /* the parts that have started hold on to it */
		return r;
	}
	r = apply(daemon, settings, rules);
	if (r == 0)
		r = alert_file_load(&daemon->alert_file);
	if (r == 0) {
		evidence_tell_verdicts(daemon);
		evidence_tell_lost(daemon);
	}
	return r;
}

static void daemon_stop(struct daemon *daemon)
{
	daemon->view.ready = false;
	notify_finish(&daemon->notify);
	http_server_free(daemon->server);
	if (daemon->captures.loop != NULL) {
		evidence_ask_again(daemon);
		daemon->alerts.under_way = NULL;
		captures_fini(&daemon->captures);
	}
	analyses_fini(&daemon->analyses);
	adoption_free(daemon->adoption);
	discovery_fini(&daemon->discovery);
	alert_file_fini(&daemon->alert_file);
	notify_fini(&daemon->notify);
	otlp_fini(&daemon->otlp);
	if (daemon->alerts.loop != NULL)
		alerts_fini(&daemon->alerts);
	daemon->targets.on_removed = NULL;
	daemon->targets.on_released = NULL;
	loop_deferred_cancel(&daemon->reclaim);
	daemon->openings.finishing = true;
	targets_fini(&daemon->targets);
	openings_finish(&daemon->openings);
	openings_fini(&daemon->openings);
	if (daemon->state_fd >= 0)
		close(daemon->state_fd);
	spool_close(&daemon->spool);
	abandoned_fini(&daemon->abandoned);
	partings_free(daemon->partings);
	ws_context_free(daemon->ws);
	http_client_free(daemon->http_client);
	uvloop_fini(&daemon->uvloop);
	service_fini(&daemon->service);
	loop_timer_fini(&daemon->heartbeat);
	loop_signal_fini(&daemon->on_hup);
	loop_signal_fini(&daemon->on_int);
	loop_signal_fini(&daemon->on_term);
	loop_fini(&daemon->loop);
	settings_free(daemon->settings);
}

static void print_problems(const struct problems *problems)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	complain(problems, &text);
	fputs(buf_text(&text), stderr);
	buf_fini(&text);
}

int daemon_check(const struct flags *flags)
{
	struct settings *settings = NULL;
	struct rules *rules = NULL;
	struct problems problems;
	int r;

	problems_init(&problems);
	r = load(flags, NULL, &settings, &rules, &problems);
	print_problems(&problems);
	if (r == 0) {
		log_setup((enum log_level)settings->log.level,
			  (enum log_format)settings->log.format);
		web_config_warn(settings->web_config, flags->web_config_file);
		printf("configuration OK\n");
	}
	rules_free(rules);
	settings_free(settings);
	problems_fini(&problems);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int daemon_main(const struct flags *flags)
{
	struct daemon daemon = { .flags = flags, .state_fd = -1 };
	struct settings *settings = NULL;
	struct rules *rules = NULL;
	struct problems problems;
	int r;

	problems_init(&problems);
	r = load(flags, NULL, &settings, &rules, &problems);
	print_problems(&problems);
	problems_fini(&problems);
	if (r < 0)
		return EXIT_FAILURE;
	log_setup((enum log_level)settings->log.level, (enum log_format)settings->log.format);
	daemon.spool =
		(struct spool){ .dir_fd = -1, .incoming_fd = -1, .ready_fd = -1, .corrupt_fd = -1 };
	r = daemon_start(&daemon, settings, rules);
	if (r < 0) {
		log_error("daemon", "cannot start: %s", strerror(-r));
		daemon_stop(&daemon);
		return EXIT_FAILURE;
	}
	reload_done(&daemon);
	daemon.view.ready = true;
	on_heartbeat(&daemon);
	service_ready();
	log_info("daemon", "heapwatchd %s is ready", VERSION);
	r = service_watch(&daemon.service, &daemon.loop);
	if (r < 0)
		log_error("daemon", "a loop that hangs would not be noticed: %s", strerror(-r));
	r = loop_run(&daemon.loop);
	service_watch_last(&daemon.service);
	daemon_stop(&daemon);
	return r;
}
