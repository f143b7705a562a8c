/*
 * Redaction of hostile profiles. However they are cut, the verdict is the same and so is the
 * result; what was JSON is JSON afterwards, and an ordinary parser finds no text in it that the
 * rules would not have let through: redacted again, it stays as it is.
 *
 * The first byte is the size of the pieces, the second the level.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json/tree.h"
#include "pipeline/redact_profile.h"
#include "pipeline/stage.h"
#include "util/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MAX = 64 << 20 };

struct sink {
	struct stage stage; /* first */
	struct buf out;
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static int sink_put(struct stage *stage, const void *data, size_t size)
{
	return buf_append(&((struct sink *)stage)->out, data, size);
}

static int sink_finish(struct stage *stage)
{
	(void)stage;
	return 0;
}

static const struct stage_ops sink_ops = { .name = "sink", .put = sink_put, .finish = sink_finish };

/* Each piece is a block of its own, so that the sanitizer sees a read past it. */
static int run(struct sink *sink, enum redact_level level, const char *data, size_t size,
	       size_t step)
{
	struct stage *stage;
	int r;

	sink->stage = (struct stage){ .ops = &sink_ops };
	buf_init(&sink->out, OUT_MAX);
	must(redact_profile_new(&stage, level, &sink->stage) == 0);
	r = size == 0 ? stage_put(stage, "", 0) : 0;
	for (size_t at = 0; r == 0 && at < size; at += step) {
		size_t n = size - at < step ? size - at : step;
		char *copy = malloc(n);

		must(copy != NULL);
		memcpy(copy, data + at, n);
		r = stage_put(stage, copy, n);
		free(copy);
	}
	if (r == 0)
		r = stage_finish(stage);
	must(r == 0 || (r == -EBADMSG && stage->error[0] != '\0'));
	stage->ops->free(stage);
	return r;
}

static bool same(const struct buf *a, const struct buf *b)
{
	return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

/* Of what is so short that replaced bytes cannot have made a text too long. */
static void check_again(const struct buf *once, enum redact_level level)
{
	struct sink twice;

	if (once->size >= REDACT_FRAME_MAX)
		return;
	must(run(&twice, level, once->data, once->size, SIZE_MAX / 2) == 0);
	must(same(once, &twice.out));
	buf_fini(&twice.out);
}

static void check_document(const char *in, size_t size, const struct buf *out)
{
	struct tree *before, *after;

	if (tree_parse(in, size, &before, NULL) != 0)
		return;
	must(tree_parse(out->data, out->size, &after, NULL) == 0);
	must(tree_size(before) == tree_size(after));
	tree_free(before);
	tree_free(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sink whole, parts;
	const char *text = (const char *)data + 2;
	enum redact_level level;
	int r;

	if (size < 2)
		return 0;
	level = data[1] & 1 ? REDACT_ALL : REDACT_STRINGS;
	r = run(&whole, level, text, size - 2, SIZE_MAX / 2);
	must(run(&parts, level, text, size - 2, (size_t)data[0] + 1) == r);
	if (r == 0) {
		must(same(&whole.out, &parts.out));
		check_again(&whole.out, level);
		check_document(text, size - 2, &whole.out);
	}
	buf_fini(&whole.out);
	buf_fini(&parts.out);
	return 0;
}
