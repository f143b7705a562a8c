#pragma once

/*
 * Durable files
 *
 * begin -> write ... -> commit | abort. A file is either absent or whole: it is born under a
 * temporary name in a directory that readers never list, synced, renamed, and the directory it
 * lands in is synced before commit returns.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FILE_E_FULL = 1, /* no space or over the size limit; abort and tell */
	FILE_E_UNSURE = 2, /* visible and whole, but the directory could not be synced */
};

struct file {
	int dir_fd; /* borrowed */
	int fd; /* owned; -1 when closed */
	uint64_t size, size_max;
	char name[64]; /* temporary name; "" once it is gone */
};

/* size_max in bytes. 0, FILE_E_FULL or -errno. */
int file_begin(struct file *file, int dir_fd, uint64_t size_max);
int file_write(struct file *file, const void *data, size_t size);

/* What is written so far, to the disk. 0, FILE_E_FULL or -errno. */
int file_sync(struct file *file);

/* The names in it, opened for reading. 0, FILE_E_FULL or -errno. */
int file_sync_directory(int dir_fd);

/*
 * Sync, rename to name in to_dir_fd (an older file of that name is replaced), sync that directory,
 * which has to be a descriptor opened for reading. 0, FILE_E_FULL, FILE_E_UNSURE, -errno. The file
 * is gone after any of them but 0 and FILE_E_UNSURE.
 */
int file_commit(struct file *file, int to_dir_fd, const char *name);

/* Forget the file. Safe on a committed, half-begun or zeroed (fd = -1) one. */
void file_abort(struct file *file);

/* Write a small whole file by the same recipe (in dir_fd itself). Replaces an old one atomically.
 */
int file_replace(int dir_fd, const char *name, const void *data, size_t size);

/* Read a whole file of at most max bytes; *ret is zero-terminated, free() it. -EFBIG when larger.
 */
int file_read(const char *path, size_t max, char **ret, size_t *ret_size);
int file_read_at(int dir_fd, const char *name, size_t max, char **ret, size_t *ret_size);

/* Of the errors of these: is it what is there, not the reading of it? What cannot be read for the
 * moment, as for want of descriptors, is not to be taken for lost. */
bool file_is_no_text(int r);

/* A small file of the kernel in one read into dst, zero-terminated; longer is cut. 0, -errno. */
int file_read_once(const char *path, char *dst, size_t size);

/*
 * A file without a name in this directory, open for reading and writing, for what is not to outlive
 * its descriptor. The descriptor, or -errno.
 */
int file_nameless(const char *directory);

/*
 * Make the folder (mode 0750) and those above it (0755), but for the umask; those that are there
 * stay as they are. 0, -ENAMETOOLONG, -errno.
 */
int file_make_folder(const char *path);
