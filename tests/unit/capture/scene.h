#pragma once

/*
 * What captures stand on, built by hand: a folder of its own, a loop, a spool, and targets that are
 * up because the test says so. Nothing polls them; only captures connect to their inspectors.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/capture.h"
#include "folder.h"
#include "loop/loop.h"
#include "spool/spool.h"
#include "watch/target.h"

struct tree;

struct scene {
	char dir[FOLDER_PATH_MAX / 2];
	struct loop loop;
	struct targets targets;
	struct spool spool;
	struct capture_settings settings;
	struct spool_settings limits;
	struct captures captures;
};

/* These abort with a message: without them no test means anything. */
void scene_init(struct scene *scene);
void scene_fini(struct scene *scene);

/* An up target; heap_used 0 is none known. */
struct target *scene_target(struct scene *scene, const char *name, uint16_t port,
			    uint64_t heap_used);
void scene_drop(struct target *target);
struct isolate *scene_isolate(struct target *target, const char *name, uint64_t heap_used);

struct tree *scene_series(struct scene *scene); /* as the state file has them; tree_free() */

/* Turn the loop until nothing waits or runs: false after twenty seconds. */
bool scene_settle(struct scene *scene);
