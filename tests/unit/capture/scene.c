/*
 * The stage of the capture tests
 */

#include "scene.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/series.h"
#include "fake_inspector.h"
#include "inspect/channel.h"
#include "inspect/runtime.h"
#include "json/tree.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/str.h"

enum { PATIENCE_S = 20 };

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "scene: %s: %s\n", what, strerror(errno));
	abort();
}

void scene_init(struct scene *scene)
{
	*scene = (struct scene){
		.settings = { .threads = 2,
			      .queue_max = 4,
			      .idle_timeout_ns = 10 * NS_PER_S,
			      .timeout_ns = 60 * NS_PER_S,
			      .file_max_bytes = 1ull << 30,
			      .guards = { .has_headroom = true } }, /* no process to be seen */
	};
	log_setup(LEVEL_ERROR, LOG_LOGFMT);
	folder_new(scene->dir);
	link_init(&scene->targets.list);
	map_init(&scene->targets.by_name);
	must(loop_init(&scene->loop) == 0, "loop");
	scene->targets.context.loop = &scene->loop;
	must(spool_open(&scene->spool, scene->dir, &scene->limits) == 0, "spool");
	must(captures_init(&scene->captures, &scene->loop, &scene->targets, &scene->spool,
			   &scene->settings, -1) == 0,
	     "captures");
}

void scene_fini(struct scene *scene)
{
	captures_fini(&scene->captures);
	spool_close(&scene->spool);
	list_each_safe (link, &scene->targets.list)
		scene_drop(container_of(link, struct target, link));
	map_fini(&scene->targets.by_name);
	loop_fini(&scene->loop);
	folder_remove(scene->dir);
}

static const struct session_context nobody_parts;

struct target *scene_target(struct scene *scene, const char *name, uint16_t port,
			    uint64_t heap_used)
{
	struct target *target = calloc(1, sizeof(*target));

	must(target != NULL, "target");
	link_init(&target->isolates);
	link_init(&target->missing);
	target->id = ++scene->targets.next_id;
	target->targets = &scene->targets;
	target->state = TARGET_UP;
	/* Nobody polls it here: what it has said stays new. */
	target->last_poll_mono_ns = UINT64_MAX / 2;
	target->spec.name = strdup(name);
	target->spec.address =
		(struct address){ .family = ADDRESS_INET, .host = "127.0.0.1", .port = port };
	target->spec.poll.timeout_ns = 5 * NS_PER_S;
	link_init(&target->session.channels);
	target->session.context = &nobody_parts;
	target->session.runtime = runtime_of_word(1);
	target->session.address = target->spec.address;
	must(channel_new(&target->session, "", fake_path) != NULL, "channel");
	target->identity.pid = 4711;
	str_copy(target->identity.runtime, sizeof(target->identity.runtime), "node");
	list_append(&scene->targets.list, &target->link);
	/* By its name the first one is found. */
	must(map_put(&scene->targets.by_name, target->spec.name, target) != -ENOMEM, "map");
	if (heap_used > 0)
		scene_isolate(target, "main", heap_used);
	return target;
}

struct isolate *scene_isolate(struct target *target, const char *name, uint64_t heap_used)
{
	struct isolate *isolate = calloc(1, sizeof(*isolate));

	must(isolate != NULL, "isolate");
	str_copy(isolate->name, sizeof(isolate->name), name);
	sample_set(&isolate->last, SAMPLE_HEAP_USED, heap_used);
	list_append(&target->isolates, &isolate->link);
	return isolate;
}

void scene_drop(struct target *target)
{
	link_remove(&target->link);
	if (map_get(&target->targets->by_name, target->spec.name) == target)
		map_remove(&target->targets->by_name, target->spec.name);
	list_each_safe (link, &target->isolates) {
		link_remove(link);
		free(container_of(link, struct isolate, link));
	}
	list_each_safe (link, &target->session.channels)
		channel_free(container_of(link, struct channel, link));
	free(target->spec.name);
	free(target);
}

bool scene_settle(struct scene *scene)
{
	for (int i = 0; i < PATIENCE_S * 10; i++) {
		const struct captures *captures = &scene->captures;

		if (captures->queue_n == 0 && captures->running_n == 0)
			return true;
		loop_turn(&scene->loop, 100);
	}
	return false;
}

struct tree *scene_series(struct scene *scene)
{
	struct tree *root = NULL;
	struct json_writer w;
	struct buf buf;

	buf_init(&buf, 1 << 20);
	json_write_init(&w, &buf);
	series_write(&scene->captures, &w);
	must(tree_parse(buf.data, buf.size, &root, NULL) == 0, "series");
	buf_fini(&buf);
	return root;
}
