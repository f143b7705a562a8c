/*
 * How fast is redaction? Runs a real snapshot through the stage, as it would come from a target,
 * into one that throws it away; the best of several rounds counts, beside memcpy. CPU time is the
 * figure to compare on a machine that others use as well.
 *
 * Usage: bench_redact strings|all FILE [OUTPUT]: with OUTPUT, one round whose result is written
 * there. Exit status 1 with the stage's complaint when the file is refused.
 */

#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "pipeline/redact.h"
#include "pipeline/stage.h"
#include "util/clock.h"
#include "util/file.h"

enum { CHUNK_BYTES = 102400, ROUNDS_N = 7 };

struct sink {
	struct stage stage; /* first */
	FILE *file; /* NULL: nowhere */
	uint64_t bytes;
};

static int sink_put(struct stage *stage, const void *data, size_t size)
{
	struct sink *sink = (struct sink *)stage;

	sink->bytes += size;
	return sink->file == NULL || fwrite(data, 1, size, sink->file) == size ? 0 : -EIO;
}

static int sink_finish(struct stage *stage)
{
	(void)stage;
	return 0;
}

static const struct stage_ops sink_ops = { .name = "sink", .put = sink_put, .finish = sink_finish };

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void run(int level, const char *data, size_t size, struct sink *sink)
{
	struct stage *stage;
	int r = redact_new(&stage, (enum redact_level)level, NULL, &sink->stage);

	if (r != 0)
		errx(1, "%s", strerror(-r));
	for (size_t at = 0; r == 0 && at < size; at += CHUNK_BYTES)
		r = stage_put(stage, data + at, size - at < CHUNK_BYTES ? size - at : CHUNK_BYTES);
	if (r == 0)
		r = stage_finish(stage);
	if (r != 0)
		errx(1, "%s: %s", strerror(-r), stage->error);
	stage->ops->free(stage);
}

static double copy_seconds(char *copy, const char *data, size_t size)
{
	uint64_t began = clock_mono_ns();

	memcpy(copy, data, size);
	__asm__ volatile("" : : "r"(copy) : "memory"); /* the copy is wanted */
	return (double)(clock_mono_ns() - began) / 1e9;
}

static void measure(int level, const char *data, size_t size)
{
	struct sink sink = { .stage = { .ops = &sink_ops } };
	double best = 1e9, best_copy = 1e9, best_cpu = 1e9;
	char *copy = malloc(size);

	if (copy == NULL)
		errx(1, "out of memory");
	for (int round = 0; round < ROUNDS_N; round++) {
		uint64_t began = clock_mono_ns();
		double seconds, cpu = cpu_seconds();

		run(level, data, size, &sink);
		cpu = cpu_seconds() - cpu;
		best_cpu = cpu < best_cpu ? cpu : best_cpu;
		seconds = (double)(clock_mono_ns() - began) / 1e9;
		best = seconds < best ? seconds : best;
	}
	for (int round = 0; round < ROUNDS_N; round++) {
		double seconds = copy_seconds(copy, data, size);

		best_copy = seconds < best_copy ? seconds : best_copy;
	}
	printf("redact %-8s %6.1f MB in, %6.1f MB out   %6.0f MB/s   %5.2f CPU s/GB   memcpy %6.0f "
	       "MB/s\n",
	       redact_level_name(level), (double)size / 1e6, (double)sink.bytes / ROUNDS_N / 1e6,
	       (double)size / 1e6 / best, best_cpu / ((double)size / 1e9),
	       (double)size / 1e6 / best_copy);
	free(copy);
}

int main(int argc, char **argv)
{
	struct sink sink = { .stage = { .ops = &sink_ops } };
	int level = argc > 1 && strcmp(argv[1], "all") == 0 ? REDACT_ALL : REDACT_STRINGS;
	char *data;
	size_t size;

	if (argc < 3)
		errx(2, "usage: bench_redact strings|all FILE [OUTPUT]");
	if (file_read(argv[2], SIZE_MAX / 2, &data, &size) < 0)
		errx(1, "%s cannot be read", argv[2]);
	if (argc > 3) {
		sink.file = fopen(argv[3], "w");
		if (sink.file == NULL)
			err(1, "%s", argv[3]);
		run(level, data, size, &sink);
		if (fclose(sink.file) != 0)
			err(1, "%s", argv[3]);
	} else {
		measure(level, data, size);
	}
	free(data);
	return 0;
}
