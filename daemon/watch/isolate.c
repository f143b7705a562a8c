/* The isolates of a target: the main thread and its workers, each with its last sample and its
 * past. */

#include <stdlib.h>
#include <string.h>
#include "util/str.h"
#include "watch/target.h"

struct isolate *target_find_isolate(const struct target *target, const char *name)
{
	list_each (link, &target->isolates) {
		struct isolate *isolate = container_of(link, struct isolate, link);

		if (strcmp(isolate->name, name) == 0)
			return isolate;
	}
	return NULL;
}

struct isolate *target_need_isolate(struct target *target, const char *name)
{
	struct isolate *isolate = target_find_isolate(target, name);

	if (isolate != NULL)
		return isolate;
	if (target->isolates_n >= target->targets->isolates_max)
		return NULL;
	isolate = calloc(1, sizeof(*isolate));
	if (isolate == NULL)
		return NULL;
	if (series_init(&isolate->series, target->targets->series_points) < 0) {
		free(isolate);
		return NULL;
	}
	str_copy(isolate->name, sizeof(isolate->name), name);
	list_append(&target->isolates, &isolate->link);
	target->isolates_n++;
	return isolate;
}

struct isolate *target_main_isolate(const struct target *target)
{
	struct isolate *isolate = target_find_isolate(target, "main");

	if (isolate == NULL && !list_empty(&target->isolates))
		isolate = container_of(target->isolates.next, struct isolate, link);
	return isolate;
}

void target_drop_isolate(struct target *target, struct isolate *isolate)
{
	link_remove(&isolate->link);
	target->isolates_n--;
	series_fini(&isolate->series);
	free(isolate);
}

void target_drop_workers(struct target *target, uint64_t since_ns)
{
	list_each_safe (link, &target->isolates) {
		struct isolate *isolate = container_of(link, struct isolate, link);

		if (strcmp(isolate->name, "main") != 0 && isolate->last.mono_ns < since_ns)
			target_drop_isolate(target, isolate);
	}
}

void target_drop_isolates(struct target *target)
{
	list_each_safe (link, &target->isolates)
		target_drop_isolate(target, container_of(link, struct isolate, link));
}
