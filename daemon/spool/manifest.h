#pragma once

/*
 * Manifests: all that is known of one capture, in memory as a struct of values, in the spool as
 * one JSON object beside the capture. The members have the same names in both.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "spool/timeline_chart.h"

struct buf;
struct err;
struct json_writer;
struct tree;

enum { CAPTURE_REQUESTED_BY_MAX = 224 }; /* bytes of who asked, with the zero */
enum { CAPTURE_ID_MAX = 33, SPOOL_NAME_MAX = 224, MANIFEST_BYTES_MAX = 32768 };

/* What accumulates, of the last snapshot of a series. All empty: it is none, or nothing yet. */
struct manifest_verdict {
	char state[16]; /* "leak"; "nothing"; "none": it is not known, and the text says why */
	char text[384]; /* one line for people */
	uint64_t objects, bytes; /* of a leak: how many more there are, since the first snapshot */
	char class[128], holder[128], held_as[128]; /* names; "": there is none */
	char path[256]; /* the names on a shortest way to the holder; "": there is none */
	char more[640]; /* the second and third place; "": there is none */
	char place[128]; /* file and line; "": not known */
};

/* What came of the analysis of a snapshot. All empty: nothing yet. */
struct manifest_analysis {
	char state[16]; /* "running", "done", "failed", "skipped" */
	char reason[256]; /* why it failed or was skipped */
	int64_t attempts; /* begun so far */
	char report_name[SPOOL_NAME_MAX]; /* a file beside the capture; "": none */
	uint64_t report_bytes; /* on disk */
	char report_sha256[65];
	struct manifest_verdict verdict;
	/* Of the second snapshot of a tracking: what came since the first and lives. */
	uint64_t arrived_objects, arrived_bytes;
};

struct manifest {
	char id[CAPTURE_ID_MAX]; /* 32 hex digits */
	char name[SPOOL_NAME_MAX]; /* file name in ready/ */
	char kind[24]; /* "snapshot", "diagnostics", "profile", "timeline", "tracking" */
	char format[16]; /* of a snapshot: how its name ends, "heapsnapshot", "jsc.json" */
	char target[128], isolate[64], address[128];
	char page[256]; /* address of the page it showed, without its query; "": none */
	char runtime[16], runtime_version[32], engine[16], engine_version[48];
	int64_t pid, target_start_wall_ms;
	char rule[128]; /* "" when a person asked */
	char rule_step[32]; /* of the rule's steps, as it is written; "": it has none */
	char requested_by[CAPTURE_REQUESTED_BY_MAX]; /* as struct capture_request has it; "" */
	char cause[256]; /* "heap_used / heap_limit = 0.83 > 0.8 for 30s" */
	double cause_value;
	uint64_t heap_used_bytes, heap_limit_bytes; /* before the capture, 0 unknown */
	uint64_t resident_before_bytes,
		resident_peak_bytes; /* of the target's process; 0 unknown */
	int64_t started_wall_ms, finished_wall_ms;
	uint64_t duration_ns, pause_ns;
	uint64_t received_bytes; /* from the target, as they came on the wire; 0: unknown */
	uint64_t size_bytes; /* as captured */
	uint64_t redacted_bytes, compressed_bytes; /* what left these stages; 0: none such */
	uint64_t file_bytes; /* on disk */
	char sha256[65]; /* of what is on disk */
	char redact[16], compress[16]; /* "strings", "zstd"; "none" */
	uint64_t redact_allow_names; /* of the configuration, at the level "all"; else 0 */
	char redact_allow_sha256[65]; /* of these, each with a newline; "": there are none */
	uint64_t compress_level; /* of zstd; 0: not compressed */
	char encrypt[16]; /* "age"; "none" */
	char recipients[1300]; /* age recipients, separated by blanks */

	/* The list of the program's scripts, a file beside the capture that passed the same stages.
	 */
	char scripts_name[SPOOL_NAME_MAX]; /* "": none */
	uint64_t scripts_bytes; /* on disk */
	char scripts_sha256[65];

	struct manifest_analysis analysis;

	char series[CAPTURE_ID_MAX]; /* the id of the first capture of a series; "": alone */
	int64_t series_index, series_count; /* 1 of 3 */
	char ids[8]; /* "exact": V8 was to keep the ids of objects over the series; "" */
	/* Of a sampling profile in both formats: the id of the first of its two files; "". */
	char profile[CAPTURE_ID_MAX];
	int64_t continuous; /* 1: a profile of those that follow one another */
	int64_t pinned; /* 1: vacuum leaves it alone */
	char source[256]; /* the file a runtime wrote itself and we took over; "": we captured it */
	int64_t source_mtime_ms;
	struct timeline_chart timeline; /* of that kind */
};

/* One JSON object and a newline. 0 or the buffer's error. */
int manifest_write(const struct manifest *manifest, struct buf *buf);

/* Its members, within an object of the caller's. */
void manifest_write_members(const struct manifest *manifest, struct json_writer *w);

/* One member as text, cut to size; false when there is none of this name. */
bool manifest_format(const struct manifest *manifest, const char *member, char *dst, size_t size);

/*
 * 0; -EBADMSG when it is not a manifest of ours or lacks what a capture is checked by (id, name,
 * file_bytes, sha256), the reason in err; -ENOMEM. Unknown members are ignored, texts that do not
 * fit are cut.
 */
int manifest_read(const char *data, size_t size, struct manifest *ret, struct err *err);

/* The same from an object that may have other members too. */
int manifest_from_tree(const struct tree *root, struct manifest *ret, struct err *err);

/*
 * Name the file after what it holds: TARGET.ISOLATE.STAMP.BYTES.heapsnapshot.zst.age, the ending by
 * kind, format, compress and encrypt, which are set before; with the id in it when the plain name
 * is taken. A snapshot also gets the name of its list of scripts, which ends in .scripts.json where
 * the capture's ends in its format: whoever has no such list drops it. Targets may be called
 * anything; only [A-Za-z0-9._-] goes into the name, and it does not begin with a dot or a dash.
 */
void manifest_set_name(struct manifest *manifest, bool with_id);

/* Both processes are known, and they are two. pid 0 or less is not known. */
bool manifest_is_of_another(const struct manifest *manifest, int64_t pid, int64_t start_wall_ms);

/* One of the two snapshots of a tracking. */
bool manifest_is_tracking(const struct manifest *manifest);

/* A snapshot, also of a tracking, or a timeline, which is one with more in it. */
bool manifest_is_heap(const struct manifest *manifest);

/* A few kilobytes that cost the target nothing, of which there may be many. */
bool manifest_is_diagnostics(const struct manifest *manifest);

/* One of many small ones, with a limit of their own; the others are what max_files counts. */
bool manifest_is_apart(const struct manifest *manifest);

/* A snapshot, or a profile: of one in both formats the file that is V8's. */
bool manifest_can_have_report(const struct manifest *manifest);

/* The name of the report of a snapshot: NAME.report.json for NAME.heapsnapshot.zst. */
void manifest_report_name(const struct manifest *manifest, char dst[SPOOL_NAME_MAX]);

/*
 * A file of the one would have the name of a file of the other: they are called the same, or differ
 * only in the endings that their reports do not have.
 */
bool manifest_clashes(const struct manifest *a, const struct manifest *b);

/* What the capture takes in the spool, with its list of scripts and its report; manifests are not
 * counted. */
uint64_t manifest_disk_bytes(const struct manifest *manifest);

/* There is no list of scripts beside it. */
void manifest_drop_scripts(struct manifest *manifest);
