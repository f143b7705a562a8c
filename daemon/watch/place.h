#pragma once

/* Where in a rule file complaints point, for those who check what the option tables have read. */

#include <stdbool.h>
#include "conf/doc.h"

/* A rule or group being converted, and whether there were complaints. */
enum { PLACE_PATH_MAX = 192 };

struct place {
	const struct doc *doc;
	struct problems *problems;
	char path[PLACE_PATH_MAX];
	bool wrong;
};

/* A complaint about the member of the place ("" the place itself): at its line, under its path. */
void place_complain(struct place *place, const char *member, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The node of a member, or the nearest around it. */
const struct node *place_node(const struct place *place, const char *member);
