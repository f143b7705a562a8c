#pragma once

/*
 * gzip (RFC 1952): answers packed, files unpacked, and packed again where their format is gzip.
 * gzip.c is the only file that includes zlib.
 */

struct buf;
struct stage;

/*
 * Replace the content of buf by its gzip form. 0; -ENOMEM or -E2BIG with the content as it was:
 * then send it plain.
 */
int gzip_pack(struct buf *buf);

/* A stage that compresses into one member. 0, -ENOMEM. */
int gzip_compress_new(struct stage **ret, struct stage *next);

/*
 * A stage that expands; one member or several. -EBADMSG when it is no gzip, damaged, or (at finish)
 * cut short. 0, -ENOMEM.
 */
int gzip_expand_new(struct stage **ret, struct stage *next);
