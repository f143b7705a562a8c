/*
 * Wishes
 */

#include "http/api_wish.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "capture/capture.h"
#include "http/server.h"
#include "json/tree.h"
#include "pipeline/age.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"

enum { SERIES_COUNT_MAX = 20, RECIPIENT_WORD_MAX = 256, DIGITS_MAX = 24 };

#define SPACING_MIN_NS NS_PER_S
#define SPACING_MAX_NS (7 * 24 * 3600 * NS_PER_S)

static const char *const names[] = { "kind",        "isolate",  "redact",    "compress",
				     "encrypt",     "series",   "gc_before", "force",
				     "dry_run",     "duration", "interval",  "objects",
				     "stack_depth", "format",   "stacks",    NULL };

/* NULL-terminated, as these of a forced collection. */
static const char *const gc_names[] = { "isolate", "force", "dry_run", NULL };

/* From the body, else from the query; NULL: not given. -EINVAL when it is no text. */
static int read_text(struct http_exchange *exchange, const struct wish *wish, const char *name,
		     const char **ret, struct err *err)
{
	if (wish->body != NULL && tree_get(wish->body, name) != NULL) {
		if (tree_string(wish->body, name, ret))
			return 0;
		return err_set(err, -EINVAL, "%s: expected a text", name);
	}
	*ret = http_argument(exchange, name);
	return 0;
}

static int read_bool(struct http_exchange *exchange, const struct wish *wish, const char *name,
		     bool *ret, struct err *err)
{
	const char *text;

	if (wish->body != NULL && tree_get(wish->body, name) != NULL) {
		if (tree_bool(wish->body, name, ret))
			return 0;
		return err_set(err, -EINVAL, "%s: expected true or false", name);
	}
	text = http_argument(exchange, name);
	if (text == NULL || strcmp(text, "false") == 0)
		return 0;
	*ret = true;
	return strcmp(text, "true") == 0
		       ? 0
		       : err_set(err, -EINVAL, "%s: expected true or false", name);
}

static int read_kind(struct http_exchange *exchange, struct wish *wish, struct err *err)
{
	const char *text = NULL;
	int r = read_text(exchange, wish, "kind", &text, err);

	if (r < 0 || text == NULL)
		return r;
	for (int kind = CAPTURE_KIND_SNAPSHOT; kind <= CAPTURE_KIND_TRACKING; kind++) {
		if (strcmp(text, capture_kind_name(kind)) == 0) {
			wish->kind = kind;
			return 0;
		}
	}
	return err_set(err, -EINVAL,
		       "kind: '%.40s' is not a known kind: expected \"snapshot\", "
		       "\"diagnostics\", \"sampling\", \"timeline\" or \"tracking\"",
		       text);
}

/* A text as the configuration would have it. */
/* The same, and of the body also a whole number, which is as good as the text of it. */
static int read_word(struct http_exchange *exchange, const struct wish *wish, const char *name,
		     char digits[DIGITS_MAX], const char **ret, struct err *err)
{
	uint64_t number;

	if (wish->body == NULL || !tree_uint(wish->body, name, &number))
		return read_text(exchange, wish, name, ret, err);
	snprintf(digits, DIGITS_MAX, "%" PRIu64, number);
	*ret = digits;
	return 0;
}

static int read_option(struct http_exchange *exchange, struct wish *wish,
		       const struct option_desc *table, void *settings, const char *name,
		       struct err *err)
{
	const char *text = NULL;
	struct err why = { .text = "" };
	char digits[DIGITS_MAX];
	int r = read_word(exchange, wish, name, digits, &text, err);

	if (r < 0 || text == NULL)
		return r;
	r = options_set(table, settings, name, text, &why);
	return r == -EINVAL ? err_set(err, r, "%s: %s", name, why.text) : r;
}

static int read_choice(struct http_exchange *exchange, struct wish *wish, const char *name,
		       struct err *err)
{
	return read_option(exchange, wish, recipe_choice_options, &wish->recipe, name, err);
}

/* ---- encrypt: an array of recipients, or in the query a list with commas ---- */

static int add_recipient(struct wish *wish, const char *text, struct err *err)
{
	uint8_t key[CRYPTO_KEY_BYTES];
	struct err why = { .text = "" };

	if (age_recipient_parse(text, key, &why) < 0)
		return err_set(err, -EINVAL, "encrypt: %s", why.text);
	if (wish->recipe.encrypt.n == RECIPIENTS_MAX)
		return err_set(err, -EINVAL, "encrypt: at most %d recipients", RECIPIENTS_MAX);
	return text_list_add(&wish->recipe.encrypt, text);
}

static int add_array(struct wish *wish, const struct tree *list, struct err *err)
{
	int r = 0;

	if (!tree_is_array(list))
		return err_set(err, -EINVAL, "encrypt: expected an array of recipients");
	for (size_t i = 0; r == 0 && i < tree_size(list); i++) {
		const char *text;

		if (!tree_string(tree_at(list, i), NULL, &text))
			return err_set(err, -EINVAL, "encrypt: expected an array of recipients");
		r = add_recipient(wish, text, err);
	}
	return r;
}

static int add_words(struct wish *wish, const char *text, struct err *err)
{
	int r = 0;

	while (r == 0 && *text != '\0') {
		char word[RECIPIENT_WORD_MAX];
		size_t n = strcspn(text, ",");

		if (n >= sizeof(word))
			return err_set(err, -EINVAL, "encrypt: a recipient is too long");
		memcpy(word, text, n);
		word[n] = '\0';
		r = add_recipient(wish, word, err);
		text += n + (text[n] == ',');
	}
	return r;
}

static int read_encrypt(struct http_exchange *exchange, struct wish *wish, struct err *err)
{
	const struct tree *list = wish->body != NULL ? tree_get(wish->body, "encrypt") : NULL;
	const char *words = http_argument(exchange, "encrypt");

	wish->recipe.has_encrypt = list != NULL || words != NULL;
	if (list != NULL)
		return add_array(wish, list, err);
	return words != NULL ? add_words(wish, words, err) : 0;
}

/* ---- series: {"count": 3, "spacing": "10m", "growth": "20%"...}, or in the query the count ----
 */

/* Its members that are texts. */
static const char *const series_words[] = { "spacing",     "growth", "deadline",
					    "at_deadline", "ids",    NULL };

/* A person may take them closer together than a rule. */
static int set_spacing(struct series_settings *series, const char *text, struct err *err)
{
	if (str_parse_duration(text, &series->spacing_ns) < 0)
		return err_set(err, -EINVAL, "series.spacing: '%.40s' is no duration (10m)", text);
	if (series->spacing_ns < SPACING_MIN_NS || series->spacing_ns > SPACING_MAX_NS)
		return err_set(err, -EINVAL, "series.spacing: expected 1s to 7d");
	return 0;
}

/* As the configuration would have it. NULL: not given. */
static int set_series(struct series_settings *series, const char *name, const char *text,
		      struct err *err)
{
	struct err why = { .text = "" };
	int r;

	if (text == NULL)
		return 0;
	if (strcmp(name, "spacing") == 0)
		return set_spacing(series, text, err);
	r = options_set(series_options, series, name, text, &why);
	return r == -EINVAL ? err_set(err, r, "series.%s: %s", name, why.text) : r;
}

static int check_series(const struct series_settings *series, struct err *err)
{
	struct err why = { .text = "" };
	const char *member;

	if (series->count < 1 || series->count > SERIES_COUNT_MAX)
		return err_set(err, -EINVAL, "series: expected a count of 1 to %d",
			       SERIES_COUNT_MAX);
	member = series_settings_check(series, &why);
	if (member == NULL)
		return 0;
	return err_set(err, -EINVAL, "series.%s: %s", member, why.text);
}

static int read_series_member(struct wish *wish, const struct tree *table, struct err *err)
{
	int r = 0;

	if (!tree_is_object(table) || !tree_uint(table, "count", &wish->series.count))
		return err_set(err, -EINVAL, "series: expected an object with a count");
	for (size_t i = 0; r == 0 && series_words[i] != NULL; i++) {
		const char *text = NULL;

		if (tree_get(table, series_words[i]) != NULL &&
		    !tree_string(table, series_words[i], &text))
			return err_set(err, -EINVAL, "series.%s: expected a text", series_words[i]);
		r = set_series(&wish->series, series_words[i], text, err);
	}
	if (r == 0 && tree_get(table, "gc_before") != NULL &&
	    !tree_bool(table, "gc_before", &wish->series.gc_before))
		return err_set(err, -EINVAL, "series.gc_before: expected true or false");
	return r;
}

static int check_series_names(const struct tree *table, struct err *err)
{
	for (void *it = tree_first(table); it != NULL; it = tree_next(table, it)) {
		const char *name = tree_name(it);
		bool known = strcmp(name, "count") == 0 || strcmp(name, "gc_before") == 0;

		for (size_t i = 0; series_words[i] != NULL; i++)
			known |= strcmp(name, series_words[i]) == 0;
		if (!known)
			return err_set(err, -EINVAL, "series: unknown member '%.40s'", name);
	}
	return 0;
}

static int read_series_words(struct http_exchange *exchange, struct wish *wish, const char *count,
			     struct err *err)
{
	int r = 0;

	if (str_parse_uint(count, &wish->series.count) < 0)
		wish->series.count = 0;
	for (size_t i = 0; r == 0 && series_words[i] != NULL; i++)
		r = set_series(&wish->series, series_words[i],
			       http_argument(exchange, series_words[i]), err);
	return r;
}

static int read_series(struct http_exchange *exchange, struct wish *wish, struct err *err)
{
	const struct tree *table = wish->body != NULL ? tree_get(wish->body, "series") : NULL;
	const char *count = http_argument(exchange, "series");
	int r;

	if (table == NULL && count == NULL)
		return 0;
	r = options_defaults(series_options, &wish->series);
	if (r == 0 && table != NULL)
		r = check_series_names(table, err);
	if (r == 0)
		r = table != NULL ? read_series_member(wish, table, err)
				  : read_series_words(exchange, wish, count, err);
	return r < 0 ? r : check_series(&wish->series, err);
}

/* ---- of sampling: format is an array of words, or a list with commas ---- */

static int add_format(struct wish *wish, const char *word, struct err *err)
{
	struct err why = { .text = "" };
	int r = sampling_add_format(&wish->sampling, word, &why);

	return r == -EINVAL ? err_set(err, r, "format: %s", why.text) : r;
}

static int add_format_words(struct wish *wish, const char *text, struct err *err)
{
	int r = 0;

	while (r == 0 && *text != '\0') {
		char word[16];
		size_t n = strcspn(text, ",");

		snprintf(word, sizeof(word), "%.*s", n < sizeof(word) ? (int)n : 15, text);
		r = add_format(wish, word, err);
		text += n + (text[n] == ',');
	}
	return r;
}

static int read_format(struct http_exchange *exchange, struct wish *wish, struct err *err)
{
	const struct tree *list = wish->body != NULL ? tree_get(wish->body, "format") : NULL;
	const char *text = NULL;
	int r = 0;

	if (tree_is_array(list)) {
		wish->sampling.given = true;
		text_list_fini(&wish->sampling.format);
		for (size_t i = 0; r == 0 && i < tree_size(list); i++) {
			if (!tree_string(tree_at(list, i), NULL, &text))
				return err_set(err, -EINVAL, "format: expected an array of words");
			r = add_format(wish, text, err);
		}
		return r;
	}
	r = read_text(exchange, wish, "format", &text, err);
	if (r < 0 || text == NULL)
		return r;
	wish->sampling.given = true;
	text_list_fini(&wish->sampling.format);
	return add_format_words(wish, text, err);
}

static int read_sampling(struct http_exchange *exchange, struct wish *wish, struct err *err)
{
	static const char *const members[] = { "duration", "interval", "stack_depth", "objects" };
	int r = options_defaults(sampling_options, &wish->sampling);

	for (size_t i = 0; r == 0 && i < sizeof(members) / sizeof(members[0]); i++)
		r = read_option(exchange, wish, sampling_options, &wish->sampling, members[i], err);
	if (r == 0)
		r = read_format(exchange, wish, err);
	if (r == 0 && wish->sampling.given && wish->kind != CAPTURE_KIND_SAMPLING)
		r = err_set(err, -EINVAL,
			    "interval, stack_depth, objects, format: of sampling only");
	return r;
}

/* JSON's true and false, or the words. */
static int read_stacks(struct http_exchange *exchange, struct wish *wish, struct err *err)
{
	struct timeline_settings *timeline = &wish->timeline;

	timeline->given = (wish->body != NULL && tree_get(wish->body, "stacks") != NULL) ||
			  http_argument(exchange, "stacks") != NULL;
	return read_bool(exchange, wish, "stacks", &timeline->stacks, err);
}

static int read_timeline(struct http_exchange *exchange, struct wish *wish, struct err *err)
{
	struct err why = { .text = "" };
	bool timeline = wish->kind == CAPTURE_KIND_TIMELINE;
	bool tracks = timeline || wish->kind == CAPTURE_KIND_TRACKING;
	int r = read_stacks(exchange, wish, err);

	if (r == 0 && wish->timeline.given && !timeline)
		return err_set(err, -EINVAL, "stacks: of timeline only");
	if (r == 0 && wish->sampling.timed && !tracks && wish->kind != CAPTURE_KIND_SAMPLING)
		return err_set(err, -EINVAL, "duration: of sampling, timeline and tracking only");
	if (r == 0 && tracks && timeline_check_duration(wish->kind, &wish->sampling, &why) < 0)
		return err_set(err, -EINVAL, "duration: %s", why.text);
	return r;
}

/* ---- the whole ---- */

static int check_names(const struct tree *body, const char *const *known, struct err *err)
{
	for (void *it = tree_first(body); it != NULL; it = tree_next(body, it)) {
		size_t i = 0;

		while (known[i] != NULL && strcmp(known[i], tree_name(it)) != 0)
			i++;
		if (known[i] == NULL)
			return err_set(err, -EINVAL, "unknown member '%.40s'", tree_name(it));
	}
	return 0;
}

static int read_body(struct http_exchange *exchange, struct wish *wish, const char *const *known,
		     struct err *err)
{
	struct err why = { .text = "" };
	size_t size;
	const char *text = http_body(exchange, &size);
	int r;

	if (size == 0)
		return 0;
	r = tree_parse(text, size, &wish->body, &why);
	if (r == -EBADMSG)
		return err_set(err, -EINVAL, "body is no JSON object: %s", why.text);
	if (r < 0)
		return r;
	if (!tree_is_object(wish->body))
		return err_set(err, -EINVAL, "body is no JSON object: not an object");
	return check_names(wish->body, known, err);
}

static int check_kind(const struct wish *wish, struct err *err)
{
	bool heap = capture_kind_is_heap(wish->kind);

	if (wish->series.count > 1 && wish->kind != CAPTURE_KIND_SNAPSHOT)
		return err_set(err, -EINVAL, "series: of snapshots only");
	if (wish->recipe.has_redact && !heap)
		return err_set(err, -EINVAL, "redact: %s",
			       wish->kind == CAPTURE_KIND_DIAGNOSTICS
				       ? "diagnostics hold nothing to redact"
				       : "a profile has names of functions and files, and nothing "
					 "to redact");
	if (wish->gc_before && !heap)
		return err_set(err, -EINVAL,
			       "gc_before: of snapshots, timelines and trackings only");
	return 0;
}

int wish_read(struct http_exchange *exchange, struct wish *wish, struct err *err)
{
	int r;

	*wish = (struct wish){ .kind = CAPTURE_KIND_SNAPSHOT };
	r = read_body(exchange, wish, names, err);
	if (r == 0)
		r = read_kind(exchange, wish, err);
	if (r == 0)
		r = read_text(exchange, wish, "isolate", &wish->isolate, err);
	if (r == 0)
		r = read_choice(exchange, wish, "redact", err);
	if (r == 0)
		r = read_choice(exchange, wish, "compress", err);
	if (r == 0)
		r = read_encrypt(exchange, wish, err);
	if (r == 0)
		r = read_series(exchange, wish, err);
	if (r == 0)
		r = read_sampling(exchange, wish, err);
	if (r == 0)
		r = read_timeline(exchange, wish, err);
	if (r == 0)
		r = read_bool(exchange, wish, "gc_before", &wish->gc_before, err);
	if (r == 0)
		r = read_bool(exchange, wish, "force", &wish->force, err);
	if (r == 0)
		r = read_bool(exchange, wish, "dry_run", &wish->dry_run, err);
	return r == 0 ? check_kind(wish, err) : r;
}

int wish_read_gc(struct http_exchange *exchange, struct wish *wish, struct err *err)
{
	int r;

	*wish = (struct wish){ .kind = CAPTURE_KIND_GC };
	r = read_body(exchange, wish, gc_names, err);
	if (r == 0)
		r = read_text(exchange, wish, "isolate", &wish->isolate, err);
	if (r == 0)
		r = read_bool(exchange, wish, "force", &wish->force, err);
	if (r == 0)
		r = read_bool(exchange, wish, "dry_run", &wish->dry_run, err);
	return r;
}

void wish_fini(struct wish *wish)
{
	tree_free(wish->body);
	text_list_fini(&wish->recipe.encrypt);
	options_fini(sampling_options, &wish->sampling);
}
