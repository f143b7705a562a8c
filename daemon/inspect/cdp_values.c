/*
 * A value that is not there is left absent, for a runtime that does not tell it is not one that has
 * none of it.
 */

#include "inspect/cdp_values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json/tree.h"
#include "util/clock.h"
#include "util/str.h"

enum { MIB = 1 << 20 };

/*
 * V8's young generation is part of heap_size_limit but not of what a program may keep: the limit of
 * the old generation is where it dies. Three semi-spaces; their default size grew over the versions
 * (observed: 16 MiB up to V8 12, 64 MiB in 13, 32 MiB from 14 on).
 */
uint64_t cdp_young_bytes(const char *v8_version)
{
	long major = strtol(v8_version, NULL, 10);

	if (major <= 12)
		return 48ull * MIB;
	return major == 13 ? 192ull * MIB : 96ull * MIB;
}

void cdp_take_identity(struct identity *identity, struct cdp_heap_limits *limits,
		       const struct tree *value)
{
	const char *text;
	uint64_t semi = 0, old = 0;

	tree_int(value, "pid", &identity->pid);
	identity_take_start(identity, value);
	if (tree_string(value, "version", &text))
		str_copy(identity->runtime_version, sizeof(identity->runtime_version),
			 text + (text[0] == 'v'));
	if (tree_string(value, "v8", &text)) {
		str_copy(identity->engine_version, sizeof(identity->engine_version), text);
		limits->young_bytes = cdp_young_bytes(text);
	}
	if (tree_uint(value, "semi", &semi) && semi > 0 && semi < UINT32_MAX)
		limits->young_bytes = 3 * semi * MIB;
	if (tree_uint(value, "old", &old) && old > 0 && old < UINT32_MAX)
		limits->old_bytes = old * MIB;
}

static void take(struct sample *sample, enum sample_field field, const struct tree *node,
		 const char *path)
{
	uint64_t value;

	if (tree_uint(node, path, &value))
		sample_set(sample, field, value);
}

void cdp_take_usage(struct sample *sample, const struct tree *result)
{
	take(sample, SAMPLE_HEAP_USED, result, "usedSize");
	take(sample, SAMPLE_HEAP_SIZE, result, "totalSize");
	take(sample, SAMPLE_EMBEDDER_USED, result, "embedderHeapUsedSize");
	if (!sample_has(sample, SAMPLE_ARRAY_BUFFERS))
		take(sample, SAMPLE_ARRAY_BUFFERS, result, "backingStorageSize");
}

static void take_spaces(struct sample *sample, const struct tree *spaces)
{
	for (size_t i = 0; i < tree_size(spaces) && sample->spaces_n < SPACES_MAX; i++) {
		const struct tree *node = tree_at(spaces, i);
		struct space *space = &sample->spaces[sample->spaces_n];
		const char *name;
		char *ending;

		if (!tree_string(node, "space_name", &name) ||
		    !str_copy(space->name, sizeof(space->name), name))
			continue;
		ending = strstr(space->name, "_space");
		if (ending != NULL && ending[strlen("_space")] == '\0')
			*ending = '\0';
		tree_uint(node, "space_size", &space->size);
		tree_uint(node, "space_used_size", &space->used);
		tree_uint(node, "space_available_size", &space->available);
		tree_uint(node, "physical_space_size", &space->physical);
		sample->spaces_n++;
	}
}

static void take_limit(struct sample *sample, const struct cdp_heap_limits *limits,
		       const struct tree *value, bool is_main)
{
	uint64_t limit, old;

	if (is_main && limits->old_bytes > 0)
		sample_set(sample, SAMPLE_HEAP_LIMIT, limits->old_bytes);
	else if (!is_main && tree_uint(value, "old", &old) && old > 0 && old < UINT32_MAX)
		sample_set(sample, SAMPLE_HEAP_LIMIT, old * MIB);
	else if (tree_uint(value, "heap.heap_size_limit", &limit) && limit > limits->young_bytes)
		sample_set(sample, SAMPLE_HEAP_LIMIT, limit - limits->young_bytes);
}

void cdp_take_values(struct sample *sample, const struct cdp_heap_limits *limits,
		     const struct tree *value, bool is_main)
{
	take(sample, SAMPLE_EXTERNAL, value, "memory.external");
	take(sample, SAMPLE_ARRAY_BUFFERS, value, "memory.arrayBuffers");
	take(sample, SAMPLE_MALLOCED, value, "heap.malloced_memory");
	take(sample, SAMPLE_NATIVE_CONTEXTS, value, "heap.number_of_native_contexts");
	take(sample, SAMPLE_DETACHED_CONTEXTS, value, "heap.number_of_detached_contexts");
	take(sample, SAMPLE_ALLOCATED, value, "heap.total_allocated_bytes");
	take_limit(sample, limits, value, is_main);
	take_spaces(sample, tree_get(value, "spaces"));
}

/*
 * Paused at a breakpoint, held by --inspect-brk, or waiting synchronously: the event loop has not
 * turned, was not idle, and the thread used no CPU since the last poll. Asking the debugger would
 * need Debugger.enable, which costs the target. The poll itself uses about 0.2 ms.
 */
enum session_activity cdp_judge_activity(struct cdp_liveness *last, const struct tree *value)
{
	struct cdp_liveness now = { .mono_ns = clock_mono_ns() };
	enum session_activity activity = ACTIVITY_UNKNOWN;
	double elapsed_us, cpu_us;

	now.known = tree_double(value, "cpu", &now.cpu_us) &&
		    tree_double(value, "idle", &now.idle_ms) &&
		    tree_double(value, "turns", &now.turns);
	if (now.known && last->known) {
		elapsed_us = (double)(now.mono_ns - last->mono_ns) / 1000.0;
		cpu_us = now.cpu_us - last->cpu_us;
		activity = ACTIVITY_RUNNING;
		if (now.turns == last->turns && now.idle_ms == last->idle_ms &&
		    cpu_us < fmax(3000.0, 0.02 * elapsed_us))
			activity = ACTIVITY_PAUSED;
	}
	*last = now;
	return activity;
}

bool cdp_is_plain(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-";

	return text[0] != '\0' && text[strspn(text, plain)] == '\0';
}
