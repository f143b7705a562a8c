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
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/pipeline.h"
#include "through.h"
#include "util/err.h"

enum { PIECE_BYTES = 256 << 10 };

struct arguments {
	struct recipe recipe;
	enum content content;
	size_t piece;
};

static int redact_level_of(const char *name)
{
	for (int level = REDACT_NONE; level <= REDACT_ALL; level++)
		if (strcmp(name, redact_level_name(level)) == 0)
			return level;
	errx(2, "%s is no level of redaction", name);
}

static enum content content_of(const char *name)
{
	static const struct {
		const char *name;
		enum content content;
	} contents[] = {
		{ "snapshot", CONTENT_V8_SNAPSHOT },
		{ "profile", CONTENT_V8_PROFILE },
		{ "own", CONTENT_OWN },
	};

	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++)
		if (strcmp(name, contents[i].name) == 0)
			return contents[i].content;
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

int main(int argc, char **argv)
{
	struct arguments arguments = { .piece = PIECE_BYTES };
	struct pipeline pipeline;
	struct err reason = { 0 };
	int r;

	read_arguments(&arguments, argc, argv);
	r = pipeline_init(&pipeline, &arguments.recipe, arguments.content, through_stdout(),
			  &reason);
	if (r < 0)
		errx(1, "%s: %s", reason.text, strerror(-r));
	r = through_pump(pipeline.first, arguments.piece);
	if (r != 0)
		errx(1, "%s: %s", pipeline_error(&pipeline), strerror(-r));
	pipeline_fini(&pipeline);
	recipe_fini(&arguments.recipe);
	return 0;
}
