#pragma once

/*
 * Manifests: all that is known of one capture, in memory as a struct of values, in the spool as
 * one JSON object beside the capture. The members have the same names in both.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum { CAPTURE_ID_MAX = 33, SPOOL_NAME_MAX = 224, MANIFEST_BYTES_MAX = 16384 };

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

/* One JSON object and a newline. 0 or the buffer's error. */
int manifest_write(const struct manifest *manifest, struct buf *buf);

/*
 * 0; -EBADMSG when it is not a manifest of ours or lacks what a capture is checked by (id, name,
 * file_bytes, sha256), the reason in err; -ENOMEM. Unknown members are ignored, texts that do not
 * fit are cut.
 */
struct err;
int manifest_read(const char *data, size_t size, struct manifest *ret, struct err *err);

/*
 * Name the file after what it holds: TARGET.ISOLATE.STAMP.BYTES.heapsnapshot, with the id in it
 * when the plain name is taken. Targets may be called anything; only [A-Za-z0-9._-] goes into the
 * name, and it does not begin with a dot or a dash.
 */
void manifest_set_name(struct manifest *manifest, bool with_id);
