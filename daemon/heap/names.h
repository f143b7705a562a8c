#pragma once

/*
 * Names that no file has as they are needed
 *
 * The strings of a graph of another engine than V8 are gathered here: those of the file, decoded
 * from whatever it has them in, and those that are made for it. Equal ones are one, as in V8's
 * files. They are kept as heap_strings wants them, in JSON's quotes.
 */

#include <stddef.h>
#include <stdint.h>
#include "heap/strings.h"
#include "util/buf.h"

struct heap_names {
	struct buf text;
	uint64_t *first; /* owned */
	uint32_t n, capacity;
	uint32_t *slots; /* owned: a string + 1 each, by hash */
	size_t slots_n;
	uint64_t seed;
};

int heap_names_init(struct heap_names *names); /* 0, -EIO: no random number */
void heap_names_fini(struct heap_names *names); /* zeroed is fine */

/* The number of the text, which is as it stands between JSON's quotes. 0, -ENOMEM. */
int heap_names_put(struct heap_names *names, const char *raw, size_t size, uint32_t *ret);

/* The same of two texts in a row, zero-terminated and without a byte that JSON would escape. */
int heap_names_put_text(struct heap_names *names, const char *before, const char *text,
			uint32_t *ret);

/* Memory in bytes that so many texts take at the most, with so many bytes as they stand there. */
uint64_t heap_names_cost(uint64_t texts, uint64_t bytes);

/* Hand them all over; nothing is left here. 0, -ENOMEM. */
int heap_names_give(struct heap_names *names, struct heap_strings *ret);
