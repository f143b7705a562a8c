/*
 * What is told of a target. One resource for each, its isolates told apart by an attribute of their
 * points; what the registry does not hold true any more (a target that is down has no heap) is
 * absent, as in /metrics.
 *
 * A target with many isolates comes in several parts, each with its resource and other isolates.
 */

#include "otlp/encode.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "otlp/point.h"
#include "otlp/settings.h"
#include "otlp/target.h"
#include "util/buf.h"
#include "util/str.h"
#include "watch/target.h"

/* ---- resource ---- */

static const char *service_of(const struct target *target)
{
	const char *name = labels_get(&target->spec.labels, "service");

	if (name == NULL || name[0] == '\0')
		name = labels_get(&target->spec.labels, "job");
	return name != NULL && name[0] != '\0' ? name : target->spec.name;
}

/* Node has a name of its own in the conventions; the others go by theirs. */
static const char *runtime_of(const struct target *target)
{
	const char *name = target->identity.runtime;

	return strcmp(name, "node") == 0 ? "nodejs" : name;
}

static bool is_given(const struct otlp_frame *frame, const char *name)
{
	const struct otlp_attribute_settings *items = frame->attributes->items;

	for (size_t i = 0; i < frame->attributes->n; i++) {
		if (strcmp(items[i].name, name) == 0)
			return true;
	}
	return false;
}

static void write_own(struct json_writer *json, const struct otlp_frame *frame, const char *name,
		      const char *value)
{
	if (value[0] != '\0' && !is_given(frame, name))
		otlp_write_text(json, name, value);
}

static void write_instance(struct json_writer *json, const struct otlp_frame *frame,
			   const struct target *target)
{
	const char *label = labels_get(&target->spec.labels, "instance");
	char text[512];

	snprintf(text, sizeof(text), "%.255s@%.255s", target->spec.name, frame->host);
	write_own(json, frame, "service.instance.id",
		  label != NULL && label[0] != '\0' ? label : text);
}

static void write_process(struct json_writer *json, const struct otlp_frame *frame,
			  const struct target *target)
{
	const struct identity *identity = &target->identity;
	char engine[80];

	if (!target->identified)
		return;
	if (identity->pid > 0 && !is_given(frame, "process.pid"))
		otlp_write_int(json, "process.pid", identity->pid);
	write_own(json, frame, "process.runtime.name", runtime_of(target));
	write_own(json, frame, "process.runtime.version", identity->runtime_version);
	snprintf(engine, sizeof(engine), "%s %s", identity->engine, identity->engine_version);
	if (identity->engine[0] != '\0')
		write_own(json, frame, "process.runtime.description", engine);
}

/* Those that are not told otherwise already. No attribute of ours is a label: they have dots. */
static void write_labels(struct json_writer *json, const struct otlp_frame *frame,
			 const struct labels *labels)
{
	static const char *const told[] = { "service", "job", "instance" };

	for (size_t i = 0; i < labels->n; i++) {
		const char *name = labels->items[i].name;
		bool is_told = str_has_prefix(name, "__");

		for (size_t k = 0; k < sizeof(told) / sizeof(told[0]); k++)
			is_told |= strcmp(name, told[k]) == 0;
		if (!is_told)
			write_own(json, frame, name, labels->items[i].value);
	}
}

static void write_resource(struct json_writer *json, const struct otlp_frame *frame,
			   const struct target *target)
{
	const struct otlp_attribute_settings *items = frame->attributes->items;

	json_write_key(json, "resource");
	json_write_object(json);
	json_write_key(json, "attributes");
	json_write_array(json);
	write_own(json, frame, "service.name", service_of(target));
	write_instance(json, frame, target);
	write_own(json, frame, "heapwatch.target", target->spec.name);
	write_process(json, frame, target);
	write_labels(json, frame, &target->spec.labels);
	for (size_t i = 0; i < frame->attributes->n; i++)
		otlp_write_text(json, items[i].name, items[i].value);
	json_write_array_end(json);
	json_write_object_end(json);
}

/* ---- parts ---- */

static void write_scope(struct json_writer *json, const struct otlp_frame *frame)
{
	json_write_key(json, "scope");
	json_write_object(json);
	json_member_string(json, "name", "heapwatchd");
	json_member_string(json, "version", frame->version);
	json_write_object_end(json);
}

static void write_part(struct otlp_writer *w, const struct otlp_frame *frame,
		       const struct otlp_part *part)
{
	struct json_writer *json = &w->json;

	json_write_object(json);
	write_resource(json, frame, part->target);
	json_write_key(json, "scopeMetrics");
	json_write_array(json);
	json_write_object(json);
	write_scope(json, frame);
	json_write_key(json, "metrics");
	json_write_array(json);
	otlp_write_target(w, part, frame->wall_ms);
	json_write_array_end(json);
	json_write_object_end(json);
	json_write_array_end(json);
	json_write_object_end(json);
}

/* The part the cursor is at, which then moves behind it. */
static void take_part(struct otlp_cursor *cursor, const struct target *target,
		      struct otlp_part *ret)
{
	uint32_t at = 0;

	*ret = (struct otlp_part){ .target = target, .is_first = cursor->isolates == 0 };
	list_each (link, &target->isolates) {
		if (at++ < cursor->isolates)
			continue;
		if (ret->isolates_n == OTLP_ISOLATES) {
			cursor->target_id = target->id;
			cursor->isolates += OTLP_ISOLATES;
			return;
		}
		ret->isolates[ret->isolates_n++] = container_of(link, struct isolate, link);
	}
	*cursor = (struct otlp_cursor){ .target_id = target->id + 1 };
}

/* The list is in the order of ids. */
static struct link *find(const struct targets *targets, struct otlp_cursor *cursor)
{
	list_each (at, &targets->list) {
		uint64_t id = container_of(at, struct target, link)->id;

		if (id < cursor->target_id)
			continue;
		if (id != cursor->target_id)
			cursor->isolates = 0; /* it is gone, and this is the next one */
		return at;
	}
	return NULL;
}

int otlp_encode(struct buf *body, const struct targets *targets, const struct otlp_frame *frame,
		struct otlp_cursor *cursor, uint64_t *ret_points)
{
	const struct link *at = find(targets, cursor);
	struct otlp_writer w = { 0 };

	*ret_points = 0;
	buf_clear(body);
	if (at == NULL)
		return OTLP_E_END;
	json_write_init(&w.json, body);
	json_write_object(&w.json);
	json_write_key(&w.json, "resourceMetrics");
	json_write_array(&w.json);
	while (at != &targets->list && body->size < OTLP_BODY_BYTES && body->error == 0) {
		const struct target *target = container_of(at, struct target, link);
		struct otlp_part part;

		take_part(cursor, target, &part);
		write_part(&w, frame, &part);
		if (cursor->target_id != target->id)
			at = at->next;
	}
	json_write_array_end(&w.json);
	json_write_object_end(&w.json);
	*ret_points = w.points;
	return body->error;
}
