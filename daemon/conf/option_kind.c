/*
 * Types of options
 *
 * How each scalar type is read from text and compared. Reading is strict: whole text, one spelling
 * per meaning, so that what a file says can be understood without knowing the program.
 */

#include "conf/option_kind.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/labels.h"
#include "util/clock.h"
#include "util/day_times.h"
#include "util/str.h"

char *option_path(char dst[OPTION_PATH_MAX], const char *prefix, const char *name)
{
	const char *dot = prefix[0] && name[0] ? "." : "";

	snprintf(dst, OPTION_PATH_MAX, "%s%s%s", prefix, dot, name);
	return dst;
}

char *option_path_at(char dst[OPTION_PATH_MAX], const char *path, size_t index)
{
	/* Room for the number whatever the path: 20 digits and two brackets. */
	snprintf(dst, OPTION_PATH_MAX, "%.*s[%zu]", OPTION_PATH_MAX - 24, path, index);
	return dst;
}

/* ---- lists of texts ---- */

int text_list_add(struct text_list *list, const char *text)
{
	char **items = reallocarray(list->items, list->n + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	list->items = items;
	items[list->n] = strdup(text);
	if (!items[list->n])
		return -ENOMEM;
	list->n++;
	return 0;
}

void text_list_fini(struct text_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct text_list){ 0 };
}

static void fini_text_list(void *value)
{
	text_list_fini(value);
}

static bool equal_text_list(const void *a, const void *b)
{
	const struct text_list *x = a, *y = b;

	if (x->n != y->n)
		return false;
	for (size_t i = 0; i < x->n; i++) {
		if (strcmp(x->items[i], y->items[i]) != 0)
			return false;
	}
	return true;
}

/* ---- mappings of texts ---- */

const char *text_map_get(const struct text_map *map, const char *name)
{
	for (size_t i = 0; i < map->n; i++) {
		if (strcmp(map->items[i].name, name) == 0)
			return map->items[i].text;
	}
	return NULL;
}

void text_map_fini(struct text_map *map)
{
	for (size_t i = 0; i < map->n; i++) {
		free(map->items[i].name);
		free(map->items[i].text);
	}
	free(map->items);
	*map = (struct text_map){ 0 };
}

static void fini_text_map(void *value)
{
	text_map_fini(value);
}

static bool equal_text_map(const void *a, const void *b)
{
	const struct text_map *x = a, *y = b;

	if (x->n != y->n)
		return false;
	for (size_t i = 0; i < x->n; i++) {
		const char *other = text_map_get(y, x->items[i].name);

		if (!other || strcmp(x->items[i].text, other) != 0)
			return false;
	}
	return true;
}

/* ---- scalars ---- */

static int parse_bool(const struct option_desc *desc, const char *text, void *value,
		      struct err *hint)
{
	static const char *const yes[] = { "yes", "on", "y", "1", "enabled", "enable" };
	static const char *const no[] = { "no", "off", "n", "0", "disabled", "disable" };
	bool *ret = value;

	(void)desc;
	*ret = strcmp(text, "true") == 0;
	if (*ret || strcmp(text, "false") == 0)
		return 0;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcasecmp(text, yes[i]) == 0)
			return err_set(hint, -EINVAL, "did you mean 'true'?");
		if (strcasecmp(text, no[i]) == 0)
			return err_set(hint, -EINVAL, "did you mean 'false'?");
	}
	if (strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0)
		err_set(hint, -EINVAL, "in lower case");
	return -EINVAL;
}

static int parse_uint(const struct option_desc *desc, const char *text, void *value,
		      struct err *hint)
{
	(void)desc;
	(void)hint;
	return str_parse_uint(text, value);
}

static int parse_bytes(const struct option_desc *desc, const char *text, void *value,
		       struct err *hint)
{
	(void)desc;
	(void)hint;
	return str_parse_bytes(text, value);
}

static int parse_time(const struct option_desc *desc, const char *text, void *value,
		      struct err *hint)
{
	uint64_t number;

	(void)desc;
	if (str_parse_uint(text, &number) == 0 && number > 0)
		return err_set(hint, -EINVAL, "which unit? did you mean '%ss'?", text);
	return str_parse_duration(text, value);
}

static int parse_ratio(const struct option_desc *desc, const char *text, void *value,
		       struct err *hint)
{
	(void)desc;
	(void)hint;
	return str_parse_ratio(text, value);
}

static int parse_number(const struct option_desc *desc, const char *text, void *value,
			struct err *hint)
{
	double number;
	char *end;

	(void)desc;
	(void)hint;
	if (text[0] == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0')
		return -EINVAL;
	number = strtod(text, &end);
	if (*end != '\0')
		return -EINVAL;
	if (!isfinite(number))
		return -ERANGE;
	memcpy(value, &number, sizeof(number));
	return 0;
}

/* One line: what stands in names, paths and addresses ends up in logs and file names. */
static int parse_text(const struct option_desc *desc, const char *text, void *value,
		      struct err *hint)
{
	char **ret = value;

	(void)desc;
	for (const char *at = text; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return err_set(hint, -EINVAL, "without control characters");
	}
	if (text[0] == '\0')
		return err_set(hint, -EINVAL, "not empty");
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static void fini_text(void *value)
{
	char **text = value;

	free(*text);
	*text = NULL;
}

static bool equal_text(const void *a, const void *b)
{
	char *const *x = a, *const *y = b;

	if (!*x || !*y)
		return *x == *y;
	return strcmp(*x, *y) == 0;
}

size_t option_choices_n(const struct option_desc *desc)
{
	size_t n = 0;

	while (desc->choices[n])
		n++;
	return n;
}

static int parse_enum(const struct option_desc *desc, const char *text, void *value,
		      struct err *hint)
{
	size_t n = option_choices_n(desc);
	const char *close;
	int *ret = value;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(text, desc->choices[i]) == 0) {
			*ret = (int)i;
			return 0;
		}
	}
	close = str_closest(text, desc->choices, n);
	if (close)
		err_set(hint, -EINVAL, "did you mean '%s'?", close);
	return -EINVAL;
}

/* One span; a list of them is read by its items. */
static int parse_day_times(const struct option_desc *desc, const char *text, void *value,
			   struct err *hint)
{
	struct day_times *times = value;

	(void)desc;
	if (day_span_parse(text, &times->items[0]) < 0)
		return err_set(hint, -EINVAL, "HH:MM-HH:MM, local time");
	times->n = 1;
	return 0;
}

static bool equal_day_times(const void *a, const void *b)
{
	return day_times_equal(a, b);
}

static bool equal_bool(const void *a, const void *b)
{
	const bool *x = a, *y = b;

	return *x == *y;
}

static bool equal_int(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return *x == *y;
}

static bool equal_uint(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x == *y;
}

/* Bit for bit: both came from a text by the same reading. */
static bool equal_double(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(double)) == 0;
}

static bool equal_labels(const void *a, const void *b)
{
	return labels_equal(a, b);
}

/* There is no value. */
static bool equal_nothing(const void *a, const void *b)
{
	(void)a;
	(void)b;
	return true;
}

static void fini_labels(void *value)
{
	labels_fini(value);
}

static const struct option_kind kinds[] = {
	[OPTION_BOOL] = { "boolean", "true or false", NULL, parse_bool, equal_bool, NULL },
	[OPTION_UINT] = { "number", "a whole number", NULL, parse_uint, equal_uint, NULL },
	[OPTION_BYTES] = { "size", "a size", "examples: 64KiB, 512MiB, 2GiB", parse_bytes,
			   equal_uint, NULL },
	[OPTION_TIME] = { "duration", "a duration", "examples: 500ms, 10s, 1h30m", parse_time,
			  equal_uint, NULL },
	[OPTION_RATIO] = { "share", "a share of one", "examples: 80%, 0.8", parse_ratio,
			   equal_double, NULL },
	[OPTION_NUMBER] = { "decimal", "a number", NULL, parse_number, equal_double, NULL },
	[OPTION_TEXT] = { "text", "a text", NULL, parse_text, equal_text, fini_text },
	[OPTION_ENUM] = { "choice", "a word", NULL, parse_enum, equal_int, NULL },
	[OPTION_TEXT_LIST] = { "list of texts", "a list of texts", NULL, NULL, equal_text_list,
			       fini_text_list },
	[OPTION_DAY_TIMES] = { "times of day", "a time of day",
			       "examples: 08:00-09:00, "
			       "22:30-06:00",
			       parse_day_times, equal_day_times, NULL },
	[OPTION_LABELS] = { "labels", "labels", NULL, NULL, equal_labels, fini_labels },
	[OPTION_TEXT_MAP] = { "names with texts", "names with texts (name: text)", NULL, NULL,
			      equal_text_map, fini_text_map },
	[OPTION_TABLE] = { "table", "a table", NULL, NULL, NULL, NULL },
	[OPTION_LIST] = { "list", "a list", NULL, NULL, NULL, NULL },
	[OPTION_INCLUDE] = { "", "", NULL, NULL, NULL, NULL },
	[OPTION_REFUSED] = { "", "", NULL, NULL, equal_nothing, NULL },
};

const struct option_kind *option_kind(enum option_type type)
{
	assert((size_t)type < sizeof(kinds) / sizeof(kinds[0]));
	return &kinds[type];
}

/* ---- ranges ---- */

static bool has_range(const struct option_desc *desc)
{
	return desc->type == OPTION_UINT || desc->type == OPTION_BYTES || desc->type == OPTION_TIME;
}

int option_check(const struct option_desc *desc, const void *value, struct err *err)
{
	if (has_range(desc)) {
		const uint64_t *number = value;

		if (*number < desc->min || (desc->max && *number > desc->max))
			return -ERANGE;
	}
	return desc->check ? desc->check(value, err) : 0;
}

/* As one writes it in the file: "64KiB", not "64 KiB". */
static void format_bound(char dst[STR_UNIT_MAX], enum option_type type, uint64_t value)
{
	if (type == OPTION_TIME) {
		str_format_duration(dst, value);
	} else if (type == OPTION_BYTES && value > 0) {
		char *space = strchr(str_format_bytes(dst, value), ' ');

		if (space)
			memmove(space, space + 1, strlen(space));
	} else {
		snprintf(dst, STR_UNIT_MAX, "%llu", (unsigned long long)value);
	}
}

char *option_range(char dst[OPTION_RANGE_MAX], const struct option_desc *desc)
{
	char min[STR_UNIT_MAX], max[STR_UNIT_MAX];

	dst[0] = '\0';
	if ((desc->type == OPTION_TEXT_LIST || desc->type == OPTION_TEXT_MAP) && desc->max > 0)
		snprintf(dst, OPTION_RANGE_MAX, "at most %llu", (unsigned long long)desc->max);
	if (!has_range(desc) || (desc->min == 0 && desc->max == 0))
		return dst;
	format_bound(min, desc->type, desc->min);
	format_bound(max, desc->type, desc->max);
	if (desc->max)
		snprintf(dst, OPTION_RANGE_MAX, "%s to %s", min, max);
	else
		snprintf(dst, OPTION_RANGE_MAX, "at least %s", min);
	return dst;
}
