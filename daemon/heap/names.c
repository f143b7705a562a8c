/*
 * Names that are made
 */

#include "heap/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/alloc.h"
#include "util/fnv.h"
#include "util/rand.h"

enum { FIRST_N = 1024, PIECE_MAX = 512 };

/*
 * Of a text, by doubling: its quotes, its offset (two of eight bytes, and the half of these that is
 * copied), its slots (four of four bytes, and as much).
 */
enum { TEXT_COST = 2 * 2 + 3 * 8 + 6 * 4, COST_FIRST = FIRST_N * 64 };

int heap_names_init(struct heap_names *names)
{
	*names = (struct heap_names){ .n = 0 };
	buf_init(&names->text, SIZE_MAX / 2);
	return rand_bytes(&names->seed, sizeof(names->seed));
}

void heap_names_fini(struct heap_names *names)
{
	buf_fini(&names->text);
	heap_free(names->first, names->capacity, sizeof(*names->first));
	free(names->slots);
	*names = (struct heap_names){ .n = 0 };
}

/* A file cannot know the seed, so it cannot choose texts that meet. */
static uint64_t hash_of(const struct heap_names *names, const char *raw, size_t size)
{
	uint64_t hash = fnv1a(names->seed, raw, size);

	return hash ^ hash >> 32;
}

static const char *text_of(const struct heap_names *names, uint32_t i, size_t *ret_size)
{
	uint64_t end = i + 1 < names->n ? names->first[i + 1] - 1 : names->text.size;

	*ret_size = (size_t)(end - 1 - names->first[i]);
	return names->text.data + names->first[i];
}

static uint32_t *slot_of(const struct heap_names *names, const char *raw, size_t size)
{
	size_t mask = names->slots_n - 1, i = (size_t)hash_of(names, raw, size) & mask, found_size;

	for (; names->slots[i] != 0; i = (i + 1) & mask) {
		const char *found = text_of(names, names->slots[i] - 1, &found_size);

		if (found_size == size && (size == 0 || memcmp(found, raw, size) == 0))
			break;
	}
	return &names->slots[i];
}

static int grow_slots(struct heap_names *names)
{
	size_t n = names->slots_n > 0 ? names->slots_n * 2 : (size_t)FIRST_N * 2, size;
	uint32_t *slots = calloc(n, sizeof(*slots));

	if (slots == NULL)
		return -ENOMEM;
	free(names->slots);
	names->slots = slots;
	names->slots_n = n;
	for (uint32_t i = 0; i < names->n; i++) {
		const char *raw = text_of(names, i, &size);

		*slot_of(names, raw, size) = i + 1;
	}
	return 0;
}

static int grow(struct heap_names *names)
{
	uint32_t capacity = names->capacity > 0 ? names->capacity * 2 : FIRST_N;
	uint64_t *first =
		capacity > 0 ? heap_grow(names->first, names->capacity, capacity, sizeof(*first))
			     : NULL;

	if (first == NULL)
		return -ENOMEM;
	names->first = first;
	names->capacity = capacity;
	return 0;
}

int heap_names_put(struct heap_names *names, const char *raw, size_t size, uint32_t *ret)
{
	uint32_t *slot;

	if ((size_t)names->n * 2 >= names->slots_n && grow_slots(names) < 0)
		return -ENOMEM;
	slot = slot_of(names, raw, size);
	if (*slot != 0) {
		*ret = *slot - 1;
		return 0;
	}
	/* One place more is needed for where the last one ends. */
	if (names->n + 1 >= names->capacity && grow(names) < 0)
		return -ENOMEM;
	if (buf_reserve(&names->text, size + 2) < 0)
		return -ENOMEM;
	names->first[names->n] = names->text.size + 1;
	buf_append(&names->text, "\"", 1);
	buf_append(&names->text, raw, size);
	buf_append(&names->text, "\"", 1);
	*slot = ++names->n;
	*ret = names->n - 1;
	return 0;
}

int heap_names_put_text(struct heap_names *names, const char *before, const char *text,
			uint32_t *ret)
{
	char both[PIECE_MAX];
	size_t n = strlen(before), size = n + strlen(text);

	if (size > sizeof(both))
		size = sizeof(both);
	memcpy(both, before, n);
	memcpy(both + n, text, size - n);
	return heap_names_put(names, both, size, ret);
}

uint64_t heap_names_cost(uint64_t texts, uint64_t bytes)
{
	return COST_FIRST + texts * TEXT_COST + 2 * bytes;
}

int heap_names_give(struct heap_names *names, struct heap_strings *ret)
{
	if (names->n + 1 >= names->capacity && grow(names) < 0)
		return -ENOMEM;
	names->first[names->n] = names->text.size;
	ret->n = names->n;
	ret->capacity = names->capacity;
	ret->first = names->first;
	ret->data = ret->made = buf_take(&names->text, NULL);
	names->first = NULL;
	names->capacity = 0;
	heap_names_fini(names);
	return ret->data != NULL ? 0 : -ENOMEM;
}
