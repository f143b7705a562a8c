/*
 * Comparing settings
 *
 * What a reload changed, as far as the tables know. An option that was given with the value of its
 * default differs from one that was not given when the settings remember which (`present`): a later
 * change of the default would treat them differently.
 */

#include "conf/option.h"

#include <string.h>

#include "conf/option_kind.h"
#include "util/str.h"

static bool items_equal(const struct option_desc *desc, const struct item_list *a,
			const struct item_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		size_t at = i * desc->item_size;

		if (!options_equal(desc->table, (const char *)a->items + at,
				   (const char *)b->items + at))
			return false;
	}
	return true;
}

static bool given(const struct option_desc *desc, const void *settings)
{
	return *(const bool *)((const char *)settings + desc->present);
}

static bool option_equal(const struct option_desc *desc, const void *a, const void *b)
{
	const void *x = option_const(desc, a), *y = option_const(desc, b);

	if (desc->present && given(desc, a) != given(desc, b))
		return false;
	if (desc->type == OPTION_TABLE || desc->type == OPTION_INCLUDE)
		return options_equal(desc->table, x, y);
	if (desc->type == OPTION_LIST)
		return items_equal(desc, x, y);
	return option_kind(desc->type)->equal(x, y);
}

bool options_equal(const struct option_desc *table, const void *a, const void *b)
{
	for (const struct option_desc *desc = table; desc->name; desc++) {
		if (!option_equal(desc, a, b))
			return false;
	}
	return true;
}

struct names {
	char (*names)[96];
	size_t n, max;
};

static void collect(const struct option_desc *table, const char *prefix, const void *a,
		    const void *b, struct names *names)
{
	for (const struct option_desc *desc = table; desc->name; desc++) {
		const void *x = option_const(desc, a), *y = option_const(desc, b);
		char path[OPTION_PATH_MAX];

		option_path(path, prefix, desc->name);
		if (desc->type == OPTION_INCLUDE) {
			collect(desc->table, prefix, x, y, names);
		} else if (desc->flags & OPTION_RESTART) {
			if (!option_equal(desc, a, b) && names->n < names->max)
				str_copy(names->names[names->n++], 96, path);
		} else if (desc->type == OPTION_TABLE) {
			collect(desc->table, path, x, y, names);
		}
	}
}

size_t options_need_restart(const struct option_desc *table, const void *a, const void *b,
			    char names[][96], size_t max)
{
	struct names found = { .names = names, .max = max };

	collect(table, "", a, b, &found);
	return found.n;
}
