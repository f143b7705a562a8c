/* Ends of pipelines. */

#include "sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { OUT_MAX = 64 << 20 };

void must(bool holds)
{
	if (!holds)
		abort();
}

static int put(struct stage *stage, const void *data, size_t size)
{
	return buf_append(&((struct sink *)stage)->out, data, size);
}

static int finish(struct stage *stage)
{
	(void)stage;
	return 0;
}

void sink_init(struct sink *sink)
{
	static const struct stage_ops ops = { .name = "sink", .put = put, .finish = finish };

	sink->stage = (struct stage){ .ops = &ops };
	buf_init(&sink->out, OUT_MAX);
}

void sink_fini(struct sink *sink)
{
	buf_fini(&sink->out);
}

/* Each piece is a block of its own, so that the sanitizer sees a read past it. */
static int put_copy(struct stage *stage, const char *data, size_t n)
{
	char *copy = malloc(n);
	int r;

	must(copy != NULL);
	memcpy(copy, data, n);
	r = stage_put(stage, copy, n);
	free(copy);
	return r;
}

int sink_run(struct stage *stage, const void *data, size_t size, size_t step)
{
	int r = size == 0 ? stage_put(stage, "", 0) : 0;

	for (size_t at = 0; r == 0 && at < size; at += step)
		r = put_copy(stage, (const char *)data + at, size - at < step ? size - at : step);
	if (r == 0)
		r = stage_finish(stage);
	must(r == 0 || (r == -EBADMSG && stage->error[0] != '\0'));
	stage->ops->free(stage);
	return r;
}

bool sink_same(const struct sink *a, const struct sink *b)
{
	return a->out.size == b->out.size &&
	       (a->out.size == 0 || memcmp(a->out.data, b->out.data, a->out.size) == 0);
}
