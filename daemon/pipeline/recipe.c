/*
 * Recipes
 */

#include "pipeline/recipe.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "pipeline/age.h"
#include "util/err.h"

enum { COMPRESS_LEVEL_MIN = 1, COMPRESS_LEVEL_MAX = 19 };

#define AT(member)     offsetof(struct recipe, member)
#define CHOICE(member) offsetof(struct recipe_choice, member)

static const char *const redact_levels[] = {
	[REDACT_NONE] = "none",
	[REDACT_STRINGS] = "strings",
	[REDACT_ALL] = "all",
	NULL,
};

static const char *const compress_kinds[] = {
	[COMPRESS_NONE] = "none",
	[COMPRESS_ZSTD] = "zstd",
	NULL,
};

const char *redact_level_name(int level)
{
	return redact_levels[level];
}

const char *compress_kind_name(int kind)
{
	return compress_kinds[kind];
}

static int check_recipient(const void *value, struct err *err)
{
	uint8_t key[CRYPTO_KEY_BYTES];

	return age_recipient_parse(*(char *const *)value, key, err);
}

int recipe_check_allowed(const char *name, struct err *err)
{
	size_t size = strlen(name);

	if (size > REDACT_ALLOW_BYTES_MAX)
		return err_set(err, -EINVAL, "a name of %zu bytes is too long, at most %d", size,
			       REDACT_ALLOW_BYTES_MAX);
	return 0;
}

static int check_allowed(const void *value, struct err *err)
{
	return recipe_check_allowed(*(char *const *)value, err);
}

const struct option_desc recipe_options[] = {
	{ .name = "redact",
	  .type = OPTION_ENUM,
	  .offset = AT(redact),
	  .choices = redact_levels,
	  .def = "strings",
	  .help = "What is taken out of a snapshot before a byte of it reaches the disk: `strings` "
		  "blanks the values of strings, `all` also the names of properties that are not "
		  "in `redact_allow`, and keys that are numbers. Both cut addresses of scripts, "
		  "those of profiles too. Counts and sizes stay as they are." },
	{ .name = "redact_allow",
	  .type = OPTION_TEXT_LIST,
	  .offset = AT(redact_allow),
	  .max = REDACT_ALLOW_MAX,
	  .check = check_allowed,
	  .help = "Names of properties that `redact: all` keeps, besides those of the language; "
		  "each of at most 252 bytes." },
	{ .name = "compress",
	  .type = OPTION_ENUM,
	  .offset = AT(compress),
	  .choices = compress_kinds,
	  .def = "zstd",
	  .help = "How captures are compressed." },
	{ .name = "compress_level",
	  .type = OPTION_UINT,
	  .offset = AT(compress_level),
	  .min = COMPRESS_LEVEL_MIN,
	  .max = COMPRESS_LEVEL_MAX,
	  .def = "1",
	  .help = "The level of zstd; higher is smaller and slower." },
	{ .name = "encrypt",
	  .type = OPTION_TEXT_LIST,
	  .offset = AT(encrypt),
	  .max = RECIPIENTS_MAX,
	  .check = check_recipient,
	  .help = "age recipients (`age1...`) that captures are encrypted to; `heapwatchctl "
		  "keygen` makes a pair. The daemon holds no key that opens them." },
	{ 0 },
};

const struct option_desc recipe_choice_options[] = {
	{ .name = "redact",
	  .type = OPTION_ENUM,
	  .offset = CHOICE(redact),
	  .present = CHOICE(has_redact),
	  .choices = redact_levels,
	  .help = "As `capture.redact`, for this action." },
	{ .name = "compress",
	  .type = OPTION_ENUM,
	  .offset = CHOICE(compress),
	  .present = CHOICE(has_compress),
	  .choices = compress_kinds,
	  .help = "As `capture.compress`, for this action." },
	{ .name = "encrypt",
	  .type = OPTION_TEXT_LIST,
	  .offset = CHOICE(encrypt),
	  .present = CHOICE(has_encrypt),
	  .max = RECIPIENTS_MAX,
	  .check = check_recipient,
	  .help = "As `capture.encrypt`, for this action; an empty list is no encryption." },
	{ 0 },
};

static int copy_list(struct text_list *dst, const struct text_list *src)
{
	for (size_t i = 0; i < src->n; i++) {
		int r = text_list_add(dst, src->items[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

int recipe_choose(struct recipe *ret, const struct recipe *defaults,
		  const struct recipe_choice *choice)
{
	static const struct recipe_choice none;
	int r;

	if (choice == NULL)
		choice = &none;
	*ret = (struct recipe){
		.redact = choice->has_redact ? choice->redact : defaults->redact,
		.compress = choice->has_compress ? choice->compress : defaults->compress,
		.compress_level = choice->has_compress_level ? choice->compress_level
							     : defaults->compress_level,
	};
	r = copy_list(&ret->redact_allow,
		      choice->has_redact_allow ? &choice->redact_allow : &defaults->redact_allow);
	if (r == 0)
		r = copy_list(&ret->encrypt,
			      choice->has_encrypt ? &choice->encrypt : &defaults->encrypt);
	return r;
}

static bool same_list(const struct text_list *a, const struct text_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

const char *recipe_weakens(const struct recipe *defaults, const struct recipe_choice *choice)
{
	if (choice->has_redact && choice->redact < defaults->redact)
		return "redact";
	if (choice->has_encrypt && defaults->encrypt.n > 0 &&
	    !same_list(&choice->encrypt, &defaults->encrypt))
		return "encrypt";
	return NULL;
}

void recipe_fini(struct recipe *recipe)
{
	text_list_fini(&recipe->redact_allow);
	text_list_fini(&recipe->encrypt);
}

void recipe_keep(struct recipe_choice *ret, struct recipe *recipe)
{
	*ret = (struct recipe_choice){
		.redact = recipe->redact,
		.compress = recipe->compress,
		.compress_level = recipe->compress_level,
		.redact_allow = recipe->redact_allow,
		.encrypt = recipe->encrypt,
		.has_redact = true,
		.has_compress = true,
		.has_compress_level = true,
		.has_redact_allow = true,
		.has_encrypt = true,
	};
	recipe->redact_allow = recipe->encrypt = (struct text_list){ 0 };
}

void recipe_choice_fini(struct recipe_choice *choice)
{
	text_list_fini(&choice->redact_allow);
	text_list_fini(&choice->encrypt);
}

bool recipe_level_is_valid(uint64_t compress_level)
{
	return compress_level >= COMPRESS_LEVEL_MIN && compress_level <= COMPRESS_LEVEL_MAX;
}
