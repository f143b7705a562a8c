/*
 * JSON, by our scanner
 *
 * The scanner knows only offsets, and of a value only where it ends. So the text is cut into tokens
 * here and fed one by one: the place where the token begins is the place of the value, and of the
 * complaint when the scanner does not take it. Cutting needs no grammar: a string ends at its
 * quote, a word at the first byte that cannot be part of a number or literal, anything else is one
 * byte.
 */

#include "conf/build.h"

#include <errno.h>
#include <string.h>

#include "json/scan.h"
#include "util/buf.h"
#include "util/str.h"

enum { BUFFER_BYTES = 4096 };

struct token {
	const char *text;
	size_t size, offset;
	struct build_mark mark;
};

struct reader {
	struct build *build;
	struct json_scan scan;
	struct token token; /* being fed */
	struct token word; /* the last number or literal: it is known to be over one token later */
	struct buf value; /* pieces of a long string */
	char buffer[BUFFER_BYTES];
};

static int refuse(struct reader *reader, struct build_mark mark, const char *text)
{
	problems_add(reader->build->problems, reader->build->doc->file, mark.line, mark.column,
		     NULL, "%s", text);
	return -EINVAL;
}

/* ---- events ---- */

static int on_string(struct reader *reader, const struct json_event *event)
{
	int r = buf_append(&reader->value, event->text, event->size);

	if (r < 0 || event->kind == JSON_STRING_PART)
		return r;
	r = build_scalar(reader->build, reader->value.data, reader->value.size, false,
			 reader->token.mark);
	buf_clear(&reader->value);
	return r;
}

static int on_event(void *owner, const struct json_event *event)
{
	struct reader *reader = owner;

	switch (event->kind) {
	case JSON_OBJECT:
		return build_open(reader->build, NODE_TABLE, reader->token.mark);
	case JSON_ARRAY:
		return build_open(reader->build, NODE_LIST, reader->token.mark);
	case JSON_OBJECT_END:
	case JSON_ARRAY_END:
		return build_close(reader->build, NULL);
	case JSON_KEY:
		return build_key(reader->build, event->text, event->size, reader->token.mark);
	case JSON_STRING_PART:
	case JSON_STRING:
		return on_string(reader, event);
	default:
		return build_scalar(reader->build, reader->word.text, reader->word.size, true,
				    reader->word.mark);
	}
}

/* ---- tokens ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '+' || c == '-' || c == '.';
}

static size_t string_size(const char *text, size_t size)
{
	for (size_t i = 1; i < size; i++) {
		if (text[i] == '\\')
			i++;
		else if (text[i] == '"')
			return i + 1;
	}
	return size;
}

static size_t token_size(const char *text, size_t size)
{
	size_t n = 1;

	if (text[0] == '"')
		return string_size(text, size);
	if (is_blank(text[0]))
		while (n < size && is_blank(text[n]))
			n++;
	else if (is_word(text[0]))
		while (n < size && is_word(text[n]))
			n++;
	return n;
}

/* Columns count characters, as YAML's do. */
static void advance(struct build_mark *mark, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (text[i] == '\n')
			*mark = (struct build_mark){ mark->line + 1, 1 };
		else if (((unsigned char)text[i] & 0xc0) != 0x80)
			mark->column++;
	}
}

/* Inside a text that began where one may stand: the text itself is wrong. */
static bool text_is_wrong(const struct reader *reader)
{
	return reader->token.text[0] == '"' && reader->scan.offset > reader->token.offset;
}

static int refuse_token(struct reader *reader)
{
	char text[16], shown[SHOWN_MAX];
	size_t size = reader->token.size;

	if (text_is_wrong(reader))
		return refuse(reader, reader->token.mark,
			      "a text with a bad escape, a line break, or no closing quote");
	if (size > sizeof(text) - 1)
		size = sizeof(text) - 1;
	memcpy(text, reader->token.text, size);
	text[size] = '\0';
	problems_add(reader->build->problems, reader->build->doc->file, reader->token.mark.line,
		     reader->token.mark.column, NULL, "'%s' is not valid JSON here",
		     problem_shown(shown, text));
	return -EINVAL;
}

static size_t digits(const char *at)
{
	return strspn(at, "0123456789");
}

/* -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)? */
static bool is_number(const char *at)
{
	size_t whole;

	at += *at == '-';
	whole = digits(at);
	if (whole == 0 || (whole > 1 && *at == '0'))
		return false;
	at += whole;
	if (*at == '.') {
		if (digits(at + 1) == 0)
			return false;
		at += 1 + digits(at + 1);
	}
	if (*at == 'e' || *at == 'E') {
		at++;
		at += *at == '+' || *at == '-';
		if (digits(at) == 0)
			return false;
		at += digits(at);
	}
	return *at == '\0';
}

/* The scanner would say so one token later, and so at the wrong place. */
static bool is_value(const struct token *word)
{
	char text[64];

	if (word->size >= sizeof(text))
		return true;
	memcpy(text, word->text, word->size);
	text[word->size] = '\0';
	return strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ||
	       strcmp(text, "null") == 0 || is_number(text);
}

static int feed_token(struct reader *reader)
{
	int r;

	if (is_word(reader->token.text[0])) {
		reader->word = reader->token;
		if (!is_value(&reader->word))
			return refuse_token(reader);
	}
	r = json_scan_feed(&reader->scan, reader->token.text, reader->token.size);
	if (r == -E2BIG)
		return refuse(reader, reader->token.mark, "a key or number is too long");
	return r == -EBADMSG ? refuse_token(reader) : r;
}

static int check_utf8(struct reader *reader, const char *text, size_t size)
{
	struct build_mark mark = { 1, 1 };
	size_t at = 0;

	while (at < size) {
		size_t n = str_utf8_sequence(text + at, size - at);

		if (n == 0) {
			advance(&mark, text, at);
			return refuse(reader, mark, "this is not UTF-8");
		}
		at += n;
	}
	return 0;
}

static int read_tokens(struct reader *reader, const char *text, size_t size)
{
	struct build_mark mark = { 1, 1 };

	for (size_t at = 0; at < size; at += reader->token.size) {
		int r;

		reader->token = (struct token){ .text = text + at, .offset = at, .mark = mark };
		reader->token.size = token_size(text + at, size - at);
		r = feed_token(reader);
		if (r < 0)
			return r;
		advance(&mark, text + at, reader->token.size);
	}
	if (json_scan_end(&reader->scan) < 0)
		return refuse(reader, mark, "the file ends too early: a bracket or quote is open");
	return 0;
}

int json_read(struct build *build, const char *text, size_t size)
{
	struct reader reader = { .build = build };
	int r;

	r = check_utf8(&reader, text, size);
	if (r < 0)
		return r;
	buf_init(&reader.value, DOC_SIZE_MAX);
	json_scan_init(&reader.scan, reader.buffer, sizeof(reader.buffer), on_event, &reader);
	r = read_tokens(&reader, text, size);
	buf_fini(&reader.value);
	return r;
}
