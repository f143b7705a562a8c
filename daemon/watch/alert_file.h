#pragma once

/*
 * alerts.json in the state folder: the alerts of now, written on each change by a thread of its
 * own, for that waits for the disk, and once a minute while there are any, so that its age tells
 * how long the daemon was down.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "loop/loop.h"
#include "loop/wake.h"

struct alerts;

struct alert_file {
	struct alerts *alerts; /* borrowed */
	int dir_fd; /* borrowed */
	struct loop_timer timer; /* the next text; not before the last was written */
	struct loop_wake wake;
	bool started, dirty, writing;
	bool stale; /* what it has is more than there is: to be written, but nobody waits */
	bool failing; /* said so in the log */
	/* Hook: all that had changed when it was called is on the disk, or cannot be; may be NULL.
	 */
	void (*on_saved)(void *owner);
	void *owner;

	pthread_t thread;
	pthread_mutex_t mutex; /* for what follows */
	pthread_cond_t cond;
	char *text; /* owned; to be written. NULL: nothing to do */
	size_t size;
	int result; /* of the last write */
	bool ending;
};

/* 0, -errno. fini also after a failure. */
int alert_file_init(struct alert_file *file, struct loop *loop, struct alerts *alerts, int dir_fd);

/* Writes what has changed last, and waits for that. */
void alert_file_fini(struct alert_file *file);

/*
 * Restores what the file has, once, after the first rules were set. A file that makes no sense is
 * told and set aside. 0; -errno, told, when it cannot be read, and nothing is changed.
 */
int alert_file_load(struct alert_file *file);

/* The alerts have changed: they are written soon. */
void alert_file_touch(struct alert_file *file);

/*
 * Less is to be remembered: it is written within a second, and no more often for that. Nothing is
 * lost where that comes to nothing; who has heard of an alert hears of it again.
 */
void alert_file_touch_later(struct alert_file *file);

/* Is there anything that on_saved will tell of? */
bool alert_file_is_behind(const struct alert_file *file);
