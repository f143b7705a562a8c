#pragma once

/* Reading the values of a mapping; shared by the files that load options. */

#include "conf/option.h"

struct option_load {
	const struct doc *doc;
	struct problems *problems;
};

/* Set one scalar from text. 0; -EINVAL with the whole reason in err, the value untouched; -ENOMEM.
 */
int option_set(const struct option_desc *desc, const char *text, void *value, struct err *err);

/* 0 also when the value was wrong and complained about: the old one stays then. -ENOMEM. */
int option_load_scalar(const struct option_load *load, const struct option_desc *desc,
		       const struct node *node, const char *path, void *value);

/* "expected a list, got a single value" */
void option_complain_kind(const struct option_load *load, const struct node *node, const char *path,
			  const char *expected);
