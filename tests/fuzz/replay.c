/*
 * Replays inputs through a fuzz harness, for compilers without libFuzzer and as an ordinary test:
 * every argument is a file or a directory of files. A harness aborts when something is wrong. No
 * input at all is an error, because it would prove nothing.
 */

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/file.h"

enum { INPUT_MAX_BYTES = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	uint8_t *exact;
	char *data;
	size_t size;
	int r;

	r = file_read(path, INPUT_MAX_BYTES, &data, &size);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(-r));
		return r;
	}
	/* Without the terminator, so that a sanitizer sees one byte too far. */
	exact = malloc(size > 0 ? size : 1);
	if (exact == NULL) {
		free(data);
		return -ENOMEM;
	}
	memcpy(exact, data, size);
	free(data);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return 1;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* How many inputs were replayed, or -errno. */
static int replay_dir(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, not_hidden, alphasort), done = 0;

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		char name[PATH_MAX];
		int r = 0;

		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		if (done >= 0)
			r = replay_file(name);
		done = r < 0 ? r : done + r;
		free(entries[i]);
	}
	free(entries);
	return done;
}

static int replay(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		perror(path);
		return -errno;
	}
	return S_ISDIR(st.st_mode) ? replay_dir(path) : replay_file(path);
}

int main(int argc, char **argv)
{
	int done = 0;

	for (int i = 1; i < argc; i++) {
		int n = replay(argv[i]);

		if (n < 0)
			return 1;
		done += n;
	}
	/* In the words of Criterion: tests/summary.py counts the inputs. */
	printf("Synthesis: Tested: %d | Passing: %d | Failing: 0 | Crashing: 0\n", done, done);
	return done > 0 ? 0 : 1;
}
