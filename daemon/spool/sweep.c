/*
 * Sweep
 *
 * After a crash ready/ may hold companions whose capture was never renamed, temporary files, and
 * whatever people or other programs put there. Nothing of it is believed: a capture is listed when
 * its manifest can be read, names it and agrees with its size. All else is set aside in corrupt/
 * for a person to look at, for it may be the only trace of a leak; only what is certainly ours and
 * certainly worthless is deleted.
 *
 * A list of scripts that is missing or of another size does not take its capture with it: that is
 * the evidence, whole, and opens without the list. The list goes to corrupt/ and the manifest is
 * written anew without it, so that what stays in ready/ matches again. So with a report, which can
 * be made again.
 */

#include "spool/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/publish.h"
#include "spool/spool.h"
#include "util/array.h"
#include "util/err.h"
#include "util/file.h"
#include "util/log.h"
#include "util/rand.h"
#include "util/str.h"

static const char temporary[] = ".#"; /* as util/file.c names what is not whole */
static const char manifest_end[] = ".json";
static const char scripts_end[] = ".scripts.json";
static const char diagnostics_end[] = ".diagnostics.json";
static const char report_end[] = ".report.json";
static const char snapshot_end[] = ".heapsnapshot";
static const char timeline_end[] = ".heaptimeline";
static const char jsc_end[] = ".jsc.json";
static const char gecko_end[] = ".fxsnapshot";

struct names {
	char **items; /* owned, each owned */
	size_t n, capacity;
};

static void names_fini(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i]);
	free(names->items);
}

static int names_add(struct names *names, const char *name)
{
	char **items = array_room(names->items, names->n, &names->capacity, 64, sizeof(*items));

	if (items == NULL)
		return -ENOMEM;
	names->items = items;
	items[names->n] = strdup(name);
	if (items[names->n] == NULL)
		return -ENOMEM;
	names->n++;
	return 0;
}

/* All names first: what is done with them changes the directory. */
static int names_list(struct names *names, int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	struct dirent *item;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (dir == NULL) {
		r = -errno;
		close(fd);
		return r;
	}
	while (r == 0 && (errno = 0, item = readdir(dir)) != NULL) {
		if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0)
			r = names_add(names, item->d_name);
	}
	if (r == 0 && errno != 0)
		r = -errno;
	closedir(dir);
	return r;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n > m && strcmp(text + n - m, end) == 0;
}

/* A companion: a list of scripts, a report. */
enum role { ROLE_CAPTURE, ROLE_COMPANION, ROLE_MANIFEST };

/* The name without the endings that stages add. */
static size_t stem_size(const char *name)
{
	static const char *const endings[] = { ".age", ".zst" };
	size_t size = strlen(name);

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		if (size > 4 && strncmp(name + size - 4, endings[i], 4) == 0)
			size -= 4;
	}
	return size;
}

static bool stem_ends_with(const char *name, const char *end)
{
	size_t n = stem_size(name), m = strlen(end);

	return n > m && strncmp(name + n - m, end, m) == 0;
}

/* What is none of ours is judged as a capture, which it then fails to be. */
static enum role role_of(const char *name)
{
	if (stem_ends_with(name, scripts_end) || ends_with(name, report_end))
		return ROLE_COMPANION;
	if (stem_ends_with(name, diagnostics_end) || stem_ends_with(name, jsc_end))
		return ROLE_CAPTURE;
	return ends_with(name, manifest_end) ? ROLE_MANIFEST : ROLE_CAPTURE;
}

/* The end of the name of a snapshot; NULL: it is none. */
static const char *end_of_snapshot(const char *name)
{
	static const char *const ends[] = { snapshot_end, timeline_end, jsc_end, gecko_end };

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (stem_ends_with(name, ends[i]))
			return ends[i];
	}
	return NULL;
}

static bool discard(int dir_fd, const char *directory, const char *name)
{
	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return true;
	log_warn("spool", "cannot delete %s/%s: %s", directory, name, strerror(errno));
	return false;
}

static int sweep_incoming(struct spool *spool)
{
	struct names names = { 0 };
	int r;

	r = names_list(&names, spool->incoming_fd);
	for (size_t i = 0; r == 0 && i < names.n; i++)
		discard(spool->incoming_fd, "incoming", names.items[i]);
	names_fini(&names);
	return r;
}

/* A name that is taken in corrupt/ already gets random digits at its end. */
static void set_aside(struct spool *spool, const char *name, const char *why)
{
	const struct log_field fields[] = { { "filename", name }, { "reason", why } };
	char other[NAME_MAX + 1], digits[9] = "";
	int r;

	log_event(LEVEL_WARN, "spool", LOG_ID_CAPTURE_CORRUPT, fields,
		  sizeof(fields) / sizeof(fields[0]), "ready/%s goes to corrupt/: %s", name, why);
	r = renameat2(spool->ready_fd, name, spool->corrupt_fd, name, RENAME_NOREPLACE);
	if (r < 0 && errno != ENOENT && rand_hex(digits, 4) == 0) {
		snprintf(other, sizeof(other), "%.200s.%s", name, digits);
		r = renameat(spool->ready_fd, name, spool->corrupt_fd, other);
	}
	if (r < 0 && errno != ENOENT)
		log_warn("spool", "cannot move ready/%s: %s", name, strerror(errno));
}

/* Only a clear no is a no: what the disk does not want to tell today may be there tomorrow. */
static bool exists(const struct spool *spool, const char *name)
{
	struct stat st;

	return fstatat(spool->ready_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/*
 * The companions of a snapshot whose manifest cannot be asked, by their names: a list of scripts
 * has passed the same stages, a report none.
 */
static void set_aside_companions(struct spool *spool, const char *capture)
{
	const char *end = end_of_snapshot(capture);
	size_t n = stem_size(capture);
	char name[NAME_MAX + 16];

	if (end == NULL)
		return;
	snprintf(name, sizeof(name), "%.*s%s%s", (int)(n - strlen(end)), capture, scripts_end,
		 capture + n);
	if (exists(spool, name))
		set_aside(spool, name, "its capture went there");
	snprintf(name, sizeof(name), "%.*s%s", (int)(n - strlen(end)), capture, report_end);
	if (exists(spool, name))
		set_aside(spool, name, "its capture went there");
}

static int read_manifest(const struct spool *spool, const char *name, struct manifest *ret,
			 struct err *err)
{
	char path[sizeof(spool->path) + NAME_MAX + 16], *data;
	size_t size;
	int r;

	snprintf(path, sizeof(path), "%s/ready/%s", spool->path, name);
	r = file_read(path, MANIFEST_BYTES_MAX, &data, &size);
	if (r < 0)
		return err_set(err, r, "its manifest cannot be read: %s", strerror(-r));
	r = manifest_read(data, size, ret, err);
	free(data);
	return r;
}

/* A failure that says nothing about the file. */
static bool is_ours(int r)
{
	return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

/*
 * Is this file a capture that can be vouched for? 0; -EBADMSG with the reason in err; another
 * -errno, with a text too, when the disk does not let us see.
 */
static int judge(const struct spool *spool, const char *name, struct manifest *ret, struct err *err)
{
	char manifest_name[NAME_MAX + 8];
	struct stat st;
	int r;

	if (fstatat(spool->ready_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(err, -errno, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EBADMSG, "it is no regular file");
	snprintf(manifest_name, sizeof(manifest_name), "%s%s", name, manifest_end);
	if (!exists(spool, manifest_name))
		return err_set(err, -EBADMSG, "it has no manifest");
	r = read_manifest(spool, manifest_name, ret, err);
	if (r < 0)
		return r == -EFBIG || r == -ENOENT ? -EBADMSG : r;
	if (strcmp(ret->name, name) != 0)
		return err_set(err, -EBADMSG, "its manifest is of another file");
	if (ret->file_bytes != (uint64_t)st.st_size)
		return err_set(err, -EBADMSG, "it has %lld bytes, its manifest says %llu",
			       (long long)st.st_size, (unsigned long long)ret->file_bytes);
	if (spool_find(spool, ret->id) != NULL)
		return err_set(err, -EBADMSG, "another capture has its id");
	return 0;
}

/* The size of a regular file; -ENOENT when there is none of this name; -errno. */
static int64_t size_of(const struct spool *spool, const char *name)
{
	struct stat st;

	if (fstatat(spool->ready_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? st.st_size : -ENOENT;
}

/* True when a companion is as its manifest says, or nobody can say; else it is set aside. */
static bool check_companion(struct spool *spool, const char *capture, const char *name,
			    uint64_t bytes, const char *what)
{
	int64_t size;

	if (name[0] == '\0')
		return true;
	size = size_of(spool, name);
	if ((size < 0 && size != -ENOENT) || (size >= 0 && (uint64_t)size == bytes))
		return true;
	log_warn("spool", "%s stays without its %s, which %s", capture, what,
		 size < 0 ? "is missing" : "is of another size than the manifest says");
	if (exists(spool, name))
		set_aside(spool, name, "its manifest says another size");
	return false;
}

static void check_companions(struct spool *spool, struct manifest *manifest)
{
	bool scripts = check_companion(spool, manifest->name, manifest->scripts_name,
				       manifest->scripts_bytes, "list of scripts");
	bool report = check_companion(spool, manifest->name, manifest->analysis.report_name,
				      manifest->analysis.report_bytes, "report");
	int r;

	if (scripts && report)
		return;
	if (!scripts)
		manifest_drop_scripts(manifest);
	if (!report)
		manifest->analysis = (struct manifest_analysis){ .state = "" };
	r = publish_manifest(spool, manifest);
	if (r != 0)
		log_warn("spool", "the manifest of %s cannot be written anew: %s", manifest->name,
			 r < 0 ? strerror(-r) : "the disk is full");
}

/* What cannot be judged stays where it is, unlisted, for the next start to look at. */
static int sweep_capture(struct spool *spool, const char *name, bool *unsure)
{
	struct spool_entry *entry = calloc(1, sizeof(*entry));
	char manifest_name[NAME_MAX + 8];
	struct err err = { 0 };
	int r;

	if (entry == NULL)
		return -ENOMEM;
	r = judge(spool, name, &entry->manifest, &err);
	if (r == 0) {
		check_companions(spool, &entry->manifest);
		spool_claim(spool, manifest_disk_bytes(&entry->manifest), 0);
		spool_add(spool, entry);
		return 0;
	}
	free(entry);
	if (is_ours(r))
		return r;
	if (r != -EBADMSG) {
		if (r != -ENOENT)
			log_warn("spool", "ready/%s is left alone and not listed: %s", name,
				 err.text);
		*unsure = true;
		return 0;
	}
	set_aside(spool, name, err.text);
	snprintf(manifest_name, sizeof(manifest_name), "%s%s", name, manifest_end);
	if (exists(spool, manifest_name))
		set_aside(spool, manifest_name, "its capture went there");
	set_aside_companions(spool, name);
	return 0;
}

static bool is_listed_companion(const struct spool *spool, const char *name)
{
	list_each (link, &spool->ready) {
		const struct spool_entry *entry = container_of(link, struct spool_entry, link);

		if (strcmp(entry->manifest.scripts_name, name) == 0 ||
		    strcmp(entry->manifest.analysis.report_name, name) == 0)
			return true;
	}
	return false;
}

/* False when it is one, not of another capture, and stays. */
static bool discard_companion(const struct spool *spool, const char *name)
{
	return name[0] == '\0' || role_of(name) != ROLE_COMPANION ||
	       is_listed_companion(spool, name) || discard(spool->ready_fd, "ready", name);
}

/* A manifest whose capture was never renamed is worthless; what only looks like one is not ours. */
static int sweep_manifest(struct spool *spool, const char *name, bool *unsure)
{
	char capture[NAME_MAX + 1];
	struct manifest manifest;
	struct err err = { 0 };
	int r;

	str_copy(capture, sizeof(capture), name);
	capture[strlen(capture) - strlen(manifest_end)] = '\0';
	if (exists(spool, capture) || !exists(spool, name))
		return 0;
	r = read_manifest(spool, name, &manifest, &err);
	if (r < 0 && r != -EBADMSG && r != -EFBIG) {
		*unsure = true;
		return is_ours(r) ? r : 0;
	}
	if (r < 0 || strcmp(manifest.name, capture) != 0) {
		set_aside(spool, name, "it is no manifest of a capture");
		return 0;
	}
	/* The manifest goes last: it is what makes the companions certainly ours. */
	if (discard_companion(spool, manifest.scripts_name) &&
	    discard_companion(spool, manifest.analysis.report_name))
		discard(spool->ready_fd, "ready", name);
	else
		*unsure = true;
	return 0;
}

/* After the manifests, which took theirs with them. */
static void sweep_companion(struct spool *spool, const char *name)
{
	if (!is_listed_companion(spool, name) && exists(spool, name))
		discard(spool->ready_fd, "ready", name);
}

static bool is_directory(const struct spool *spool, const char *name)
{
	struct stat st;

	return fstatat(spool->ready_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int by_age(const void *a, const void *b)
{
	const struct manifest *x = &(*(struct spool_entry *const *)a)->manifest;
	const struct manifest *y = &(*(struct spool_entry *const *)b)->manifest;

	/* As they came: what was adopted began long before it came. */
	if (x->finished_wall_ms != y->finished_wall_ms)
		return x->finished_wall_ms < y->finished_wall_ms ? -1 : 1;
	if (x->started_wall_ms != y->started_wall_ms)
		return x->started_wall_ms < y->started_wall_ms ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int sort(struct spool *spool)
{
	struct spool_entry **entries;
	size_t n = 0;

	if (spool->files == 0)
		return 0;
	entries = malloc(spool->files * sizeof(struct spool_entry *));
	if (entries == NULL)
		return -ENOMEM;
	list_each (link, &spool->ready)
		entries[n++] = container_of(link, struct spool_entry, link);
	qsort(entries, n, sizeof(struct spool_entry *), by_age);
	for (size_t i = 0; i < n; i++) {
		link_remove(&entries[i]->link);
		list_append(&spool->ready, &entries[i]->link);
	}
	free(entries);
	return 0;
}

static int sweep_name(struct spool *spool, const char *name, enum role role, bool *unsure)
{
	if (str_has_prefix(name, temporary) || is_directory(spool, name))
		return 0;
	switch (role) {
	case ROLE_CAPTURE:
		return sweep_capture(spool, name, unsure);
	case ROLE_MANIFEST:
		return sweep_manifest(spool, name, unsure);
	case ROLE_COMPANION:
		/* It may be of a capture that could not be judged. */
		if (!*unsure)
			sweep_companion(spool, name);
		return 0;
	}
	return 0;
}

static int sweep_ready(struct spool *spool)
{
	static const enum role order[] = { ROLE_CAPTURE, ROLE_MANIFEST, ROLE_COMPANION };
	struct names names = { 0 };
	bool unsure = false;
	int r;

	r = names_list(&names, spool->ready_fd);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		if (is_directory(spool, names.items[i]))
			log_warn("spool", "ready/%s is a directory; left alone", names.items[i]);
		else if (str_has_prefix(names.items[i], temporary))
			discard(spool->ready_fd, "ready", names.items[i]);
	}
	for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
		for (size_t i = 0; r == 0 && i < names.n; i++) {
			if (role_of(names.items[i]) == order[k])
				r = sweep_name(spool, names.items[i], order[k], &unsure);
		}
	}
	names_fini(&names);
	return r;
}

int spool_sweep(struct spool *spool)
{
	int r;

	r = sweep_incoming(spool);
	if (r == 0)
		r = sweep_ready(spool);
	return r < 0 ? r : sort(spool);
}
