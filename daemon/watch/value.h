#pragma once

/*
 * Values a rule may speak of, by name: the fields of a sample, and those of the process. The names
 * are those of the metrics without `heapwatch_` and the unit: heap_used, cgroup_memory_usage.
 */

#include <stdbool.h>

struct isolate;
struct target;

enum value_unit { VALUE_BYTES, VALUE_COUNT, VALUE_SECONDS, VALUE_RATIO };

struct value_desc {
	const char *name;
	enum value_unit unit;
	bool of_target; /* of the process, not of one isolate: evaluated for the main isolate only
			 */
};

/* The index of a name, or -1. */
int value_find(const char *name);
const struct value_desc *value_at(int index); /* NULL past the end */

/* Does the runtime tell it with each sample, or never? Not what the kernel says, or is computed. */
bool value_is_told(int index);

/* Where value_read() finds it, for samples that no runtime gave: in the sample, or the target. */
struct sample;
void value_write(int index, struct target *target, struct sample *sample, double value);

/* False when the runtime does not give it. */
bool value_read(int index, const struct target *target, const struct isolate *isolate, double *ret);
