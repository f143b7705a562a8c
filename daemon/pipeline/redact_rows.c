/*
 * Redaction: arrays of numbers, in rows
 *
 * Nearly all bytes of a snapshot are here. Rows that lie in the input whole and look as V8 writes
 * them (a type, a name, more numbers, no spaces but one line end) are read eight bytes at a time;
 * anything else, and what was cut, goes byte by byte through a state machine that accepts the same.
 */

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/redact_parts.h"

enum { WORD_BYTES = 8, MARKS_FIRST = 1 << 16 };

/* ---- marks ---- */

/* calloc and not realloc: memory that is never marked is never touched. */
int redact_marks_grow(struct redact *redact, uint64_t index)
{
	size_t n = redact->marks_n > 0 ? redact->marks_n : MARKS_FIRST;
	uint8_t *marks;

	if (index >= REDACT_STRINGS_MAX)
		return redact_refuse(redact, "it has more than 134217728 strings");
	while (n <= index)
		n *= 2;
	marks = calloc(n, 1);
	if (marks == NULL)
		return -ENOMEM;
	if (redact->marks_n > 0)
		memcpy(marks, redact->marks, redact->marks_n);
	free(redact->marks);
	redact->marks = marks;
	redact->marks_n = n;
	return 0;
}

/*
 * Elements of an object are numbered as they stand, which is what those of an array without holes
 * have already. The edges of an object stand together, with one that is no element among them: its
 * map.
 */
static inline int use_element(struct redact *redact, uint64_t index)
{
	redact->instead = redact->elements++;
	return redact->level == REDACT_ALL && index != redact->instead;
}

/* 1 when the number must not stand here, but `instead`. */
static inline int use_name(struct redact *redact, struct name_rule rule, uint64_t index)
{
	if (rule.use == NAME_ELEMENT)
		return use_element(redact, index);
	redact->elements = 0;
	redact->instead = 0;
	if (rule.use == NAME_IGNORE)
		return 0;
	if (index > redact->index_max)
		redact->index_max = index;
	if (rule.use == NAME_BLANK)
		return 1;
	if (index >= redact->marks_n) {
		int r = redact_marks_grow(redact, index);

		if (r != 0)
			return r;
	}
	if (rule.use == NAME_PROPERTY && redact->level == REDACT_ALL &&
	    (redact->marks[index] & NAMED_BY_NODE) != 0)
		return 1;
	redact->marks[index] |= rule.mark;
	return 0;
}

static int emit_instead(struct redact *redact)
{
	char digits[REDACT_DIGITS_MAX];
	size_t at = sizeof(digits);
	uint64_t left = redact->instead;

	do {
		digits[--at] = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	return redact_emit(redact, digits + at, sizeof(digits) - at);
}

/* ---- eight bytes at a time ---- */

static inline uint64_t load(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return le64toh(word);
}

/* How many digits the word begins with, 0 to 8. */
static inline unsigned digits_of(uint64_t word)
{
	uint64_t value = word ^ 0x3030303030303030u;
	uint64_t other = (value | (value + 0x7676767676767676u)) & 0x8080808080808080u;

	return other == 0 ? WORD_BYTES : (unsigned)__builtin_ctzll(other) / 8;
}

/* The value of its first n digits, 1 to 7. */
static inline uint64_t value_of(uint64_t word, unsigned n)
{
	word = (word & 0x0f0f0f0f0f0f0f0fu) << (64 - 8 * n);
	word = (word * 10 + (word >> 8)) & 0x00ff00ff00ff00ffu;
	word = (word * 100 + (word >> 16)) & 0x0000ffff0000ffffu;
	return (word * 10000 + (word >> 32)) & 0xffffffffu;
}

/* Behind the digits at `at`; NULL when there are none, or too many to be sure of the input's end.
 */
static inline const char *skip_digits(const char *at)
{
	unsigned n = digits_of(load(at));

	if (n == WORD_BYTES)
		n += digits_of(load(at + WORD_BYTES));
	return n == 0 || n == 2 * WORD_BYTES ? NULL : at + n;
}

/* Behind the numbers after the name and the comma after them; NULL: not as expected. */
static inline const char *skip_rest(const char *at, unsigned columns)
{
	for (unsigned i = 2; i < columns; i++) {
		if (*at != ',')
			return NULL;
		at = skip_digits(at + 1);
		if (at == NULL)
			return NULL;
	}
	if (*at == '\n')
		at++;
	return *at == ',' ? at + 1 : NULL;
}

/* 1: a row was taken; 0: this one is not for us; -errno. */
static inline int take_row(struct redact *redact, const struct redact_rows *rows)
{
	const char *at = redact->at, *name;
	uint64_t word = load(at), index;
	unsigned n = digits_of(word), type;
	int r;

	if (n == 0 || n > 2)
		return 0;
	type = (unsigned)value_of(word, n);
	name = at + n;
	if (*name++ != ',' || type >= rows->types_n)
		return 0;
	word = load(name);
	n = digits_of(word);
	if (n == 0 || n == WORD_BYTES)
		return 0;
	index = value_of(word, n);
	at = skip_rest(name + n, rows->columns);
	if (at == NULL)
		return 0;
	redact->at = at;
	r = use_name(redact, rows->rules[type], index);
	if (r != 1)
		return r < 0 ? r : 1;
	r = redact_pass(redact, name, n);
	if (r == 0)
		r = emit_instead(redact);
	return r == 0 ? 1 : r;
}

/* 0 when the state machine has to go on. */
static int take_rows(struct redact *redact)
{
	const struct redact_rows *rows = redact->rows;
	size_t room = (size_t)(rows->columns + 1) * 2 * WORD_BYTES + 2 * WORD_BYTES;
	uint64_t n = 0;
	int r = 1;

	if (rows->type_column != 0 || rows->name_columns != 1u << 1)
		return 0;
	while (r > 0 && (size_t)(redact->end - redact->at) > room) {
		r = take_row(redact, rows);
		n += r > 0;
	}
	redact->row += n;
	if (n > 0)
		redact->expect = EXPECT_VALUE;
	return r < 0 ? r : 0;
}

/* ---- byte by byte ---- */

void redact_rows_begin(struct redact *redact, enum redact_array array)
{
	redact->rows = &redact->arrays[array];
	redact->row = 0;
	redact->column = 0;
	redact->expect = EXPECT_FIRST;
}

static bool is_name(const struct redact *redact)
{
	return (redact->rows->name_columns & 1u << redact->column) != 0;
}

/* By which the name in this column goes. */
static struct name_rule rule_here(const struct redact *redact)
{
	const struct redact_rows *rows = redact->rows;

	return rows->rules[rows->type_column < 0 ? redact->column : redact->type];
}

/* What was kept back of a name goes out, or what is to stand instead. */
static int end_name(struct redact *redact)
{
	bool negative = redact->digits[0] == '-';
	int r = use_name(redact, rule_here(redact), negative ? UINT64_MAX : redact->number);

	if (r < 0)
		return r;
	return r == 1 ? emit_instead(redact)
		      : redact_emit(redact, redact->digits, redact->digits_n);
}

static int end_digits(struct redact *redact)
{
	const struct redact_rows *rows = redact->rows;
	int r = 0;

	if ((int)redact->column == rows->type_column) {
		if (redact->number >= rows->types_n)
			return redact_refuse(redact, "a type that its head does not have");
		redact->type = (unsigned)redact->number;
	} else if (is_name(redact)) {
		r = end_name(redact);
	}
	if (++redact->column == rows->columns) {
		redact->column = 0;
		redact->row++;
	}
	redact->expect = EXPECT_COMMA;
	return r;
}

static int begin_digits(struct redact *redact)
{
	redact->number = 0;
	if (redact->expect != EXPECT_DIGIT)
		redact->digits_n = 0;
	redact->expect = IN_NUMBER;
	return is_name(redact) ? redact_pass(redact, redact->at, 0) : 0;
}

/* V8 may write a key of 2^31 and more as what it is in 32 bits with a sign; no string has such. */
static bool may_be_negative(const struct redact *redact)
{
	if ((int)redact->column == redact->rows->type_column)
		return false;
	return !is_name(redact) || rule_here(redact).use <= NAME_ELEMENT;
}

/* Of a name it is kept back, as its digits are. */
static int take_minus(struct redact *redact)
{
	int r = is_name(redact) ? redact_pass(redact, redact->at, 1) : 0;

	redact->digits[0] = '-';
	redact->digits_n = 1;
	redact->expect = EXPECT_DIGIT;
	redact->at++;
	return r;
}

/* Only of a type and of a name is the value of interest; a name is kept back as it is. */
static int take_digit(struct redact *redact, char c)
{
	int r = redact->expect == IN_NUMBER ? 0 : begin_digits(redact);

	if (r != 0)
		return r;
	if (is_name(redact) || (int)redact->column == redact->rows->type_column) {
		if (redact->digits_n == REDACT_DIGITS_MAX - 2)
			return redact_refuse(redact, "a number too long");
		redact->digits[redact->digits_n++] = c;
		redact->number = redact->number * 10 + (uint64_t)(c - '0');
	}
	redact->at++;
	if (is_name(redact))
		redact->span = redact->at;
	return 0;
}

static int end_rows(struct redact *redact)
{
	const struct redact_rows *rows = redact->rows;

	if (redact->column != 0)
		return redact_refuse(redact, "a row that is not whole");
	if (rows->rows_n != UINT64_MAX && rows->rows_n != redact->row)
		return redact_refuse(redact, "another number of rows than its head says");
	redact->at++;
	redact->state = STATE_AFTER;
	return 0;
}

static int take_other(struct redact *redact, char c)
{
	if (c == ',' && redact->expect == EXPECT_COMMA) {
		redact->expect = EXPECT_VALUE;
	} else if (c == '-' && redact->expect <= EXPECT_VALUE && may_be_negative(redact)) {
		return take_minus(redact);
	} else if (c == ']' && redact->expect != EXPECT_VALUE && redact->expect != EXPECT_DIGIT) {
		return end_rows(redact);
	} else if (redact->expect == EXPECT_DIGIT ||
		   (c != ' ' && c != '\n' && c != '\r' && c != '\t')) {
		return redact_refuse(redact, "something other than numbers");
	}
	redact->at++;
	return 0;
}

static int take_byte(struct redact *redact)
{
	char c = *redact->at;

	if (c >= '0' && c <= '9' && redact->expect != EXPECT_COMMA)
		return take_digit(redact, c);
	if (redact->expect == IN_NUMBER) {
		int r = end_digits(redact);

		if (r != 0)
			return r;
	}
	return take_other(redact, c);
}

int redact_rows(struct redact *redact)
{
	int r = 0;

	while (r == 0 && redact->at < redact->end && redact->state == STATE_ROWS) {
		if (redact->column == 0 && redact->expect <= EXPECT_VALUE)
			r = take_rows(redact);
		if (r == 0 && redact->at < redact->end)
			r = take_byte(redact);
	}
	return r;
}
