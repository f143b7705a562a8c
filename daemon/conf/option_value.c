/*
 * One value of an option
 *
 * From a text to a field of the settings, and the words for all that can be wrong with it. A wrong
 * value leaves what was there before.
 */

#include "conf/option_load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf/option_kind.h"
#include "util/day_times.h"
#include "util/str.h"

static const char *kind_of(const struct node *node)
{
	switch (node->kind) {
	case NODE_LIST:
		return "a list";
	case NODE_TABLE:
		return "a table";
	case NODE_SCALAR:
		break;
	}
	return node_is_null(node) ? "nothing" : "a single value";
}

void option_complain_kind(const struct option_load *load, const struct node *node, const char *path,
			  const char *expected)
{
	problems_add(load->problems, load->doc->file, node->line, node->column, path,
		     "expected %s, got %s", expected, kind_of(node));
}

/* "one of debug, info, warn, error" */
static void list_choices(char *dst, size_t size, const struct option_desc *desc)
{
	size_t used = (size_t)snprintf(dst, size, "one of ");

	for (size_t i = 0; desc->choices[i] && used < size; i++)
		used += (size_t)snprintf(dst + used, size - used, "%s%s", i ? ", " : "",
					 desc->choices[i]);
}

/* How a message names the value; a secret is not shown. */
static const char *show(char dst[SHOWN_MAX + 2], const struct option_desc *desc, const char *text)
{
	char shown[SHOWN_MAX];

	if (desc->flags & OPTION_SECRET)
		return "the value";
	snprintf(dst, SHOWN_MAX + 2, "'%s'", problem_shown(shown, text));
	return dst;
}

static int not_such(const struct option_desc *desc, const char *text, const struct err *hint,
		    struct err *err)
{
	const struct option_kind *kind = option_kind(desc->type);
	char expected[160], name[SHOWN_MAX + 2];

	str_copy(expected, sizeof(expected), kind->expected);
	if (desc->type == OPTION_ENUM)
		list_choices(expected, sizeof(expected), desc);
	return err_set(err, -EINVAL, "%s is not %s%s%s%s%s%.100s%s", show(name, desc, text),
		       expected, kind->examples ? " (" : "", kind->examples ? kind->examples : "",
		       kind->examples ? ")" : "", hint->text[0] ? " (" : "", hint->text,
		       hint->text[0] ? ")" : "");
}

static int out_of_range(const struct option_desc *desc, const char *text, struct err *err)
{
	char range[OPTION_RANGE_MAX], name[SHOWN_MAX + 2];

	option_range(range, desc);
	return err_set(err, -EINVAL, "%s is out of range%s%s%s", show(name, desc, text),
		       range[0] ? " (" : "", range, range[0] ? ")" : "");
}

/* A value of any scalar type, until it is known to be good. */
union scalar {
	bool flag;
	int choice;
	uint64_t number;
	double real;
	char *text;
	struct day_times times;
};

static const size_t sizes[] = {
	[OPTION_BOOL] = sizeof(bool),
	[OPTION_UINT] = sizeof(uint64_t),
	[OPTION_BYTES] = sizeof(uint64_t),
	[OPTION_TIME] = sizeof(uint64_t),
	[OPTION_RATIO] = sizeof(double),
	[OPTION_NUMBER] = sizeof(double),
	[OPTION_TEXT] = sizeof(char *),
	[OPTION_ENUM] = sizeof(int),
	[OPTION_DAY_TIMES] = sizeof(struct day_times),
};

static int parse(const struct option_desc *desc, const char *text, union scalar *fresh,
		 struct err *err)
{
	struct err hint = { 0 };
	int r;

	r = option_kind(desc->type)->parse(desc, text, fresh, &hint);
	if (r == -EINVAL)
		return not_such(desc, text, &hint, err);
	if (r == 0)
		r = option_check(desc, fresh, err);
	return r == -ERANGE ? out_of_range(desc, text, err) : r;
}

int option_set(const struct option_desc *desc, const char *text, void *value, struct err *err)
{
	const struct option_kind *kind = option_kind(desc->type);
	union scalar fresh = { 0 };
	int r;

	r = parse(desc, text, &fresh, err);
	if (r < 0) {
		if (kind->fini)
			kind->fini(&fresh);
		return r;
	}
	if (kind->fini)
		kind->fini(value);
	memcpy(value, &fresh, sizes[desc->type]);
	return 0;
}

int option_load_scalar(const struct option_load *load, const struct option_desc *desc,
		       const struct node *node, const char *path, void *value)
{
	struct err err = { 0 };
	int r;

	if (node->kind != NODE_SCALAR) {
		option_complain_kind(load, node, path, option_kind(desc->type)->expected);
		return 0;
	}
	r = option_set(desc, node->text, value, &err);
	if (r == -EINVAL)
		problems_add(load->problems, load->doc->file, node->line, node->column, path, "%s",
			     err.text);
	return r == -ENOMEM ? r : 0;
}

int options_set(const struct option_desc *table, void *settings, const char *name, const char *text,
		struct err *err)
{
	for (const struct option_desc *desc = table; desc->name; desc++) {
		int r;

		if (strcmp(desc->name, name) != 0 || !option_kind(desc->type)->parse)
			continue;
		r = option_set(desc, text, option_value(desc, settings), err);
		if (r == 0 && desc->present)
			*(bool *)((char *)settings + desc->present) = true;
		return r;
	}
	return err_set(err, -ENOENT, "unknown option '%.64s'", name);
}
