#pragma once

/*
 * A file that a runtime wrote by itself: what its name tells, and whether it may be touched.
 *
 * The directory may be writable by others than the runtime, and what is taken over can be read by
 * whoever may read the spool, and is deleted. So nobody must be able to make us take a file that
 * is not theirs: symbolic links are not followed, a file with a second name is left alone, and in a
 * directory that everybody may write to only files of its owner, of root and of our own are taken.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct err;

/* What tells whether a file is still the same. */
struct adopt_stamp {
	uint64_t dev, ino;
	int64_t size, mtime_ns;
};

struct adopt_name {
	bool profile; /* .heapprofile, else .heapsnapshot */
	int64_t pid; /* 0: the name does not tell */
	int64_t thread; /* of Node: 0 is the main one; -1: the name does not tell */
};

/*
 * Heap.YYYYMMDD.HHMMSS.PID.TID.SEQ.heapsnapshot and .heapprofile of Node,
 * v8-heap-MS-PID.heapsnapshot of V8 when memory is out, and any other name with one of the two
 * endings. False: none of them.
 */
bool adopt_parse(const char *name, struct adopt_name *ret);

struct adopt_stamp adopt_stamp_of(const struct stat *st);
bool adopt_same(const struct adopt_stamp *a, const struct adopt_stamp *b);

/*
 * Open it for reading; *ret_stamp is of what was opened. 0 and *ret_fd; -EACCES, -ELOOP, ... with
 * the reason in err.
 */
int adopt_open(int dir_fd, const char *name, int *ret_fd, struct adopt_stamp *ret_stamp,
	       struct err *err);

/* Does it end as a whole document does? A cheap look; the stages judge. 0, -EBADMSG, -errno. */
int adopt_look_at_end(int fd, int64_t size, struct err *err);

/*
 * Is it a snapshot by how it begins, whatever it is called? Bun writes one where Node writes a
 * profile, under the same name.
 */
bool adopt_is_snapshot(int fd);

/* Unlink it if it is still that file. 0, -ESTALE, -errno. */
int adopt_delete(int dir_fd, const char *name, const struct adopt_stamp *stamp);
