/*
 * Spool
 *
 * What needs care here is who may wait for the disk. fsync of a directory takes as long as the file
 * system's journal does, so publishing is done by whoever may wait, with nothing but descriptors
 * that never change while the spool is open. Freeing the blocks of a gigabyte takes a file system
 * a sixth of a second: what is removed is renamed into incoming/, gone for every reader at once,
 * and unlinked by a thread of its own. Removing does not sync: if a crash brings a removed capture
 * back, it is whole and listed again.
 *
 * Two daemons on one spool would empty each other's incoming/; a lock on the directory keeps the
 * second one out.
 */

#include "spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "spool/sweep.h"
#include "util/buf.h"
#include "util/rand.h"
#include "util/str.h"

enum { DIRECTORY_MODE = 0750, BURY_STACK_BYTES = 65536 };
enum { MANIFEST_NAME_MAX = SPOOL_NAME_MAX + 8 };

static int open_directory(int at_fd, const char *name, int *ret)
{
	if (mkdirat(at_fd, name, DIRECTORY_MODE) < 0 && errno != EEXIST)
		return -errno;
	*ret = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? -errno : 0;
}

static int open_directories(struct spool *spool)
{
	int r;

	r = open_directory(AT_FDCWD, spool->path, &spool->dir_fd);
	if (r < 0)
		return r;
	if (flock(spool->dir_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	r = open_directory(spool->dir_fd, "incoming", &spool->incoming_fd);
	if (r == 0)
		r = open_directory(spool->dir_fd, "ready", &spool->ready_fd);
	if (r == 0)
		r = open_directory(spool->dir_fd, "corrupt", &spool->corrupt_fd);
	return r;
}

int spool_open(struct spool *spool, const char *path, const struct spool_settings *limits)
{
	int r;

	*spool = (struct spool){
		.dir_fd = -1,
		.incoming_fd = -1,
		.ready_fd = -1,
		.corrupt_fd = -1,
		.limits = *limits,
	};
	link_init(&spool->ready);
	r = str_copy(spool->path, sizeof(spool->path), path) ? open_directories(spool)
							     : -ENAMETOOLONG;
	if (r == 0)
		r = spool_sweep(spool);
	if (r < 0)
		spool_close(spool);
	return r;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void spool_close(struct spool *spool)
{
	if (spool->ready.next == NULL) /* never opened */
		return;
	list_each_safe (link, &spool->ready) {
		link_remove(link);
		free(container_of(link, struct spool_entry, link));
	}
	close_fd(&spool->corrupt_fd);
	close_fd(&spool->ready_fd);
	close_fd(&spool->incoming_fd);
	close_fd(&spool->dir_fd);
}

uint64_t spool_available_bytes(const struct spool *spool)
{
	struct statvfs fs;

	if (fstatvfs(spool->ready_fd, &fs) < 0)
		return 0;
	return (uint64_t)fs.f_bavail * fs.f_frsize;
}

static bool fits(uint64_t used, uint64_t more, uint64_t max)
{
	return max == 0 || (used <= max && more <= max - used);
}

int spool_room(const struct spool *spool, uint64_t files, uint64_t bytes)
{
	const struct spool_settings *limits = &spool->limits;
	uint64_t available = spool_available_bytes(spool);

	if (!fits(spool->files, files, limits->max_files) ||
	    !fits(atomic_load(&spool->claimed), bytes, limits->max_use_bytes))
		return SPOOL_E_FULL;
	if (available < limits->keep_free_bytes || available - limits->keep_free_bytes < bytes)
		return SPOOL_E_FULL;
	return 0;
}

bool spool_claim(struct spool *spool, uint64_t bytes, uint64_t max_use_bytes)
{
	uint64_t used = atomic_fetch_add(&spool->claimed, bytes);

	if (fits(used, bytes, max_use_bytes))
		return true;
	atomic_fetch_sub(&spool->claimed, bytes);
	return false;
}

void spool_release(struct spool *spool, uint64_t bytes)
{
	atomic_fetch_sub(&spool->claimed, bytes);
}

static void manifest_name(char dst[MANIFEST_NAME_MAX], const char *name)
{
	snprintf(dst, MANIFEST_NAME_MAX, "%s.json", name);
}

static int publish_manifest(const struct spool *spool, const struct manifest *manifest,
			    const char *name)
{
	struct file file;
	struct buf buf;
	int r;

	buf_init(&buf, MANIFEST_BYTES_MAX);
	r = manifest_write(manifest, &buf);
	if (r == 0)
		r = file_begin(&file, spool->incoming_fd, MANIFEST_BYTES_MAX);
	if (r == 0) {
		r = file_write(&file, buf.data, buf.size);
		if (r == 0)
			r = file_commit(&file, spool->ready_fd, name);
		else
			file_abort(&file);
	}
	buf_fini(&buf);
	/* The capture's own commit syncs the same directory again. */
	return r == FILE_E_UNSURE ? 0 : r;
}

int spool_publish(const struct spool *spool, struct file *file, struct file *scripts,
		  const struct manifest *manifest)
{
	(void)scripts;
	char name[MANIFEST_NAME_MAX];
	int r;

	manifest_name(name, manifest->name);
	r = publish_manifest(spool, manifest, name);
	if (r != 0) {
		file_abort(file);
		return r;
	}
	r = file_commit(file, spool->ready_fd, manifest->name);
	if (r != 0 && r != FILE_E_UNSURE)
		unlinkat(spool->ready_fd, name, 0);
	return r;
}

void spool_add(struct spool *spool, struct spool_entry *entry)
{
	list_append(&spool->ready, &entry->link);
	spool->bytes += entry->manifest.file_bytes;
	spool->files++;
}

const struct spool_entry *spool_find(const struct spool *spool, const char *id)
{
	list_each (link, &spool->ready) {
		struct spool_entry *entry = container_of(link, struct spool_entry, link);

		if (strcmp(entry->manifest.id, id) == 0)
			return entry;
	}
	return NULL;
}

const struct spool_entry *spool_find_name(const struct spool *spool, const char *name)
{
	list_each (link, &spool->ready) {
		struct spool_entry *entry = container_of(link, struct spool_entry, link);

		if (strcmp(entry->manifest.name, name) == 0)
			return entry;
	}
	return NULL;
}

/* A file that has been renamed away and is to be unlinked. */
struct grave {
	int dir_fd; /* owned */
	char name[32];
};

static void *bury(void *owner)
{
	struct grave *grave = owner;

	unlinkat(grave->dir_fd, grave->name, 0);
	close(grave->dir_fd);
	free(grave);
	return NULL;
}

/* Without a thread it is done here and now: late is better than never. */
static void bury_later(struct grave *grave)
{
	pthread_attr_t attr;
	pthread_t thread;
	bool started = false;

	if (pthread_attr_init(&attr) == 0) {
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		pthread_attr_setstacksize(&attr, BURY_STACK_BYTES);
		started = pthread_create(&thread, &attr, bury, grave) == 0;
		pthread_attr_destroy(&attr);
	}
	if (!started)
		bury(grave);
}

/* incoming/ is emptied at every start, so that a crash in between costs nothing. */
static int drop(const struct spool *spool, const char *name)
{
	struct grave *grave = malloc(sizeof(*grave));
	char digits[17];
	int r;

	if (grave == NULL)
		return -ENOMEM;
	r = rand_hex(digits, 8);
	if (r < 0) {
		free(grave);
		return r;
	}
	snprintf(grave->name, sizeof(grave->name), ".#%s", digits);
	grave->dir_fd = fcntl(spool->incoming_fd, F_DUPFD_CLOEXEC, 0);
	if (r == 0 && grave->dir_fd < 0)
		r = -errno;
	if (r == 0 && renameat(spool->ready_fd, name, grave->dir_fd, grave->name) < 0)
		r = -errno;
	if (r == 0) {
		bury_later(grave);
		return 0;
	}
	if (grave->dir_fd >= 0)
		close(grave->dir_fd);
	free(grave);
	return r;
}

/* The capture goes first: what a crash leaves is a manifest, which the next start sweeps. */
int spool_remove(struct spool *spool, const char *id)
{
	struct spool_entry *entry = (struct spool_entry *)spool_find(spool, id);
	char name[MANIFEST_NAME_MAX];
	int r;

	if (entry == NULL)
		return -ENOENT;
	r = drop(spool, entry->manifest.name);
	if (r < 0 && r != -ENOENT)
		return r;
	manifest_name(name, entry->manifest.name);
	unlinkat(spool->ready_fd, name, 0);
	spool->bytes -= entry->manifest.file_bytes;
	spool_release(spool, entry->manifest.file_bytes);
	spool->files--;
	spool->removed++;
	link_remove(&entry->link);
	free(entry);
	return 0;
}
