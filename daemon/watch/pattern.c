/*
 * Patterns: POSIX extended regular expressions, checked before they are compiled
 *
 * The C library builds an automaton in which a{100} is a hundred copies of a and x+ is two of x;
 * nested, a pattern of thirty bytes takes gigabytes, and a???????{4,} takes exponential time. So
 * copies are counted beforehand, and repetitions of repetitions are refused. Its matcher is linear
 * without back-references, which POSIX extended syntax does not have.
 *
 * Wrapping the text as ^(...)$ would not anchor it: "a)|(b" would escape. POSIX asks for the
 * leftmost and then longest match, so a text matches as a whole if and only if the match that is
 * found spans it.
 */

#include "watch/pattern.h"

#include <errno.h>
#include <string.h>

/* What a part of the pattern amounts to once it is compiled. */
struct extent {
	unsigned long copies; /* of single characters */
	unsigned nested; /* repetitions within repetitions */
};

struct vet {
	const char *at;
	unsigned depth;
	struct extent groups[PATTERN_MAX_GROUPS + 1]; /* the open ones, the whole text first */
	struct extent last; /* the latest item, which a repetition multiplies */
	bool repeated; /* it has its repetition already */
	struct err *err;
};

/* The latest item is `last`; `more` copies come to its group. */
static int extend(struct vet *vet, unsigned long more)
{
	struct extent *group = &vet->groups[vet->depth];

	group->copies += more;
	if (group->nested < vet->last.nested)
		group->nested = vet->last.nested;
	if (group->copies > PATTERN_MAX_COPIES)
		return err_set(vet->err, -EINVAL,
			       "the pattern repeats too much (at most %d characters in all)",
			       PATTERN_MAX_COPIES);
	return 0;
}

static int add_item(struct vet *vet, struct extent item)
{
	vet->last = item;
	vet->repeated = false;
	return extend(vet, item.copies);
}

static int add_character(struct vet *vet)
{
	return add_item(vet, (struct extent){ .copies = 1 });
}

static int repeat_item(struct vet *vet, unsigned long times)
{
	unsigned long before = vet->last.copies;

	if (vet->repeated)
		return err_set(vet->err, -EINVAL,
			       "a repetition of a repetition has no meaning in POSIX extended "
			       "patterns");
	vet->repeated = true;
	if (++vet->last.nested > PATTERN_MAX_NESTED)
		return err_set(vet->err, -EINVAL, "the pattern nests more than %d repetitions",
			       PATTERN_MAX_NESTED);
	if (times > 1)
		vet->last.copies *= times;
	return extend(vet, vet->last.copies - before);
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
	return add_character(vet);
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
	return add_character(vet);
}

static unsigned long take_count(const char **at)
{
	unsigned long count = 0;

	for (; **at >= '0' && **at <= '9'; (*at)++) {
		if (count <= PATTERN_MAX_COPIES)
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
	if (vet->depth == PATTERN_MAX_GROUPS)
		return err_set(vet->err, -EINVAL, "the pattern nests deeper than %d groups",
			       PATTERN_MAX_GROUPS);
	vet->depth++;
	vet->groups[vet->depth] = (struct extent){ .copies = 1 };
	vet->last = (struct extent){ 0 };
	vet->repeated = false;
	vet->at++;
	return 0;
}

static int vet_close(struct vet *vet)
{
	if (vet->depth == 0)
		return err_set(vet->err, -EINVAL, "unmatched ) in the pattern");
	vet->depth--;
	vet->at++;
	return add_item(vet, vet->groups[vet->depth + 1]);
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
		return repeat_item(vet, 1);
	default:
		vet->at++;
		return add_character(vet);
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
