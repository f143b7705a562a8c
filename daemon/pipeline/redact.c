/*
 * Redaction: the stage, and the outer structure of a snapshot
 */

#include "pipeline/redact.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/redact_parts.h"

enum { DIRECT_BYTES = 4 << 10 }; /* a span as long as this is not copied */

static struct redact *of(struct stage *stage)
{
	return (struct redact *)stage; /* its first member */
}

int redact_refuse(struct redact *redact, const char *what)
{
	snprintf(redact->stage.error, sizeof(redact->stage.error),
		 "not a heap snapshot as V8 writes it: %s (byte %llu)", what,
		 (unsigned long long)(redact->stage.bytes - (uint64_t)(redact->end - redact->at)));
	return -EBADMSG;
}

/* ---- out ---- */

static int flush(struct redact *redact)
{
	size_t size = redact->out_used;

	redact->out_used = 0;
	return size > 0 ? stage_put(redact->stage.next, redact->out, size) : 0;
}

int redact_emit(struct redact *redact, const char *data, size_t size)
{
	if (size > REDACT_OUT_BYTES - redact->out_used || size >= DIRECT_BYTES) {
		int r = flush(redact);

		if (r != 0)
			return r;
		if (size >= DIRECT_BYTES)
			return stage_put(redact->stage.next, data, size);
	}
	if (size > 0)
		memcpy(redact->out + redact->out_used, data, size);
	redact->out_used += size;
	return 0;
}

int redact_pass(struct redact *redact, const char *to, size_t skip)
{
	const char *from = redact->span;

	redact->span = to + skip;
	return redact_emit(redact, from, (size_t)(to - from));
}

/* ---- members ---- */

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The next byte that is no space, without taking it; 0 at the end of the input. */
static char peek(struct redact *redact)
{
	while (redact->at < redact->end && is_space(*redact->at))
		redact->at++;
	return redact->at < redact->end ? *redact->at : '\0';
}

/* A letter of the name of a member: nothing that could be taken for a value gets through. */
static int take_key(struct redact *redact)
{
	char c = *redact->at++;

	if (c == '"') {
		redact->key[redact->key_size] = '\0';
		redact->state = STATE_COLON;
		return 0;
	}
	if (!((c >= 'a' && c <= 'z') || c == '_') || redact->key_size + 1 >= REDACT_KEY_MAX)
		return redact_refuse(redact, "an unexpected member");
	redact->key[redact->key_size++] = c;
	return 0;
}

static int begin_head(struct redact *redact)
{
	if (redact->head_seen)
		return redact_refuse(redact, "a second head");
	redact->head_seen = true;
	redact->state = STATE_HEAD;
	redact->depth = 0;
	redact->in_string = redact->escaped = false;
	return redact_pass(redact, redact->at, 0);
}

static int begin_rows(struct redact *redact, enum redact_array array, const char *name)
{
	char text[80];

	if (redact->arrays[array].columns == 0 || (redact->seen & 1u << array) != 0 ||
	    (array != REDACT_NODES && (redact->seen & 1u << REDACT_NODES) == 0)) {
		snprintf(text, sizeof(text), "%s out of order", name);
		return redact_refuse(redact, text);
	}
	redact->seen |= 1u << array;
	redact->at++;
	redact->state = STATE_ROWS;
	redact_rows_begin(redact, array);
	return 0;
}

static int begin_strings(struct redact *redact)
{
	if ((redact->seen & 1u << REDACT_NODES) == 0 || (redact->seen & 1u << REDACT_EDGES) == 0)
		return redact_refuse(redact, "strings before nodes and edges");
	redact->at++;
	redact->strings_seen = true;
	redact->state = STATE_STRINGS;
	redact->expect = EXPECT_FIRST;
	return 0;
}

static int begin_numbers(struct redact *redact)
{
	redact->state = STATE_NUMBERS;
	redact->depth = 0;
	redact->expect = EXPECT_VALUE;
	return 0;
}

static int begin_value(struct redact *redact, char c)
{
	static const char *const arrays[REDACT_ARRAYS] = {
		[REDACT_NODES] = "nodes",
		[REDACT_EDGES] = "edges",
		[REDACT_FUNCTIONS] = "trace_function_infos",
		[REDACT_VARIABLES] = "scope_context_vars",
	};

	if (!redact->head_seen || strcmp(redact->key, "snapshot") == 0)
		return strcmp(redact->key, "snapshot") == 0 && c == '{'
			       ? begin_head(redact)
			       : redact_refuse(redact, "it does not begin with its head");
	for (int i = 0; i < REDACT_ARRAYS; i++) {
		if (strcmp(redact->key, arrays[i]) == 0 && c == '[')
			return begin_rows(redact, (enum redact_array)i, arrays[i]);
		if (strcmp(redact->key, arrays[i]) == 0)
			return redact_refuse(redact, "an array expected");
	}
	if (strcmp(redact->key, "strings") == 0)
		return c == '[' ? begin_strings(redact)
				: redact_refuse(redact, "an array of strings expected");
	return begin_numbers(redact);
}

/* ---- values that are not for us ---- */

/* Keeps back the head until it is whole. */
static int take_head(struct redact *redact)
{
	const char *from = redact->at;
	bool whole = false;
	int r;

	while (redact->at < redact->end && !whole) {
		char c = *redact->at++;

		if (redact->in_string) {
			redact->in_string = c != '"';
			if (c == '\\')
				return redact_refuse(redact, "an escape in the head");
		} else if (c == '"') {
			redact->in_string = true;
		} else if (c == '{' || c == '[') {
			redact->depth++;
		} else if (c == '}' || c == ']') {
			whole = --redact->depth == 0;
		}
	}
	r = buf_append(&redact->held, from, (size_t)(redact->at - from));
	redact->span = redact->at;
	if (r != 0)
		return r == -E2BIG ? redact_refuse(redact, "its head is too long") : r;
	if (!whole)
		return 0;
	redact->state = STATE_AFTER;
	r = redact_head(redact);
	if (r == 0)
		r = redact_emit(redact, redact->held.data, redact->held.size);
	buf_clear(&redact->held);
	return r;
}

/* Behind a value of STATE_NUMBERS: in an array more may come. */
static void end_number(struct redact *redact)
{
	redact->expect = EXPECT_COMMA;
	if (redact->depth == 0)
		redact->state = STATE_AFTER;
}

/* A byte of something that can only be numbers, in arrays of arrays. */
static int take_number(struct redact *redact, char c)
{
	bool may_begin = redact->expect <= EXPECT_VALUE;

	if (c >= '0' && c <= '9' && (may_begin || redact->expect <= IN_NUMBER)) {
		redact->expect = IN_NUMBER;
	} else if (c == '-' && may_begin) {
		redact->expect = EXPECT_DIGIT;
	} else if (c == '[' && may_begin) {
		redact->depth++;
		redact->expect = EXPECT_FIRST;
	} else if (redact->expect == EXPECT_DIGIT) {
		return redact_refuse(redact, "a number expected");
	} else if (redact->expect == IN_NUMBER && redact->depth == 0) {
		end_number(redact);
		return 0; /* and the byte is for STATE_AFTER */
	} else if (c == ']' && redact->depth > 0 && redact->expect != EXPECT_VALUE) {
		redact->depth--;
		end_number(redact);
	} else if (c == ',' && (redact->expect == IN_NUMBER || redact->expect == EXPECT_COMMA)) {
		redact->expect = EXPECT_VALUE;
	} else if (is_space(c)) {
		if (redact->expect == IN_NUMBER)
			redact->expect = EXPECT_COMMA;
	} else {
		return redact_refuse(redact, "something other than numbers");
	}
	redact->at++;
	return 0;
}

static int take_numbers(struct redact *redact)
{
	int r = 0;

	while (r == 0 && redact->at < redact->end && redact->state == STATE_NUMBERS)
		r = take_number(redact, *redact->at);
	return r;
}

/* ---- the outer object ---- */

struct step {
	char expected;
	enum redact_state next;
	const char *complaint;
};

static const struct step steps[] = {
	[STATE_START] = { '{', STATE_KEY, "no JSON object" },
	[STATE_KEY] = { '"', STATE_KEY_TEXT, "a member expected" },
	[STATE_COLON] = { ':', STATE_VALUE, "a colon expected" },
};

static int take_step(struct redact *redact)
{
	const struct step *step = &steps[redact->state];
	char c = peek(redact);

	if (c == '\0' && redact->at == redact->end)
		return 0;
	if (c != step->expected)
		return redact_refuse(redact, step->complaint);
	redact->at++;
	redact->key_size = redact->state == STATE_KEY ? 0 : redact->key_size;
	redact->state = step->next;
	return 0;
}

static int take_value(struct redact *redact)
{
	char c = peek(redact);

	return redact->at == redact->end ? 0 : begin_value(redact, c);
}

/* Strings are the last member: an index in a later one would name what is gone by. */
static int take_after(struct redact *redact)
{
	char c = peek(redact);

	if (redact->at == redact->end)
		return 0;
	if (c != (redact->strings_seen ? '}' : ','))
		return redact_refuse(redact, redact->strings_seen ? "more behind the strings"
								  : "the strings are missing");
	redact->at++;
	redact->state = redact->strings_seen ? STATE_END : STATE_KEY;
	return 0;
}

static int take_end(struct redact *redact)
{
	peek(redact);
	return redact->at == redact->end ? 0 : redact_refuse(redact, "more behind its end");
}

static int redact_put(struct stage *stage, const void *data, size_t size)
{
	static int (*const take[])(struct redact * redact) = {
		[STATE_START] = take_step,        [STATE_KEY] = take_step,
		[STATE_KEY_TEXT] = take_key,      [STATE_COLON] = take_step,
		[STATE_VALUE] = take_value,       [STATE_HEAD] = take_head,
		[STATE_ROWS] = redact_rows,       [STATE_NUMBERS] = take_numbers,
		[STATE_STRINGS] = redact_strings, [STATE_TEXT] = redact_text,
		[STATE_AFTER] = take_after,       [STATE_END] = take_end,
	};
	struct redact *redact = of(stage);
	int r = 0;

	redact->span = redact->at = data;
	redact->end = redact->at + size;
	while (r == 0 && redact->at < redact->end)
		r = take[redact->state](redact);
	return r == 0 ? redact_pass(redact, redact->at, 0) : r;
}

static int redact_finish(struct stage *stage)
{
	struct redact *redact = of(stage);

	redact->at = redact->end = NULL;
	return redact->state == STATE_END ? flush(redact)
					  : redact_refuse(redact, "it is cut short");
}

/* ---- life ---- */

static void wipe(void *data, size_t size)
{
	if (data != NULL)
		explicit_bzero(data, size);
	free(data);
}

static void redact_free(struct stage *stage)
{
	struct redact *redact = of(stage);

	wipe(redact->out, REDACT_OUT_BYTES);
	wipe(redact->name, REDACT_NAME_MAX);
	if (redact->held.data != NULL)
		explicit_bzero(redact->held.data, redact->held.capacity);
	buf_fini(&redact->held);
	map_fini(&redact->allow);
	text_list_fini(&redact->allow_texts);
	free(redact->marks);
	free(redact);
}

static int fill_allow(struct redact *redact, const struct text_list *allow)
{
	int r = 0;

	for (size_t i = 0; redact_builtin_names[i] != NULL && r != -ENOMEM; i++)
		r = map_put(&redact->allow, redact_builtin_names[i], redact);
	for (size_t i = 0; allow != NULL && i < allow->n && r != -ENOMEM; i++) {
		r = text_list_add(&redact->allow_texts, allow->items[i]);
		if (r == 0)
			r = map_put(&redact->allow, redact->allow_texts.items[i], redact);
	}
	return r == -ENOMEM ? r : 0; /* twice is fine */
}

int redact_new(struct stage **ret, enum redact_level level, const struct text_list *allow,
	       struct stage *next)
{
	static const struct stage_ops ops = {
		.name = "redact",
		.put = redact_put,
		.finish = redact_finish,
		.free = redact_free,
	};
	struct redact *redact = calloc(1, sizeof(*redact));

	if (redact == NULL)
		return -ENOMEM;
	redact->stage = (struct stage){ .ops = &ops, .next = next };
	redact->level = level;
	buf_init(&redact->held, REDACT_HEAD_MAX);
	map_init(&redact->allow);
	redact->out = malloc(REDACT_OUT_BYTES);
	redact->name = malloc(REDACT_NAME_MAX);
	if (redact->out == NULL || redact->name == NULL || fill_allow(redact, allow) != 0) {
		redact_free(&redact->stage);
		return -ENOMEM;
	}
	*ret = &redact->stage;
	return 0;
}
