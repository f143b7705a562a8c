#pragma once

/*
 * What the option code needs to know of each scalar type: its size in the settings, how it is read,
 * compared and described. One row per type; types made of others (lists, tables, labels) have no
 * parse.
 */

#include "conf/option.h"
#include "util/err.h"

enum { OPTION_PATH_MAX = 192 };

struct option_kind {
	const char *name; /* "duration": for --options */
	const char *expected; /* "a duration": for messages */
	const char *examples; /* "examples: ...", NULL: none */
	/*
	 * Fill the zeroed value from text. 0; -EINVAL when it is no such thing; -ERANGE when it
	 * does not fit; -ENOMEM. What was meant goes into hint (may stay empty).
	 */
	int (*parse)(const struct option_desc *desc, const char *text, void *value,
		     struct err *hint);
	bool (*equal)(const void *a, const void *b);
	void (*fini)(void *value); /* NULL: nothing to free */
};

const struct option_kind *option_kind(enum option_type type);

static inline void *option_value(const struct option_desc *desc, void *settings)
{
	return (char *)settings + desc->offset;
}

static inline const void *option_const(const struct option_desc *desc, const void *settings)
{
	return (const char *)settings + desc->offset;
}

/* "prefix.name", or only one of them when the other is empty. */
char *option_path(char dst[OPTION_PATH_MAX], const char *prefix, const char *name);

/* "path[index]" */
char *option_path_at(char dst[OPTION_PATH_MAX], const char *path, size_t index);

/* Within min and max of the table, and its check. 0; -ERANGE; -EINVAL with the reason in err. */
int option_check(const struct option_desc *desc, const void *value, struct err *err);

/* "1s to 1d", "at least 1", "" when there is no bound; dst is returned. */
enum { OPTION_RANGE_MAX = 80 };
char *option_range(char dst[OPTION_RANGE_MAX], const struct option_desc *desc);

/* Number of choices of an ENUM. */
size_t option_choices_n(const struct option_desc *desc);
