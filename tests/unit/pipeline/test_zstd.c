/* zstd: there and back, and what is refused on the way back. */

#include "pipeline/zstd.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collect.h"

/* The input compressed; buf_fini() it. */
static struct buf compress(const char *data, size_t size, uint64_t level, size_t piece)
{
	struct collect end;
	struct stage *stage;

	collect_init(&end);
	cr_assert_eq(zstd_compress_new(&stage, level, &end.stage), 0);
	cr_assert_eq(feed(stage, data, size, piece), 0);
	cr_assert_eq(end.finished, 1);
	cr_assert_eq(stage->bytes, size);
	stage->ops->free(stage);
	return end.data;
}

static int expand(const char *data, size_t size, size_t piece, struct collect *end,
		  char error[STAGE_ERROR_MAX])
{
	struct stage *stage;
	int r;

	collect_init(end);
	cr_assert_eq(zstd_expand_new(&stage, &end->stage), 0);
	r = feed(stage, data, size, piece);
	strcpy(error, stage->error);
	cr_assert_eq(error[0] != '\0', r != 0);
	stage->ops->free(stage);
	return r;
}

static int expand_only(const char *data, size_t size)
{
	char error[STAGE_ERROR_MAX];
	struct collect end;
	int r = expand(data, size, 4096, &end, error);

	collect_fini(&end);
	return r;
}

Test(zstd, goes_there_and_back)
{
	static const size_t sizes[] = { 0, 1, 131072, 131073, 262144, 1000000 };
	char error[STAGE_ERROR_MAX];

	for (unsigned i = 0; i < 6; i++) {
		char *data = noise(sizes[i]);

		/* Half of it repeats, as snapshots do. */
		memset(data, 'x', sizes[i] / 2);
		for (unsigned level = 1; level <= 19; level += 9) {
			struct buf packed = compress(data, sizes[i], level, 50000);
			struct collect end;

			cr_assert_eq(expand(packed.data, packed.size, 777, &end, error), 0);
			cr_assert_eq(end.data.size, sizes[i]);
			cr_assert(sizes[i] == 0 || memcmp(end.data.data, data, sizes[i]) == 0);
			collect_fini(&end);
			buf_fini(&packed);
		}
		free(data);
	}
}

Test(zstd, cut_anywhere_is_seen)
{
	char *data = noise(2000);
	struct buf packed = compress(data, 2000, 1, 2000);

	for (size_t n = 0; n < packed.size; n++)
		cr_assert_eq(expand_only(packed.data, n), -EBADMSG, "%zu of %zu", n, packed.size);
	buf_fini(&packed);
	free(data);
}

/* By the format or by the checksum; a few bits of a frame's header mean nothing. */
Test(zstd, a_changed_byte_is_seen)
{
	char *data = noise(500), error[STAGE_ERROR_MAX];
	struct buf packed = compress(data, 500, 1, 500);
	unsigned harmless = 0;

	for (size_t i = 0; i < packed.size; i++) {
		struct collect end;

		packed.data[i] = (char)(packed.data[i] ^ 0x10);
		if (expand(packed.data, packed.size, 500, &end, error) == 0) {
			harmless++;
			cr_assert_eq(end.data.size, 500);
			cr_assert_arr_eq(end.data.data, data, 500, "byte %zu", i);
		}
		collect_fini(&end);
		packed.data[i] = (char)(packed.data[i] ^ 0x10);
	}
	cr_assert_leq(harmless, 2);
	buf_fini(&packed);
	free(data);
}

Test(zstd, frames_follow_one_another_and_nothing_else_does)
{
	char *data = noise(70000), error[STAGE_ERROR_MAX];
	struct buf packed = compress(data, 70000, 1, 70000), more = compress("end", 3, 1, 3);
	struct collect end;

	cr_assert_eq(buf_append(&packed, more.data, more.size), 0);
	cr_assert_eq(expand(packed.data, packed.size, 1000, &end, error), 0);
	cr_assert_eq(end.data.size, 70003);
	cr_assert_eq(memcmp(end.data.data + 70000, "end", 3), 0);
	collect_fini(&end);
	cr_assert_eq(buf_append(&packed, "garbage", 7), 0);
	cr_assert_eq(expand_only(packed.data, packed.size), -EBADMSG);
	cr_assert_eq(expand_only("{\"snapshot\":{", 13), -EBADMSG);
	buf_fini(&packed);
	buf_fini(&more);
	free(data);
}

/* A frame that asks for a window of 256 MiB: magic, a descriptor without flags, the window. */
Test(zstd, large_windows_are_refused)
{
	static const uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0, (28 - 10) << 3, 1, 0, 0 };
	static const uint8_t allowed[] = { 0x28, 0xb5, 0x2f, 0xfd, 0, (27 - 10) << 3, 1, 0, 0 };
	char error[STAGE_ERROR_MAX];
	struct collect end;

	cr_assert_eq(expand((const char *)frame, sizeof(frame), 9, &end, error), -EBADMSG);
	cr_assert_not_null(strstr(error, "memory"), "%s", error);
	collect_fini(&end);
	cr_assert_eq(expand_only((const char *)allowed, sizeof(allowed)), 0);
}

Test(zstd, a_failure_of_the_next_stage_comes_through)
{
	char *data = noise(1000000);

	for (unsigned at = 1; at <= 3; at++) {
		struct collect end;
		struct stage *stage;

		collect_init(&end);
		end.fail_at = at;
		end.result = at == 2 ? 1 : -ENOSPC;
		cr_assert_eq(zstd_compress_new(&stage, 1, &end.stage), 0);
		cr_assert_eq(feed(stage, data, 1000000, 65536), end.result);
		cr_assert_eq(end.finished, 0);
		cr_assert_str_eq(stage->error, "");
		stage->ops->free(stage);
		collect_fini(&end);
	}
	free(data);
}
