/*
 * The state file
 *
 * Reading trusts nothing: the file may be from another version, cut short by a disk that lied about
 * fsync, or edited by hand. What is whole JSON of our version is taken entry by entry, and an entry
 * that makes no sense is left out; anything else is set aside, for a person to look at, and all
 * begins anew. A daemon that does not start because of its memory would watch nothing.
 */

#include "capture/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/capture.h"
#include "capture/guard.h"
#include "capture/kept.h"
#include "capture/series.h"
#include "json/tree.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/file.h"
#include "util/log.h"
#include "util/str.h"

static const char file_name[] = "state.json", bad_name[] = "state.json.bad";

/* Captures that began and whose end we have not seen; more are not told apart from none. */
enum { OPEN_MAX = 1024 };

/* No window of a rule reaches further back (watch/rule_options.c). */
static const int64_t history_max_ms = 31ll * 24 * 3600 * 1000;

struct open_target {
	struct link link;
	char name[128];
	bool cut_off; /* from the file: its capture was of a daemon before this one */
};

struct state_file {
	int dir_fd; /* borrowed */
	struct link open; /* struct open_target; of the control thread */
	unsigned open_n;
	int64_t left_wall_ms; /* when it was written that was read at the start */
	uint64_t made; /* serial of the newest text; of the control thread */
	pthread_mutex_t mutex; /* for what follows, and for writing in turn */
	uint64_t written; /* serial of what is on the disk */
};

/* ---- targets with a capture under way ---- */

static struct open_target *find_open(const struct state_file *file, const char *target)
{
	list_each (link, &file->open) {
		struct open_target *open = container_of(link, struct open_target, link);

		if (strcmp(open->name, target) == 0)
			return open;
	}
	return NULL;
}

static int add_open(struct state_file *file, const char *target, bool cut_off)
{
	struct open_target *open;

	if (file->open_n == OPEN_MAX)
		return 0;
	open = calloc(1, sizeof(*open));
	if (open == NULL)
		return -ENOMEM;
	str_copy(open->name, sizeof(open->name), target);
	open->cut_off = cut_off;
	list_append(&file->open, &open->link);
	file->open_n++;
	return 0;
}

static void drop_open(struct state_file *file, struct open_target *open)
{
	link_remove(&open->link);
	file->open_n--;
	free(open);
}

void state_set_open(struct captures *captures, const char *target, bool on)
{
	struct state_file *file = captures->state;
	struct open_target *open;

	if (file == NULL)
		return;
	open = find_open(file, target);
	if (!on && open != NULL)
		drop_open(file, open);
	else if (on && open != NULL)
		open->cut_off = false; /* this capture ends in order what the other left on */
	else if (on && add_open(file, target, false) < 0)
		log_warn("capture", "out of memory: if heapwatchd ends now, %s is not put right",
			 target);
}

bool state_take_open(struct captures *captures, const char *target)
{
	struct open_target *open;

	if (captures->state == NULL)
		return false;
	open = find_open(captures->state, target);
	if (open == NULL || !open->cut_off)
		return false;
	drop_open(captures->state, open);
	return true;
}

int64_t state_left_wall_ms(const struct captures *captures)
{
	return captures->state != NULL ? captures->state->left_wall_ms : 0;
}

/* ---- writing ---- */

static void write_past(struct json_writer *w, const struct past *past, int64_t wall_ms,
		       int64_t mono_ns)
{
	json_write_object(w);
	json_member_string(w, "target", past->target);
	json_member_string(w, "isolate", past->isolate);
	json_member_string(w, "rule", past->rule);
	if (past->step[0] != '\0')
		json_member_string(w, "step", past->step);
	json_member_string(w, "kind", capture_kind_name(past->kind));
	json_write_key(w, "at_ms");
	json_write_int(w, wall_ms - (mono_ns - past->at_ns) / (int64_t)NS_PER_MS);
	json_member_bool(w, "unarmed", past->unarmed);
	json_write_object_end(w);
}

static void write_history(struct json_writer *w, const struct captures *captures)
{
	int64_t wall_ms = clock_wall_ms(), mono_ns = (int64_t)clock_mono_ns();

	json_write_key(w, "history");
	json_write_array(w);
	list_each (link, &captures->history) {
		const struct past *past = container_of(link, struct past, link);
		int64_t age_ms = (mono_ns - past->at_ns) / (int64_t)NS_PER_MS;

		if (past->unarmed || age_ms <= history_max_ms)
			write_past(w, past, wall_ms, mono_ns);
	}
	json_write_array_end(w);
}

static void write_open(struct json_writer *w, const struct state_file *file)
{
	json_write_key(w, "open");
	json_write_array(w);
	list_each (link, &file->open)
		json_write_string(w, container_of(link, struct open_target, link)->name);
	json_write_array_end(w);
}

int state_text(struct captures *captures, char **ret, size_t *ret_size, uint64_t *ret_serial)
{
	struct json_writer w;
	struct buf buf;
	int r;

	buf_init(&buf, STATE_BYTES_MAX);
	json_write_init(&w, &buf);
	json_write_object(&w);
	json_member_uint(&w, "version", STATE_VERSION);
	json_write_key(&w, "written_ms");
	json_write_int(&w, clock_wall_ms());
	write_history(&w, captures);
	write_open(&w, captures->state);
	json_write_key(&w, "series");
	series_write(captures, &w);
	json_write_key(&w, "kept");
	kept_write(captures, &w);
	json_write_object_end(&w);
	r = buf_puts(&buf, "\n");
	if (r == 0) {
		*ret = buf_take(&buf, ret_size);
		*ret_serial = ++captures->state->made;
	}
	buf_fini(&buf);
	return r;
}

int state_write(struct state_file *file, const char *text, size_t size, uint64_t serial)
{
	int r = 0;

	pthread_mutex_lock(&file->mutex);
	if (serial > file->written) {
		r = file_replace(file->dir_fd, file_name, text, size);
		if (r == 0 || r == FILE_E_UNSURE)
			file->written = serial;
	}
	pthread_mutex_unlock(&file->mutex);
	return r;
}

/* ---- reading ---- */

static int kind_of(const char *name)
{
	for (int i = 0; i <= CAPTURE_KIND_GC; i++) {
		if (strcmp(capture_kind_name(i), name) == 0)
			return i;
	}
	return -1;
}

/* On the monotonic clock of now; from ahead of the clock is just now, from long ago is out. */
static bool past_time(int64_t at_ms, bool unarmed, int64_t *ret_ns)
{
	int64_t wall_ms = clock_wall_ms(), age_ms = 0;

	if (at_ms < wall_ms)
		age_ms = at_ms > wall_ms - history_max_ms ? wall_ms - at_ms : history_max_ms;
	*ret_ns = (int64_t)clock_mono_ns() - age_ms * (int64_t)NS_PER_MS;
	return unarmed || age_ms < history_max_ms;
}

/* Kept in order of time, whatever the file says. */
static void insert_past(struct captures *captures, struct past *past)
{
	struct link *after = captures->history.prev;

	while (after != &captures->history &&
	       container_of(after, struct past, link)->at_ns > past->at_ns)
		after = after->prev;
	list_append(after->next, &past->link);
	captures->history_n++;
	captures->unarmed_n += past->unarmed;
}

static int read_past(struct captures *captures, const struct tree *node)
{
	const char *target, *isolate, *rule, *kind, *step;
	struct past past = { 0 }, *copy;
	int64_t at_ms;

	if (!tree_string(node, "target", &target) || !tree_string(node, "isolate", &isolate) ||
	    !tree_string(node, "rule", &rule) || !tree_string(node, "kind", &kind) ||
	    !tree_int(node, "at_ms", &at_ms) || !tree_bool(node, "unarmed", &past.unarmed) ||
	    kind_of(kind) < 0 || !past_time(at_ms, past.unarmed, &past.at_ns))
		return 0;
	past.kind = kind_of(kind);
	if (tree_string(node, "step", &step) && !str_copy(past.step, sizeof(past.step), step))
		return 0;
	if (!str_copy(past.target, sizeof(past.target), target) ||
	    !str_copy(past.isolate, sizeof(past.isolate), isolate) ||
	    !str_copy(past.rule, sizeof(past.rule), rule))
		return 0;
	copy = malloc(sizeof(*copy));
	if (copy == NULL)
		return -ENOMEM;
	*copy = past;
	link_init(&copy->link);
	insert_past(captures, copy);
	return 0;
}

static int read_history(struct captures *captures, const struct tree *array)
{
	size_t n = tree_size(array);
	int r = 0;

	/* The newest are last. */
	for (size_t i = n > HISTORY_MAX ? n - HISTORY_MAX : 0; i < n && r == 0; i++)
		r = read_past(captures, tree_at(array, i));
	return r;
}

static int read_open(struct state_file *file, const struct tree *array)
{
	int r = 0;

	for (size_t i = 0; i < tree_size(array) && r == 0; i++) {
		const char *name;

		if (tree_string(tree_at(array, i), NULL, &name) && find_open(file, name) == NULL)
			r = add_open(file, name, true);
	}
	return r;
}

/* 0, -EBADMSG with the reason, -ENOMEM. */
static int read_text(struct captures *captures, const char *text, size_t size, struct err *err)
{
	struct tree *root = NULL;
	int64_t version = 0;
	int r = tree_parse(text, size, &root, err);

	if (r < 0)
		return r;
	if (!tree_int(root, "version", &version) || version != STATE_VERSION)
		r = err_set(err, -EBADMSG, "it is of version %lld, not %d", (long long)version,
			    STATE_VERSION);
	else if (!tree_is_array(tree_get(root, "history")))
		r = err_set(err, -EBADMSG, "it has no history");
	if (r == 0)
		r = read_history(captures, tree_get(root, "history"));
	tree_int(root, "written_ms", &captures->state->left_wall_ms);
	if (r == 0 && tree_is_array(tree_get(root, "open")))
		r = read_open(captures->state, tree_get(root, "open"));
	if (r == 0 && tree_is_array(tree_get(root, "series")))
		r = series_read(captures, tree_get(root, "series"));
	if (r == 0 && tree_is_array(tree_get(root, "kept")))
		r = kept_read(captures, tree_get(root, "kept"));
	tree_free(root);
	return r;
}

static void set_aside(const struct state_file *file, const char *why)
{
	if (renameat(file->dir_fd, file_name, file->dir_fd, bad_name) < 0)
		log_error("capture", "the state file is of no use and cannot be set aside: %s; %s",
			  why, strerror(errno));
	else
		log_error("capture",
			  "the state file is of no use: %s. It is kept as %s; cooldowns and series "
			  "begin anew",
			  why, bad_name);
}

static int load(struct captures *captures)
{
	struct err err = { 0 };
	char *text = NULL;
	size_t size = 0;
	int r = file_read_at(captures->state->dir_fd, file_name, STATE_BYTES_MAX, &text, &size);

	if (r == -ENOENT)
		return 0;
	if (r < 0 && !file_is_no_text(r)) {
		log_error("capture", "the state file cannot be read: %s", strerror(-r));
		return r;
	}
	if (r == 0)
		r = read_text(captures, text, size, &err);
	else
		err_set(&err, r, "%s", strerror(-r));
	free(text);
	if (r == 0 || r == -ENOMEM)
		return r;
	set_aside(captures->state, err.text);
	return 0;
}

/* What a kill left between the birth of a new file and its place. */
static void sweep(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL && fd >= 0)
		close(fd);
	for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
		if (str_has_prefix(entry->d_name, ".#"))
			unlinkat(dir_fd, entry->d_name, 0);
	}
	if (dir != NULL)
		closedir(dir);
}

int state_open(struct captures *captures, int dir_fd)
{
	struct state_file *file = calloc(1, sizeof(*file));

	if (file == NULL)
		return -ENOMEM;
	file->dir_fd = dir_fd;
	link_init(&file->open);
	pthread_mutex_init(&file->mutex, NULL);
	captures->state = file;
	sweep(dir_fd);
	return load(captures);
}

void state_close(struct captures *captures)
{
	struct state_file *file = captures->state;

	if (file == NULL)
		return;
	list_each_safe (link, &file->open)
		drop_open(file, container_of(link, struct open_target, link));
	pthread_mutex_destroy(&file->mutex);
	free(file);
	captures->state = NULL;
}
