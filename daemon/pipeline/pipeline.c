/*
 * Pipelines
 *
 * Put together from the end: each stage is made with the one it hands on to.
 */

#include "pipeline/pipeline.h"

#include <errno.h>
#include <string.h>

#include "pipeline/age.h"
#include "pipeline/gzip.h"
#include "pipeline/redact.h"
#include "pipeline/redact_gecko.h"
#include "pipeline/redact_profile.h"
#include "pipeline/zstd.h"
#include "util/err.h"
#include "util/str.h"

/* Before all others so far. r: what making it gave. */
static int add_first(struct pipeline *pipeline, struct stage *stage, int r)
{
	if (r != 0)
		return r;
	memmove(pipeline->stages + 1, pipeline->stages,
		pipeline->stages_n * sizeof(pipeline->stages[0]));
	pipeline->stages[0] = pipeline->first = stage;
	pipeline->stages_n++;
	return 0;
}

static int add_age(struct pipeline *pipeline, const struct recipe *recipe, struct err *err)
{
	struct stage *stage = NULL;
	int r;

	if (recipe->encrypt.n == 0)
		return 0;
	r = age_seal_new(&stage, &recipe->encrypt, pipeline->first, err);
	return add_first(pipeline, stage, r);
}

static int add_zstd(struct pipeline *pipeline, const struct recipe *recipe)
{
	struct stage *stage = NULL;
	int r;

	if (recipe->compress == COMPRESS_NONE)
		return 0;
	r = zstd_compress_new(&stage, recipe->compress_level, pipeline->first);
	return add_first(pipeline, stage, r);
}

/* What is asked for and cannot be done must not look as if it had been. */
static int check_redact(const struct recipe *recipe, enum content content, struct err *err)
{
	if (recipe->redact != REDACT_ALL ||
	    (content != CONTENT_GECKO_SNAPSHOT && content != CONTENT_JSC_SNAPSHOT))
		return 0;
	return err_set(err, -EINVAL,
		       "redact: all is not possible with a snapshot of %s: the names in it cannot "
		       "be replaced. redact: strings keeps them, and there are no values in it",
		       content == CONTENT_JSC_SNAPSHOT ? "JSC" : "SpiderMonkey");
}

/* It is gzip, and stays it. */
static int add_redact_gecko(struct pipeline *pipeline)
{
	struct stage *stage = NULL;
	int r = gzip_compress_new(&stage, pipeline->first);

	r = add_first(pipeline, stage, r);
	if (r < 0)
		return r;
	r = redact_gecko_new(&stage, pipeline->first);
	r = add_first(pipeline, stage, r);
	if (r < 0)
		return r;
	r = gzip_expand_new(&stage, pipeline->first);
	return add_first(pipeline, stage, r);
}

/* Our own files hold no secret, or no longer. */
static int add_redact(struct pipeline *pipeline, const struct recipe *recipe, enum content content)
{
	enum redact_level level = (enum redact_level)recipe->redact;
	struct stage *stage = NULL;
	int r;

	if (level == REDACT_NONE)
		return 0;
	if (content == CONTENT_GECKO_SNAPSHOT)
		return add_redact_gecko(pipeline);
	if (content == CONTENT_V8_SNAPSHOT)
		r = redact_new(&stage, level, &recipe->redact_allow, pipeline->first);
	else if (content == CONTENT_V8_PROFILE)
		r = redact_profile_new(&stage, level, pipeline->first);
	else
		return 0;
	return add_first(pipeline, stage, r);
}

int pipeline_init(struct pipeline *pipeline, const struct recipe *recipe, enum content content,
		  struct stage *end, struct err *err)
{
	int r;

	*pipeline = (struct pipeline){ .first = end };
	r = check_redact(recipe, content, err);
	if (r == 0)
		r = add_age(pipeline, recipe, err);
	if (r == 0)
		r = add_zstd(pipeline, recipe);
	if (r == 0)
		r = add_redact(pipeline, recipe, content);
	if (r == -ENOMEM)
		err_set(err, r, "out of memory");
	if (r < 0)
		pipeline_fini(pipeline);
	return r;
}

void pipeline_fini(struct pipeline *pipeline)
{
	for (unsigned i = 0; i < pipeline->stages_n; i++)
		pipeline->stages[i]->ops->free(pipeline->stages[i]);
	*pipeline = (struct pipeline){ 0 };
}

int pipeline_put(struct pipeline *pipeline, const void *data, size_t size)
{
	return stage_put(pipeline->first, data, size);
}

int pipeline_finish(struct pipeline *pipeline)
{
	return stage_finish(pipeline->first);
}

uint64_t pipeline_bytes(const struct pipeline *pipeline, const char *stage)
{
	for (unsigned i = 0; i < pipeline->stages_n; i++)
		if (strcmp(pipeline->stages[i]->ops->name, stage) == 0)
			return pipeline->stages[i]->bytes;
	return 0;
}

const char *pipeline_error(const struct pipeline *pipeline)
{
	for (const struct stage *stage = pipeline->first; stage != NULL; stage = stage->next)
		if (stage->error[0] != '\0')
			return stage->error;
	return "";
}

void pipeline_suffix(const struct recipe *recipe, char dst[PIPELINE_SUFFIX_MAX])
{
	str_copy(dst, PIPELINE_SUFFIX_MAX, recipe->compress == COMPRESS_ZSTD ? ".zst" : "");
	if (recipe->encrypt.n > 0)
		strcat(dst, ".age");
}
