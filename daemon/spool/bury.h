#pragma once

/*
 * Graves: how a file is removed. Freeing the blocks of a gigabyte takes a file system a sixth of a
 * second, so the file is renamed into incoming/, gone for every reader at once, and unlinked by a
 * thread of its own. incoming/ is emptied at every start, so that a crash in between costs nothing.
 */

#include <stdint.h>

struct graves;

int graves_new(struct graves **ret); /* 0, -ENOMEM */

/* Waits for the threads. NULL is fine. */
void graves_free(struct graves *graves);

/* 0, -ENOENT, -errno. */
int graves_bury(struct graves *graves, int from_fd, const char *name, int incoming_fd);

/*
 * Have a thread sync this directory, which files have left and which is always the same: until then
 * a loss of power may bring them back. The control thread does not wait for it, graves_free() does.
 * However many ask, it is one thread, which syncs once more for all that came meanwhile. 0, -errno:
 * it is not synced.
 */
int graves_settle(struct graves *graves, int dir_fd);

/* Of files that are gone but whose space the file system does not show as free yet. NULL is fine:
 * none. */
uint64_t graves_bytes(struct graves *graves);
