/*
 * zstd
 *
 * Both directions fill one buffer of the size libzstd recommends and hand it on when it is full, so
 * that the next stage gets few, large pieces whatever comes in.
 */

#include "pipeline/zstd.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "pipeline/stage.h"
#include "util/list.h"

enum { WINDOW_LOG_MAX = 27 }; /* 128 MiB: what expanding a hostile file may cost */

struct zstd_stage {
	struct stage stage;
	ZSTD_CCtx *compress; /* owned; of a compressing stage */
	ZSTD_DCtx *expand; /* owned; of an expanding one */
	size_t wanted; /* expanding: 0 when a frame is complete */
	ZSTD_outBuffer out; /* out.dst is owned */
};

static struct zstd_stage *zstd_stage_of(struct stage *stage)
{
	return container_of(stage, struct zstd_stage, stage);
}

static void zstd_free(struct stage *stage)
{
	struct zstd_stage *zstd = zstd_stage_of(stage);

	ZSTD_freeCCtx(zstd->compress);
	ZSTD_freeDCtx(zstd->expand);
	free(zstd->out.dst);
	free(zstd);
}

static int fail(struct zstd_stage *zstd, size_t result)
{
	snprintf(zstd->stage.error, sizeof(zstd->stage.error), "zstd: %s",
		 ZSTD_getErrorName(result));
	return ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation ? -ENOMEM : -EBADMSG;
}

static int hand_on(struct zstd_stage *zstd)
{
	size_t size = zstd->out.pos;

	zstd->out.pos = 0;
	return size > 0 ? stage_put(zstd->stage.next, zstd->out.dst, size) : 0;
}

static int new_stage(struct zstd_stage **ret, const struct stage_ops *ops, size_t size,
		     struct stage *next)
{
	struct zstd_stage *zstd = calloc(1, sizeof(*zstd));

	if (zstd == NULL)
		return -ENOMEM;
	zstd->stage.ops = ops;
	zstd->stage.next = next;
	zstd->out.size = size;
	zstd->out.dst = malloc(size);
	*ret = zstd;
	return zstd->out.dst != NULL ? 0 : -ENOMEM;
}

/* ---- compressing ---- */

static int compress_put(struct stage *stage, const void *data, size_t size)
{
	struct zstd_stage *zstd = zstd_stage_of(stage);
	ZSTD_inBuffer in = { data, size, 0 };
	int r = 0;

	while (in.pos < in.size && r == 0) {
		size_t left =
			ZSTD_compressStream2(zstd->compress, &zstd->out, &in, ZSTD_e_continue);

		if (ZSTD_isError(left))
			return fail(zstd, left);
		if (zstd->out.pos == zstd->out.size)
			r = hand_on(zstd);
	}
	return r;
}

static int compress_finish(struct stage *stage)
{
	struct zstd_stage *zstd = zstd_stage_of(stage);
	ZSTD_inBuffer in = { NULL, 0, 0 };
	size_t left;
	int r;

	do {
		left = ZSTD_compressStream2(zstd->compress, &zstd->out, &in, ZSTD_e_end);
		if (ZSTD_isError(left))
			return fail(zstd, left);
		r = hand_on(zstd);
	} while (left > 0 && r == 0);
	return r;
}

static const struct stage_ops compress_ops = {
	.name = "zstd",
	.put = compress_put,
	.finish = compress_finish,
	.free = zstd_free,
};

int zstd_compress_new(struct stage **ret, uint64_t level, struct stage *next)
{
	struct zstd_stage *zstd = NULL;
	int r;

	r = new_stage(&zstd, &compress_ops, ZSTD_CStreamOutSize(), next);
	if (r == 0)
		zstd->compress = ZSTD_createCCtx();
	if (r < 0 || zstd->compress == NULL ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(zstd->compress, ZSTD_c_checksumFlag, 1)) ||
	    ZSTD_isError(
		    ZSTD_CCtx_setParameter(zstd->compress, ZSTD_c_compressionLevel, (int)level))) {
		if (zstd != NULL)
			zstd_free(&zstd->stage);
		return -ENOMEM;
	}
	*ret = &zstd->stage;
	return 0;
}

/* ---- expanding ---- */

/* It says nothing of where it fails: what it has been given last is a block at the most. */
static int fail_at(struct zstd_stage *zstd, size_t result, uint64_t byte)
{
	int r = fail(zstd, result);
	size_t n = strlen(zstd->stage.error);

	snprintf(zstd->stage.error + n, sizeof(zstd->stage.error) - n,
		 ", in its block at byte %llu", (unsigned long long)byte);
	return r;
}

/* A full buffer may not be all there is: go on until it is not filled, or a frame ends with it. */
static int expand_put(struct stage *stage, const void *data, size_t size)
{
	struct zstd_stage *zstd = zstd_stage_of(stage);
	ZSTD_inBuffer in = { data, 0, 0 };
	bool more = size > 0;
	int r = 0;

	while (more && r == 0) {
		size_t first = in.pos, wants = zstd->wanted > 0 ? zstd->wanted : 1;

		in.size = wants < size - first ? first + wants : size;
		zstd->wanted = ZSTD_decompressStream(zstd->expand, &zstd->out, &in);
		if (ZSTD_isError(zstd->wanted))
			return fail_at(zstd, zstd->wanted, stage->bytes - size + first);
		more = in.pos < size || (zstd->out.pos == zstd->out.size && zstd->wanted > 0);
		r = hand_on(zstd);
	}
	return r;
}

static int expand_finish(struct stage *stage)
{
	struct zstd_stage *zstd = zstd_stage_of(stage);

	if (zstd->wanted == 0)
		return 0;
	snprintf(stage->error, sizeof(stage->error), "zstd: cut short after %llu bytes",
		 (unsigned long long)stage->bytes);
	return -EBADMSG;
}

static const struct stage_ops expand_ops = {
	.name = "unzstd",
	.put = expand_put,
	.finish = expand_finish,
	.free = zstd_free,
};

int zstd_expand_new(struct stage **ret, struct stage *next)
{
	struct zstd_stage *zstd = NULL;
	int r;

	r = new_stage(&zstd, &expand_ops, ZSTD_DStreamOutSize(), next);
	if (r == 0)
		zstd->expand = ZSTD_createDCtx();
	if (r < 0 || zstd->expand == NULL ||
	    ZSTD_isError(
		    ZSTD_DCtx_setParameter(zstd->expand, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
		if (zstd != NULL)
			zstd_free(&zstd->stage);
		return -ENOMEM;
	}
	zstd->wanted = 1;
	*ret = &zstd->stage;
	return 0;
}
