#pragma once

/* Apart from scan.c because jansson.h and json/scan.h use the same names. */

#include <stdbool.h>
#include <stddef.h>

/* Parse and free; false when it is refused. */
bool scan_jansson(const char *data, size_t size);
