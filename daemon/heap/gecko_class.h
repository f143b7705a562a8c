#pragma once

/*
 * What Gecko's nodes are among V8's types
 *
 * Gecko says of an instance only that it is an Object. Its constructor's name is found where that
 * is held: shape, base, prototype, constructor, and the variable or property of that.
 */

#include <stdbool.h>
#include <stdint.h>
#include "heap/gecko_read.h"
#include "heap/graph.h"
#include "heap/names.h"

enum {
	GECKO_TYPES = 14, /* known here */
	GECKO_CLASSES = 12,
	GECKO_EDGES = 4,
};

struct gecko_classes {
	struct heap_names *names; /* borrowed */
	uint32_t types[GECKO_TYPES], classes[GECKO_CLASSES], edges[GECKO_EDGES]; /* names */
	uint32_t string, symbol, bigint;
};

/* Of one node: names of what the file says of it; UINT32_MAX: nothing. */
struct gecko_said {
	uint32_t type, class;
	const struct gecko_text *type_text, *script, *described; /* or NULL */
	uint64_t coarse;
};

int gecko_classes_init(struct gecko_classes *classes, struct heap_names *names); /* 0, -ENOMEM */

/* 0, -ENOMEM. */
int gecko_class(const struct gecko_classes *classes, const struct gecko_said *said,
		uint8_t *ret_type, uint32_t *ret_name);

/* By the name of a class: a global object; one whose references are variables. */
bool gecko_class_is_global(const struct gecko_classes *classes, uint32_t class);
bool gecko_class_is_scope(const struct gecko_classes *classes, uint32_t class);

/* Give the objects of a whole graph the names of their constructors. 0, -ENOMEM. */
int gecko_name_objects(const struct gecko_classes *classes, struct heap_graph *graph);
