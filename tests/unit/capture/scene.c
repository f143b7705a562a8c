/*
 * The stage of the capture tests
 */

#include "scene.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_inspector.h"
#include "inspect/dialect.h"
#include "util/clock.h"
#include "util/file.h"
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

void scene_dir(char dir[SCENE_PATH_MAX / 2])
{
	const char *top = getenv("TMPDIR");

	snprintf(dir, SCENE_PATH_MAX / 2, "%s/captureXXXXXX", top != NULL ? top : "/tmp");
	must(mkdtemp(dir) != NULL, "mkdtemp");
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

void scene_remove(const char *dir)
{
	must(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0, dir);
}

static void path_of(char dst[SCENE_PATH_MAX], const char *dir, const char *name)
{
	must(snprintf(dst, SCENE_PATH_MAX, "%s/%s", dir, name) < SCENE_PATH_MAX, "path");
}

char *scene_read(const char *dir, const char *name, size_t *ret_size)
{
	char path[SCENE_PATH_MAX], *data = NULL;
	size_t size = 0;

	path_of(path, dir, name);
	if (file_read(path, 64 * 1024 * 1024, &data, &size) < 0)
		return NULL;
	if (ret_size != NULL)
		*ret_size = size;
	return data;
}

void scene_write(const char *dir, const char *name, const void *data, size_t size)
{
	char path[SCENE_PATH_MAX];
	FILE *file;

	path_of(path, dir, name);
	file = fopen(path, "w");
	must(file != NULL, path);
	must(fwrite(data, 1, size, file) == size, path);
	must(fclose(file) == 0, path);
}

unsigned scene_count(const char *dir, const char *name)
{
	char path[SCENE_PATH_MAX];
	struct dirent *item;
	unsigned n = 0;
	DIR *list;

	path_of(path, dir, name);
	list = opendir(path);
	must(list != NULL, path);
	while ((item = readdir(list)) != NULL)
		n += strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0;
	closedir(list);
	return n;
}

bool scene_exists(const char *dir, const char *name)
{
	char path[SCENE_PATH_MAX];
	struct stat st;

	path_of(path, dir, name);
	return lstat(path, &st) == 0;
}

void scene_init(struct scene *scene)
{
	*scene = (struct scene){
		.settings = { .threads = 2,
			      .queue_max = 4,
			      .idle_timeout_ns = 10 * NS_PER_S,
			      .timeout_ns = 60 * NS_PER_S,
			      .file_max_bytes = 1ull << 30 },
	};
	log_setup(LEVEL_ERROR, LOG_LOGFMT);
	scene_dir(scene->dir);
	link_init(&scene->targets.list);
	must(loop_init(&scene->loop) == 0, "loop");
	scene->targets.context.loop = &scene->loop;
	must(spool_open(&scene->spool, scene->dir, &scene->limits) == 0, "spool");
	must(captures_init(&scene->captures, &scene->loop, &scene->targets, &scene->spool,
			   &scene->settings) == 0,
	     "captures");
}

void scene_fini(struct scene *scene)
{
	captures_fini(&scene->captures);
	spool_close(&scene->spool);
	list_each_safe (link, &scene->targets.list)
		scene_drop(container_of(link, struct target, link));
	loop_fini(&scene->loop);
	scene_remove(scene->dir);
}

struct target *scene_target(struct scene *scene, const char *name, uint16_t port,
			    uint64_t heap_used)
{
	struct target *target = calloc(1, sizeof(*target));

	must(target != NULL, "target");
	link_init(&target->isolates);
	target->id = ++scene->targets.next_id;
	target->targets = &scene->targets;
	target->state = TARGET_UP;
	target->spec.name = strdup(name);
	target->spec.address =
		(struct address){ .family = ADDRESS_INET, .host = "127.0.0.1", .port = port };
	target->spec.poll.timeout_ns = 5 * NS_PER_S;
	target->session.dialect = &dialect_cdp;
	target->session.address = target->spec.address;
	str_copy(target->session.path, sizeof(target->session.path), fake_path);
	target->identity.pid = 4711;
	str_copy(target->identity.runtime, sizeof(target->identity.runtime), "node");
	list_append(&scene->targets.list, &target->link);
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
	list_each_safe (link, &target->isolates) {
		link_remove(link);
		free(container_of(link, struct isolate, link));
	}
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
