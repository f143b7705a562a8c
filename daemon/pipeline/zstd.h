#pragma once

/* zstd (RFC 8878) as stages. zstd.c is the only file that includes libzstd. */

#include <stdint.h>

struct stage;

/* One frame with a checksum. level 1 to 19. 0, -ENOMEM. */
int zstd_compress_new(struct stage **ret, uint64_t level, struct stage *next);

/*
 * Back again; -EBADMSG when it is no zstd, damaged, or (at finish) cut short. Frames that want a
 * window over 128 MiB are refused.
 */
int zstd_expand_new(struct stage **ret, struct stage *next);
