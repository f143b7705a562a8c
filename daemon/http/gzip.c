/*
 * gzip
 *
 * The fastest level: exposition text shrinks to a twentieth even so, and the control thread has
 * better things to do than to win a few more per cent.
 */

#include "http/gzip.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <zlib.h>

#include "util/buf.h"

enum { GZIP_WINDOW_BITS = 15 + 16 /* 16: gzip's frame, not zlib's */, GZIP_MEMORY_LEVEL = 8 };

static int deflate_all(z_stream *stream, const struct buf *from, struct buf *to)
{
	size_t bound = deflateBound(stream, from->size);

	if (buf_reserve(to, bound) < 0)
		return to->error;
	stream->next_in = (unsigned char *)from->data;
	stream->avail_in = (uInt)from->size;
	stream->next_out = (unsigned char *)to->data;
	stream->avail_out = (uInt)bound;
	if (deflate(stream, Z_FINISH) != Z_STREAM_END)
		return -E2BIG;
	to->size = stream->total_out;
	return 0;
}

int gzip_pack(struct buf *buf)
{
	z_stream stream = { .next_in = NULL };
	struct buf packed;
	int r;

	if (buf->size > UINT_MAX / 2)
		return -E2BIG;
	if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	buf_init(&packed, SIZE_MAX);
	r = deflate_all(&stream, buf, &packed);
	deflateEnd(&stream);
	if (r < 0) {
		buf_fini(&packed);
		return r;
	}
	packed.limit = buf->limit;
	buf_fini(buf);
	*buf = packed;
	return 0;
}
