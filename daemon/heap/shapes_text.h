#pragma once

/* Names of properties as they stand in the text of a shape. */

#include <stddef.h>
#include <stdint.h>
#include "heap/strings.h"

struct buf;

/* How many UTF-16 units it takes. */
size_t heap_property_units(const struct heap_strings *strings, uint32_t name);

/* Appended as UTF-8. */
void heap_property_put(const struct heap_strings *strings, uint32_t name, struct buf *buf);
