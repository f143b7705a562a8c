/*
 * Patterns: POSIX extended regular expressions, checked before they are compiled
 *
 * The C library builds an automaton in which a{100} is a hundred copies of a and x+ is two of x;
 * nested, a pattern of thirty bytes takes gigabytes. So the copies are counted beforehand. Its
 * matcher is linear without back-references, which POSIX extended syntax does not have.
 *
 * Wrapping the text as ^(...)$ would not anchor it: "a)|(b" would escape. POSIX asks for the
 * leftmost and then longest match, so a text matches as a whole if and only if the match that is
 * found spans it.
 */

#include "watch/pattern.h"

#include <errno.h>
#include <string.h>

struct vet {
	const char *at;
	unsigned depth;
	unsigned long sums[PATTERN_MAX_DEPTH + 1]; /* copies in each open group */
	unsigned long last; /* copies of the latest item, which a repetition multiplies */
	struct err *err;
};

static int too_big(const struct vet *vet)
{
	return err_set(vet->err, -EINVAL, "the pattern repeats too much (at most %d copies)",
		       PATTERN_MAX_COST);
}

static int add_item(struct vet *vet, unsigned long copies)
{
	vet->last = copies;
	vet->sums[vet->depth] += copies;
	return vet->sums[vet->depth] > PATTERN_MAX_COST ? too_big(vet) : 0;
}

static int repeat_item(struct vet *vet, unsigned long times)
{
	if (times < 2)
		return 0;
	if (times > PATTERN_MAX_COST)
		return too_big(vet);
	vet->sums[vet->depth] += vet->last * (times - 1);
	vet->last *= times;
	return vet->sums[vet->depth] > PATTERN_MAX_COST ? too_big(vet) : 0;
}

/* A whole bracket expression is one item; a ] in first place is an ordinary character. */
static int vet_bracket(struct vet *vet)
{
	const char *at = vet->at + 1;

	if (*at == '^')
		at++;
	if (*at == ']')
		at++;
	for (; *at != '\0' && *at != ']'; at++) {
		if (at[0] == '[' && (at[1] == ':' || at[1] == '.' || at[1] == '=')) {
			const char end[] = { at[1], ']', '\0' };
			const char *close = strstr(at + 2, end);

			if (close == NULL)
				break;
			at = close + 1;
		}
	}
	if (*at != ']')
		return err_set(vet->err, -EINVAL, "missing ] in the pattern");
	vet->at = at + 1;
	return add_item(vet, 1);
}

static int vet_escape(struct vet *vet)
{
	unsigned char c = (unsigned char)vet->at[1];

	if (c == '\0')
		return err_set(vet->err, -EINVAL, "the pattern ends in a backslash");
	if (c >= 0x80)
		return err_set(vet->err, -EINVAL, "a backslash before a character that needs none");
	if (strchr(".[]{}()*+?^$|\\/-", c) == NULL)
		return err_set(vet->err, -EINVAL,
			       "\\%c has no meaning in POSIX extended patterns (write [0-9], "
			       "[[:alnum:]_], [[:space:]])",
			       c);
	vet->at += 2;
	return add_item(vet, 1);
}

static unsigned long take_count(const char **at)
{
	unsigned long count = 0;

	for (; **at >= '0' && **at <= '9'; (*at)++) {
		if (count <= PATTERN_MAX_COST)
			count = count * 10 + (unsigned long)(**at - '0');
	}
	return count;
}

/* {m}, {m,} and {m,n}; its form is the compiler's to judge, its size is ours. */
static int vet_interval(struct vet *vet)
{
	const char *at = vet->at + 1;
	unsigned long low = take_count(&at), high = low;

	if (*at == ',') {
		at++;
		high = *at == '}' ? low + 1 : take_count(&at);
	}
	if (*at != '}')
		return err_set(vet->err, -EINVAL, "missing } in the pattern");
	vet->at = at + 1;
	return repeat_item(vet, high > low ? high : low);
}

static int vet_open(struct vet *vet)
{
	if (vet->depth == PATTERN_MAX_DEPTH)
		return err_set(vet->err, -EINVAL, "the pattern nests deeper than %d groups",
			       PATTERN_MAX_DEPTH);
	vet->depth++;
	vet->sums[vet->depth] = 1;
	vet->last = 0;
	vet->at++;
	return 0;
}

static int vet_close(struct vet *vet)
{
	unsigned long copies = vet->sums[vet->depth];

	if (vet->depth == 0)
		return err_set(vet->err, -EINVAL, "unmatched ) in the pattern");
	vet->depth--;
	vet->at++;
	return add_item(vet, copies);
}

static int vet_next(struct vet *vet)
{
	switch (*vet->at) {
	case '[':
		return vet_bracket(vet);
	case '\\':
		return vet_escape(vet);
	case '{':
		return vet_interval(vet);
	case '(':
		return vet_open(vet);
	case ')':
		return vet_close(vet);
	case '+':
		vet->at++;
		return repeat_item(vet, 2);
	case '*':
	case '?':
		vet->at++;
		return 0;
	default:
		vet->at++;
		return add_item(vet, 1);
	}
}

static int pattern_vet(const char *text, struct err *err)
{
	struct vet vet = { .at = text, .err = err };

	if (strlen(text) > PATTERN_MAX_BYTES)
		return err_set(err, -EINVAL, "the pattern is longer than %d bytes",
			       PATTERN_MAX_BYTES);
	while (*vet.at != '\0') {
		int r = vet_next(&vet);

		if (r < 0)
			return r;
	}
	if (vet.depth > 0)
		return err_set(err, -EINVAL, "missing ) in the pattern");
	return 0;
}

int pattern_init(struct pattern *pattern, const char *text, struct err *err)
{
	char why[128];
	int r;

	*pattern = (struct pattern){ 0 };
	r = pattern_vet(text, err);
	if (r < 0)
		return r;
	r = regcomp(&pattern->regex, text, REG_EXTENDED);
	if (r == REG_ESPACE)
		return err_set(err, -ENOMEM, "out of memory");
	if (r != 0) {
		regerror(r, &pattern->regex, why, sizeof(why));
		return err_set(err, -EINVAL, "bad pattern: %s", why);
	}
	pattern->ready = true;
	return 0;
}

void pattern_fini(struct pattern *pattern)
{
	if (pattern->ready)
		regfree(&pattern->regex);
	*pattern = (struct pattern){ 0 };
}

bool pattern_match(const struct pattern *pattern, const char *text)
{
	regmatch_t match[1];

	if (regexec(&pattern->regex, text, 1, match, 0) != 0)
		return false;
	return match[0].rm_so == 0 && (size_t)match[0].rm_eo == strlen(text);
}
