/*
 * Spool
 *
 * The index and the accounts, which are the control thread's. What somebody asks to remove is gone
 * for good when it is answered; vacuum leaves the sync to a thread, one for all that it removes: if
 * a loss of power before it brings a capture back, that is whole and listed again.
 *
 * Two daemons on one spool would empty each other's incoming/; a lock on the directory keeps the
 * second one out.
 */

#include "spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "spool/bury.h"
#include "spool/publish.h"
#include "spool/sweep.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"
#include "util/str.h"

enum { DIRECTORY_MODE = 0750 };
enum { FILES_PER_CAPTURE = 4 }; /* itself, its manifest, its list of scripts, its report */

static const char *const reason_names[] = {
	[SPOOL_STAYS] = "stays",         [SPOOL_MAX_AGE] = "max_age",
	[SPOOL_MAX_FILES] = "max_files", [SPOOL_MAX_USE] = "max_use",
	[SPOOL_KEEP_FREE] = "keep_free", [SPOOL_API] = "api",
};
_Static_assert(sizeof(reason_names) / sizeof(reason_names[0]) == SPOOL_REASONS, "a name each");

const char *spool_reason_name(enum spool_reason reason)
{
	return reason_names[reason];
}

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

uint64_t spool_removed(const struct spool *spool)
{
	uint64_t n = 0;

	for (size_t i = 0; i < SPOOL_REASONS; i++)
		n += spool->removed[i];
	return n;
}

/* Whoever was here before may have been killed between a rename and its sync. */
static void settle_names(struct spool *spool)
{
	spool->unsure = file_sync_directory(spool->ready_fd) != 0;
	if (spool->unsure)
		log_warn("spool", "the spool's folder could not be synced: if the power fails now "
				  "captures may be lost");
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
		.opened_wall_ms = clock_wall_ms(),
		.opened_boot_ns = clock_boot_ns(),
	};
	link_init(&spool->ready);
	r = str_copy(spool->path, sizeof(spool->path), path) ? open_directories(spool)
							     : -ENAMETOOLONG;
	if (r == 0)
		r = graves_new(&spool->graves);
	if (r == 0)
		r = spool_sweep(spool);
	if (r == 0)
		settle_names(spool);
	if (r < 0)
		spool_close(spool);
	return r;
}

int64_t spool_wall_ms(const struct spool *spool)
{
	uint64_t open_ns = clock_boot_ns() - spool->opened_boot_ns;
	int64_t now_ms = clock_wall_ms();
	int64_t steady_ms = spool->opened_wall_ms + (int64_t)(open_ns / NS_PER_MS);

	return now_ms < steady_ms ? now_ms : steady_ms;
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
	graves_free(spool->graves);
	spool->graves = NULL;
	close_fd(&spool->corrupt_fd);
	close_fd(&spool->ready_fd);
	close_fd(&spool->incoming_fd);
	close_fd(&spool->dir_fd);
}

int spool_available(const struct spool *spool, uint64_t *ret_bytes, uint64_t *ret_inodes)
{
	struct statvfs fs;

	if (fstatvfs(spool->ready_fd, &fs) < 0)
		return -errno;
	*ret_bytes = (uint64_t)fs.f_bavail * fs.f_frsize + graves_bytes(spool->graves);
	/* A file system that makes inodes as they are needed says 0 of 0. */
	*ret_inodes = fs.f_files == 0 ? UINT64_MAX : (uint64_t)fs.f_favail;
	return 0;
}

uint64_t spool_available_bytes(const struct spool *spool)
{
	uint64_t bytes = 0, inodes = 0;

	return spool_available(spool, &bytes, &inodes) < 0 ? 0 : bytes;
}

static bool fits(uint64_t used, uint64_t more, uint64_t max)
{
	return max == 0 || (used <= max && more <= max - used);
}

static bool disk_has_room(const struct spool *spool, uint64_t files, uint64_t bytes)
{
	uint64_t keep = spool->limits.keep_free_bytes, available = 0, inodes = 0;

	if (spool_available(spool, &available, &inodes) < 0)
		return true; /* writing will tell */
	return available >= keep && available - keep >= bytes &&
	       inodes / FILES_PER_CAPTURE >= files;
}

int spool_room(const struct spool *spool, uint64_t files, uint64_t bytes)
{
	const struct spool_settings *limits = &spool->limits;
	uint64_t used = atomic_load(&spool->claimed), goes = atomic_load(&spool->reclaimable);

	if (!fits(spool->pinned, files, limits->max_files) ||
	    !fits(used > goes ? used - goes : 0, bytes, limits->max_use_bytes) ||
	    !disk_has_room(spool, files, bytes))
		return SPOOL_E_FULL;
	return 0;
}

bool spool_claim(struct spool *spool, uint64_t bytes, uint64_t max_use_bytes)
{
	uint64_t used = atomic_fetch_add(&spool->claimed, bytes);
	uint64_t goes = atomic_load(&spool->reclaimable);

	if (fits(used > goes ? used - goes : 0, bytes, max_use_bytes))
		return true;
	atomic_fetch_sub(&spool->claimed, bytes);
	return false;
}

void spool_release(struct spool *spool, uint64_t bytes)
{
	atomic_fetch_sub(&spool->claimed, bytes);
}

/* The accounts of what is in ready/: with an entry, or (count -1) without it. */
static void account(struct spool *spool, const struct manifest *manifest, uint64_t count)
{
	uint64_t bytes = manifest_disk_bytes(manifest);

	spool->files += count;
	spool->bytes += count * bytes;
	if (manifest_is_diagnostics(manifest))
		spool->diagnostics += count;
	else if (!manifest->pinned)
		atomic_fetch_add(&spool->reclaimable, count * bytes);
	else if (!manifest_is_apart(manifest))
		spool->pinned += count;
}

void spool_add(struct spool *spool, struct spool_entry *entry)
{
	list_append(&spool->ready, &entry->link);
	account(spool, &entry->manifest, 1);
}

void spool_replace(struct spool *spool, const char *id, const struct manifest *manifest)
{
	struct spool_entry *entry = (struct spool_entry *)spool_find(spool, id);
	uint64_t more;

	if (entry == NULL)
		return;
	more = manifest_disk_bytes(manifest) - manifest_disk_bytes(&entry->manifest);
	entry->manifest = *manifest;
	spool->bytes += more;
	/* In this order: a capture under way must not see more than there is for a moment. */
	if (!manifest_is_diagnostics(manifest) && !manifest->pinned)
		atomic_fetch_add(&spool->reclaimable, more);
	atomic_fetch_add(&spool->claimed, more);
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

bool spool_name_is_taken(const struct spool *spool, const struct manifest *manifest)
{
	list_each (link, &spool->ready) {
		const struct spool_entry *entry = container_of(link, struct spool_entry, link);

		if (manifest_clashes(&entry->manifest, manifest))
			return true;
	}
	return faccessat(spool->ready_fd, manifest->name, F_OK, 0) == 0 || errno != ENOENT;
}

const struct spool_entry *spool_newest(const struct spool *spool, bool diagnostics)
{
	for (struct link *at = spool->ready.prev; at != &spool->ready; at = at->prev) {
		const struct spool_entry *entry = container_of(at, struct spool_entry, link);

		if (diagnostics ? manifest_is_diagnostics(&entry->manifest)
				: !manifest_is_apart(&entry->manifest))
			return entry;
	}
	return NULL;
}

static void log_removed(const struct manifest *manifest, const char *reason)
{
	char size[24], about[STR_UNIT_MAX];
	const struct log_field fields[] = {
		{ "target", manifest->target }, { "isolate", manifest->isolate },
		{ "kind", manifest->kind },     { "capture_id", manifest->id },
		{ "filename", manifest->name }, { "size", size },
		{ "reason", reason },
	};

	snprintf(size, sizeof(size), "%llu", (unsigned long long)manifest_disk_bytes(manifest));
	str_format_bytes(about, manifest_disk_bytes(manifest));
	log_event(LEVEL_INFO, "spool", LOG_ID_CAPTURE_REMOVED, fields,
		  sizeof(fields) / sizeof(fields[0]), "%s deleted (%s, %s)", manifest->name, about,
		  reason);
}

/* The capture goes first: what a crash leaves are companions, which the next start sweeps. */
static int remove_files(struct spool *spool, const struct manifest *manifest)
{
	int r = graves_bury(spool->graves, spool->ready_fd, manifest->name, spool->incoming_fd);

	if (r < 0 && r != -ENOENT)
		return r;
	publish_take_back(spool, manifest);
	return 0;
}

int spool_remove_for(struct spool *spool, const char *id, enum spool_reason reason)
{
	struct spool_entry *entry = (struct spool_entry *)spool_find(spool, id);
	int r;

	if (entry == NULL)
		return -ENOENT;
	r = remove_files(spool, &entry->manifest);
	if (r < 0)
		return r;
	log_removed(&entry->manifest, spool_reason_name(reason));
	account(spool, &entry->manifest, (uint64_t)-1);
	spool_release(spool, manifest_disk_bytes(&entry->manifest));
	spool->removed[reason]++;
	link_remove(&entry->link);
	free(entry);
	return 0;
}

int spool_remove(struct spool *spool, const char *id)
{
	char name[CAPTURE_ID_MAX];
	int r;

	/* The caller's may be the entry's own. */
	str_copy(name, sizeof(name), id);
	r = spool_remove_for(spool, id, SPOOL_API);
	if (r == 0 && file_sync_directory(spool->ready_fd) != 0)
		log_warn("spool", "%s was deleted, but may come back if the power fails now", name);
	return r;
}

void spool_settle(struct spool *spool)
{
	int r = graves_settle(spool->graves, spool->ready_fd);

	if (r < 0)
		log_warn("spool", "%s: what was deleted may come back if the power fails now",
			 strerror(-r));
}

/* In one step: a capture under way that is refused bytes for a moment has failed. */
static void account_pin(struct spool *spool, const struct manifest *manifest)
{
	uint64_t bytes = manifest_disk_bytes(manifest);

	if (manifest_is_diagnostics(manifest))
		return;
	if (manifest->pinned)
		atomic_fetch_sub(&spool->reclaimable, bytes);
	else
		atomic_fetch_add(&spool->reclaimable, bytes);
	if (!manifest_is_apart(manifest))
		spool->pinned += manifest->pinned ? 1 : (uint64_t)-1;
}

int spool_pin(struct spool *spool, const char *id, bool pinned)
{
	struct spool_entry *entry = (struct spool_entry *)spool_find(spool, id);
	struct manifest changed;
	int r;

	if (entry == NULL)
		return -ENOENT;
	if ((entry->manifest.pinned != 0) == pinned)
		return 0;
	changed = entry->manifest;
	changed.pinned = pinned;
	r = publish_manifest(spool, &changed);
	if (r != 0 && r != FILE_E_UNSURE)
		return r;
	if (r == FILE_E_UNSURE)
		log_warn("spool", "%s: the pin may be lost if the power fails now", changed.name);
	entry->manifest.pinned = pinned;
	account_pin(spool, &changed);
	return 0;
}
