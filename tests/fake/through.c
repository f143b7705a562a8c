/* stdin into a stage, a stage onto stdout. */

#include "through.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/stage.h"

static int write_all(struct stage *stage, const void *data, size_t size)
{
	const char *from = data;

	(void)stage;
	while (size > 0) {
		ssize_t n = write(STDOUT_FILENO, from, size);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			from += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

static int finish(struct stage *stage)
{
	(void)stage;
	return 0;
}

struct stage *through_stdout(void)
{
	static const struct stage_ops ops = { .name = "file", .put = write_all, .finish = finish };
	static struct stage stage = { .ops = &ops };

	return &stage;
}

int through_pump(struct stage *first, size_t piece)
{
	char *buffer = malloc(piece);
	ssize_t n = 0;
	int r = buffer == NULL ? -ENOMEM : 0;

	while (r == 0 && (n = read(STDIN_FILENO, buffer, piece)) > 0)
		r = stage_put(first, buffer, (size_t)n);
	if (n < 0)
		err(1, "stdin");
	free(buffer);
	return r == 0 ? stage_finish(first) : r;
}
