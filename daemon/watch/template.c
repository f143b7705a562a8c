/*
 * Templates of labels and annotations
 *
 * One walk serves the check and the expansion: the check walks with no buffer. Numbers read as Go
 * prints them, because these texts stand beside Prometheus' own: {{ $value }} is the shortest text
 * that reads back as the same number, the filters are those of prometheus/common.
 */

#include "watch/template.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "util/buf.h"
#include "util/str.h"
#include "watch/column.h"
#include "watch/humanize.h"

struct walk {
	const char *text, *at;
	const struct labels *labels;
	double value;
	struct buf *buf; /* NULL: check only */
	struct err *err;
};

struct filter {
	const char *name;
	int (*print)(double value, struct buf *buf);
};

static const struct filter filters[] = {
	{ "humanize", humanize },
	{ "humanize1024", humanize_1024 },
	{ "humanizePercentage", humanize_percentage },
	{ "humanizeDuration", humanize_duration },
};
enum { FILTERS_N = sizeof(filters) / sizeof(filters[0]) };

static int fail(const struct walk *walk, const char *at, const char *what)
{
	return err_set_at(walk->err, -EINVAL, 1, column_at(walk->text, at), "%s", what);
}

static void skip_space(struct walk *walk)
{
	walk->at += strspn(walk->at, " \t\r\n");
}

static size_t word_size(const char *at)
{
	return strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
}

static bool take(struct walk *walk, const char *word)
{
	size_t size = strlen(word);

	if (!str_has_prefix(walk->at, word) || word_size(walk->at + size) > 0)
		return false;
	walk->at += size;
	return true;
}

static int unknown_filter(const struct walk *walk, size_t size)
{
	const char *names[FILTERS_N], *meant;
	char word[32];

	for (size_t i = 0; i < FILTERS_N; i++)
		names[i] = filters[i].name;
	if (size >= sizeof(word))
		return fail(walk, walk->at, "unknown filter");
	memcpy(word, walk->at, size);
	word[size] = '\0';
	meant = str_closest(word, names, FILTERS_N);
	return err_set_at(walk->err, -EINVAL, 1, column_at(walk->text, walk->at),
			  meant ? "unknown filter \"%s\" (did you mean \"%s\"?)"
				: "unknown filter \"%s\" (there are humanize, humanize1024, "
				  "humanizePercentage and humanizeDuration)",
			  word, meant);
}

/* What stands behind the bar. */
static int take_filter(struct walk *walk, const struct filter **ret)
{
	size_t size;

	walk->at++;
	skip_space(walk);
	size = word_size(walk->at);
	if (size == 0)
		return fail(walk, walk->at, "expected a filter after |");
	for (size_t i = 0; i < FILTERS_N; i++) {
		if (size == strlen(filters[i].name) &&
		    strncmp(walk->at, filters[i].name, size) == 0) {
			walk->at += size;
			*ret = &filters[i];
			return 0;
		}
	}
	return unknown_filter(walk, size);
}

static int take_close(struct walk *walk, const char *expected)
{
	skip_space(walk);
	if (str_has_prefix(walk->at, "}}")) {
		walk->at += 2;
		return 0;
	}
	return fail(walk, walk->at, *walk->at == '\0' ? "missing }}" : expected);
}

static int walk_value(struct walk *walk)
{
	const struct filter *filter = NULL;
	int r;

	skip_space(walk);
	if (*walk->at == '|') {
		r = take_filter(walk, &filter);
		if (r < 0)
			return r;
		r = take_close(walk, "expected }} (a value goes through one filter)");
	} else {
		r = take_close(walk, "expected | or }}");
	}
	if (r < 0 || walk->buf == NULL)
		return r;
	return filter ? filter->print(walk->value, walk->buf)
		      : humanize_plain(walk->value, walk->buf);
}

static int walk_label(struct walk *walk)
{
	char name[128];
	const char *begin, *value;
	size_t size;
	int r;

	if (*walk->at != '.')
		return fail(walk, walk->at, "expected .NAME after $labels");
	begin = ++walk->at;
	size = word_size(begin);
	if (size == 0 || (*begin >= '0' && *begin <= '9'))
		return fail(walk, begin, "expected a label name");
	if (size >= sizeof(name))
		return fail(walk, begin, "the label name is too long");
	memcpy(name, begin, size);
	name[size] = '\0';
	walk->at += size;
	skip_space(walk);
	r = take_close(walk, *walk->at == '|' ? "labels take no filter" : "expected }}");
	if (r < 0 || walk->buf == NULL)
		return r;
	value = labels_get(walk->labels, name);
	return buf_puts(walk->buf, value ? value : "");
}

/* What stands between {{ and }}, the closing braces included. */
static int walk_action(struct walk *walk)
{
	walk->at += 2;
	skip_space(walk);
	if (take(walk, "$labels"))
		return walk_label(walk);
	if (take(walk, "$value"))
		return walk_value(walk);
	return fail(walk, walk->at,
		    *walk->at == '\0' ? "missing }}" : "expected $labels.NAME or $value");
}

static int walk_all(struct walk *walk)
{
	for (;;) {
		const char *open = strstr(walk->at, "{{");
		size_t plain = open ? (size_t)(open - walk->at) : strlen(walk->at);
		int r;

		if (walk->buf != NULL && buf_append(walk->buf, walk->at, plain) < 0)
			return walk->buf->error;
		walk->at += plain;
		if (open == NULL)
			return 0;
		r = walk_action(walk);
		if (r < 0)
			return r;
	}
}

int template_check(const char *text, struct err *err)
{
	struct walk walk = { .text = text, .at = text, .err = err };

	return walk_all(&walk);
}

int template_expand(const char *text, const struct labels *labels, double value, struct buf *buf)
{
	struct walk walk = {
		.text = text,
		.at = text,
		.labels = labels,
		.value = value,
		.buf = buf,
	};

	return walk_all(&walk);
}
