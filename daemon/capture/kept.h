#pragma once

/*
 * Kept originals: files that were adopted and, as `keep` says, left where they are. Their copies
 * are vacuumed from the spool in the end, so what was adopted is noted in the state (state.h), for
 * a daemon that starts would take them again. At most KEPT_MAX; the oldest notes give way.
 *
 * A file is the same while device, inode, size and time of change are. What is no longer in its
 * directory is forgotten, when that was listed whole; a directory is known by device and inode, so
 * one that is not mounted for the moment takes nothing with it.
 */

#include <stdint.h>
#include "capture/adopt_file.h"

struct captures;
struct json_writer;
struct tree;

enum { KEPT_MAX = 4096 };

/* A directory, as stat() tells. */
struct kept_directory {
	uint64_t dev, ino;
};

/* It is adopted and stays in the directory. Without memory for it told, and it may come again. */
void kept_note(struct captures *captures, const struct kept_directory *directory,
	       const struct adopt_stamp *stamp);

/* The directory is about to be listed: nothing of it has been seen. */
void kept_list(struct captures *captures, const struct kept_directory *directory);

/* It is there. Is it one of those that were adopted? */
bool kept_see(struct captures *captures, const struct kept_directory *directory,
	      const struct adopt_stamp *stamp);

/* The directory was listed whole: what was not seen since kept_list() is gone. */
void kept_forget_unseen(struct captures *captures, const struct kept_directory *directory);

/* The member "kept" of the state: its value; reading leaves out what makes no sense. 0, -ENOMEM. */
void kept_write(const struct captures *captures, struct json_writer *w);
int kept_read(struct captures *captures, const struct tree *array);

void kept_forget_all(struct captures *captures);
