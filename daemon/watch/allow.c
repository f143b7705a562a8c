/* Where targets may be. */

#include "watch/allow.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf/option.h"
#include "net/address.h"
#include "net/cidr.h"
#include "util/err.h"

bool allow_address(const struct text_list *allowed, const struct address *address)
{
	struct cidr cidr;

	for (size_t i = 0; i < allowed->n; i++) {
		if (cidr_parse(&cidr, allowed->items[i], NULL) == 0 && cidr_has(&cidr, address))
			return true;
	}
	return false;
}

int allow_text(const struct text_list *allowed, const char *text, struct err *err)
{
	struct address address;
	int r = address_parse(&address, text, err);

	if (r < 0)
		return r;
	if (allow_address(allowed, &address))
		return 0;
	return err_set(err, -EINVAL, "'%.128s' is outside allowed_targets", text);
}

int allow_check(const void *item, struct err *err)
{
	struct cidr cidr;

	return cidr_parse(&cidr, *(char *const *)item, err);
}

bool allow_equal(const struct text_list *a, const struct text_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	}
	return true;
}
