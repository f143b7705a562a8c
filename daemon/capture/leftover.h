#pragma once

/*
 * Leftovers: a runtime that writes its snapshot to a file of its own before it hands it over
 * (Firefox), and never deletes it, has it deleted by us. One whose name we were not told stays, for
 * it may be a person's (docs/adr/0019).
 */

#include <stdint.h>

struct manifest;
struct process_start;

/*
 * Delete the file of that name where the process of the manifest, which began at start, makes its
 * temporary files: a regular file of its own user, and no link. What cannot be deleted is named in
 * the journal, for whoever can. May be called from a capture thread.
 */
void leftover_remove(const struct manifest *manifest, const struct process_start *start,
		     const char *name);

/*
 * Name in the journal what may be left of a capture that was cut off: the snapshots of the
 * process's own user, there where it makes its temporary files, that were written to since then
 * (wall clock). `why` follows the name of the target: "was being captured when heapwatchd ended".
 * Looks at a directory: once for each such capture. May be called from a capture thread.
 */
void leftover_tell(const char *target, const char *why, int64_t pid,
		   const struct process_start *start, int64_t since_wall_ms);
