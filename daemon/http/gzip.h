#pragma once

/* Compression of answers. gzip.c is the only file here that includes zlib. */

struct buf;

/*
 * Replace the content of buf by its gzip form. 0; -ENOMEM or -E2BIG with the content as it was:
 * then send it plain.
 */
int gzip_pack(struct buf *buf);
