/*
 * The list of dialects. Recognition goes from the first to the last, so the more particular ones
 * stand before the more general.
 */

#include "inspect/dialect.h"

#include <string.h>

const struct dialect *const dialect_all[] = {
	&dialect_cdp,
	NULL,
};

const struct dialect *dialect_find(const char *name)
{
	for (const struct dialect *const *d = dialect_all; *d != NULL; d++)
		if (strcmp((*d)->name, name) == 0)
			return *d;
	return NULL;
}
