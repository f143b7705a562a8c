#pragma once

/*
 * State: what captures must not forget when the daemon ends, in one file that is replaced
 * atomically: the history by which guards judge, the series under way, the targets whose capture
 * has begun and not ended, and the adopted files that were left where they are.
 *
 * The control thread makes the text; a thread of the pool writes it, for that waits for the disk.
 * It is written before a capture begins, so that no kill lets a rule capture twice.
 *
 * state.json, times in milliseconds since 1970:
 *
 * {
 *   "version": 1,
 *   "written_ms": 1769903999000,
 *   "history": [{"target": "api", "isolate": "main", "rule": "HeapNearLimit",
 *                "step": "75%", "kind": "snapshot", "at_ms": 1769903990000, "unarmed": false}],
 *   "open": ["api"],
 *   "series": [...],                         capture/series.h
 *   "kept": [{"directory_device": 2049, "directory_inode": 131, "device": 2049, "inode": 137,
 *             "size": 1048576, "mtime_ns": 1769903990000000000}]         capture/kept.h
 * }
 *
 * History is kept by wall time there, for no other clock survives: what lies ahead of the clock of
 * the reader counts as just now, so that a clock that was put back makes cooldowns longer, never
 * shorter. Names are those of targets and rules, nothing of what they hold.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct captures;
struct state_file;

enum { STATE_VERSION = 1, STATE_BYTES_MAX = 32 << 20 };

/*
 * Fills history and the rest from the file. One that makes no sense is set aside as state.json.bad
 * and told. dir_fd is borrowed. 0; -errno, told, when it cannot be read, and nothing is changed.
 */
int state_open(struct captures *captures, int dir_fd);
void state_close(struct captures *captures);

/*
 * Of now; to be freed. *ret_serial orders the texts. 0, -ENOMEM, -E2BIG. Not without a state file,
 * as state_write().
 */
int state_text(struct captures *captures, char **ret, size_t *ret_size, uint64_t *ret_serial);

/* From any thread. One older than what was written is dropped. 0, FILE_E_*, -errno. */
int state_write(struct state_file *file, const char *text, size_t size, uint64_t serial);

/* A capture of this target begins (on) or has ended: kept by name. */
void state_set_open(struct captures *captures, const char *target, bool on);

/* Was a capture of this target cut off by our end? Asked once: it is forgotten. */
bool state_take_open(struct captures *captures, const char *target);

/*
 * When the daemon before this one wrote the file for the last time, by the wall clock: before it
 * asked for anything that was cut off. 0: not known.
 */
int64_t state_left_wall_ms(const struct captures *captures);
