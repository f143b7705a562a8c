/*
 * Adoption
 *
 * A directory is watched by inotify and listed at intervals as well: inotify is a help, not a need.
 * Each file of interest has a record with its state. A file is seen when its writer creates it, and
 * its target is looked up then, for a process that is out of memory is gone when the file is whole.
 *
 * A file that is whole never changes again, and lies there in clear. So what fails for want of
 * descriptors, of memory or of a disk's good will is tried again, ever more rarely.
 */

#include "capture/adopt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "capture/adopt_file.h"
#include "capture/kept.h"
#include "capture/step.h"
#include "capture/tracking.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/target.h"

#define RESCAN_NS (10 * NS_PER_S)
#define SOON_NS   (20 * NS_PER_MS) /* events come in bursts */

/* After what may pass: twice as long after each time. */
#define AGAIN_MIN_NS NS_PER_S
#define AGAIN_MAX_NS (600 * NS_PER_S)
/* What the control thread itself could not read: each try may hold it for as long as the disk
 * tries. */
#define READ_AGAIN_MIN_NS (20 * NS_PER_S)

enum { FOUND_MAX = 1000 }; /* of one directory */

enum found_state {
	FOUND_WAITS, /* until it is whole */
	FOUND_TAKEN, /* by captures, which will call back */
	FOUND_LEFT, /* refused, or adopted and kept: until it changes */
};

/* A file of interest. */
struct found {
	struct link link;
	struct folder *folder; /* borrowed */
	char name[NAME_MAX + 1];
	struct adopt_name parsed;
	struct adopt_stamp stamp;
	uint64_t since_ns; /* when it was first seen like this */
	uint64_t again_ns, pause_ns; /* not before, and how long that was; 0: nothing has failed */
	uint64_t target_id; /* 0: unknown */
	enum found_state state;
	bool closed; /* by its writer */
	bool seen; /* in this scan */
};

struct folder {
	struct link link;
	struct adoption *adoption; /* borrowed */
	char path[PATH_MAX], target[128]; /* as configured */
	bool keep;
	uint64_t settle_ns;
	int fd, watch; /* -1: none */
	struct kept_directory as; /* what fd is */
	struct link files;
	unsigned files_n, taken_n;
	bool told; /* that it cannot be read */
	bool crowded; /* told that it has more than FOUND_MAX */
	bool wanted; /* by the settings as they are now */
};

struct adoption {
	struct captures *captures; /* borrowed */
	struct link folders;
	int inotify_fd; /* owned; -1: none */
	struct loop_fd events;
	struct loop_timer scan;
	uint64_t next_ns; /* from this scan to the next one */
	uint64_t due_ns; /* when the next one is */
};

static void scan_in(struct adoption *adoption, uint64_t ns)
{
	adoption->due_ns = clock_mono_ns() + ns;
	loop_timer_set(&adoption->scan, ns);
}

/* ---- telling ---- */

static void path_of(const struct found *found, char dst[PATH_MAX])
{
	snprintf(dst, PATH_MAX, "%.3800s/%.255s", found->folder->path, found->name);
}

static const char *target_name(const struct found *found)
{
	const struct target *target =
		targets_find(found->folder->adoption->captures->targets, found->target_id);

	if (target != NULL)
		return target->spec.name;
	return found->folder->target[0] != '\0' ? found->folder->target : "unknown";
}

static void tell_failed(const struct found *found, const char *what, const char *why)
{
	char path[PATH_MAX];
	const struct log_field fields[] = {
		{ "target", target_name(found) },
		{ "source", path },
		{ "reason", why },
	};

	path_of(found, path);
	log_event(LEVEL_WARN, "adopt", LOG_ID_CAPTURE_ADOPT_FAILED, fields,
		  sizeof(fields) / sizeof(fields[0]), "%s %s: %s", path, what, why);
}

static void tell_adopted(const struct found *found, const struct capture *capture)
{
	char path[PATH_MAX];
	const struct log_field fields[] = {
		{ "target", capture->manifest.target }, { "isolate", capture->manifest.isolate },
		{ "kind", capture->manifest.kind },     { "capture_id", capture->id },
		{ "filename", capture->manifest.name }, { "source", path },
	};

	path_of(found, path);
	log_event(LEVEL_INFO, "adopt", LOG_ID_CAPTURE_ADOPTED, fields,
		  sizeof(fields) / sizeof(fields[0]), "%s taken over as %s", path,
		  capture->manifest.name);
}

/* ---- failures ---- */

/* What ails us or the machine, not the file, which will never change: it may pass. */
static bool may_pass(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -EAGAIN || r == -EIO ||
	       r == -EINTR || r == -ENOSPC || r == -EDQUOT;
}

static void wait_again(struct found *found, uint64_t min_ns)
{
	struct adoption *adoption = found->folder->adoption;
	uint64_t now_ns = clock_mono_ns();

	found->pause_ns = 2 * found->pause_ns;
	if (found->pause_ns < min_ns)
		found->pause_ns = min_ns;
	if (found->pause_ns > AGAIN_MAX_NS)
		found->pause_ns = AGAIN_MAX_NS;
	found->again_ns = now_ns + found->pause_ns;
	found->state = FOUND_WAITS;
	if (found->again_ns < adoption->due_ns)
		scan_in(adoption, found->pause_ns);
}

/* Left until it changes, or tried again, which is told once. */
static void give_up(struct found *found, int r, const char *why, uint64_t min_ns)
{
	if (!may_pass(r)) {
		tell_failed(found, "is not taken over", why);
		found->state = FOUND_LEFT;
		return;
	}
	if (found->pause_ns == 0)
		tell_failed(found, "is not taken over yet and will be tried again", why);
	wait_again(found, min_ns);
}

/* ---- one file ---- */

static struct target *target_of(const struct folder *folder, const struct adopt_name *parsed)
{
	struct targets *targets = folder->adoption->captures->targets;
	struct target *only = NULL;

	if (folder->target[0] != '\0')
		return targets_find_name(targets, folder->target);
	list_each (link, &targets->list) {
		struct target *target = container_of(link, struct target, link);

		if (parsed->pid == 0 || target->identity.pid != parsed->pid)
			continue;
		if (only != NULL)
			return NULL; /* two containers, each with such a pid */
		only = target;
	}
	return only;
}

static void find_target(struct found *found)
{
	const struct target *target = target_of(found->folder, &found->parsed);

	if (target != NULL && found->target_id == 0)
		found->target_id = target->id;
}

static void found_free(struct found *found)
{
	found->folder->files_n--;
	found->folder->crowded = false;
	link_remove(&found->link);
	free(found);
}

/* Of what is safe in the spool: it goes, or it is noted, for its copy goes some day. */
static void leave_or_delete_original(struct found *found)
{
	char path[PATH_MAX];
	int r;

	found->state = FOUND_LEFT;
	if (found->folder->keep) {
		kept_note(found->folder->adoption->captures, &found->folder->as, &found->stamp);
		return;
	}
	r = adopt_delete(found->folder->fd, found->name, &found->stamp);
	path_of(found, path);
	if (r < 0 && r != -ENOENT && found->pause_ns == 0)
		log_warn("adopt", "%s was taken over but cannot be deleted: %s", path,
			 r == -ESTALE ? "it has changed since" : strerror(-r));
	if (may_pass(r))
		wait_again(found, AGAIN_MIN_NS); /* its copy will be found in the spool */
}

/* Of the program that is still there: what its own snapshot left on is switched off. */
static void settle_target(const struct found *found)
{
	struct captures *captures = found->folder->adoption->captures;
	struct target *target = targets_find(captures->targets, found->target_id);

	if (target != NULL && !found->parsed.profile &&
	    (found->parsed.pid == 0 || target->identity.pid == found->parsed.pid)) {
		tracking_lose(captures, target->id, "the program took a snapshot by itself");
		session_settle(&target->session);
	}
}

static void folder_free_if_done(struct folder *folder);

static void on_adopted(void *owner, const struct capture *capture)
{
	struct found *found = owner;

	found->folder->taken_n--;
	if (capture->step == CAPTURE_SUCCEEDED) {
		tell_adopted(found, capture);
		if (capture->unsure) {
			/* The next start finds it in the spool, and syncs before it believes that.
			 */
			found->folder->adoption->captures->spool->unsure = true;
			found->state = FOUND_LEFT;
		} else {
			leave_or_delete_original(found);
		}
	} else if (strcmp(capture->reason, "space") == 0 ||
		   strcmp(capture->reason, "cancelled") == 0) {
		found->state = FOUND_WAITS; /* the next scan asks again */
	} else {
		give_up(found, capture->failure, capture->error, AGAIN_MIN_NS);
	}
	folder_free_if_done(found->folder);
}

/* Was it taken over before we were started? */
static bool is_in_spool(const struct found *found, const char *path)
{
	const struct spool *spool = found->folder->adoption->captures->spool;

	list_each (link, &spool->ready) {
		const struct manifest *manifest =
			&container_of(link, const struct spool_entry, link)->manifest;

		if (manifest->source_mtime_ms == found->stamp.mtime_ns / 1000000 &&
		    manifest->size_bytes == (uint64_t)found->stamp.size &&
		    strcmp(manifest->source, path) == 0)
			return true;
	}
	return false;
}

static void describe(const struct found *found, const char *path, struct manifest *manifest)
{
	const struct target *target =
		targets_find(found->folder->adoption->captures->targets, found->target_id);
	int64_t mtime_ms = found->stamp.mtime_ns / 1000000;

	*manifest = (struct manifest){ .source_mtime_ms = mtime_ms, .started_wall_ms = mtime_ms };
	str_copy(manifest->kind, sizeof(manifest->kind),
		 found->parsed.profile ? "profile" : "snapshot");
	if (found->parsed.thread > 0)
		snprintf(manifest->isolate, sizeof(manifest->isolate), "worker:%" PRId64,
			 found->parsed.thread);
	else
		str_copy(manifest->isolate, sizeof(manifest->isolate), "main");
	str_copy(manifest->target, sizeof(manifest->target), target_name(found));
	if (target != NULL)
		describe_target(manifest, target);
	if (found->parsed.pid != 0 && manifest->pid != found->parsed.pid) {
		manifest->pid = found->parsed.pid;
		manifest->target_start_wall_ms = 0;
		manifest->heap_used_bytes = 0;
	}
	str_copy(manifest->cause, sizeof(manifest->cause), "written by the runtime itself");
	str_copy(manifest->source, sizeof(manifest->source), path);
}

/* Its copy is in the spool from before. */
static void leave_or_delete_again(struct found *found)
{
	char path[PATH_MAX];

	if (!found->folder->adoption->captures->spool->unsure) {
		leave_or_delete_original(found);
		return;
	}
	found->state = FOUND_LEFT;
	path_of(found, path);
	log_warn("adopt", "%s stays: a loss of power may take its copy", path);
}

static void offer(struct found *found, int fd)
{
	struct captures *captures = found->folder->adoption->captures;
	char path[PATH_MAX], source[sizeof(((struct manifest *)0)->source)];
	struct manifest manifest;
	struct err err = { 0 };
	int r;

	path_of(found, path);
	str_copy(source, sizeof(source), path);
	if (is_in_spool(found, source)) {
		close(fd);
		leave_or_delete_again(found);
		return;
	}
	describe(found, source, &manifest);
	r = captures_adopt(captures, fd, &manifest,
			   found->parsed.profile ? CONTENT_V8_PROFILE : CONTENT_V8_SNAPSHOT,
			   on_adopted, found, &err);
	if (r == 0) {
		found->state = FOUND_TAKEN;
		found->folder->taken_n++;
		settle_target(found);
	} else if (r < 0) {
		log_error("adopt", "%s cannot be taken over now: %s", path, strerror(-r));
	}
	/* Refused for want of space or of a place in the queue: told, and asked again later. */
}

static void take(struct found *found)
{
	struct adopt_stamp stamp;
	struct err err = { 0 };
	int fd, r = adopt_open(found->folder->fd, found->name, &fd, &stamp, &err);

	if (r < 0) {
		give_up(found, r, err.text, r == -EIO ? READ_AGAIN_MIN_NS : AGAIN_MIN_NS);
		return;
	}
	if (!adopt_same(&stamp, &found->stamp)) {
		close(fd); /* the next scan sees it as it is */
		return;
	}
	r = adopt_look_at_end(fd, stamp.size, &err);
	if (r < 0) {
		close(fd);
		give_up(found, r, err.text, r == -EIO ? READ_AGAIN_MIN_NS : AGAIN_MIN_NS);
		return;
	}
	found->parsed.profile = found->parsed.profile && !adopt_is_snapshot(fd);
	offer(found, fd);
}

/* ---- one directory ---- */

static struct found *found_find(const struct folder *folder, const char *name)
{
	list_each (link, &folder->files) {
		struct found *found = container_of(link, struct found, link);

		if (strcmp(found->name, name) == 0)
			return found;
	}
	return NULL;
}

static struct found *found_new(struct folder *folder, const char *name,
			       const struct adopt_name *parsed)
{
	struct found *found;

	if (folder->files_n >= FOUND_MAX) {
		if (!folder->crowded)
			log_warn("adopt",
				 "%s has more than %d files of ours to take over or to leave: "
				 "the others wait until some are gone",
				 folder->path, FOUND_MAX);
		folder->crowded = true;
		return NULL;
	}
	found = calloc(1, sizeof(*found));
	if (found == NULL)
		return NULL;
	found->folder = folder;
	found->parsed = *parsed;
	str_copy(found->name, sizeof(found->name), name);
	list_append(&folder->files, &found->link);
	folder->files_n++;
	return found;
}

/* A file that was there before us is looked at again when it may have settled, one that failed
 * later.
 */
static void look_again(struct found *found, uint64_t now_ns)
{
	struct adoption *adoption = found->folder->adoption;
	uint64_t due_ns = found->since_ns + found->folder->settle_ns;

	if (due_ns < found->again_ns)
		due_ns = found->again_ns;
	if (found->state == FOUND_WAITS && due_ns > now_ns &&
	    due_ns - now_ns + SOON_NS < adoption->next_ns)
		adoption->next_ns = due_ns - now_ns + SOON_NS;
}

static void look(struct folder *folder, const char *name, uint64_t now_ns)
{
	struct adopt_stamp stamp;
	struct adopt_name parsed;
	struct found *found;
	struct stat st;
	bool adopted;

	if (!adopt_parse(name, &parsed) || fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	stamp = adopt_stamp_of(&st);
	adopted = kept_see(folder->adoption->captures, &folder->as, &stamp);
	found = found_find(folder, name);
	if (found == NULL)
		found = found_new(folder, name, &parsed);
	if (found == NULL)
		return;
	found->seen = true;
	find_target(found);
	if (found->since_ns == 0 || !adopt_same(&stamp, &found->stamp)) {
		found->stamp = stamp;
		found->since_ns = now_ns;
		found->again_ns = found->pause_ns = 0;
		if (found->state == FOUND_LEFT)
			found->state = FOUND_WAITS;
		if (found->state == FOUND_WAITS && adopted && folder->keep)
			found->state = FOUND_LEFT;
	}
	if (found->state == FOUND_WAITS && now_ns >= found->again_ns &&
	    (found->closed || !S_ISREG(st.st_mode) ||
	     now_ns - found->since_ns >= folder->settle_ns))
		take(found);
	found->closed = false;
	look_again(found, now_ns);
}

static void list_files(struct folder *folder, uint64_t now_ns)
{
	int fd = openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct captures *captures = folder->adoption->captures;
	struct dirent *item;
	bool whole;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	list_each (link, &folder->files)
		container_of(link, struct found, link)->seen = false;
	kept_list(captures, &folder->as);
	errno = 0;
	while ((item = readdir(dir)) != NULL) {
		look(folder, item->d_name, now_ns);
		errno = 0;
	}
	whole = errno == 0;
	closedir(dir);
	if (!whole)
		return; /* what was not reached may be there */
	kept_forget_unseen(captures, &folder->as);
	list_each_safe (link, &folder->files) {
		struct found *found = container_of(link, struct found, link);

		if (!found->seen && found->state != FOUND_TAKEN)
			found_free(found);
	}
}

/* Before each listing, so that nothing is lost between the two; the path may be another folder. */
static bool reach(struct folder *folder)
{
	const uint32_t mask = IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR;
	int fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) < 0) {
		close(fd);
		fd = -1;
	}
	if (fd < 0) {
		if (!folder->told)
			log_warn("adopt", "%s cannot be looked into: %s", folder->path,
				 strerror(errno));
		folder->told = true;
		return false;
	}
	folder->told = false;
	if (folder->fd >= 0)
		close(folder->fd);
	folder->fd = fd;
	folder->as = (struct kept_directory){ .dev = st.st_dev, .ino = st.st_ino };
	if (folder->adoption->inotify_fd >= 0)
		folder->watch = inotify_add_watch(folder->adoption->inotify_fd, folder->path, mask);
	return true;
}

static void scan(void *owner)
{
	struct adoption *adoption = owner;
	uint64_t now_ns = clock_mono_ns();

	adoption->next_ns = RESCAN_NS;
	list_each_safe (link, &adoption->folders) {
		struct folder *folder = container_of(link, struct folder, link);

		if (folder->wanted && reach(folder))
			list_files(folder, now_ns);
	}
	save_soon(adoption->captures); /* what was noted or forgotten */
	if (!list_empty(&adoption->folders))
		scan_in(adoption, adoption->next_ns);
}

/* ---- events ---- */

static void on_event(struct adoption *adoption, const struct inotify_event *event)
{
	struct adopt_name parsed;

	if (event->len == 0 || !adopt_parse(event->name, &parsed))
		return;
	list_each (link, &adoption->folders) {
		struct folder *folder = container_of(link, struct folder, link);
		struct found *found;

		if (folder->watch != event->wd)
			continue;
		found = found_find(folder, event->name);
		if (found == NULL)
			found = found_new(folder, event->name, &parsed);
		if (found == NULL)
			continue;
		find_target(found);
		if (event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO))
			found->closed = true;
	}
}

static void on_events(void *owner, int fd, unsigned what)
{
	struct adoption *adoption = owner;
	_Alignas(struct inotify_event) char buffer[4096];
	ssize_t n;

	(void)what;
	while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const void *)(buffer + at);

			on_event(adoption, event);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
	scan_in(adoption, SOON_NS);
}

static int start_events(struct adoption *adoption)
{
	int r;

	adoption->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (adoption->inotify_fd < 0) {
		log_warn("adopt", "no inotify: %s; looking at intervals", strerror(errno));
		return 0;
	}
	r = loop_fd_init(&adoption->events, adoption->captures->loop, adoption->inotify_fd,
			 on_events, adoption);
	return r < 0 ? r : loop_fd_want(&adoption->events, LOOP_READ);
}

/* ---- life ---- */

static void folder_free(struct folder *folder)
{
	list_each_safe (link, &folder->files)
		found_free(container_of(link, struct found, link));
	if (folder->watch >= 0)
		inotify_rm_watch(folder->adoption->inotify_fd, folder->watch);
	if (folder->fd >= 0)
		close(folder->fd);
	link_remove(&folder->link);
	free(folder);
}

/* No longer in the settings, and nothing of it is under way. */
static void folder_free_if_done(struct folder *folder)
{
	if (!folder->wanted && folder->taken_n == 0)
		folder_free(folder);
}

static struct folder *folder_find(const struct adoption *adoption, const char *path)
{
	list_each (link, &adoption->folders) {
		struct folder *folder = container_of(link, struct folder, link);

		if (strcmp(folder->path, path) == 0)
			return folder;
	}
	return NULL;
}

static struct folder *folder_new(struct adoption *adoption, const char *path)
{
	struct folder *folder = calloc(1, sizeof(*folder));

	if (folder == NULL)
		return NULL;
	folder->adoption = adoption;
	folder->fd = folder->watch = -1;
	link_init(&folder->files);
	str_copy(folder->path, sizeof(folder->path), path);
	list_append(&adoption->folders, &folder->link);
	return folder;
}

static void want(struct adoption *adoption, const struct adopt_settings *settings)
{
	struct folder *folder = folder_find(adoption, settings->directory);

	if (folder == NULL)
		folder = folder_new(adoption, settings->directory);
	if (folder == NULL) {
		log_error("adopt", "out of memory: %s is not watched", settings->directory);
		return;
	}
	folder->wanted = true;
	folder->keep = settings->keep;
	folder->settle_ns = settings->settle_ns;
	str_copy(folder->target, sizeof(folder->target),
		 settings->target != NULL ? settings->target : "");
}

void adoption_set(struct adoption *adoption)
{
	const struct item_list *list = &adoption->captures->settings->adopt;
	const struct adopt_settings *items = list->items;

	list_each (link, &adoption->folders)
		container_of(link, struct folder, link)->wanted = false;
	for (size_t i = 0; i < list->n; i++)
		want(adoption, &items[i]);
	list_each_safe (link, &adoption->folders)
		folder_free_if_done(container_of(link, struct folder, link));
	if (list_empty(&adoption->folders))
		loop_timer_clear(&adoption->scan);
	else
		scan_in(adoption, SOON_NS);
}

int adoption_new(struct adoption **ret, struct captures *captures)
{
	struct adoption *adoption = calloc(1, sizeof(*adoption));
	int r;

	if (adoption == NULL)
		return -ENOMEM;
	adoption->captures = captures;
	adoption->inotify_fd = -1;
	link_init(&adoption->folders);
	r = loop_timer_init(&adoption->scan, captures->loop, scan, adoption);
	if (r == 0)
		r = start_events(adoption);
	if (r < 0) {
		adoption_free(adoption);
		return r;
	}
	*ret = adoption;
	return 0;
}

void adoption_free(struct adoption *adoption)
{
	if (adoption == NULL)
		return;
	list_each_safe (link, &adoption->folders)
		folder_free(container_of(link, struct folder, link));
	loop_timer_fini(&adoption->scan);
	loop_fd_fini(&adoption->events);
	if (adoption->inotify_fd >= 0)
		close(adoption->inotify_fd);
	free(adoption);
}
