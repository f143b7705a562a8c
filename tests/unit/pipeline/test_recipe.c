/* Recipes: what an action says wins, what it does not say is as configured. */

#include "pipeline/recipe.h"

#include <criterion/criterion.h>

Test(recipe, what_an_action_says_wins)
{
	struct recipe defaults = { .redact = REDACT_STRINGS, .compress = COMPRESS_ZSTD };
	struct recipe_choice choice = { .redact = REDACT_NONE, .has_redact = true };
	struct recipe recipe;

	defaults.compress_level = 3;
	cr_assert_eq(text_list_add(&defaults.encrypt, "age1x"), 0);
	cr_assert_eq(recipe_choose(&recipe, &defaults, &choice), 0);
	cr_assert_eq(recipe.redact, REDACT_NONE);
	cr_assert_eq(recipe.compress, COMPRESS_ZSTD);
	cr_assert_eq(recipe.compress_level, 3);
	cr_assert_eq(recipe.encrypt.n, 1);
	cr_assert_str_eq(recipe.encrypt.items[0], "age1x");
	recipe_fini(&recipe);
	choice.has_encrypt = true; /* an empty list: not encrypted */
	cr_assert_eq(recipe_choose(&recipe, &defaults, &choice), 0);
	cr_assert_eq(recipe.encrypt.n, 0);
	recipe_fini(&recipe);
	recipe_fini(&defaults);
}

Test(recipe, less_than_configured_is_told)
{
	struct recipe defaults = { .redact = REDACT_STRINGS };
	struct recipe_choice choice = { .redact = REDACT_ALL, .has_redact = true };

	cr_assert_null(recipe_weakens(&defaults, &choice));
	choice.redact = REDACT_NONE;
	cr_assert_str_eq(recipe_weakens(&defaults, &choice), "redact");
	choice = (struct recipe_choice){ .has_encrypt = true };
	cr_assert_null(recipe_weakens(&defaults, &choice));
	cr_assert_eq(text_list_add(&defaults.encrypt, "age1x"), 0);
	cr_assert_str_eq(recipe_weakens(&defaults, &choice), "encrypt");
	cr_assert_eq(text_list_add(&choice.encrypt, "age1x"), 0);
	cr_assert_null(recipe_weakens(&defaults, &choice));
	cr_assert_eq(text_list_add(&choice.encrypt, "age1y"), 0);
	cr_assert_str_eq(recipe_weakens(&defaults, &choice), "encrypt");
	text_list_fini(&choice.encrypt);
	recipe_fini(&defaults);
}
