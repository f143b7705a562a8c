#pragma once

/*
 * Discovery: sources that say which targets there are. Each source hands over its whole set; a
 * source that fails keeps its last good set and says so (log, metric).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/list.h"
#include "watch/settings.h"

struct http_client;
struct loop;
struct target_spec;

struct discovery {
	struct loop *loop; /* borrowed */
	struct http_client *http; /* borrowed */
	const struct poll_settings *poll; /* of the settings applied last; borrowed */
	const struct text_list *allowed; /* the same: where targets may be */
	struct link sources;
	uint64_t refreshes, failures;
	/*
	 * The whole set of a source, also from within discovery_apply(); specs are borrowed during
	 * the call. NULL and 0 when the source is dropped.
	 */
	void (*on_set)(void *owner, const char *source, const struct target_spec *specs, size_t n);
	void *owner;
};

/* One line of state per source, for the API and the status page. */
struct discovery_source {
	struct link link;
	char name[64]; /* "file:PATTERN", "http:URL": unique, without a query, cut when long */
	int64_t last_success_wall_ms; /* 0: never */
	char error[192]; /* "" when the last refresh succeeded */
	size_t targets_n;
};

void discovery_init(struct discovery *discovery, struct loop *loop, struct http_client *http);
void discovery_fini(struct discovery *discovery);

/*
 * Start the sources the settings name (files are read at once), stop those they name no more (their
 * targets go), leave the same ones alone. settings must live until the next apply or fini has
 * returned. 0; -ENOMEM when a source could not be started, the others run.
 */
int discovery_apply(struct discovery *discovery, const struct watch_settings *settings);

/* Hand over the sets of all sources once more, as they are. */
void discovery_publish(struct discovery *discovery);

/* The static targets of the configuration, and those of --target flags, as specs. Free with
 * specs_free. */
int specs_from_settings(const struct watch_settings *settings, struct target_spec **ret,
			size_t *ret_n);
void specs_free(struct target_spec *specs, size_t n);
