#pragma once

/*
 * Regular expressions of matchers: POSIX extended, matched against a whole text. What POSIX leaves
 * undefined (\d, back-references) is refused instead of silently meaning something else, and so is
 * what would make the compiler of the C library use memory without bound.
 */

#include <regex.h>
#include <stdbool.h>
#include "util/err.h"

enum {
	PATTERN_MAX_BYTES = 512,
	PATTERN_MAX_COPIES = 512,
	PATTERN_MAX_GROUPS = 16,
	PATTERN_MAX_NESTED = 5
};

struct pattern {
	regex_t regex;
	bool ready; /* regex is to be freed */
};

/* 0; -EINVAL with the reason in err; -ENOMEM. */
int pattern_init(struct pattern *pattern, const char *text, struct err *err);
void pattern_fini(struct pattern *pattern);
bool pattern_match(const struct pattern *pattern, const char *text);
