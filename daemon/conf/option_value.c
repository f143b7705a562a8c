/*
 * One value of an option
 *
 * From a node of the document to a field of the settings, and the words for all that can be wrong
 * with it. A wrong value leaves what was there before.
 */

#include "conf/option_load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf/option_kind.h"
#include "util/str.h"

static void complain(const struct option_load *load, const struct node *node, const char *path,
		     const char *text)
{
	problems_add(load->problems, load->doc->file, node->line, node->column, path, "%s", text);
}

/* "'x' is not a duration (...)"; a secret is not shown. */
static void complain_value(const struct option_load *load, const struct option_desc *desc,
			   const struct node *node, const char *path, const char *text)
{
	char shown[SHOWN_MAX];

	if (desc->flags & OPTION_SECRET)
		problems_add(load->problems, load->doc->file, node->line, node->column, path,
			     "the value %s", text);
	else
		problems_add(load->problems, load->doc->file, node->line, node->column, path,
			     "'%s' %s", problem_shown(shown, node->text), text);
}

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
	char text[160];

	snprintf(text, sizeof(text), "expected %s, got %s", expected, kind_of(node));
	complain(load, node, path, text);
}

/* "one of debug, info, warn, error" */
static void list_choices(char *dst, size_t size, const struct option_desc *desc)
{
	size_t used = (size_t)snprintf(dst, size, "one of ");

	for (size_t i = 0; desc->choices[i] && used < size; i++)
		used += (size_t)snprintf(dst + used, size - used, "%s%s", i ? ", " : "",
					 desc->choices[i]);
}

static void complain_parse(const struct option_load *load, const struct option_desc *desc,
			   const struct node *node, const char *path, const struct err *hint)
{
	char expected[256], text[ERR_TEXT_MAX + 300];

	str_copy(expected, sizeof(expected), option_kind(desc->type)->expected);
	if (desc->type == OPTION_ENUM)
		list_choices(expected, sizeof(expected), desc);
	snprintf(text, sizeof(text), "is not %s%s%s%s", expected, hint->text[0] ? " (" : "",
		 hint->text, hint->text[0] ? ")" : "");
	complain_value(load, desc, node, path, text);
}

static void complain_range(const struct option_load *load, const struct option_desc *desc,
			   const struct node *node, const char *path)
{
	char range[OPTION_RANGE_MAX], text[OPTION_RANGE_MAX + 32];

	option_range(range, desc);
	snprintf(text, sizeof(text), "is out of range%s%s%s", range[0] ? " (" : "", range,
		 range[0] ? ")" : "");
	complain_value(load, desc, node, path, text);
}

int option_load_scalar(const struct option_load *load, const struct option_desc *desc,
		       const struct node *node, const char *path, void *value)
{
	const struct option_kind *kind = option_kind(desc->type);
	union {
		bool flag;
		int choice;
		uint64_t number;
		double real;
		char *text;
	} fresh = { 0 };
	static const size_t sizes[] = {
		[OPTION_BOOL] = sizeof(fresh.flag),    [OPTION_UINT] = sizeof(fresh.number),
		[OPTION_BYTES] = sizeof(fresh.number), [OPTION_TIME] = sizeof(fresh.number),
		[OPTION_RATIO] = sizeof(fresh.real),   [OPTION_NUMBER] = sizeof(fresh.real),
		[OPTION_TEXT] = sizeof(fresh.text),    [OPTION_ENUM] = sizeof(fresh.choice),
	};
	struct err err = { 0 };
	int r;

	if (node->kind != NODE_SCALAR) {
		option_complain_kind(load, node, path, kind->expected);
		return 0;
	}
	r = kind->parse(desc, node->text, &fresh, &err);
	if (r == -EINVAL)
		complain_parse(load, desc, node, path, &err);
	if (r == 0) {
		r = option_check(desc, &fresh, &err);
		if (r == -EINVAL)
			complain(load, node, path, err.text);
	}
	if (r == -ERANGE)
		complain_range(load, desc, node, path);
	if (r == 0) {
		if (kind->fini)
			kind->fini(value);
		memcpy(value, &fresh, sizes[desc->type]);
		return 0;
	}
	if (kind->fini)
		kind->fini(&fresh);
	return r == -ENOMEM ? r : 0;
}
