/*
 * Marks of files
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "heap/index_layout.h"

enum { END_BYTES = 64 << 10, PIECE_BYTES = 4096, PIECES = 32, NS_PER_S = 1000000000 };

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 29;
}

uint64_t index_sum(const void *data, size_t bytes)
{
	const unsigned char *at = data;
	uint64_t sum = bytes;

	/* Within a block the order does not matter, so that it is added up many at a time. */
	while (bytes >= PIECE_BYTES) {
		uint64_t block[PIECE_BYTES / sizeof(uint64_t)], part = 0;

		memcpy(block, at, sizeof(block));
		for (size_t i = 0; i < sizeof(block) / sizeof(*block); i++)
			part += block[i];
		sum = mix(sum, part);
		at += PIECE_BYTES;
		bytes -= PIECE_BYTES;
	}
	for (size_t i = 0; i < bytes; i++)
		sum = mix(sum, at[i]);
	return sum;
}

uint64_t index_sum_more(uint64_t sum, const void *data, size_t bytes)
{
	return mix(sum, index_sum(data, bytes));
}

static int add_piece(int fd, uint64_t at, size_t size, uint64_t *hash)
{
	static _Thread_local char piece[END_BYTES];
	ssize_t n = pread(fd, piece, size, (off_t)at);

	if (n < 0)
		return -errno;
	*hash = mix(*hash, index_sum(piece, (size_t)n));
	return 0;
}

static int add_samples(int fd, uint64_t size, uint64_t *ret)
{
	int r = add_piece(fd, 0, END_BYTES, ret);

	for (uint64_t i = 1; i < PIECES && r == 0; i++)
		r = add_piece(fd, size / PIECES * i, PIECE_BYTES, ret);
	return r == 0 ? add_piece(fd, size > END_BYTES ? size - END_BYTES : 0, END_BYTES, ret) : r;
}

static int64_t ns_of(const struct statx_timestamp *time)
{
	return time->tv_sec * NS_PER_S + time->tv_nsec;
}

static int stat_mark(int fd, struct heap_mark *ret)
{
	struct statx status;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &status) < 0)
		return -errno;
	*ret = (struct heap_mark){
		.device = makedev(status.stx_dev_major, status.stx_dev_minor),
		.inode = status.stx_ino,
		.size = status.stx_size,
		.made_ns = status.stx_mask & STATX_BTIME ? ns_of(&status.stx_btime) : 0,
		.changed_ns = ns_of(&status.stx_ctime),
		.touched_ns = ns_of(&status.stx_mtime),
	};
	return 0;
}

int heap_mark_of(int fd, struct heap_mark *ret)
{
	int r = stat_mark(fd, ret);

	return r == 0 ? add_samples(fd, ret->size, &ret->sample) : r;
}

int index_mark_self(int fd, struct heap_mark *ret)
{
	struct heap_mark mark = { .inode = 0 };
	int r = stat_mark(fd, &mark);

	if (r < 0)
		return r;
	/* What does not change when it is written or gets its name. */
	*ret = (struct heap_mark){ .device = mark.device,
				   .inode = mark.inode,
				   .made_ns = mark.made_ns };
	return mark.made_ns != 0 ? 0 : -EOPNOTSUPP;
}
