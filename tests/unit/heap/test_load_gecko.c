/* Small dumps of Gecko: what they are as V8's, and what damaged ones are called. */

#include "heap/load_gecko.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "foreign.h"
#include "util/err.h"

/* A length or a key below 128 is a byte; W() is a text of one wide character. */
#define W(c) 2, c, 0
#define METADATA 2, 8, 1

enum { ROOT = 1, WINDOW, THING };

/*
 * The root refers to a Window because of "a, 7" and of "a", the Window to an object by "p" and by
 * objectElements[3]. Types are not JSObject but "T": hidden.
 */
static const unsigned char small[] = {
	METADATA,
	/* id 1, type "R", edges */
	31, 8, ROOT, 18, W('R'), 42, 12, 8, WINDOW, 18, 8, 'a', 0, ',', 0, ' ', 0, '7', 0,
	42, 7, 8, WINDOW, 18, 2 + 1, 'a', 0, 0,
	/* id 2, type JSObject, size, an edge, class Window */
	49, 8, WINDOW, 18, 16, 'J', 0, 'S', 0, 'O', 0, 'b', 0, 'j', 0, 'e', 0, 'c', 0, 't', 0,
	32, 48, 42, 5 + 2, 8, 0x83, 0x80, 0x80, 0x80, 0x80, 0x40, 42, 5, 8, THING, 18, 1, 'p',
	58, 6, 'W', 'i', 'n', 'd', 'o', 'w',
};

/* Put together rather than counted by hand. */
struct dump {
	unsigned char data[2048];
	size_t size;
};

static void put(struct dump *dump, const void *data, size_t size)
{
	cr_assert_leq(dump->size + size, sizeof(dump->data));
	memcpy(dump->data + dump->size, data, size);
	dump->size += size;
}

static void put_number(struct dump *dump, unsigned field, uint64_t value)
{
	unsigned char c = (unsigned char)(field << 3);

	put(dump, &c, 1);
	do {
		c = (unsigned char)((value & 127) | (value > 127 ? 128 : 0));
		put(dump, &c, 1);
		value >>= 7;
	} while (value > 0);
}

static void put_bytes(struct dump *dump, unsigned field, const void *data, size_t size)
{
	unsigned char head[] = { (unsigned char)(field << 3 | 2), (unsigned char)size };

	cr_assert_lt(size, 128);
	put(dump, head, field > 0 ? 2 : 0);
	if (field == 0)
		put(dump, head + 1, 1);
	put(dump, data, size);
}

static void put_narrow(struct dump *dump, unsigned field, const char *text)
{
	put_bytes(dump, field, text, strlen(text));
}

static void put_wide(struct dump *dump, unsigned field, const char *text)
{
	unsigned char wide[128] = { 0 };

	for (size_t i = 0; text[i] != '\0'; i++)
		wide[i * 2] = (unsigned char)text[i];
	put_bytes(dump, field, wide, strlen(text) * 2);
}

static void put_edge(struct dump *dump, uint64_t to, const char *name, unsigned number)
{
	struct dump edge = { .size = 0 };

	put_number(&edge, 1, to);
	if (name != NULL)
		put_wide(&edge, 2, name);
	else
		put_number(&edge, 3, number);
	put_bytes(dump, 5, edge.data, edge.size);
}

static void put_message(struct dump *dump, const struct dump *message)
{
	put_bytes(dump, 0, message->data, message->size);
}

static const uint64_t far = 0x7f0012345678;
