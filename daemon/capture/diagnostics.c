/*
 * Diagnostics
 *
 * All of it is in memory already, but for the command line, which the kernel has. Points are
 * written as arrays, because an hour of them with names would be larger than all the rest.
 */

#include "capture/diagnostics.h"

#include "json/write.h"
#include "util/buf.h"
#include "util/clock.h"
#include "watch/procfs.h"
#include "watch/target.h"
#include "watch/value.h"

enum {
	ISOLATES_WRITTEN_MAX = 64, /* at most about 8 KiB each */
	POINTS_WRITTEN_MAX = 120,
	COMMAND_BYTES_MAX = 4096,
};

static void member_text(struct json_writer *w, const char *key, const char *text)
{
	if (text != NULL && text[0] != '\0')
		json_member_string(w, key, text);
}

static void member_time(struct json_writer *w, const char *key, int64_t wall_ms)
{
	char text[CLOCK_TEXT_MAX];

	if (wall_ms > 0)
		json_member_string(w, key, clock_format(text, wall_ms));
}

static void write_cause(struct json_writer *w, const struct manifest *manifest,
			const struct diagnostics_context *context)
{
	json_member_string(w, "id", manifest->id);
	member_text(w, "daemon_version", context->version);
	member_time(w, "time", clock_wall_ms());
	member_text(w, "capture", context->capture_id);
	member_text(w, "refused", context->refusal);
	member_text(w, "rule", manifest->rule);
	member_text(w, "cause", manifest->cause);
	json_member_double(w, "cause_value", manifest->cause_value);
	json_member_string(w, "isolate", manifest->isolate);
}

static void write_labels(struct json_writer *w, const struct labels *labels)
{
	json_write_key(w, "labels");
	json_write_object(w);
	for (size_t i = 0; i < labels->n; i++)
		json_member_string(w, labels->items[i].name, labels->items[i].value);
	json_write_object_end(w);
}

static void write_target(struct json_writer *w, const struct target *target)
{
	const struct identity *identity = &target->identity;

	json_write_key(w, "target");
	json_write_object(w);
	json_member_string(w, "name", target->spec.name);
	json_member_string(w, "address", target->address);
	json_member_string(w, "source", target->source);
	write_labels(w, &target->spec.labels);
	json_member_string(w, "state", target_state_name(target->state));
	member_text(w, "reason", target->reason);
	member_text(w, "last_error", target->last_error);
	json_member_uint(w, "restarts", target->restarts);
	json_member_double(w, "last_poll_seconds",
			   (double)target->last_poll_duration_ns / NS_PER_S);
	member_text(w, "runtime", identity->runtime);
	member_text(w, "runtime_version", identity->runtime_version);
	member_text(w, "engine", identity->engine);
	member_text(w, "engine_version", identity->engine_version);
	member_text(w, "title", identity->title);
	member_time(w, "started", identity->start_wall_ms);
	json_write_object_end(w);
}

static void write_command(struct json_writer *w, int64_t pid)
{
	char command[COMMAND_BYTES_MAX];

	if (procfs_command(pid, command, sizeof(command)) == 0)
		json_member_string(w, "command", command);
}

static void write_cgroup(struct json_writer *w, const struct process_stats *process)
{
	if (!process->has_cgroup)
		return;
	json_write_key(w, "cgroup");
	json_write_object(w);
	json_member_uint(w, "usage_bytes", process->cgroup_usage_bytes);
	json_member_uint(w, "reclaimable_bytes", process->cgroup_reclaimable_bytes);
	if (process->has_cgroup_limit)
		json_member_uint(w, "limit_bytes", process->cgroup_limit_bytes);
	json_write_object_end(w);
}

static void write_process(struct json_writer *w, const struct target *target)
{
	const struct process_stats *process = &target->process;
	const char state[2] = { process->state, '\0' };
	uint64_t available;

	json_write_key(w, "process");
	json_write_object(w);
	json_member_uint(w, "pid", (uint64_t)target->identity.pid);
	if (target->rss_bytes > 0)
		json_member_uint(w, "rss_bytes", target->rss_bytes);
	if (process->present) {
		json_member_string(w, "state", state);
		json_member_uint(w, "resident_bytes", process->resident_bytes);
		json_member_uint(w, "virtual_bytes", process->virtual_bytes);
		json_member_double(w, "cpu_seconds", process->cpu_seconds);
		json_member_double(w, "start_seconds", process->start_seconds);
		write_command(w, target->identity.pid);
		write_cgroup(w, process);
	}
	if (procfs_available_bytes(&available) == 0)
		json_member_uint(w, "host_available_bytes", available);
	json_write_object_end(w);
}

static void write_values(struct json_writer *w, const struct target *target,
			 const struct isolate *isolate)
{
	const struct value_desc *desc;
	double value;

	json_write_key(w, "values");
	json_write_object(w);
	for (int i = 0; (desc = value_at(i)) != NULL; i++)
		if (!desc->of_target && value_read(i, target, isolate, &value))
			json_member_double(w, desc->name, value);
	json_write_object_end(w);
}

static void write_spaces(struct json_writer *w, const struct sample *sample)
{
	json_write_key(w, "spaces");
	json_write_array(w);
	for (uint32_t i = 0; i < sample->spaces_n; i++) {
		const struct space *space = &sample->spaces[i];

		json_write_object(w);
		json_member_string(w, "name", space->name);
		json_member_uint(w, "size", space->size);
		json_member_uint(w, "used", space->used);
		json_member_uint(w, "available", space->available);
		json_member_uint(w, "physical", space->physical);
		json_write_object_end(w);
	}
	json_write_array_end(w);
}

static void write_points(struct json_writer *w, const struct series *series)
{
	uint32_t skip = series->count > POINTS_WRITTEN_MAX ? series->count - POINTS_WRITTEN_MAX : 0;

	json_write_key(w, "recent"); /* time in ms, heap used, heap size; oldest first */
	json_write_array(w);
	for (uint32_t i = skip; i < series->count; i++) {
		const struct point *point = series_at(series, i);

		json_write_array(w);
		json_write_int(w, series_wall_ms(point->mono_ns, clock_mono_ns(), clock_wall_ms()));
		json_write_uint(w, point->heap_used);
		json_write_uint(w, point->heap_size);
		json_write_array_end(w);
	}
	json_write_array_end(w);
}

static void write_isolate(struct json_writer *w, const struct target *target,
			  const struct isolate *isolate)
{
	json_write_object(w);
	json_member_string(w, "name", isolate->name);
	member_time(w, "time", isolate->last.wall_ms);
	write_values(w, target, isolate);
	write_spaces(w, &isolate->last);
	write_points(w, &isolate->series);
	json_write_object_end(w);
}

/* The one that is meant comes first, so that it is there however many there are. */
static void write_isolates(struct json_writer *w, const struct target *target, const char *name)
{
	const struct isolate *first = target_find_isolate(target, name);
	unsigned n = first != NULL;

	json_member_uint(w, "isolates_n", target->isolates_n);
	json_write_key(w, "isolates");
	json_write_array(w);
	if (first != NULL)
		write_isolate(w, target, first);
	list_each (link, &target->isolates) {
		const struct isolate *isolate = container_of(link, struct isolate, link);

		if (isolate != first && n++ < ISOLATES_WRITTEN_MAX)
			write_isolate(w, target, isolate);
	}
	json_write_array_end(w);
}

int diagnostics_write(const struct target *target, const struct manifest *manifest,
		      const struct diagnostics_context *context, struct buf *buf)
{
	struct json_writer w;

	json_write_init(&w, buf);
	json_write_object(&w);
	write_cause(&w, manifest, context);
	write_target(&w, target);
	write_process(&w, target);
	write_isolates(&w, target, manifest->isolate);
	json_write_object_end(&w);
	return buf_puts(buf, "\n");
}
