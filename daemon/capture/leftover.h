#pragma once

/*
 * Leftovers: a runtime that writes its snapshot to a file of its own before it hands it over
 * (Firefox), and never deletes it, has it deleted by us.
 */

struct manifest;
struct process_start;

/*
 * Delete the file of that name where the process of the manifest, which began at start, makes its
 * temporary files: a regular file of its own user, and no link. What cannot be deleted is named in
 * the journal, for whoever can. May be called from a capture thread.
 */
void leftover_remove(const struct manifest *manifest, const struct process_start *start,
		     const char *name);
