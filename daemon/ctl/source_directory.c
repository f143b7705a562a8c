/*
 * The spool's folder as a source
 *
 * Reading needs no lock: what is in ready/ is whole, and a file that vanishes in between is merely
 * missing. What changes something opens the spool as the daemon does, with its lock, so that never
 * two do.
 */

#include "ctl/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/tap.h"
#include "pipeline/stage.h"
#include "spool/spool.h"
#include "spool/vacuum.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/file.h"
#include "util/str.h"

enum { FOLDER_MAX = 256, BLOCK_BYTES = 64 * 1024, NAME_MAX_BYTES = 256 };

struct source_directory {
	struct source source;
	char path[FOLDER_MAX]; /* of the spool */
	int ready_fd; /* owned */
};

/* ---- reading ---- */

/* "NAME.json" is read as the manifest of NAME; *ret_length is that of NAME. */
static bool is_manifest(const char *name, size_t *ret_length)
{
	size_t size = strlen(name);

	*ret_length = size - 5;
	return name[0] != '.' && size > 5 && strcmp(name + size - 5, ".json") == 0;
}

static int read_manifest(const struct source_directory *directory, const char *name,
			 struct manifest *ret, struct err *err)
{
	char path[FOLDER_MAX + NAME_MAX_BYTES + 16];
	size_t size;
	char *text;
	int r;

	snprintf(path, sizeof(path), "%s/ready/%s", directory->path, name);
	r = file_read(path, MANIFEST_BYTES_MAX, &text, &size);
	if (r < 0)
		return err_set(err, r, "%s", strerror(-r));
	r = manifest_read(text, size, ret, err);
	free(text);
	return r;
}

/* A capture that cannot be listed is not passed over in silence. */
static void complain(const struct source_directory *directory, const char *name, size_t length,
		     const struct err *why)
{
	char capture[NAME_MAX_BYTES];

	snprintf(capture, sizeof(capture), "%.*s", (int)length, name);
	if (faccessat(directory->ready_fd, capture, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		fprintf(stderr, "heapwatchctl: %s is not listed: its manifest cannot be read: %s\n",
			capture, why->text);
}

/* Not all that is named so is a manifest: plain diagnostics, lists of scripts and reports are JSON
 * too. */
static int take_file(const struct source_directory *directory, const char *name,
		     struct item_array *ret, struct err *err)
{
	struct err why = { .text = "it is of another capture" };
	struct manifest manifest = { .name = "" };
	struct item *item;
	size_t length;
	int r;

	if (!is_manifest(name, &length))
		return CTL_OK;
	r = read_manifest(directory, name, &manifest, &why);
	if (r == -EACCES)
		return source_fail(err, CTL_FAILURE, r, "%s/ready/%s: %s", directory->path, name,
				   strerror(-r));
	if (r < 0 || strlen(manifest.name) != length || strncmp(manifest.name, name, length) != 0) {
		complain(directory, name, length, &why);
		return CTL_OK;
	}
	item = item_array_add(ret);
	if (item == NULL)
		return source_fail(err, CTL_FAILURE, -ENOMEM, "out of memory");
	item->manifest = manifest;
	item->file = select_presence(directory->ready_fd, &manifest);
	return CTL_OK;
}

static int directory_list(struct source *source, struct item_array *ret, struct err *err)
{
	struct source_directory *directory = container_of(source, struct source_directory, source);
	int fd = openat(directory->ready_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	int exit = CTL_OK;

	if (dir == NULL) {
		exit = source_fail(err, CTL_FAILURE, -errno, "%s: %s", directory->path,
				   strerror(errno));
		if (fd >= 0)
			close(fd);
		return exit;
	}
	while (exit == CTL_OK && (entry = readdir(dir)) != NULL)
		exit = take_file(directory, entry->d_name, ret, err);
	closedir(dir);
	return exit;
}

static int put_file(int fd, struct stage *to, struct err *err)
{
	static char block[BLOCK_BYTES];

	for (;;) {
		ssize_t n = read(fd, block, sizeof(block));
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return source_fail(err, CTL_FAILURE, -errno, "cannot read: %s",
					   strerror(errno));
		if (n == 0)
			return CTL_OK;
		r = stage_put(to, block, (size_t)n);
		if (r != 0)
			return source_fail(err, CTL_FAILURE, r, "%s", chain_error(to));
	}
}

static int directory_fetch(struct source *source, const struct manifest *manifest, enum part part,
			   struct stage *to, struct err *err)
{
	struct source_directory *directory = container_of(source, struct source_directory, source);
	const char *name = source_part(manifest, part).name;
	int fd, exit;

	if (name[0] == '\0')
		return source_fail(err, CTL_FAILURE, -ENOENT, "no such file was kept");
	fd = openat(directory->ready_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return source_fail(err, CTL_FAILURE, -errno, "%s: %s", name, strerror(errno));
	exit = put_file(fd, to, err);
	close(fd);
	return exit;
}

/* ---- changing ---- */

static int lock(const struct source_directory *directory, struct spool *ret, struct err *err)
{
	struct spool_settings limits = { 0 };
	int r = options_defaults(spool_options, &limits);

	if (r == 0)
		r = spool_open(ret, directory->path, &limits);
	options_fini(spool_options, &limits);
	if (r == -EBUSY)
		return source_fail(err, CTL_FAILURE, r,
				   "%s: a daemon has this spool open; ask it: the same without -D",
				   directory->path);
	if (r < 0)
		return source_fail(err, CTL_FAILURE, r, "%s: %s", directory->path, strerror(-r));
	return CTL_OK;
}

static int outcome(int r, const char *id, struct err *err)
{
	if (r == 0)
		return CTL_OK;
	if (r == -ENOENT)
		return source_fail(err, CTL_FAILURE, r, "%s is gone", id);
	return source_fail(err, CTL_FAILURE, r, "%s: %s", id,
			   r > 0 ? "no space left" : strerror(-r));
}

static int directory_remove(struct source *source, const char *id, struct err *err)
{
	struct spool spool;
	int exit = lock(container_of(source, struct source_directory, source), &spool, err);

	if (exit != CTL_OK)
		return exit;
	exit = outcome(spool_remove(&spool, id), id, err);
	spool_close(&spool);
	return exit;
}

static int directory_pin(struct source *source, const char *id, bool pinned, struct err *err)
{
	struct spool spool;
	int exit = lock(container_of(source, struct source_directory, source), &spool, err);

	if (exit != CTL_OK)
		return exit;
	exit = outcome(spool_pin(&spool, id, pinned), id, err);
	spool_close(&spool);
	return exit;
}

/*
 * The limits of the spool are those of the daemon's configuration, which is not known here: what is
 * not given is no limit, unless nothing is given, which asks for the defaults.
 */
static void set_limits(struct spool_settings *limits, const struct vacuum_wish *wish)
{
	if (!wish->has_max_use && !wish->has_keep_free && !wish->has_max_files &&
	    !wish->has_max_age)
		return;
	limits->max_use_bytes = wish->has_max_use ? wish->max_use_bytes : 0;
	limits->keep_free_bytes = wish->has_keep_free ? wish->keep_free_bytes : 0;
	limits->max_files = wish->has_max_files ? wish->max_files : 0;
	limits->max_age_ns = wish->has_max_age ? wish->max_age_ns : 0;
	limits->max_diagnostics = 0;
}

static int directory_vacuum(struct source *source, const struct vacuum_wish *wish,
			    uint64_t *ret_files, uint64_t *ret_bytes, struct err *err)
{
	struct vacuum_result result = { 0 };
	struct spool_settings limits;
	struct spool spool;
	int r, exit = lock(container_of(source, struct source_directory, source), &spool, err);

	if (exit != CTL_OK)
		return exit;
	limits = spool.limits;
	set_limits(&limits, wish);
	r = vacuum_run(&spool, &limits, 0, &result);
	spool_close(&spool);
	*ret_files = result.removed;
	*ret_bytes = result.bytes;
	return r < 0 ? source_fail(err, CTL_FAILURE, r, "vacuum: %s", strerror(-r)) : CTL_OK;
}

static void directory_free(struct source *source)
{
	struct source_directory *directory = container_of(source, struct source_directory, source);

	close(directory->ready_fd);
	free(directory);
}

static const struct source_ops directory_ops = {
	.list = directory_list,
	.fetch = directory_fetch,
	.remove = directory_remove,
	.pin = directory_pin,
	.vacuum = directory_vacuum,
	.free = directory_free,
};

/* The spool, or the storage it is in. */
static int open_ready(struct source_directory *directory, const char *path)
{
	static const char *const below[] = { "", "/spool" };
	char ready[FOLDER_MAX + 8];

	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
		int n = snprintf(directory->path, sizeof(directory->path), "%s%s", path, below[i]);

		if (n < 0 || (size_t)n >= sizeof(directory->path))
			return -ENAMETOOLONG;
		snprintf(ready, sizeof(ready), "%s/ready", directory->path);
		directory->ready_fd = open(ready, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (directory->ready_fd >= 0)
			return 0;
		if (errno != ENOENT)
			return -errno;
	}
	return -ENOENT;
}

int source_directory_open(struct source **ret, const char *path, struct err *err)
{
	struct source_directory *directory = calloc(1, sizeof(*directory));
	int r;

	if (directory == NULL)
		return source_fail(err, CTL_FAILURE, -ENOMEM, "out of memory");
	directory->source.ops = &directory_ops;
	r = open_ready(directory, path);
	if (r < 0) {
		free(directory);
		return source_fail(err, CTL_FAILURE, r, "%s: %s", path,
				   r == -ENOENT ? "there is no spool (no ready/ in it)"
						: strerror(-r));
	}
	*ret = &directory->source;
	return CTL_OK;
}
