#pragma once

/*
 * Where targets may be: `allowed_targets`. Whoever may add targets (a file, an HTTP service) must
 * not make the daemon connect to wherever he likes. Addresses are numeric, so what is checked here
 * is what is connected to.
 */

#include <stdbool.h>

struct address;
struct err;
struct text_list;

/* Of the list's items, which were checked when they were loaded. */
bool allow_address(const struct text_list *allowed, const struct address *address);

/* An address as one writes it. 0, or -EINVAL with the reason in err, also when it is none. */
int allow_text(const struct text_list *allowed, const char *text, struct err *err);

/* One item is a range of addresses? 0, or -EINVAL with the reason in err. */
int allow_check(const void *item, struct err *err);

bool allow_equal(const struct text_list *a, const struct text_list *b);
