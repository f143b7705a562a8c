/*
 * Many captures at once: threads, cancellations and limits in each other's way. Under the thread
 * sanitizer this is the test of what threads share; without it, of the sums at the end.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_inspector.h"
#include "scene.h"
#include "util/log.h"

enum { TARGETS = 12, ROUNDS = 10, THREADS = 6, SNAPSHOT_BYTES = 300000 };

static struct scene scene;
static struct target *targets[TARGETS];
static unsigned done, succeeded;

#define MUST(what)                                                                                 \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                 \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static void on_done(void *owner, const struct capture *capture)
{
	(void)owner;
	done++;
	succeeded += capture->step == CAPTURE_SUCCEEDED;
}

/* One round: all targets at once, every third cancelled while it waits or runs. */
static void round_of_captures(unsigned round)
{
	char ids[TARGETS][CAPTURE_ID_MAX];

	for (unsigned i = 0; i < TARGETS; i++) {
		const struct capture_request request = { .target_id = targets[i]->id };

		MUST(captures_request(&scene.captures, &request, ids[i], NULL) == 0);
	}
	for (unsigned i = 0; i < TARGETS; i += 3) {
		if ((round + i) % 2 != 0)
			loop_turn(&scene.loop, 1);
		captures_cancel(&scene.captures, ids[i]);
	}
	MUST(scene_settle(&scene));
}

static char *make_snapshot(void)
{
	char *text = malloc(SNAPSHOT_BYTES);

	MUST(text != NULL);
	memset(text, ' ', SNAPSHOT_BYTES);
	text[0] = '{';
	text[SNAPSHOT_BYTES - 1] = '}';
	return text;
}

int main(void)
{
	char *text = make_snapshot();
	const struct fake_script script = { .snapshot = text,
					    .snapshot_size = SNAPSHOT_BYTES,
					    .chunk = 7000 };
	char name[16];

	scene_init(&scene);
	scene.settings.threads = THREADS;
	scene.settings.queue_max = TARGETS;
	scene.captures.on_done = on_done;
	log_setup(LEVEL_ERROR + 1, LOG_LOGFMT);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct fake_inspector *fake = fake_start(&script);

		MUST(fake != NULL);
		for (unsigned i = 0; i < TARGETS; i++) {
			snprintf(name, sizeof(name), "t%u", i);
			targets[i] = scene_target(&scene, name, fake_port(fake), 1);
		}
		round_of_captures(round);
		for (unsigned i = 0; i < TARGETS; i++)
			scene_drop(targets[i]);
		fake_stop(fake);
	}
	MUST(done == TARGETS * ROUNDS);
	MUST(succeeded >= TARGETS * ROUNDS * 2 / 3);
	MUST(scene.spool.files == succeeded);
	MUST(scene.spool.bytes == (uint64_t)succeeded * SNAPSHOT_BYTES);
	MUST(atomic_load(&scene.spool.claimed) == scene.spool.bytes);
	MUST(folder_count(scene.dir, "ready") == 2 * succeeded);
	MUST(folder_count(scene.dir, "incoming") == 0);
	scene_fini(&scene);
	free(text);
	return 0;
}
