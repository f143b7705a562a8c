/*
 * The families of rules, and of the daemon: build, configuration, requests, its own process.
 * process_* are named as in Prometheus' client libraries and are ours, never a target's.
 */

#include "http/prom_parts.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "http/route.h"
#include "http/server.h"
#include "http/view.h"
#include "util/file.h"
#include "watch/alert.h"

enum { STAT_MAX = 4096, MORE_LABELS_MAX = 4096 };

static const struct label_text no_labels = { "", 0 };

/* ---- rules ---- */

static void write_alerts(struct exposition_writer *w, const struct alerts *alerts)
{
	struct prom_sums sums;

	exposition_family(w, METRIC_ALERTS);
	prom_sums_init(&sums, w->buf);
	list_each (at, &alerts->list) {
		const struct alert *alert = container_of(at, struct alert, link);
		const char *severity = labels_get(&alert->labels, "severity");
		const char *step = condition_step_text(&alert->rule->condition, alert->step);
		const struct prom_label labels[] = {
			{ "alertname", alert->rule->name },
			{ "alertstate", alert_state_name(alert->state) },
			{ "target", alert->target },
			{ "isolate", alert->isolate },
			{ "severity", severity != NULL ? severity : "" },
			{ "step", step != NULL ? step : "" },
			{ NULL },
		};

		prom_sums_add(&sums, labels, 1);
	}
	prom_sums_write(&sums, w);
	prom_sums_fini(&sums);
}

typedef uint64_t rule_count_fn(const struct alerts *alerts, size_t group, size_t rule);

/* Rules of one name in several groups are one series. */
static void write_counts(struct exposition_writer *w, const struct alerts *alerts,
			 enum metric_id metric, rule_count_fn *count)
{
	struct prom_sums sums;

	exposition_family(w, metric);
	prom_sums_init(&sums, w->buf);
	for (size_t g = 0; alerts->rules != NULL && g < alerts->rules->groups_n; g++) {
		const struct rule_group *group = &alerts->rules->groups[g];

		for (size_t r = 0; r < group->rules_n; r++) {
			const struct prom_label labels[] = { { "rule", group->rules[r].name },
							     { NULL } };

			prom_sums_add(&sums, labels, count(alerts, g, r));
		}
	}
	prom_sums_write(&sums, w);
	prom_sums_fini(&sums);
}

void prom_write_rules(struct exposition_writer *w, const struct http_view *view)
{
	write_alerts(w, view->alerts);
	write_counts(w, view->alerts, METRIC_RULE_EVALUATIONS, alerts_evaluations);
	write_counts(w, view->alerts, METRIC_RULE_FAILURES, alerts_failures);
}

/* ---- build and configuration ---- */

static void write_build(struct exposition_writer *w, const struct http_view *view)
{
	struct buf labels;

	exposition_family(w, METRIC_BUILD_INFO);
	buf_init(&labels, MORE_LABELS_MAX);
	label_append(&labels, 0, "version", view->version);
	label_append(&labels, 0, "revision", view->revision);
	label_append(&labels, 0, "compiler", view->compiler);
	if (labels.error == 0)
		sample_uint(w, (struct label_text){ labels.data, labels.size }, NULL, 1);
	buf_fini(&labels);
}

void prom_write_self(struct exposition_writer *w, const struct http_view *view)
{
	write_build(w, view);
	exposition_family(w, METRIC_RELOAD_OK);
	sample_uint(w, no_labels, NULL, view->reload_ok);
	exposition_family(w, METRIC_RELOAD_TIME);
	if (view->reload_wall_ms > 0)
		sample_ms(w, no_labels, NULL, view->reload_wall_ms);
	exposition_family(w, METRIC_READY);
	sample_uint(w, no_labels, NULL, view->ready);
	exposition_family(w, METRIC_LOOP_LAG);
	sample_ns(w, no_labels, NULL, view->event_loop_lag_ns);
}

/* ---- requests ---- */

static void write_durations(struct exposition_writer *w, const struct http_server *server,
			    const char *handler)
{
	const struct histogram *histogram = http_durations(server, handler);
	struct buf labels;

	if (histogram == NULL)
		return;
	buf_init(&labels, MORE_LABELS_MAX);
	label_append(&labels, 0, "handler", handler);
	if (labels.error == 0)
		sample_histogram(w, (struct label_text){ labels.data, labels.size }, histogram);
	buf_fini(&labels);
}

static bool seen_before(const struct route *route)
{
	for (const struct route *at = http_routes; at != route; at++) {
		if (strcmp(at->pattern, route->pattern) == 0)
			return true;
	}
	return false;
}

void prom_write_http(struct exposition_writer *w, const struct http_view *view)
{
	struct prom_sums sums;
	char code[12];

	exposition_family(w, METRIC_HTTP_REQUESTS);
	prom_sums_init(&sums, w->buf);
	for (const struct http_counter *at = http_counters(view->server); at != NULL;
	     at = at->next) {
		const struct prom_label labels[] = { { "code", code },
						     { "handler", at->handler },
						     { "method", at->method },
						     { NULL } };

		snprintf(code, sizeof(code), "%d", at->code);
		prom_sums_add(&sums, labels, at->requests);
	}
	prom_sums_write(&sums, w);
	prom_sums_fini(&sums);
	exposition_family(w, METRIC_HTTP_DURATION);
	for (const struct route *route = http_routes; route->pattern != NULL; route++) {
		if (!seen_before(route))
			write_durations(w, view->server, route->pattern);
	}
	write_durations(w, view->server, "");
	exposition_family(w, METRIC_HTTP_AUTH_FAILURES);
	sample_uint(w, no_labels, NULL, http_auth_failures(view->server));
}

/* ---- our own process ---- */

/* The n-th field of /proc/self/stat as the manual counts them; those up to 2 are not asked. */
static unsigned long long stat_field(const char *stat, int n)
{
	const char *at = strrchr(stat, ')'); /* the name may hold anything */

	for (int i = 2; at != NULL && i < n; i++) {
		at = strchr(at, ' ');
		at = at != NULL ? at + 1 : NULL;
	}
	return at != NULL ? strtoull(at, NULL, 10) : 0;
}

/* Unix time of the system's start in seconds; 0 when /proc does not say. */
static unsigned long long boot_seconds(void)
{
	unsigned long long seconds = 0;
	const char *at;
	size_t size;
	char *text;

	if (file_read("/proc/stat", 1 << 20, &text, &size) < 0)
		return 0;
	at = strstr(text, "\nbtime ");
	if (at != NULL)
		seconds = strtoull(at + 7, NULL, 10);
	free(text);
	return seconds;
}

static void write_stat(struct exposition_writer *w, const char *stat)
{
	double ticks = (double)sysconf(_SC_CLK_TCK);
	static unsigned long long boot;

	if (boot == 0)
		boot = boot_seconds();
	exposition_family(w, METRIC_SELF_CPU);
	sample_double(w, no_labels, NULL,
		      (double)(stat_field(stat, 14) + stat_field(stat, 15)) / ticks);
	exposition_family(w, METRIC_SELF_VIRTUAL);
	sample_uint(w, no_labels, NULL, stat_field(stat, 23));
	exposition_family(w, METRIC_SELF_RESIDENT);
	sample_uint(w, no_labels, NULL, stat_field(stat, 24) * (uint64_t)sysconf(_SC_PAGESIZE));
	exposition_family(w, METRIC_SELF_START);
	if (boot > 0)
		sample_double(w, no_labels, NULL,
			      (double)boot + (double)stat_field(stat, 22) / ticks);
}

static void write_fds(struct exposition_writer *w)
{
	struct rlimit limit;
	uint64_t n = 0;
	DIR *dir = opendir("/proc/self/fd");

	if (dir != NULL) {
		for (const struct dirent *at = readdir(dir); at != NULL; at = readdir(dir))
			n += at->d_name[0] != '.';
		closedir(dir);
		exposition_family(w, METRIC_SELF_FDS);
		sample_uint(w, no_labels, NULL, n - 1); /* without the one of this listing */
	}
	exposition_family(w, METRIC_SELF_FDS_MAX);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		sample_uint(w, no_labels, NULL, limit.rlim_cur);
}

void prom_write_process(struct exposition_writer *w)
{
	size_t size;
	char *stat;

	write_fds(w);
	if (file_read("/proc/self/stat", STAT_MAX, &stat, &size) < 0)
		return;
	write_stat(w, stat);
	free(stat);
}
