#pragma once

/*
 * Recipes: which stages a capture passes, as the configuration says it under `capture:` and a
 * rule's action may say it differently.
 */

#include <stdbool.h>
#include <stdint.h>
#include "conf/option.h"

/*
 * What is taken out of a capture before it reaches the disk. STRINGS blanks every string value and
 * keeps the names of classes, functions and properties; ALL replaces also the names of properties
 * that are not on the allow-list, and keys that are numbers. Both cut the addresses of scripts.
 */
enum redact_level { REDACT_NONE, REDACT_STRINGS, REDACT_ALL };

enum compress_kind { COMPRESS_NONE, COMPRESS_ZSTD };

enum { RECIPIENTS_MAX = 20 }; /* of one file; more is a mistake */

/* Names that are kept, and bytes of one: each series under way has a copy in the state file. */
enum { REDACT_ALLOW_MAX = 256, REDACT_ALLOW_BYTES_MAX = 252 };

struct recipe {
	int redact; /* enum redact_level */
	int compress; /* enum compress_kind */
	uint64_t compress_level; /* of zstd, 1 to 19 */
	struct text_list
		redact_allow; /* property names kept by REDACT_ALL, besides the built-in ones */
	struct text_list encrypt; /* age recipients; empty: not encrypted */
};

/* What an action says differently, or a series that was begun with another recipe. Zeroed: nothing.
 */
struct recipe_choice {
	int redact, compress;
	uint64_t compress_level; /* this and redact_allow: of a series only */
	struct text_list redact_allow; /* given and empty: only the built-in ones */
	struct text_list encrypt; /* given and empty: not encrypted */
	bool has_redact, has_compress, has_compress_level, has_redact_allow, has_encrypt;
};

/* `redact compress compress_level redact_allow encrypt`, to be included in `capture:`. */
extern const struct option_desc recipe_options[];

/* `redact compress encrypt`, to be included in an action. */
extern const struct option_desc recipe_choice_options[];

/* May it stand in redact_allow? 0, -EINVAL with the reason in err. */
int recipe_check_allowed(const char *name, struct err *err);

/* A copy of defaults with what the choice (may be NULL) says differently. -ENOMEM; fini in any
 * case. */
int recipe_choose(struct recipe *ret, const struct recipe *defaults,
		  const struct recipe_choice *choice);
/*
 * Would the choice take less out, or seal for others, than the defaults? The name of the option
 * that does; NULL when none.
 */
const char *recipe_weakens(const struct recipe *defaults, const struct recipe_choice *choice);
void recipe_fini(struct recipe *recipe);

/* The whole recipe as a choice, whatever the defaults become: lists move from *recipe. */
void recipe_keep(struct recipe_choice *ret, struct recipe *recipe);
void recipe_choice_fini(struct recipe_choice *choice);

bool recipe_level_is_valid(uint64_t compress_level);

const char *redact_level_name(int level); /* "strings" */
const char *compress_kind_name(int kind);
