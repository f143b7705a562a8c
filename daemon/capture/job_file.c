/*
 * Job files
 *
 * A failure has one of two places: a stage does not like the bytes, or the disk does not take them.
 * The disk's word passes back through all stages as it is, so whichever is told first is the cause.
 */

#include "capture/job_file.h"

#include <errno.h>
#include <string.h>

#include "spool/spool.h"
#include "util/list.h"

int job_file_disk(struct job_file *file, int r)
{
	if (r == 0)
		return 0;
	if (r == FILE_E_FULL) {
		file->reason = "space";
		return err_set(&file->err, -ENOSPC, "%s",
			       file->writer.full != NULL ? file->writer.full : "the disk is full");
	}
	file->reason = "error";
	return err_set(&file->err, r, "cannot write: %s", strerror(-r));
}

/* -EBADMSG means something else to whoever brings the bytes: what the target sent is no JSON. */
static int stage_failure(struct job_file *file, int r)
{
	const char *text = pipeline_error(&file->pipeline);

	if (r == 0 || file->err.code != 0)
		return r;
	file->reason = r == -EBADMSG ? "redact" : r == -ENOMEM ? "error" : "pipeline";
	if (r == -EBADMSG)
		r = -EILSEQ;
	return err_set(&file->err, r, "%s", text[0] != '\0' ? text : strerror(-r));
}

static int end_put(struct stage *stage, const void *data, size_t size)
{
	struct job_file *file = container_of(stage, struct job_file, end);

	return job_file_disk(file, writer_put(&file->writer, data, size));
}

static int end_finish(struct stage *stage)
{
	(void)stage; /* the sum is wanted too: job_file_finish() */
	return 0;
}

static const struct stage_ops end_ops = { .name = "file", .put = end_put, .finish = end_finish };

int job_file_open(struct job_file *file, struct spool *spool, const struct writer_limits *limits,
		  const struct recipe *recipe, enum content content)
{
	int r;

	file->open = true;
	file->end = (struct stage){ .ops = &end_ops };
	r = job_file_disk(file, writer_open(&file->writer, spool, limits));
	if (r < 0)
		return r;
	r = pipeline_init(&file->pipeline, recipe, content, &file->end, &file->err);
	if (r < 0) {
		file->reason = r == -EINVAL ? "pipeline" : "error";
		if (file->err.text[0] == '\0')
			err_set(&file->err, r, "%s", strerror(-r));
	}
	return r;
}

/* One that has failed, perhaps at its beginning, stays failed: a source may put on regardless. */
int job_file_put(struct job_file *file, const void *data, size_t size)
{
	if (file->err.code != 0)
		return file->err.code;
	return stage_failure(file, pipeline_put(&file->pipeline, data, size));
}

int job_file_finish(struct job_file *file, char sha256[DIGEST_HEX_MAX])
{
	int r = file->err.code;

	if (r == 0)
		r = stage_failure(file, pipeline_finish(&file->pipeline));
	return r < 0 ? r : job_file_disk(file, writer_finish(&file->writer, sha256));
}

void job_file_measure(const struct job_file *file, const struct recipe *recipe,
		      struct job_file_sizes *ret)
{
	uint64_t written = file->writer.file.size;
	uint64_t sealed = recipe->encrypt.n > 0 ? pipeline_bytes(&file->pipeline, "age") : written;
	bool zstd = recipe->compress == COMPRESS_ZSTD;

	*ret = (struct job_file_sizes){ .file = written };
	if (zstd)
		ret->compressed = sealed;
	if (recipe->redact != REDACT_NONE && pipeline_bytes(&file->pipeline, "redact") > 0)
		ret->redacted = zstd ? pipeline_bytes(&file->pipeline, "zstd") : sealed;
}

void job_file_fini(struct job_file *file)
{
	pipeline_fini(&file->pipeline);
	file->pipeline = (struct pipeline){ 0 };
	writer_fini(&file->writer);
	file->open = false;
}
