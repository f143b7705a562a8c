#pragma once

/*
 * What captures stand on, built by hand: a folder of its own, a loop, a spool, and targets that are
 * up because the test says so. Nothing polls them; only captures connect to their inspectors.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/capture.h"
#include "capture/spool.h"
#include "loop/loop.h"
#include "watch/target.h"

enum { SCENE_PATH_MAX = 512 };

struct scene {
	char dir[SCENE_PATH_MAX / 2];
	struct loop loop;
	struct targets targets;
	struct spool spool;
	struct capture_settings settings;
	struct spool_settings limits;
	struct captures captures;
};

/* These abort with a message: without them no test means anything. */
void scene_dir(char dir[SCENE_PATH_MAX / 2]); /* a fresh folder */
void scene_remove(const char *dir); /* with all in it */
void scene_init(struct scene *scene);
void scene_fini(struct scene *scene);

/* An up target; heap_used 0 is none known. */
struct target *scene_target(struct scene *scene, const char *name, uint16_t port,
			    uint64_t heap_used);
void scene_drop(struct target *target);
struct isolate *scene_isolate(struct target *target, const char *name, uint64_t heap_used);

/* Turn the loop until nothing waits or runs: false after twenty seconds. */
bool scene_settle(struct scene *scene);

/* The content of DIR/name, to be freed; NULL when there is none. */
char *scene_read(const char *dir, const char *name, size_t *ret_size);
void scene_write(const char *dir, const char *name, const void *data, size_t size);

/* Names in DIR/name that are not "." and "..". */
unsigned scene_count(const char *dir, const char *name);
bool scene_exists(const char *dir, const char *name);
