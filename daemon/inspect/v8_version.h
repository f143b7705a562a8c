#pragma once

/* Versions of V8, as it tells them: "11.3.244.8-node.38". */

#include <stdbool.h>
#include <stdlib.h>

/* Is it older than major.minor? What begins with no number is taken for older: "" is not known. */
static inline bool v8_before(const char *version, long major, long minor)
{
	char *end;
	long its_major = strtol(version, &end, 10), its_minor = 0;

	if (end == version)
		return true;
	if (*end == '.')
		its_minor = strtol(end + 1, NULL, 10);
	return its_major < major || (its_major == major && its_minor < minor);
}
