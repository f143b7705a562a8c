/*
 * Label matchers, in Prometheus' syntax
 *
 * { name op "value" , ... } with the operators = != =~ !~, strings in double or single quotes with
 * escapes or in backticks without, and a comma allowed at the end. All have to agree.
 */

#include "watch/matcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/str.h"
#include "watch/column.h"
#include "watch/pattern.h"

/* More than anybody writes; a rule is evaluated against every target. */
enum { MATCHERS_MAX = 32 };

enum matcher_op { MATCH_EQUAL, MATCH_NOT_EQUAL, MATCH_REGEX, MATCH_NOT_REGEX };

struct matcher {
	char *name, *value;
	enum matcher_op op;
	struct pattern pattern; /* MATCH_REGEX, MATCH_NOT_REGEX */
};

struct matchers {
	size_t n;
	struct matcher items[MATCHERS_MAX];
};

struct parser {
	const char *text, *at;
	struct err *err;
};

static int fail(const struct parser *parser, const char *at, const char *what)
{
	return err_set_at(parser->err, -EINVAL, 1, column_at(parser->text, at), "%s", what);
}

static int no_memory(const struct parser *parser)
{
	return err_set(parser->err, -ENOMEM, "out of memory");
}

static void skip_space(struct parser *parser)
{
	parser->at += strspn(parser->at, " \t\r\n");
}

static bool is_name_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (!first && c >= '0' && c <= '9');
}

static int parse_name(struct parser *parser, char **ret)
{
	const char *begin = parser->at;

	while (is_name_char(*parser->at, parser->at == begin))
		parser->at++;
	if (parser->at == begin)
		return fail(parser, begin, "expected a label name or }");
	*ret = str_dup_span(begin, (size_t)(parser->at - begin));
	return *ret == NULL ? no_memory(parser) : 0;
}

static int parse_op(struct parser *parser, enum matcher_op *ret)
{
	static const char *const ops[] = { "=~", "!~", "!=", "=" }; /* the longer ones first */
	static const enum matcher_op meanings[] = { MATCH_REGEX, MATCH_NOT_REGEX, MATCH_NOT_EQUAL,
						    MATCH_EQUAL };

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (str_has_prefix(parser->at, ops[i])) {
			parser->at += strlen(ops[i]);
			*ret = meanings[i];
			return 0;
		}
	}
	return fail(parser, parser->at, "expected =, !=, =~ or !~");
}

/* The character an escape stands for, or 0. */
static char unescape(char c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 'r':
		return '\r';
	case '\\':
	case '"':
	case '\'':
		return c;
	default:
		return '\0';
	}
}

/* The text up to the closing quote into dst, which has room for it. */
static int unquote(struct parser *parser, const char *close, char quote, char *dst)
{
	while (parser->at < close) {
		char c = *parser->at;

		if (c == '\\' && quote != '`') {
			c = unescape(parser->at[1]);
			if (c == '\0')
				return fail(parser, parser->at,
					    "unknown escape (\\n, \\t, \\r, \\\\, \\\" and \\' "
					    "exist; patterns need \\\\ for one backslash)");
			parser->at++;
		}
		parser->at++;
		*dst++ = c;
	}
	*dst = '\0';
	parser->at++;
	return 0;
}

static const char *find_close(const char *at, char quote)
{
	for (; *at != '\0' && *at != quote; at++) {
		if (*at == '\\' && quote != '`' && at[1] != '\0')
			at++;
	}
	return *at == quote ? at : NULL;
}

static int parse_string(struct parser *parser, char **ret)
{
	const char *begin = parser->at, *close;
	char quote = *begin;

	if (quote != '"' && quote != '\'' && quote != '`')
		return fail(parser, begin, "expected a quoted value");
	close = find_close(begin + 1, quote);
	if (close == NULL)
		return fail(parser, begin, "missing closing quote");
	*ret = malloc((size_t)(close - begin));
	if (*ret == NULL)
		return no_memory(parser);
	parser->at++;
	return unquote(parser, close, quote, *ret);
}

static int compile(struct parser *parser, struct matcher *matcher, const char *value_at)
{
	struct err why = { 0 };
	int r;

	if (matcher->op != MATCH_REGEX && matcher->op != MATCH_NOT_REGEX)
		return 0;
	r = pattern_init(&matcher->pattern, matcher->value, &why);
	if (r == -ENOMEM)
		return no_memory(parser);
	return r < 0 ? fail(parser, value_at, why.text) : 0;
}

static int parse_matcher(struct parser *parser, struct matcher *matcher)
{
	const char *value_at;
	int r;

	r = parse_name(parser, &matcher->name);
	if (r < 0)
		return r;
	skip_space(parser);
	r = parse_op(parser, &matcher->op);
	if (r < 0)
		return r;
	skip_space(parser);
	value_at = parser->at;
	r = parse_string(parser, &matcher->value);
	if (r < 0)
		return r;
	return compile(parser, matcher, value_at);
}

static int parse_list(struct parser *parser, struct matchers *matchers)
{
	for (skip_space(parser); *parser->at != '}'; skip_space(parser)) {
		int r;

		if (matchers->n == MATCHERS_MAX)
			return fail(parser, parser->at, "too many matchers (at most 32)");
		r = parse_matcher(parser, &matchers->items[matchers->n++]);
		if (r < 0)
			return r;
		skip_space(parser);
		if (*parser->at == ',')
			parser->at++;
		else if (*parser->at != '}')
			return fail(parser, parser->at, "expected , or }");
	}
	parser->at++;
	return 0;
}

static int parse_all(struct parser *parser, struct matchers *matchers)
{
	int r;

	skip_space(parser);
	if (*parser->at == '\0')
		return 0;
	if (*parser->at != '{')
		return fail(parser, parser->at, "expected { before the first matcher");
	parser->at++;
	r = parse_list(parser, matchers);
	if (r < 0)
		return r;
	skip_space(parser);
	return *parser->at == '\0' ? 0 : fail(parser, parser->at, "text after the closing }");
}

int matchers_parse(struct matchers **ret, const char *text, struct err *err)
{
	struct parser parser = { .text = text ? text : "", .err = err };
	struct matchers *matchers = calloc(1, sizeof(*matchers));
	int r;

	parser.at = parser.text;
	if (matchers == NULL)
		return no_memory(&parser);
	r = parse_all(&parser, matchers);
	if (r < 0)
		matchers_free(matchers);
	else
		*ret = matchers;
	return r;
}

void matchers_free(struct matchers *matchers)
{
	if (matchers == NULL)
		return;
	for (size_t i = 0; i < matchers->n; i++) {
		free(matchers->items[i].name);
		free(matchers->items[i].value);
		pattern_fini(&matchers->items[i].pattern);
	}
	free(matchers);
}

static bool matcher_agrees(const struct matcher *matcher, const char *value)
{
	switch (matcher->op) {
	case MATCH_EQUAL:
		return strcmp(matcher->value, value) == 0;
	case MATCH_NOT_EQUAL:
		return strcmp(matcher->value, value) != 0;
	case MATCH_REGEX:
		return pattern_match(&matcher->pattern, value);
	case MATCH_NOT_REGEX:
		return !pattern_match(&matcher->pattern, value);
	}
	return false;
}

bool matchers_match(const struct matchers *matchers, matcher_get_fn *get, const void *thing)
{
	for (size_t i = 0; i < matchers->n; i++) {
		const char *value = get(thing, matchers->items[i].name);

		if (!matcher_agrees(&matchers->items[i], value ? value : ""))
			return false;
	}
	return true;
}
