/*
 * A recipe from the command line: what comes in on stdin goes out on stdout as a capture would go
 * to disk, so that the tests can hold it against the real age and zstd.
 *
 * Usage: pipe_through [-r none|strings|all] [-a NAME]... [-z LEVEL] [-e RECIPIENT]... [-s BYTES]
 *                     [-c snapshot|profile|own]
 * -z 0 (the default) does not compress; -s is the size of the pieces. Exits 1 with the reason on
 * stderr.
 */

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/pipeline.h"
#include "util/err.h"

enum { PIECE_BYTES = 256 << 10 };

struct arguments {
	struct recipe recipe;
	enum content content;
	size_t piece;
};

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

static const struct stage_ops out_ops = { .name = "file", .put = write_all, .finish = finish };

static int redact_level_of(const char *name)
{
	for (int level = REDACT_NONE; level <= REDACT_ALL; level++)
		if (strcmp(name, redact_level_name(level)) == 0)
			return level;
	errx(2, "%s is no level of redaction", name);
}

static enum content content_of(const char *name)
{
	static const char *const names[] = { "snapshot", "profile", "own" };

	for (unsigned i = 0; i < 3; i++)
		if (strcmp(name, names[i]) == 0)
			return (enum content)i;
	errx(2, "%s is no kind of content", name);
}

static void add_text(struct text_list *list, const char *text)
{
	if (text_list_add(list, text) < 0)
		errx(1, "out of memory");
}

static void read_arguments(struct arguments *arguments, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "a:c:e:r:s:z:")) >= 0) {
		switch (option) {
		case 'a':
			add_text(&arguments->recipe.redact_allow, optarg);
			break;
		case 'c':
			arguments->content = content_of(optarg);
			break;
		case 'e':
			add_text(&arguments->recipe.encrypt, optarg);
			break;
		case 'r':
			arguments->recipe.redact = redact_level_of(optarg);
			break;
		case 's':
			arguments->piece = strtoul(optarg, NULL, 10);
			break;
		case 'z':
			arguments->recipe.compress_level = strtoul(optarg, NULL, 10);
			arguments->recipe.compress = arguments->recipe.compress_level > 0;
			break;
		default:
			exit(2);
		}
	}
	if (optind < argc || arguments->piece == 0)
		errx(2, "see the comment of pipe_through.c");
}

static void pump(struct pipeline *pipeline, size_t piece)
{
	char *buffer = malloc(piece);
	ssize_t n = 0;
	int r = buffer == NULL ? -ENOMEM : 0;

	while (r == 0 && (n = read(STDIN_FILENO, buffer, piece)) > 0)
		r = pipeline_put(pipeline, buffer, (size_t)n);
	if (n < 0)
		err(1, "stdin");
	if (r == 0)
		r = pipeline_finish(pipeline);
	if (r != 0)
		errx(1, "%s: %s", pipeline_error(pipeline), strerror(-r));
	free(buffer);
}

int main(int argc, char **argv)
{
	struct arguments arguments = { .piece = PIECE_BYTES };
	struct stage end = { .ops = &out_ops };
	struct pipeline pipeline;
	struct err reason = { 0 };
	int r;

	read_arguments(&arguments, argc, argv);
	r = pipeline_init(&pipeline, &arguments.recipe, arguments.content, &end, &reason);
	if (r < 0)
		errx(1, "%s: %s", reason.text, strerror(-r));
	pump(&pipeline, arguments.piece);
	pipeline_fini(&pipeline);
	recipe_fini(&arguments.recipe);
	return 0;
}
