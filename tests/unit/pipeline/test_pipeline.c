/* Pipelines: which stages a recipe makes, in which order, and what is said when one fails. */

#include "pipeline/pipeline.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "collect.h"
#include "util/err.h"

#define RECIPIENT "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"

struct scene {
	struct recipe recipe;
	struct collect end;
	struct pipeline pipeline;
	struct err err;
};

static void scene_init(struct scene *scene, int redact, int compress, const char *recipient)
{
	*scene = (struct scene){ .recipe = { .redact = redact, .compress = compress } };
	scene->recipe.compress_level = 1;
	if (recipient != NULL)
		cr_assert_eq(text_list_add(&scene->recipe.encrypt, recipient), 0);
	collect_init(&scene->end);
}

static int start(struct scene *scene, enum content content)
{
	return pipeline_init(&scene->pipeline, &scene->recipe, content, &scene->end.stage,
			     &scene->err);
}

static void scene_fini(struct scene *scene)
{
	pipeline_fini(&scene->pipeline);
	collect_fini(&scene->end);
	recipe_fini(&scene->recipe);
}

static void expect_stages(struct scene *scene, enum content content, const char *wanted)
{
	char names[64] = "";

	cr_assert_eq(start(scene, content), 0, "%s", scene->err.text);
	for (struct stage *stage = scene->pipeline.first; stage != NULL; stage = stage->next) {
		strcat(names, stage->ops->name);
		strcat(names, " ");
	}
	cr_assert_str_eq(names, wanted);
	cr_assert_eq(scene->end.puts, 0);
	scene_fini(scene);
}

/* It has no values of strings; more than these and addresses cannot be taken out of it. */
Test(pipeline, of_a_gecko_snapshot_addresses_are_rewritten_only)
{
	struct scene scene;

	scene_init(&scene, REDACT_STRINGS, COMPRESS_NONE, NULL);
	expect_stages(&scene, CONTENT_GECKO_SNAPSHOT, "gunzip redact gzip collect ");
	scene_init(&scene, REDACT_NONE, COMPRESS_NONE, NULL);
	expect_stages(&scene, CONTENT_GECKO_SNAPSHOT, "collect ");
	scene_init(&scene, REDACT_ALL, COMPRESS_ZSTD, NULL);
	cr_expect_eq(start(&scene, CONTENT_GECKO_SNAPSHOT), -EINVAL);
	cr_expect_not_null(strstr(scene.err.text, "SpiderMonkey"));
	scene_fini(&scene);
}

Test(pipeline, the_recipe_says_which_stages)
{
	struct scene scene;

	scene_init(&scene, REDACT_NONE, COMPRESS_NONE, NULL);
	expect_stages(&scene, CONTENT_V8_SNAPSHOT, "collect ");
	scene_init(&scene, REDACT_NONE, COMPRESS_ZSTD, NULL);
	expect_stages(&scene, CONTENT_V8_SNAPSHOT, "zstd collect ");
	scene_init(&scene, REDACT_NONE, COMPRESS_NONE, RECIPIENT);
	expect_stages(&scene, CONTENT_V8_SNAPSHOT, "age collect ");
	scene_init(&scene, REDACT_STRINGS, COMPRESS_ZSTD, RECIPIENT);
	expect_stages(&scene, CONTENT_V8_SNAPSHOT, "redact zstd age collect ");
}

/* Our own files have nothing to redact, or no longer. */
Test(pipeline, profiles_are_redacted_and_our_own_are_not)
{
	struct scene scene;

	scene_init(&scene, REDACT_NONE, COMPRESS_ZSTD, NULL);
	expect_stages(&scene, CONTENT_V8_PROFILE, "zstd collect ");
	scene_init(&scene, REDACT_STRINGS, COMPRESS_ZSTD, NULL);
	expect_stages(&scene, CONTENT_V8_PROFILE, "redact zstd collect ");
	scene_init(&scene, REDACT_ALL, COMPRESS_ZSTD, NULL);
	expect_stages(&scene, CONTENT_V8_PROFILE, "redact zstd collect ");
	scene_init(&scene, REDACT_ALL, COMPRESS_ZSTD, NULL);
	expect_stages(&scene, CONTENT_SAMPLED, "zstd collect ");
	scene_init(&scene, REDACT_ALL, COMPRESS_NONE, RECIPIENT);
	expect_stages(&scene, CONTENT_OWN, "age collect ");
}

Test(pipeline, counts_what_enters_each_stage)
{
	struct scene scene;
	char zeros[100000] = { 0 };

	scene_init(&scene, REDACT_NONE, COMPRESS_ZSTD, RECIPIENT);
	cr_assert_eq(start(&scene, CONTENT_OWN), 0);
	cr_assert_eq(pipeline_put(&scene.pipeline, zeros, sizeof(zeros)), 0);
	cr_assert_eq(pipeline_finish(&scene.pipeline), 0);
	cr_assert_eq(scene.end.finished, 1);
	cr_assert_eq(pipeline_bytes(&scene.pipeline, "zstd"), sizeof(zeros));
	cr_assert_gt(pipeline_bytes(&scene.pipeline, "age"), 0);
	cr_assert_lt(pipeline_bytes(&scene.pipeline, "age"), 1000);
	cr_assert_eq(pipeline_bytes(&scene.pipeline, "redact"), 0);
	cr_assert_eq(scene.end.stage.bytes, scene.end.data.size);
	cr_assert_str_eq(pipeline_error(&scene.pipeline), "");
	scene_fini(&scene);
}

Test(pipeline, says_why_it_failed)
{
	struct scene scene;

	scene_init(&scene, REDACT_STRINGS, COMPRESS_ZSTD, RECIPIENT);
	cr_assert_eq(start(&scene, CONTENT_V8_SNAPSHOT), 0);
	cr_assert_eq(feed(scene.pipeline.first, "no snapshot", 11, 11), -EBADMSG);
	cr_assert_str_neq(pipeline_error(&scene.pipeline), "");
	scene_fini(&scene);
	cr_assert_str_eq(pipeline_error(&scene.pipeline), "", "also when it is gone");
}

/* What a full disk gives, positive or negative, is not lost on the way. */
Test(pipeline, passes_on_what_the_end_gives)
{
	struct scene scene;

	scene_init(&scene, REDACT_NONE, COMPRESS_ZSTD, RECIPIENT);
	scene.end.fail_at = 2;
	scene.end.result = 1;
	cr_assert_eq(start(&scene, CONTENT_OWN), 0);
	cr_assert_eq(feed(scene.pipeline.first, "text", 4, 4), 1);
	cr_assert_eq(scene.end.finished, 0);
	scene_fini(&scene);
}

Test(pipeline, a_bad_recipient_leaves_nothing_behind)
{
	struct scene scene;

	scene_init(&scene, REDACT_STRINGS, COMPRESS_ZSTD, "age1nobody");
	cr_assert_eq(start(&scene, CONTENT_V8_SNAPSHOT), -EINVAL);
	cr_assert_not_null(strstr(scene.err.text, "recipient 1"), "%s", scene.err.text);
	cr_assert_eq(scene.pipeline.stages_n, 0);
	cr_assert_eq(scene.end.puts, 0);
	scene_fini(&scene);
}

Test(pipeline, suffix)
{
	char suffix[PIPELINE_SUFFIX_MAX];
	struct scene scene;

	scene_init(&scene, REDACT_ALL, COMPRESS_ZSTD, RECIPIENT);
	pipeline_suffix(&scene.recipe, suffix);
	cr_assert_str_eq(suffix, ".zst.age");
	scene.recipe.compress = COMPRESS_NONE;
	pipeline_suffix(&scene.recipe, suffix);
	cr_assert_str_eq(suffix, ".age");
	text_list_fini(&scene.recipe.encrypt);
	pipeline_suffix(&scene.recipe, suffix);
	cr_assert_str_eq(suffix, "");
	scene_fini(&scene);
}
