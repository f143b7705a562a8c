#pragma once

/*
 * The spool
 *
 *   incoming/  being written; emptied at every start
 *   ready/     whole captures, each with its manifest NAME.json beside it
 *   corrupt/   what failed a check, kept for a person to look at
 *
 * The directories are the index: at start it is rebuilt by listing ready/. A capture is visible
 * only when whole: the manifest is committed first, the capture last, so that a capture without a
 * manifest cannot exist and a manifest without its capture is swept at start.
 */

#include "capture/settings.h"
#include "util/file.h"
#include "util/list.h"
#include <stdbool.h>
#include <stdint.h>

enum {
	SPOOL_E_FULL = 1, /* over max_use, keep_free or max_files, and nothing may be deleted */
};

enum { CAPTURE_ID_MAX = 33, SPOOL_NAME_MAX = 224 };

/* All that is known of one capture; the manifest is this as JSON. */
struct manifest {
	char id[CAPTURE_ID_MAX]; /* 32 hex digits */
	char name[SPOOL_NAME_MAX]; /* file name in ready/ */
	char kind[24]; /* "snapshot" */
	char target[128], isolate[64], address[128];
	char runtime[16], runtime_version[32], engine[16], engine_version[48];
	int64_t pid, target_start_wall_ms;
	char rule[128]; /* "" when a person asked */
	char cause[256]; /* "heap_used / heap_limit = 0.83 > 0.8 for 30s" */
	double cause_value;
	uint64_t heap_used_bytes; /* before the capture, 0 unknown */
	int64_t started_wall_ms, finished_wall_ms;
	uint64_t duration_ns, pause_ns;
	uint64_t size_bytes; /* as captured */
	uint64_t file_bytes; /* on disk */
	char sha256[65]; /* of what is on disk */
};

struct spool_entry {
	struct link link; /* oldest first */
	struct manifest manifest;
};

struct spool {
	int dir_fd, incoming_fd, ready_fd, corrupt_fd; /* owned */
	char path[256];
	struct spool_settings limits;
	struct link ready;
	uint64_t bytes, files, removed;
};

/* Creates what is missing (0750), empties incoming/, sweeps, lists. 0 or -errno. */
int spool_open(struct spool *spool, const char *path, const struct spool_settings *limits);
void spool_close(struct spool *spool);

/* Is there room for bytes more? Deletes nothing. 0 or SPOOL_E_FULL. */
int spool_room(const struct spool *spool, uint64_t bytes);

/*
 * Write the manifest and make both visible (control thread). The file must have been synced by the
 * capture thread already, so that this is quick. Consumes file. 0, FILE_E_*, -errno.
 */
int spool_commit(struct spool *spool, struct file *file, const struct manifest *manifest,
		 const struct spool_entry **ret);
const struct spool_entry *spool_find(const struct spool *spool, const char *id);
int spool_remove(struct spool *spool, const char *id); /* 0, -ENOENT, -errno */

/* Free bytes on the file system, for metrics. */
uint64_t spool_available_bytes(const struct spool *spool);
