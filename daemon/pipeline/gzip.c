/*
 * gzip
 *
 * The fastest level throughout. Exposition text shrinks to a twentieth even so, and the control
 * thread has better things to do than to win a few more per cent; a snapshot passes here while its
 * program sends it.
 */

#include "pipeline/gzip.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "pipeline/stage.h"
#include "util/buf.h"
#include "util/list.h"

enum {
	GZIP_WINDOW_BITS = 15 + 16 /* 16: gzip's frame, not zlib's */,
	GZIP_MEMORY_LEVEL = 8,
	OUT_BYTES = 1 << 17
};

static int deflate_begin(z_stream *stream)
{
	return deflateInit2(stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL,
			    Z_DEFAULT_STRATEGY) == Z_OK
		       ? 0
		       : -ENOMEM;
}

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
	if (deflate_begin(&stream) < 0)
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

/* ---- stages ---- */

struct gzip_stage {
	struct stage stage;
	z_stream stream;
	bool inside; /* of a member that is expanded */
	unsigned char out[OUT_BYTES];
};

static struct gzip_stage *gzip_stage_of(struct stage *stage)
{
	return container_of(stage, struct gzip_stage, stage);
}

static int fail(struct gzip_stage *gzip, int result)
{
	snprintf(gzip->stage.error, sizeof(gzip->stage.error), "gzip: %s",
		 gzip->stream.msg != NULL ? gzip->stream.msg : zError(result));
	return result == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

/* ---- compressing ---- */

/* All that the stream has to give now: until it does not fill the output. */
static int compress_some(struct gzip_stage *gzip, int flush)
{
	int result, r = 0;

	do {
		gzip->stream.next_out = gzip->out;
		gzip->stream.avail_out = sizeof(gzip->out);
		result = deflate(&gzip->stream, flush);
		if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
			return fail(gzip, result);
		if (gzip->stream.avail_out < sizeof(gzip->out))
			r = stage_put(gzip->stage.next, gzip->out,
				      sizeof(gzip->out) - gzip->stream.avail_out);
	} while (r == 0 && gzip->stream.avail_out == 0);
	return r;
}

static int compress_put(struct stage *stage, const void *data, size_t size)
{
	struct gzip_stage *gzip = gzip_stage_of(stage);
	const unsigned char *at = data;
	int r = 0;

	while (r == 0 && size > 0) {
		uInt n = size < UINT_MAX ? (uInt)size : UINT_MAX;

		gzip->stream.next_in = (unsigned char *)(uintptr_t)at;
		gzip->stream.avail_in = n;
		r = compress_some(gzip, Z_NO_FLUSH);
		at += n;
		size -= n;
	}
	return r;
}

static int compress_finish(struct stage *stage)
{
	struct gzip_stage *gzip = gzip_stage_of(stage);

	gzip->stream.avail_in = 0;
	return compress_some(gzip, Z_FINISH);
}

static void compress_free(struct stage *stage)
{
	deflateEnd(&gzip_stage_of(stage)->stream);
	free(gzip_stage_of(stage));
}

int gzip_compress_new(struct stage **ret, struct stage *next)
{
	static const struct stage_ops ops = {
		.name = "gzip",
		.put = compress_put,
		.finish = compress_finish,
		.free = compress_free,
	};
	struct gzip_stage *gzip = calloc(1, sizeof(*gzip));

	if (gzip == NULL)
		return -ENOMEM;
	gzip->stage = (struct stage){ .ops = &ops, .next = next };
	if (deflate_begin(&gzip->stream) < 0) {
		free(gzip);
		return -ENOMEM;
	}
	*ret = &gzip->stage;
	return 0;
}

/* ---- expanding ---- */

static int fail_at(struct gzip_stage *gzip, int result, uint64_t byte)
{
	int r = fail(gzip, result);
	size_t n = strlen(gzip->stage.error);

	snprintf(gzip->stage.error + n, sizeof(gzip->stage.error) - n, ", at byte %llu",
		 (unsigned long long)byte);
	return r;
}

/*
 * What fits the output, up to a damage; *ret_more: it was filled, so there may be more without any
 * input. rest: bytes of the input that the stream has not been given.
 */
static int expand_some(struct gzip_stage *gzip, size_t rest, bool *ret_more)
{
	int result, r;
	size_t n;

	gzip->stream.next_out = gzip->out;
	gzip->stream.avail_out = sizeof(gzip->out);
	gzip->inside = true;
	result = inflate(&gzip->stream, Z_NO_FLUSH);
	n = sizeof(gzip->out) - gzip->stream.avail_out;
	r = n > 0 ? stage_put(gzip->stage.next, gzip->out, n) : 0;
	if (r != 0)
		return r;
	if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
		return fail_at(gzip, result, gzip->stage.bytes - rest - gzip->stream.avail_in);
	*ret_more = gzip->stream.avail_out == 0 && result != Z_STREAM_END;
	if (result == Z_STREAM_END) {
		gzip->inside = false;
		inflateReset(&gzip->stream);
	}
	return 0;
}

static int expand_put(struct stage *stage, const void *data, size_t size)
{
	struct gzip_stage *gzip = gzip_stage_of(stage);
	const unsigned char *at = data;
	bool more = false;
	int r = 0;

	while (r == 0 && (size > 0 || more)) {
		uInt n = size < UINT_MAX ? (uInt)size : UINT_MAX;

		gzip->stream.next_in = (unsigned char *)(uintptr_t)at;
		gzip->stream.avail_in = n;
		r = expand_some(gzip, size - n, &more);
		at += n - gzip->stream.avail_in;
		size -= n - gzip->stream.avail_in;
	}
	return r;
}

static int expand_finish(struct stage *stage)
{
	if (stage->bytes > 0 && !gzip_stage_of(stage)->inside)
		return 0;
	snprintf(stage->error, sizeof(stage->error), "gzip: cut short after %llu bytes",
		 (unsigned long long)stage->bytes);
	return -EBADMSG;
}

static void expand_free(struct stage *stage)
{
	inflateEnd(&gzip_stage_of(stage)->stream);
	free(gzip_stage_of(stage));
}

static const struct stage_ops expand_ops = {
	.name = "gunzip",
	.put = expand_put,
	.finish = expand_finish,
	.free = expand_free,
};

int gzip_expand_new(struct stage **ret, struct stage *next)
{
	struct gzip_stage *gzip = calloc(1, sizeof(*gzip));

	if (gzip == NULL)
		return -ENOMEM;
	gzip->stage.ops = &expand_ops;
	gzip->stage.next = next;
	if (inflateInit2(&gzip->stream, GZIP_WINDOW_BITS) != Z_OK) {
		free(gzip);
		return -ENOMEM;
	}
	*ret = &gzip->stage;
	return 0;
}
