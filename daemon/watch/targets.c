/* The registry of targets: sets of specs come in by source, targets start, change and go. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "net/access.h"
#include "util/clock.h"
#include "util/log.h"
#include "watch/target.h"

/* Limits until the settings are known. */
enum { COUNT_MAX = 10000, ISOLATES_MAX = 64 };

#define HOUR_NS (3600 * NS_PER_S)

void target_spec_fini(struct target_spec *spec)
{
	access_unref(spec->address.access);
	free(spec->name);
	labels_fini(&spec->labels);
	opening_fini(&spec->opening);
	*spec = (struct target_spec){ 0 };
}

int target_spec_copy(struct target_spec *dst, const struct target_spec *src)
{
	*dst = (struct target_spec){ .address = src->address, .poll = src->poll };
	access_ref(dst->address.access);
	dst->name = strdup(src->name);
	if (dst->name == NULL || labels_copy(&dst->labels, &src->labels) < 0 ||
	    opening_copy(&dst->opening, &src->opening) < 0) {
		target_spec_fini(dst);
		return -ENOMEM;
	}
	return 0;
}

int targets_init(struct targets *targets, const struct session_context *context)
{
	*targets = (struct targets){
		.context = *context,
		.count_max = COUNT_MAX,
		.isolates_max = ISOLATES_MAX,
		.series_points = SERIES_POINTS,
		.windows_ns = { 3 * HOUR_NS, 24 * HOUR_NS },
		.warmup_ns = HOUR_NS / 2,
	};
	link_init(&targets->list);
	map_init(&targets->by_name);
	return 0;
}

void targets_set_limits(struct targets *targets, const struct watch_settings *settings)
{
	targets->count_max = (uint32_t)settings->targets_max;
	targets->isolates_max = (uint32_t)settings->isolates_max;
	targets->series_points = (uint32_t)settings->series_points;
	targets->warmup_ns = settings->leak.warmup_ns;
	targets->windows_ns[WINDOW_FAST] = settings->leak.fast_window_ns;
	targets->windows_ns[WINDOW_SLOW] = settings->leak.slow_window_ns;
}

static void log_spec(enum log_level level, const struct target_spec *spec, const char *source,
		     const char *message)
{
	struct log_field fields[] = { { "target", spec->name }, { "source", source } };

	log_event(level, "watch", NULL, fields, 2, "%s", message);
}

static void targets_remove(struct targets *targets, struct target *target)
{
	log_spec(LEVEL_DEBUG, &target->spec, target->source, "target removed");
	if (targets->on_removed != NULL)
		targets->on_removed(targets->owner, target);
	map_remove(&targets->by_name, target->spec.name);
	link_remove(&target->link);
	targets->count--;
	target_free(target);
}

void targets_fini(struct targets *targets)
{
	if (targets->list.next == NULL)
		return;
	list_each_safe (link, &targets->list)
		targets_remove(targets, container_of(link, struct target, link));
	map_fini(&targets->by_name);
}

static int targets_add(struct targets *targets, const struct target_spec *spec, const char *source)
{
	struct target *target;
	int r;

	if (targets->count >= targets->count_max) {
		log_spec(LEVEL_WARN, spec, source, "target refused: limits.targets is reached");
		targets->refused++;
		return 0;
	}
	r = target_new(&target, targets, spec, source);
	if (r < 0)
		return r;
	r = map_put(&targets->by_name, target->spec.name, target);
	if (r < 0) {
		target_free(target);
		return r;
	}
	list_append(&targets->list, &target->link);
	targets->count++;
	if (!address_is_local(&target->spec.address) && !target->spec.address.is_tls)
		log_spec(LEVEL_WARN, spec, source,
			 "target is beyond loopback and spoken to in clear: whoever is on the way "
			 "can read its heap and run code in it");
	return 0;
}

static int put_spec(struct targets *targets, const char *source, const struct target_spec *spec)
{
	struct target *held = map_get(&targets->by_name, spec->name);

	if (held == NULL)
		return targets_add(targets, spec, source);
	if (strcmp(held->source, source) != 0) {
		log_spec(LEVEL_WARN, spec, source, "target refused: another source has the name");
		targets->contested = true;
		targets->refused++;
		return 0;
	}
	if (address_equal(&held->spec.address, &spec->address))
		return target_update(held, spec);
	targets_remove(targets, held);
	return targets_add(targets, spec, source);
}

/* Those of the source that are no longer named; `keep` is a map of the names that are. */
static void remove_missing(struct targets *targets, const char *source, const struct map *keep)
{
	bool removed = false;

	list_each_safe (link, &targets->list) {
		struct target *target = container_of(link, struct target, link);

		if (strcmp(target->source, source) != 0 || map_get(keep, target->spec.name) != NULL)
			continue;
		targets_remove(targets, target);
		removed = true;
	}
	if (!removed || !targets->contested)
		return;
	targets->contested = false;
	if (targets->on_released != NULL)
		targets->on_released(targets->owner);
}

int targets_replace(struct targets *targets, const char *source, const struct target_spec *specs,
		    size_t n)
{
	struct map keep;
	int r = 0;

	map_init(&keep);
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = map_put(&keep, specs[i].name, (void *)&specs[i]);
		if (r == -EEXIST) {
			log_spec(LEVEL_WARN, &specs[i], source, "target given twice");
			r = 0;
		}
	}
	if (r == 0)
		remove_missing(targets, source, &keep);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (map_get(&keep, specs[i].name) == &specs[i])
			r = put_spec(targets, source, &specs[i]);
	map_fini(&keep);
	return r;
}

struct target *targets_find(const struct targets *targets, uint64_t id)
{
	list_each (link, &targets->list) {
		struct target *target = container_of(link, struct target, link);

		if (target->id == id)
			return target;
	}
	return NULL;
}

struct target *targets_find_name(const struct targets *targets, const char *name)
{
	return map_get(&targets->by_name, name);
}
