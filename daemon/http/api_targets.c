/*
 * /api/v1/targets and /api/v1/sd. The list has Prometheus' members, so that its tools read it, and
 * beside them what we know more of: state, reason, runtime, isolates.
 */

#include "http/api.h"

#include <string.h>

#include "http/server.h"
#include "http/view.h"
#include "util/clock.h"
#include "util/str.h"
#include "watch/discover.h"
#include "watch/target.h"

/* ---- one target ---- */

static const char *health_of(const struct target *target)
{
	bool asked = target->last_poll_wall_ms > 0;

	for (int i = 0; i < TARGET_FAILURES; i++)
		asked = asked || target->failures[i] > 0;
	if (!asked)
		return "unknown";
	return target->up ? "up" : "down";
}

static void write_labels(struct json_writer *w, const struct target *target)
{
	const struct labels *own = &target->spec.labels;

	json_write_object(w);
	json_member_string(w, "target", target->spec.name);
	for (size_t i = 0; i < own->n; i++) {
		if (strcmp(own->items[i].name, "target") != 0)
			json_member_string(w, own->items[i].name, own->items[i].value);
	}
	json_write_object_end(w);
}

static void member_duration(struct json_writer *w, const char *key, uint64_t ns)
{
	char text[STR_UNIT_MAX];

	json_member_string(w, key, str_format_duration(text, ns));
}

/* The members of Prometheus' activeTargets. */
static void write_prometheus(struct json_writer *w, const struct target *target)
{
	char address[ADDRESS_TEXT_MAX], url[ADDRESS_TEXT_MAX + 8] = "";
	bool is_unix = target->spec.address.family == ADDRESS_UNIX;

	address_format(address, &target->spec.address);
	if (!is_unix)
		strcpy(url, target->spec.address.is_tls ? "https://" : "http://");
	strcat(url, str_has_prefix(address, "wss://") ? address + strlen("wss://") : address);
	json_write_key(w, "discoveredLabels");
	json_write_object(w);
	json_member_string(w, "__address__", address);
	json_write_object_end(w);
	json_write_key(w, "labels");
	write_labels(w, target);
	json_member_string(w, "scrapePool", target->source);
	json_member_string(w, "scrapeUrl", url);
	json_member_string(w, "globalUrl", url);
	json_member_string(w, "lastError", target->up ? "" : target->last_error);
	api_member_time(w, "lastScrape", target->last_poll_wall_ms, API_NEVER);
	api_member_seconds(w, "lastScrapeDuration", target->last_poll_duration_ns);
	json_member_string(w, "health", health_of(target));
	member_duration(w, "scrapeInterval", target->spec.poll.interval_ns);
	member_duration(w, "scrapeTimeout", target->spec.poll.timeout_ns);
}

static void write_identity(struct json_writer *w, const struct target *target)
{
	const struct identity *identity = &target->identity;

	if (!target->identified)
		return;
	json_member_string(w, "runtime", identity->runtime);
	json_member_string(w, "runtimeVersion", identity->runtime_version);
	json_member_string(w, "engine", identity->engine);
	json_member_string(w, "engineVersion", identity->engine_version);
	json_member_string(w, "title", identity->title);
	if (identity->pid > 0)
		json_member_uint(w, "pid", (uint64_t)identity->pid);
	if (identity->start_wall_ms > 0)
		api_member_time(w, "startTime", identity->start_wall_ms, NULL);
}

static void write_sample(struct json_writer *w, const struct sample *sample)
{
	static const struct {
		enum sample_field field;
		const char *name;
	} members[] = {
		{ SAMPLE_HEAP_USED, "heapUsedBytes" },
		{ SAMPLE_HEAP_SIZE, "heapSizeBytes" },
		{ SAMPLE_HEAP_LIMIT, "heapLimitBytes" },
		{ SAMPLE_EXTERNAL, "externalBytes" },
		{ SAMPLE_ARRAY_BUFFERS, "arrayBuffersBytes" },
		{ SAMPLE_EMBEDDER_USED, "embedderHeapUsedBytes" },
		{ SAMPLE_MALLOCED, "mallocedBytes" },
		{ SAMPLE_NATIVE_CONTEXTS, "nativeContexts" },
		{ SAMPLE_DETACHED_CONTEXTS, "detachedContexts" },
		{ SAMPLE_DOM_NODES, "domNodes" },
		{ SAMPLE_DOM_DOCUMENTS, "domDocuments" },
		{ SAMPLE_DOM_LISTENERS, "domEventListeners" },
		{ SAMPLE_ALLOCATED, "allocatedBytes" },
		{ SAMPLE_UNIQUE, "uniqueBytes" },
	};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (sample_has(sample, members[i].field))
			json_member_uint(w, members[i].name, sample->value[members[i].field]);
	}
}

static void write_spaces(struct json_writer *w, const struct sample *sample)
{
	json_write_key(w, "spaces");
	json_write_array(w);
	for (uint32_t i = 0; i < sample->spaces_n; i++) {
		const struct space *space = &sample->spaces[i];

		json_write_object(w);
		json_member_string(w, "name", space->name);
		json_member_uint(w, "sizeBytes", space->size);
		json_member_uint(w, "usedBytes", space->used);
		json_member_uint(w, "availableBytes", space->available);
		json_member_uint(w, "physicalBytes", space->physical);
		json_write_object_end(w);
	}
	json_write_array_end(w);
}

/* Pairs of Unix time and heap in use, as Prometheus gives the values of a range. */
static void write_series(struct json_writer *w, const struct series *series)
{
	json_write_key(w, "heapUsedSeries");
	json_write_array(w);
	for (uint32_t i = 0; i < series->count; i++) {
		const struct point *point = series_at(series, i);
		int64_t wall_ms = series_wall_ms(point->mono_ns, clock_mono_ns(), clock_wall_ms());

		json_write_array(w);
		json_write_double(w, (double)wall_ms / 1000);
		json_write_uint(w, point->heap_used);
		json_write_array_end(w);
	}
	json_write_array_end(w);
}

static void write_isolates(struct json_writer *w, const struct target *target, bool detailed)
{
	bool wants_gc = target->spec.poll.gc_events == GC_EVENTS_ALWAYS;

	json_write_key(w, "isolates");
	json_write_array(w);
	list_each (at, &target->isolates) {
		const struct isolate *isolate = container_of(at, struct isolate, link);

		json_write_object(w);
		json_member_string(w, "name", isolate->name);
		if (isolate->page[0] != '\0')
			json_member_string(w, "page", isolate->page);
		if (wants_gc && isolate->gc_untold != NULL)
			json_member_string(w, "gcUntold", isolate->gc_untold);
		write_sample(w, &isolate->last);
		if (detailed) {
			write_spaces(w, &isolate->last);
			write_series(w, &isolate->series);
		}
		json_write_object_end(w);
	}
	json_write_array_end(w);
}

static void write_target(struct json_writer *w, const struct target *target, bool detailed)
{
	json_write_object(w);
	write_prometheus(w, target);
	json_member_string(w, "name", target->spec.name);
	json_member_string(w, "source", target->source);
	json_member_string(w, "state", target_state_name(target->state));
	json_member_string(w, "reason", target->reason);
	if (target->spec.poll.gc_events == GC_EVENTS_ALWAYS && target->gc_untold[0] != '\0')
		json_member_string(w, "gcUntold", target->gc_untold);
	api_member_time(w, "stateSince", target->state_since_wall_ms, NULL);
	json_member_uint(w, "restarts", target->restarts);
	json_member_uint(w, "polls", target->polls);
	write_identity(w, target);
	if (target->process.present)
		json_member_uint(w, "residentBytes", target->process.resident_bytes);
	else if (target->rss_bytes > 0)
		json_member_uint(w, "residentBytes", target->rss_bytes);
	write_isolates(w, target, detailed);
	json_write_object_end(w);
}

/* ---- handlers ---- */

static void write_sources(struct json_writer *w, const struct discovery *discovery)
{
	json_write_array(w);
	list_each (at, &discovery->sources) {
		const struct discovery_source *source =
			container_of(at, struct discovery_source, link);

		json_write_object(w);
		json_member_string(w, "name", source->name);
		json_member_uint(w, "targets", source->targets_n);
		api_member_time(w, "lastSuccess", source->last_success_wall_ms, NULL);
		json_member_string(w, "lastError", source->error);
		json_write_object_end(w);
	}
	json_write_array_end(w);
}

int api_targets(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	struct api_answer answer;
	struct json_writer *w = &answer.json;

	api_begin(&answer);
	json_write_object(w);
	json_write_key(w, "activeTargets");
	json_write_array(w);
	list_each (at, &view->targets->list)
		write_target(w, container_of(at, struct target, link), false);
	json_write_array_end(w);
	json_write_key(w, "droppedTargets");
	json_write_array(w);
	json_write_array_end(w);
	json_write_key(w, "sources");
	write_sources(w, view->discovery);
	json_write_object_end(w);
	return api_finish(&answer, exchange, 200);
}

int api_target(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	const struct target *target = targets_find_name(view->targets, exchange->params[0]);
	struct api_answer answer;

	if (target == NULL)
		return http_answer_error(exchange, 404, NULL, "no target has this name");
	api_begin(&answer);
	write_target(&answer.json, target, true);
	return api_finish(&answer, exchange, 200);
}

/* ---- http_sd ---- */

static void write_group(struct json_writer *w, const struct target *target)
{
	const struct labels *own = &target->spec.labels;
	char address[ADDRESS_TEXT_MAX];

	json_write_object(w);
	json_write_key(w, "targets");
	json_write_array(w);
	json_write_string(w, address_format(address, &target->spec.address));
	json_write_array_end(w);
	json_write_key(w, "labels");
	json_write_object(w);
	json_member_string(w, "__meta_heapwatch_name", target->spec.name);
	json_member_string(w, "__meta_heapwatch_source", target->source);
	json_member_string(w, "__meta_heapwatch_state", target_state_name(target->state));
	if (target->identified) {
		json_member_string(w, "__meta_heapwatch_runtime", target->identity.runtime);
		json_member_string(w, "__meta_heapwatch_runtime_version",
				   target->identity.runtime_version);
	}
	for (size_t i = 0; i < own->n; i++)
		json_member_string(w, own->items[i].name, own->items[i].value);
	json_write_object_end(w);
	json_write_object_end(w);
}

/* Prometheus' http_sd wants the bare list, without the envelope. */
int api_sd(struct http_exchange *exchange)
{
	const struct http_view *view = http_server_owner(exchange->server);
	struct json_writer w;
	struct buf body;

	buf_init(&body, API_BODY_MAX);
	json_write_init(&w, &body);
	json_write_array(&w);
	list_each (at, &view->targets->list)
		write_group(&w, container_of(at, struct target, link));
	json_write_array_end(&w);
	buf_puts(&body, "\n");
	return http_answer(exchange, 200, "application/json; charset=utf-8", &body);
}
