#pragma once

/* What the classes of JSC's cells are among V8's types. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "heap/names.h"

/* flags of a node in the file */
enum {
	JSC_INTERNAL = 1, /* a cell that has no realm */
	JSC_OBJECT_SUBTYPE = 2, /* a plain object, whose class is that of its constructor */
	JSC_ELEMENT_SUBTYPE = 4, /* wraps a node of the DOM; since version 3 */
};

struct jsc_class {
	uint8_t type; /* of heap_type, or an IMPORT_ one */
	bool global; /* an object that the program's variables hang off */
	uint32_t name;
	uint32_t system_name; /* of those that are the engine's own */
};

/* raw: the name as it stands in the file. 0, -ENOMEM. */
int jsc_class_init(struct jsc_class *ret, struct heap_names *names, const char *raw, size_t size);

/* Of a node with these flags. */
uint8_t jsc_class_type(const struct jsc_class *class, uint64_t flags);
uint32_t jsc_class_name(const struct jsc_class *class, uint64_t flags);
