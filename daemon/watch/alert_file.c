/*
 * The file of alerts
 *
 * The control thread makes the text, the other one writes it: a disk that stands still keeps the
 * file from being new, not the daemon from watching. One text is under way at a time; what changes
 * meanwhile goes into the next.
 */

#include "watch/alert_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/err.h"
#include "util/file.h"
#include "util/log.h"
#include "util/thread.h"
#include "watch/alert.h"
#include "watch/alert_restore.h"

static const char file_name[] = "alerts.json", bad_name[] = "alerts.json.bad";

/* How old the file may be while there are alerts. */
#define REFRESH_NS (60 * NS_PER_S)

/* Many changes in a row are one text. */
#define GAP_NS (20 * NS_PER_MS)

/* Each receiver that takes an alert which has ended makes the text shorter, and no more. */
#define LATER_NS NS_PER_S

/* ---- the writing thread ---- */

static void *write_texts(void *owner)
{
	struct alert_file *file = owner;

	pthread_mutex_lock(&file->mutex);
	while (!file->ending || file->text != NULL) {
		char *text = file->text;
		size_t size = file->size;
		int r;

		if (text == NULL) {
			pthread_cond_wait(&file->cond, &file->mutex);
			continue;
		}
		file->text = NULL;
		pthread_mutex_unlock(&file->mutex);
		r = file_replace(file->dir_fd, file_name, text, size);
		free(text);
		pthread_mutex_lock(&file->mutex);
		file->result = r;
		loop_wake_up(&file->wake);
	}
	pthread_mutex_unlock(&file->mutex);
	return NULL;
}

static void tell(struct alert_file *file, int r)
{
	bool failed = r != 0 && r != FILE_E_UNSURE;

	if (failed && !file->failing)
		log_error("alert",
			  "cannot write %s: %s; after a restart alerts would fire anew as of the "
			  "last time it was written",
			  file_name, r == FILE_E_FULL ? "no space" : strerror(-r));
	else if (!failed && file->failing)
		log_info("alert", "%s is written again", file_name);
	file->failing = failed;
}

/* ---- the control thread ---- */

static void arm(struct alert_file *file)
{
	if (file->writing)
		return;
	if (file->dirty)
		(void)loop_timer_set(&file->timer, GAP_NS);
	else if (file->stale)
		(void)loop_timer_set(&file->timer, LATER_NS);
	else if (file->alerts->count > 0 || file->failing)
		(void)loop_timer_set(&file->timer, REFRESH_NS);
}

static void save(struct alert_file *file)
{
	size_t size = 0;
	char *text = NULL;
	int r = alerts_text(file->alerts, &text, &size);

	file->dirty = false;
	file->stale = false;
	if (r < 0) {
		tell(file, r);
		if (file->on_saved != NULL)
			file->on_saved(file->owner);
		return;
	}
	file->writing = true;
	pthread_mutex_lock(&file->mutex);
	free(file->text); /* one that the end of the daemon has overtaken */
	file->text = text;
	file->size = size;
	pthread_cond_signal(&file->cond);
	pthread_mutex_unlock(&file->mutex);
}

static void on_timer(void *owner)
{
	struct alert_file *file = owner;

	save(file);
	arm(file);
}

static void on_written(void *owner)
{
	struct alert_file *file = owner;
	int r;

	pthread_mutex_lock(&file->mutex);
	r = file->result;
	pthread_mutex_unlock(&file->mutex);
	tell(file, r);
	file->writing = false;
	if (!file->dirty && file->on_saved != NULL)
		file->on_saved(file->owner);
	arm(file);
}

void alert_file_touch(struct alert_file *file)
{
	if (!file->started || file->dirty)
		return;
	file->dirty = true;
	arm(file);
}

void alert_file_touch_later(struct alert_file *file)
{
	if (!file->started || file->dirty || file->stale)
		return;
	file->stale = true;
	arm(file);
}

bool alert_file_is_behind(const struct alert_file *file)
{
	return file->dirty || file->writing;
}

/* ---- reading ---- */

static void set_aside(const struct alert_file *file, const char *why)
{
	bool kept = renameat(file->dir_fd, file_name, file->dir_fd, bad_name) == 0;

	log_warn("alert", "alerts begin anew, for %s is of no use: %s%s%s", file_name, why,
		 kept ? "; it is kept as " : "", kept ? bad_name : "");
}

int alert_file_load(struct alert_file *file)
{
	struct err err = { 0 };
	char *text = NULL;
	uint32_t n = 0;
	size_t size = 0;
	int r = file_read_at(file->dir_fd, file_name, ALERT_RESTORE_BYTES_MAX, &text, &size);

	if (r == -ENOENT)
		return 0;
	if (r < 0 && !file_is_no_text(r)) {
		log_error("alert", "the file of alerts cannot be read: %s", strerror(-r));
		return r;
	}
	if (r == 0)
		r = alerts_restore(file->alerts, text, size, &n, &err);
	else
		err_set(&err, r, "%s", strerror(-r));
	free(text);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		set_aside(file, err.text);
	else if (n > 0)
		log_info("alert", "%u alerts of before the restart go on", (unsigned)n);
	alert_file_touch(file);
	return 0;
}

/* ---- start and end ---- */

int alert_file_init(struct alert_file *file, struct loop *loop, struct alerts *alerts, int dir_fd)
{
	int r;

	*file = (struct alert_file){ .alerts = alerts, .dir_fd = dir_fd };
	pthread_mutex_init(&file->mutex, NULL);
	pthread_cond_init(&file->cond, NULL);
	r = loop_wake_init(&file->wake, loop, on_written, file);
	if (r == 0)
		r = loop_timer_init(&file->timer, loop, on_timer, file);
	if (r == 0)
		r = thread_start(&file->thread, NULL, write_texts, file);
	file->started = r == 0;
	return r;
}

static void end_thread(struct alert_file *file)
{
	pthread_mutex_lock(&file->mutex);
	file->ending = true;
	pthread_cond_signal(&file->cond);
	pthread_mutex_unlock(&file->mutex);
	pthread_join(file->thread, NULL);
}

void alert_file_fini(struct alert_file *file)
{
	if (file->alerts == NULL)
		return;
	if (file->started) {
		bool dirty = file->dirty || file->stale || file->failing || file->alerts->count > 0;

		file->on_saved = NULL;
		if (dirty)
			save(file);
		end_thread(file);
		if (dirty)
			tell(file, file->result);
	}
	loop_timer_fini(&file->timer);
	loop_wake_fini(&file->wake);
	pthread_cond_destroy(&file->cond);
	pthread_mutex_destroy(&file->mutex);
	*file = (struct alert_file){ 0 };
}
