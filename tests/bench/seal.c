/*
 * What do compressing and sealing cost? Runs a real snapshot through recipes, as it would come from
 * a target, into a stage that throws the result away; the best of several rounds counts.
 *
 * Usage: bench_seal FILE. Prints, for each recipe, CPU seconds per gigabyte (1e9) of snapshot, and
 * bytes out / bytes in.
 */

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "pipeline/pipeline.h"
#include "util/err.h"
#include "util/file.h"

#define RECIPIENT "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"

enum { CHUNK_BYTES = 102400, ROUNDS_N = 5 };

static const struct setting {
	const char *name;
	int redact;
	uint64_t level; /* 0: not compressed */
	bool sealed;
} settings[] = {
	{ "nothing", REDACT_NONE, 0, false },
	{ "zstd 1", REDACT_NONE, 1, false },
	{ "zstd 3", REDACT_NONE, 3, false },
	{ "age", REDACT_NONE, 0, true },
	{ "zstd 1, age", REDACT_NONE, 1, true },
	{ "strings, zstd 1, age", REDACT_STRINGS, 1, true },
	{ "all, zstd 1, age", REDACT_ALL, 1, true },
};

static int sink_put(struct stage *stage, const void *data, size_t size)
{
	(void)stage;
	(void)data;
	(void)size;
	return 0;
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

/* CPU seconds of one round; *ret_bytes came out. */
static double run(const struct recipe *recipe, const char *data, size_t size, uint64_t *ret_bytes)
{
	struct stage sink = { .ops = &sink_ops };
	struct pipeline pipeline;
	struct err err = { 0 };
	double start = cpu_seconds();
	int r;

	r = pipeline_init(&pipeline, recipe, CONTENT_V8_SNAPSHOT, &sink, &err);
	if (r != 0)
		errx(1, "%s: %s", err.text, strerror(-r));
	for (size_t at = 0; at < size && r == 0; at += CHUNK_BYTES)
		r = pipeline_put(&pipeline, data + at,
				 size - at < CHUNK_BYTES ? size - at : CHUNK_BYTES);
	if (r == 0)
		r = pipeline_finish(&pipeline);
	if (r != 0)
		errx(1, "%s: %s", pipeline_error(&pipeline), strerror(-r));
	pipeline_fini(&pipeline);
	*ret_bytes = sink.bytes;
	return cpu_seconds() - start;
}

static void measure(const struct setting *setting, const char *data, size_t size)
{
	struct recipe recipe = {
		.redact = setting->redact,
		.compress = setting->level > 0 ? COMPRESS_ZSTD : COMPRESS_NONE,
		.compress_level = setting->level,
	};
	uint64_t bytes = 0;
	double best = 0;

	if (setting->sealed && text_list_add(&recipe.encrypt, RECIPIENT) < 0)
		errx(1, "out of memory");
	for (unsigned i = 0; i < ROUNDS_N; i++) {
		double seconds = run(&recipe, data, size, &bytes);

		if (i == 0 || seconds < best)
			best = seconds;
	}
	printf("%-22s %6.3f s/GB  %.4f\n", setting->name, best * 1e9 / (double)size,
	       (double)bytes / (double)size);
	recipe_fini(&recipe);
}

int main(int argc, char **argv)
{
	size_t size;
	char *data;
	int r;

	if (argc != 2)
		errx(2, "usage: bench_seal FILE");
	r = file_read(argv[1], SIZE_MAX / 2, &data, &size);
	if (r < 0)
		errx(1, "%s: %s", argv[1], strerror(-r));
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		measure(&settings[i], data, size);
	free(data);
	return 0;
}
