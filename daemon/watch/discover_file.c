/*
 * file_sd: targets named by files
 *
 * The directory of a pattern is watched, not the files: an atomic rename, the swapped ..data link
 * of a Kubernetes volume and a new file all show there, and nowhere else. An event only says that
 * it is time to look; what changed is found by comparing inode, size and times of each file, so
 * that an unchanged file is never read twice. Events come in bursts, hence a short wait after the
 * first.
 *
 * A file that does not parse keeps the targets it had: it may be half written. So does one that is
 * empty, since an editor truncates before it writes; whoever means "none" writes []. A file that is
 * gone takes its targets with it, but a directory that cannot be read takes nothing.
 *
 * inotify is a help, not a need: without it the refresh interval alone finds the changes.
 */

#include "watch/discover_source.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loop/loop.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"
#include "util/str.h"

#define SETTLE_NS (50 * NS_PER_MS)

/* A directory that cannot be watched (yet) is looked at this often. */
#define UNWATCHED_NS (10 * NS_PER_S)

/* A file changed this lately may change again without a trace: times have a coarse grain. */
#define RACY_MS 1000

/* Of one pattern. */
enum { FILES_MAX = 1000 };

/* What tells whether a file is still the same. */
struct stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

struct sd_file {
	struct source_part part;
	struct stamp stamp;
	bool known; /* stamp is of what was read last, and not racy */
	bool seen; /* in this refresh */
};

struct file_source {
	struct source source;
	struct source_part directory; /* carries errors that are no file's */
	char *path; /* of the directory; owned */
	char *pattern; /* last part; owned */
	uint64_t refresh_ns;
	int inotify_fd, watch; /* -1: none */
	bool unwatched_logged;
	struct loop_fd events;
	struct loop_timer refresh, settle;
};

static struct file_source *file_source(struct source *source)
{
	return container_of(source, struct file_source, source);
}

/* ---- one file ---- */

static struct sd_file *find_file(struct file_source *files, const char *name)
{
	list_each (pos, &files->source.parts) {
		struct source_part *part = container_of(pos, struct source_part, link);

		if (part != &files->directory && strcmp(part->name, name) == 0)
			return container_of(part, struct sd_file, part);
	}
	return NULL;
}

static void free_file(struct sd_file *file)
{
	source_part_fini(&file->part);
	free(file);
}

static int new_file(struct file_source *files, const char *name, struct sd_file **ret)
{
	struct sd_file *file = calloc(1, sizeof(*file));
	int r;

	if (!file)
		return -ENOMEM;
	r = source_part_init(&files->source, &file->part, name);
	if (r < 0) {
		free_file(file);
		return r;
	}
	*ret = file;
	return 0;
}

static struct stamp stamp_of(const struct stat *st)
{
	return (struct stamp){ .dev = st->st_dev,
			       .ino = st->st_ino,
			       .size = st->st_size,
			       .mtime = st->st_mtim,
			       .ctime = st->st_ctim };
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       same_time(&a->mtime, &b->mtime) && same_time(&a->ctime, &b->ctime);
}

static bool is_racy(const struct stamp *stamp)
{
	int64_t changed_ms = (int64_t)stamp->ctime.tv_sec * 1000 + stamp->ctime.tv_nsec / 1000000;

	return clock_wall_ms() - changed_ms < RACY_MS;
}

static int parse_file(struct file_source *files, struct sd_file *file)
{
	char *text = NULL;
	size_t size = 0;
	int r;

	r = file_read(file->part.name, DOC_SIZE_MAX, &text, &size);
	if (r == 0 && size == 0) {
		source_part_failed(&files->source, &file->part,
				   "the file is empty (write [] for no targets)");
		r = -EINVAL;
	} else if (r == 0) {
		r = source_part_parse(&files->source, &file->part, text, size);
	} else {
		source_part_failed(&files->source, &file->part, "cannot be read: %s",
				   strerrordesc_np(-r));
	}
	free(text);
	return r;
}

/* Reads it unless it is what was read last. True when its targets may have changed. */
static bool refresh_file(struct file_source *files, struct sd_file *file)
{
	struct stamp stamp;
	struct stat st;

	if (stat(file->part.name, &st) < 0) {
		source_part_failed(&files->source, &file->part, "cannot be read: %s",
				   strerrordesc_np(errno));
		file->known = false;
		return false;
	}
	stamp = stamp_of(&st);
	if (file->known && same_stamp(&file->stamp, &stamp))
		return false;
	file->stamp = stamp;
	file->known = !is_racy(&stamp);
	return parse_file(files, file) == 0;
}

/* ---- the directory ---- */

static int take_name(struct file_source *files, const char *name, bool *changed)
{
	struct sd_file *file;
	char *path;
	int r = 0;

	if (asprintf(&path, "%s/%s", files->path, name) < 0)
		return -ENOMEM;
	file = find_file(files, path);
	if (!file)
		r = new_file(files, path, &file);
	if (r == 0) {
		file->seen = true;
		*changed |= refresh_file(files, file);
	}
	free(path);
	return r;
}

/* Every file of the directory that the pattern names, in the order of names. */
static int scan(struct file_source *files, bool *changed)
{
	struct dirent **entries;
	int n = scandir(files->path, &entries, NULL, alphasort), matches = 0, r = 0;

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;

		if (r == 0 && fnmatch(files->pattern, name, FNM_PERIOD) == 0)
			r = matches++ < FILES_MAX ? take_name(files, name, changed) : -E2BIG;
		free(entries[i]);
	}
	free(entries);
	return r;
}

static void drop_unseen(struct file_source *files, bool *changed)
{
	list_each_safe (pos, &files->source.parts) {
		struct source_part *part = container_of(pos, struct source_part, link);
		struct sd_file *file = container_of(part, struct sd_file, part);

		if (part == &files->directory || file->seen)
			continue;
		log_info("discover", "%s is gone, and its targets with it source=%s", part->name,
			 files->source.shown.name);
		*changed = true;
		free_file(file);
	}
}

static void forget_seen(struct file_source *files)
{
	list_each (pos, &files->source.parts) {
		struct source_part *part = container_of(pos, struct source_part, link);

		if (part != &files->directory)
			container_of(part, struct sd_file, part)->seen = false;
	}
}

static void unwatched(struct file_source *files, int error)
{
	if (!files->unwatched_logged)
		log_warn("discover", "%s cannot be watched: %s; looking at intervals source=%s",
			 files->path, strerrordesc_np(error), files->source.shown.name);
	files->unwatched_logged = true;
	files->watch = -1;
}

/*
 * Before each scan, so that nothing is lost between the two. The path may have come to mean another
 * directory, which then gets another watch.
 */
static void watch_directory(struct file_source *files)
{
	const uint32_t mask = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
			      IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
	int watch;

	if (files->inotify_fd < 0)
		return;
	watch = inotify_add_watch(files->inotify_fd, files->path, mask);
	if (watch < 0) {
		unwatched(files, errno);
		return;
	}
	if (files->watch >= 0 && files->watch != watch)
		inotify_rm_watch(files->inotify_fd, files->watch);
	files->watch = watch;
	files->unwatched_logged = false;
}

static void refresh(void *owner)
{
	struct file_source *files = owner;
	uint64_t next_ns = files->refresh_ns;
	bool changed = false;
	int r;

	watch_directory(files);
	forget_seen(files);
	r = scan(files, &changed);
	if (r == 0) {
		drop_unseen(files, &changed);
		source_part_succeeded(&files->source, &files->directory);
	} else if (r == -E2BIG) {
		source_part_failed(&files->source, &files->directory, "more than %d files",
				   FILES_MAX);
	} else {
		source_part_failed(&files->source, &files->directory, "cannot be read: %s",
				   strerrordesc_np(-r));
	}
	source_refreshed(&files->source, changed);
	if (files->watch < 0 && next_ns > UNWATCHED_NS)
		next_ns = UNWATCHED_NS;
	loop_timer_set(&files->refresh, next_ns);
}

/* ---- events ---- */

static void on_events(void *owner, int fd, unsigned what)
{
	struct file_source *files = owner;
	_Alignas(struct inotify_event) char buffer[4096];
	bool any = false;
	ssize_t n;

	(void)what;
	while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const void *)(buffer + at);

			if (event->wd == files->watch && (event->mask & IN_IGNORED))
				files->watch = -1;
			any |= !(event->mask & IN_IGNORED) || files->watch < 0;
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
	if (any && !files->settle.armed)
		loop_timer_set(&files->settle, SETTLE_NS);
}

static int start_events(struct file_source *files)
{
	struct loop *loop = files->source.discovery->loop;
	int r;

	files->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (files->inotify_fd < 0) {
		unwatched(files, errno);
		return 0;
	}
	r = loop_fd_init(&files->events, loop, files->inotify_fd, on_events, files);
	return r < 0 ? r : loop_fd_want(&files->events, LOOP_READ);
}

/* ---- the source ---- */

static void file_free(struct source *source)
{
	struct file_source *files = file_source(source);

	list_each_safe (pos, &source->parts) {
		struct source_part *part = container_of(pos, struct source_part, link);

		if (part != &files->directory)
			free_file(container_of(part, struct sd_file, part));
	}
	source_part_fini(&files->directory);
	loop_timer_fini(&files->refresh);
	loop_timer_fini(&files->settle);
	loop_fd_fini(&files->events);
	if (files->inotify_fd >= 0)
		close(files->inotify_fd);
	free(files->path);
	free(files->pattern);
	source_fini(source);
	free(files);
}

/* "dir/part" as directory and last part; a bare name is in the working directory. */
static int split(struct file_source *files, const char *pattern)
{
	const char *slash = strrchr(pattern, '/');
	size_t size = slash ? (size_t)(slash - pattern) : 0;

	if (!slash)
		files->path = strdup(".");
	else
		files->path = size ? str_dup_span(pattern, size) : strdup("/");
	files->pattern = strdup(slash ? slash + 1 : pattern);
	return files->path && files->pattern ? 0 : -ENOMEM;
}

static int start(struct file_source *files, const char *pattern)
{
	struct loop *loop = files->source.discovery->loop;
	int r;

	r = split(files, pattern);
	if (r == 0)
		r = source_part_init(&files->source, &files->directory, files->path);
	if (r == 0)
		r = loop_timer_init(&files->refresh, loop, refresh, files);
	if (r == 0)
		r = loop_timer_init(&files->settle, loop, refresh, files);
	return r < 0 ? r : start_events(files);
}

static int file_new(struct source **ret, struct discovery *discovery, const char *what)
{
	struct file_source *files = calloc(1, sizeof(*files));
	int r;

	if (!files)
		return -ENOMEM;
	files->inotify_fd = files->watch = -1;
	source_init(&files->source, discovery, &file_source_ops);
	r = start(files, what);
	if (r < 0) {
		file_free(&files->source);
		return r;
	}
	*ret = &files->source;
	return 0;
}

static int file_set(struct source *source, const void *settings)
{
	const struct file_sd_settings *wanted = settings;
	struct file_source *files = file_source(source);

	if (files->refresh_ns == wanted->refresh_ns)
		return 0;
	files->refresh_ns = wanted->refresh_ns;
	refresh(files);
	return 0;
}

static void file_again(struct source *source)
{
	struct file_source *files = file_source(source);

	list_each (pos, &source->parts) {
		struct source_part *part = container_of(pos, struct source_part, link);

		if (part != &files->directory)
			container_of(part, struct sd_file, part)->known = false;
	}
	refresh(files);
}

const struct source_ops file_source_ops = {
	.kind = "file", .new = file_new, .set = file_set, .again = file_again, .free = file_free
};
