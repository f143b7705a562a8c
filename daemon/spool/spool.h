#pragma once

/*
 * The spool
 *
 *   incoming/  being written; emptied at every start
 *   ready/     whole captures, each with its manifest NAME.json beside it
 *   corrupt/   what failed a check, kept for a person to look at
 *
 * The directories are the index: at start it is rebuilt by listing ready/. A capture is visible
 * only when whole: the manifest is committed first, then the list of scripts, the capture last; it
 * is removed the other way round. So a capture without a manifest cannot exist, and companions
 * whose capture is missing are swept at start.
 *
 * Making a capture visible waits for the disk, so a capture thread does it; the control thread,
 * which owns the index and all the rest of the spool, only adds the entry. The space in use is
 * accounted in one atomic number, which captures under way add to as they write. It counts
 * captures, their lists of scripts and their reports; the manifests, a few kilobytes each, are not
 * counted.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "spool/manifest.h"
#include "spool/settings.h"
#include "util/file.h"
#include "util/list.h"

enum {
	SPOOL_E_FULL =
		1, /* over max_use, keep_free or max_files, and nothing may be deleted for it */
};

/* Why a capture went: the reason label. */
enum spool_reason {
	SPOOL_STAYS,
	SPOOL_MAX_AGE,
	SPOOL_MAX_FILES,
	SPOOL_MAX_USE,
	SPOOL_KEEP_FREE,
	SPOOL_API, /* a person asked */
	SPOOL_REASONS,
};

struct graves;

struct spool_entry {
	struct link link; /* in the order in which they came */
	struct manifest manifest;
	enum spool_reason fate; /* vacuum's choice, while it runs */
	uint64_t started_boot_ns; /* of one that this process has taken; 0: it was there */
};

struct spool {
	int dir_fd, incoming_fd, ready_fd, corrupt_fd; /* owned */
	char path[256];
	struct spool_settings limits;
	struct link ready;
	struct graves *graves; /* owned */
	uint64_t bytes, files, removed[SPOOL_REASONS];
	uint64_t diagnostics; /* of files */
	uint64_t pinned; /* of files, diagnostics not counted */
	_Atomic uint64_t claimed; /* bytes in ready/ and incoming/ together */
	_Atomic uint64_t reclaimable; /* of these: what vacuum could delete */
	int64_t opened_wall_ms;
	uint64_t opened_boot_ns;
	/* A loss of power may take what is listed: its folder could not be synced. */
	bool unsure;
};

/*
 * Creates what is missing (0750), empties incoming/, sweeps, lists. 0; -EBUSY when another process
 * has this spool open; -errno.
 */
int spool_open(struct spool *spool, const char *path, const struct spool_settings *limits);
void spool_close(struct spool *spool);

/*
 * Now, as captures age: the wall clock, but no later than it would be had nobody set it since the
 * spool was opened. A clock that is put on makes no capture too old.
 */
int64_t spool_wall_ms(const struct spool *spool);

/*
 * Is there room for that many files more, of bytes together? What vacuum could delete afterwards
 * counts as room within max_use and max_files, but not as space on the disk, nor as inodes. Deletes
 * nothing. 0 or SPOOL_E_FULL.
 */
int spool_room(const struct spool *spool, uint64_t files, uint64_t bytes);

/*
 * Take bytes into the account, at most up to max_use_bytes (0: no limit) and what vacuum could
 * delete: captures may take that much more, for it goes once they are whole. From any thread.
 */
bool spool_claim(struct spool *spool, uint64_t bytes, uint64_t max_use_bytes);
void spool_release(struct spool *spool, uint64_t bytes);

/*
 * Write the manifest and make all visible, the capture last; what there is to know is also written
 * into its extended attributes (user.heapwatch.*), where the file system has them. scripts is NULL
 * when the manifest names none (-EINVAL when they disagree). From any thread: touches only the
 * descriptors. Consumes the files. 0, FILE_E_*, -errno; the capture is visible after 0 and
 * FILE_E_UNSURE.
 */
int spool_publish(const struct spool *spool, struct file *file, struct file *scripts,
		  const struct manifest *manifest);

/* A published capture, whose bytes are claimed, enters the index. Takes the entry (malloc). */
void spool_add(struct spool *spool, struct spool_entry *entry);

/* NULL when there is none. */
const struct spool_entry *spool_find(const struct spool *spool, const char *id);
const struct spool_entry *spool_find_name(const struct spool *spool, const char *name);

/*
 * A capture has the name that is in the manifest, or a companion of one would have that of its own;
 * also a file that could not be read when the spool was opened, and so is in no index.
 */
bool spool_name_is_taken(const struct spool *spool, const struct manifest *manifest);
const struct spool_entry *spool_newest(const struct spool *spool, bool diagnostics);

/*
 * With its manifest, list of scripts and report, because a person asked; told, and synced, which on
 * a busy disk takes as long as it takes: not for the control thread. 0, -ENOENT, -errno.
 */
int spool_remove(struct spool *spool, const char *id);

/* The same without a sync; spool_settle() has a thread do that for all that were removed. */
int spool_remove_for(struct spool *spool, const char *id, enum spool_reason reason);
void spool_settle(struct spool *spool);
uint64_t spool_removed(const struct spool *spool); /* for all reasons */
const char *spool_reason_name(enum spool_reason reason); /* "max_age" */

/*
 * Vacuum leaves a pinned capture alone. The manifest is replaced, and the disk waited for: a few
 * milliseconds. 0, -ENOENT, FILE_E_FULL, -errno.
 */
int spool_pin(struct spool *spool, const char *id, bool pinned);

/*
 * The manifest of this capture has changed on the disk: the accounts follow. For the spool's own
 * files only; id, name and kind must be as before.
 */
void spool_replace(struct spool *spool, const char *id, const struct manifest *manifest);

/*
 * Free bytes on the file system, with those of removed captures that are still being freed; 0 when
 * it does not say.
 */
uint64_t spool_available_bytes(const struct spool *spool);

/* Both of them; UINT64_MAX for what the file system does not count. 0, -errno. */
int spool_available(const struct spool *spool, uint64_t *ret_bytes, uint64_t *ret_inodes);
