/*
 * Writer
 *
 * A gigabyte written in one go would sit in the page cache until the end, where fsync pays for all
 * of it while the capture waits. So the kernel is told to start writing each window as soon as it
 * is full, without waiting for it, and to forget a window some way behind: a slow disk lets the
 * cache grow up to the kernel's own limits and never holds up the reading, because what we do not
 * read the target must keep in its memory.
 */

#include "spool/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "spool/spool.h"

enum {
	BLOCK_BYTES = 1024 * 1024, /* per write(2), and per look at the space that is left */
	WINDOW_BYTES = 8 * BLOCK_BYTES, /* handed to the disk at once */
	BEHIND_BYTES = 4 * WINDOW_BYTES, /* enough for the disk to be done with, most likely */
};

static int failure(struct writer *writer, int r)
{
	if (r == FILE_E_FULL)
		writer->full = "the disk is full";
	return r;
}

int writer_open(struct writer *writer, struct spool *spool, const struct writer_limits *limits)
{
	int r;

	*writer = (struct writer){ .spool = spool, .limits = *limits, .file = { .fd = -1 } };
	writer->buffer = malloc(BLOCK_BYTES);
	if (writer->buffer == NULL)
		return -ENOMEM;
	r = digest_new(&writer->digest);
	if (r < 0)
		return r;
	r = file_begin(&writer->file, spool->incoming_fd, limits->file_max_bytes);
	return failure(writer, r);
}

static bool leaves_free(const struct writer *writer, size_t more)
{
	struct statvfs fs;
	uint64_t available;

	if (writer->limits.keep_free_bytes == 0 || fstatvfs(writer->file.fd, &fs) < 0)
		return true; /* write(2) will say when there is no more */
	available = (uint64_t)fs.f_bavail * fs.f_frsize;
	return available >= more && available - more >= writer->limits.keep_free_bytes;
}

/* Advice only: where it is not heeded the fsync at the end takes longer. */
static void write_behind(const struct writer *writer)
{
	off_t end = (off_t)writer->file.size;

	if (end % WINDOW_BYTES != 0)
		return;
	sync_file_range(writer->file.fd, end - WINDOW_BYTES, WINDOW_BYTES, SYNC_FILE_RANGE_WRITE);
	if (end > BEHIND_BYTES)
		posix_fadvise(writer->file.fd, 0, end - BEHIND_BYTES, POSIX_FADV_DONTNEED);
}

/* The limit that the next block would break; NULL: none. */
static const char *limit_reached(const struct writer *writer)
{
	if (writer->used > writer->file.size_max - writer->file.size)
		return "it is larger than file_max";
	if (!leaves_free(writer, writer->used))
		return "the disk would have less than keep_free";
	if (!spool_claim(writer->spool, writer->used, writer->limits.max_use_bytes))
		return "the spool would hold more than max_use";
	return NULL;
}

static int flush(struct writer *writer)
{
	int r;

	if (writer->used == 0)
		return 0;
	writer->full = limit_reached(writer);
	if (writer->full != NULL)
		return FILE_E_FULL;
	writer->claimed += writer->used;
	r = file_write(&writer->file, writer->buffer, writer->used);
	if (r != 0)
		return failure(writer, r);
	digest_update(writer->digest, writer->buffer, writer->used);
	writer->used = 0;
	write_behind(writer);
	return 0;
}

int writer_put(struct writer *writer, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		size_t n = BLOCK_BYTES - writer->used;
		int r;

		if (n > size)
			n = size;
		memcpy(writer->buffer + writer->used, at, n);
		writer->used += n;
		at += n;
		size -= n;
		if (writer->used < BLOCK_BYTES)
			return 0;
		r = flush(writer);
		if (r != 0)
			return r;
	}
	return 0;
}

int writer_finish(struct writer *writer, char sha256[DIGEST_HEX_MAX])
{
	int r;

	r = flush(writer);
	if (r != 0)
		return r;
	r = file_sync(&writer->file);
	if (r != 0)
		return failure(writer, r);
	posix_fadvise(writer->file.fd, 0, 0, POSIX_FADV_DONTNEED);
	r = digest_final(writer->digest, sha256);
	return r < 0 ? failure(writer, r) : 0;
}

void writer_keep(struct writer *writer)
{
	writer->claimed = 0;
}

void writer_fini(struct writer *writer)
{
	if (writer->spool == NULL)
		return;
	file_abort(&writer->file);
	spool_release(writer->spool, writer->claimed);
	writer->claimed = 0;
	digest_free(writer->digest);
	writer->digest = NULL;
	free(writer->buffer);
	writer->buffer = NULL;
	writer->spool = NULL;
}
