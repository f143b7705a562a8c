#pragma once

/* What the files of redact.c share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pipeline/redact.h"
#include "pipeline/stage.h"
#include "util/buf.h"
#include "util/map.h"

enum {
	REDACT_STRINGS_MAX = 1 << 27, /* entries of the string table; a byte of memory each */
	REDACT_HEAD_MAX = 64 << 10, /* bytes of the member "snapshot"; V8 writes 1.3 KB */
	REDACT_NAME_MAX = 8 << 10, /* bytes of a name; V8 cuts at 1,024 characters of at most 6 */
	REDACT_KEY_MAX = 32,
	REDACT_TYPES_MAX = 64,
	REDACT_COLUMNS_MAX = 16,
	REDACT_DIGITS_MAX = 20,
	REDACT_OUT_BYTES = 64 << 10,
};

/* Who names an entry of the string table. */
enum name_mark {
	NAMED_BY_HEAP = 1 << 0, /* arrays, maps, roots: V8's own words */
	NAMED_BY_NATIVE = 1 << 1, /* objects of the embedder */
	NAMED_BY_OBJECT = 1 << 2, /* a class */
	NAMED_BY_CLOSURE = 1 << 3, /* a function */
	NAMED_BY_CODE = 1 << 4, /* functions, scripts and V8's own words */
	NAMED_BY_EDGE = 1 << 5, /* variables, and V8's own words */
	NAMED_BY_PROPERTY = 1 << 6,
};

#define NAMED_BY_NODE                                                                              \
	(NAMED_BY_HEAP | NAMED_BY_NATIVE | NAMED_BY_OBJECT | NAMED_BY_CLOSURE | NAMED_BY_CODE)

enum name_use {
	NAME_IGNORE, /* no string index, or of a kind that keeps nothing */
	NAME_ELEMENT, /* neither, but a key, which may be data: a telephone number */
	NAME_MARK,
	NAME_BLANK, /* named 0 instead */
	NAME_PROPERTY, /* named 0 instead when a node has that name, else marked */
};

struct name_rule {
	uint8_t use; /* enum name_use */
	uint8_t mark; /* enum name_mark */
};

/* An array of numbers, in rows of `columns`. */
struct redact_rows {
	unsigned columns; /* 0: not in this snapshot */
	int type_column; /* says by which of `rules` the names go; -1: rules[column] */
	uint32_t name_columns; /* bit by column */
	unsigned types_n;
	struct name_rule rules[REDACT_TYPES_MAX];
	uint64_t rows_n; /* as the head says; UINT64_MAX: it does not */
};

enum redact_array { REDACT_NODES, REDACT_EDGES, REDACT_FUNCTIONS, REDACT_VARIABLES, REDACT_ARRAYS };

enum redact_state {
	STATE_START,
	STATE_KEY,
	STATE_KEY_TEXT,
	STATE_COLON,
	STATE_VALUE,
	STATE_HEAD,
	STATE_ROWS,
	STATE_NUMBERS,
	STATE_STRINGS,
	STATE_TEXT,
	STATE_AFTER,
	STATE_END,
};

struct redact {
	struct stage stage;
	enum redact_level level;
	struct map allow;
	struct text_list allow_texts; /* what `allow` borrows */

	/* The input of one put: what stands before `span` is handed on or dropped. */
	const char *span, *at, *end;
	char *out; /* handed on in larger pieces */
	size_t out_used;

	enum redact_state state;
	char key[REDACT_KEY_MAX];
	unsigned key_size;
	bool head_seen, strings_seen;
	unsigned seen; /* bit by enum redact_array */

	/* STATE_HEAD: the text so far; STATE_TEXT: of a string that was cut. */
	struct buf held;
	unsigned depth;
	bool in_string, escaped;

	struct redact_rows arrays[REDACT_ARRAYS];
	struct redact_rows *rows;
	uint64_t row;
	unsigned column, type;
	enum { EXPECT_FIRST, EXPECT_VALUE, EXPECT_DIGIT, IN_NUMBER, EXPECT_COMMA } expect;
	uint64_t number;
	char digits[REDACT_DIGITS_MAX];
	unsigned digits_n;
	uint64_t elements; /* that stand next to each other so far */
	uint64_t instead; /* of the last number that use_name() did not let through */

	uint8_t *marks; /* enum name_mark by string index */
	size_t marks_n;
	uint64_t index_max; /* the highest that was named */

	uint64_t string; /* index of the entry that is read or comes next */
	bool too_long; /* the cut string is longer than any name */
	char *name; /* what redact_name() made */
	size_t name_size;
};

/* -EBADMSG with a text for stage->error, to which the place is added. */
int redact_refuse(struct redact *redact, const char *what);

/* Hand on what is not part of the input. */
int redact_emit(struct redact *redact, const char *data, size_t size);

/* Hand on the input up to `to`, and go on behind `skip` bytes after it. */
int redact_pass(struct redact *redact, const char *to, size_t skip);

/* `held` is the whole member "snapshot": fills arrays[]. */
int redact_head(struct redact *redact);

/* Each reads on from `at`, as far as the input goes or its value ends. */
void redact_rows_begin(struct redact *redact, enum redact_array array);
int redact_rows(struct redact *redact);
int redact_strings(struct redact *redact);
int redact_text(struct redact *redact);

/* Make room for a mark; marks are zero. */
int redact_marks_grow(struct redact *redact, uint64_t index);

/*
 * What becomes of an entry of the string table, given as JSON has it, without the quotes. True: it
 * stays. False: name and name_size are what takes its place.
 */
bool redact_name(struct redact *redact, const char *text, size_t size);

/* Parts of that, on their own: false when the name must not stay as it is. */
bool redact_name_is_function(const char *text, size_t size);
bool redact_name_is_code(const char *text, size_t size);
bool redact_name_is_class(const char *text, size_t size);

/* Names of the language and of V8, ended by NULL. */
extern const char *const redact_builtin_names[];
