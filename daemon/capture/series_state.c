/*
 * Series in the state file
 *
 *   {"id": "0123...", "target": "api", "isolate": "main", "rule": "HeapNearLimit", "step": "0.8",
 *    "requested_by": "...", "cause": "...",
 *    "cause_value": 0.83, "index": 2, "count": 3, "spacing_ms": 600000, "due_ms": 1769903990000,
 *    "gc_before": true, "force": false, "redact": "strings", "compress": "zstd",
 *    "growth": 0.2, "base_bytes": 52428800, "patience_ms": 86400000,
 *    "deadline_ms": 1769990390000, "give_up": false, "reached": false,
 *    "compress_level": 1, "redact_allow": ["..."], "encrypt": ["age1..."], "guards": {...}}
 *
 * The recipe is what it was when the series began; a member of it that is not there is as
 * configured. guards are there when its rule has some, growth and the five behind it when it goes
 * by growth. A plan with a member that makes no sense is left out whole: a series that is not
 * resumed is better than one that is sealed or judged otherwise than was said.
 */

#include "capture/series.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json/tree.h"
#include "json/write.h"
#include "pipeline/age.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/log.h"
#include "util/str.h"

enum { COUNT_MAX = 1000, DAY_MINUTES = 24 * 60 };

#define SPACING_MAX_MS (31ull * 24 * 3600 * 1000)

/* ---- writing ---- */

static void write_texts(struct json_writer *w, const char *name, const struct text_list *list)
{
	json_write_key(w, name);
	json_write_array(w);
	for (size_t i = 0; i < list->n; i++)
		json_write_string(w, list->items[i]);
	json_write_array_end(w);
}

static void write_recipe(struct json_writer *w, const struct recipe_choice *recipe)
{
	if (recipe->has_redact)
		json_member_string(w, "redact", redact_level_name(recipe->redact));
	if (recipe->has_compress)
		json_member_string(w, "compress", compress_kind_name(recipe->compress));
	if (recipe->has_compress_level && recipe->compress != COMPRESS_NONE)
		json_member_uint(w, "compress_level", recipe->compress_level);
	if (recipe->has_redact_allow)
		write_texts(w, "redact_allow", &recipe->redact_allow);
	if (recipe->has_encrypt)
		write_texts(w, "encrypt", &recipe->encrypt);
}

static void write_quiet(struct json_writer *w, const struct day_times *quiet)
{
	json_write_key(w, "quiet_minutes");
	json_write_array(w);
	for (unsigned i = 0; i < quiet->n; i++) {
		json_write_uint(w, quiet->items[i].from_min);
		json_write_uint(w, quiet->items[i].to_min);
	}
	json_write_array_end(w);
}

static void write_guards(struct json_writer *w, const struct safety_guards *guards)
{
	json_write_key(w, "guards");
	json_write_object(w);
	if (guards->has_headroom)
		json_member_double(w, "headroom", guards->headroom);
	if (guards->has_max_heap)
		json_member_uint(w, "max_heap_bytes", guards->max_heap_bytes);
	if (guards->has_max_cpu)
		json_member_double(w, "max_cpu", guards->max_cpu);
	if (guards->has_min_uptime)
		json_member_uint(w, "min_uptime_ms", guards->min_uptime_ns / NS_PER_MS);
	if (guards->has_quiet)
		write_quiet(w, &guards->quiet);
	json_write_object_end(w);
}

static void write_time(struct json_writer *w, const char *name, uint64_t mono_ns)
{
	int64_t left_ns = (int64_t)(mono_ns - clock_mono_ns());

	json_write_key(w, name);
	json_write_int(w, clock_wall_ms() + left_ns / (int64_t)NS_PER_MS);
}

static void write_growth(struct json_writer *w, const struct growth *growth)
{
	json_member_double(w, "growth", growth->share);
	json_member_uint(w, "base_bytes", growth->base_bytes);
	json_member_uint(w, "patience_ms", growth->patience_ns / NS_PER_MS);
	write_time(w, "deadline_ms", growth->deadline_ns);
	json_member_bool(w, "give_up", growth->give_up);
	json_member_bool(w, "reached", growth->reached);
}

static void write_plan(struct json_writer *w, const struct series_plan *plan)
{
	json_write_object(w);
	json_member_string(w, "id", plan->id);
	json_member_string(w, "target", plan->target);
	json_member_string(w, "isolate", plan->isolate);
	json_member_string(w, "rule", plan->rule);
	if (plan->step[0] != '\0')
		json_member_string(w, "step", plan->step);
	if (plan->requested_by[0] != '\0')
		json_member_string(w, "requested_by", plan->requested_by);
	json_member_string(w, "cause", plan->cause);
	json_member_double(w, "cause_value", plan->cause_value);
	json_member_uint(w, "index", plan->index);
	json_member_uint(w, "count", plan->count);
	json_member_uint(w, "spacing_ms", plan->spacing_ns / NS_PER_MS);
	write_time(w, "due_ms", plan->due_ns);
	json_member_bool(w, "gc_before", plan->gc_before);
	json_member_bool(w, "force", plan->force);
	if (plan->exact)
		json_member_string(w, "ids", "exact");
	if (plan->growth.share > 0)
		write_growth(w, &plan->growth);
	write_recipe(w, &plan->recipe);
	if (plan->has_guards)
		write_guards(w, &plan->guards.safety);
	json_write_object_end(w);
}

void series_write(const struct captures *captures, struct json_writer *w)
{
	json_write_array(w);
	list_each (link, &captures->series)
		write_plan(w, container_of(link, struct series_plan, link));
	json_write_array_end(w);
}

/* ---- reading ---- */

static bool read_text(const struct tree *node, const char *name, char *dst, size_t size)
{
	const char *text;

	return tree_string(node, name, &text) && str_copy(dst, size, text);
}

static bool read_choice(const struct tree *node, const char *name, struct recipe_choice *recipe)
{
	const char *text;

	if (tree_get(node, name) == NULL)
		return true;
	return tree_string(node, name, &text) &&
	       options_set(recipe_choice_options, recipe, name, text, NULL) == 0;
}

static bool read_level(const struct tree *node, struct recipe_choice *recipe)
{
	recipe->has_compress_level = tree_get(node, "compress_level") != NULL;
	return !recipe->has_compress_level ||
	       (tree_uint(node, "compress_level", &recipe->compress_level) &&
		recipe_level_is_valid(recipe->compress_level));
}

static bool read_allow(const struct tree *node, struct recipe_choice *recipe)
{
	const struct tree *list = tree_get(node, "redact_allow");

	recipe->has_redact_allow = list != NULL;
	if (list != NULL && (!tree_is_array(list) || tree_size(list) > REDACT_ALLOW_MAX))
		return false;
	for (size_t i = 0; i < tree_size(list); i++) {
		const char *text;

		if (!tree_string(tree_at(list, i), NULL, &text) ||
		    recipe_check_allowed(text, NULL) < 0 ||
		    text_list_add(&recipe->redact_allow, text) < 0)
			return false;
	}
	return true;
}

static bool read_encrypt(const struct tree *node, struct recipe_choice *recipe)
{
	const struct tree *list = tree_get(node, "encrypt");
	uint8_t key[CRYPTO_KEY_BYTES];

	if (list == NULL)
		return true;
	recipe->has_encrypt = true;
	if (!tree_is_array(list) || tree_size(list) > RECIPIENTS_MAX)
		return false;
	for (size_t i = 0; i < tree_size(list); i++) {
		const char *text;

		if (!tree_string(tree_at(list, i), NULL, &text) ||
		    age_recipient_parse(text, key, NULL) < 0 ||
		    text_list_add(&recipe->encrypt, text) < 0)
			return false;
	}
	return true;
}

static bool read_quiet(const struct tree *list, struct day_times *quiet)
{
	size_t n = tree_size(list);

	if (!tree_is_array(list) || n % 2 != 0 || n / 2 > DAY_TIMES_MAX)
		return false;
	for (size_t i = 0; i < n; i += 2) {
		uint64_t from, to;

		if (!tree_uint(tree_at(list, i), NULL, &from) ||
		    !tree_uint(tree_at(list, i + 1), NULL, &to) || from > DAY_MINUTES ||
		    to > DAY_MINUTES)
			return false;
		quiet->items[quiet->n++] =
			(struct day_span){ .from_min = (uint16_t)from, .to_min = (uint16_t)to };
	}
	return true;
}

/* Absent is fine, of another type is not. */
static bool read_number(const struct tree *node, const char *name, double *ret, bool *ret_has)
{
	*ret_has = tree_get(node, name) != NULL;
	return !*ret_has || (tree_double(node, name, ret) && *ret >= 0);
}

static bool read_amount(const struct tree *node, const char *name, uint64_t *ret, bool *ret_has)
{
	*ret_has = tree_get(node, name) != NULL;
	return !*ret_has || tree_uint(node, name, ret);
}

static bool read_guards(const struct tree *node, struct series_plan *plan)
{
	const struct tree *table = tree_get(node, "guards");
	struct safety_guards *guards = &plan->guards.safety;
	uint64_t uptime_ms = 0;

	if (table == NULL)
		return true;
	plan->has_guards = true;
	if (!tree_is_object(table) ||
	    !read_number(table, "headroom", &guards->headroom, &guards->has_headroom) ||
	    !read_number(table, "max_cpu", &guards->max_cpu, &guards->has_max_cpu) ||
	    !read_amount(table, "max_heap_bytes", &guards->max_heap_bytes, &guards->has_max_heap) ||
	    !read_amount(table, "min_uptime_ms", &uptime_ms, &guards->has_min_uptime) ||
	    uptime_ms > UINT64_MAX / NS_PER_MS)
		return false;
	guards->min_uptime_ns = uptime_ms * NS_PER_MS;
	guards->has_quiet = tree_get(table, "quiet_minutes") != NULL;
	return !guards->has_quiet || read_quiet(tree_get(table, "quiet_minutes"), &guards->quiet);
}

/* Monotonic, at most a span from now: ahead of that is a clock that was put back. */
static uint64_t read_time(int64_t wall_ms, uint64_t span_ns)
{
	uint64_t now_ns = clock_mono_ns();
	int64_t left_ms = wall_ms - clock_wall_ms();
	int64_t span_ms = (int64_t)(span_ns / NS_PER_MS);

	if (left_ms < -span_ms)
		left_ms = -span_ms;
	if (left_ms > span_ms)
		left_ms = span_ms;
	if (left_ms < 0 && now_ns < (uint64_t)-left_ms * NS_PER_MS)
		return 0;
	return now_ns + (uint64_t)(left_ms * (int64_t)NS_PER_MS);
}

static bool read_growth(const struct tree *node, struct growth *growth)
{
	uint64_t patience_ms;
	int64_t deadline_ms;

	if (tree_get(node, "growth") == NULL)
		return true;
	if (!tree_double(node, "growth", &growth->share) ||
	    !tree_uint(node, "base_bytes", &growth->base_bytes) ||
	    !tree_uint(node, "patience_ms", &patience_ms) ||
	    !tree_int(node, "deadline_ms", &deadline_ms) ||
	    !tree_bool(node, "give_up", &growth->give_up) ||
	    !tree_bool(node, "reached", &growth->reached) || !(growth->share > 0) ||
	    patience_ms == 0 || patience_ms > SPACING_MAX_MS)
		return false;
	growth->patience_ns = patience_ms * NS_PER_MS;
	growth->deadline_ns = read_time(deadline_ms, growth->patience_ns);
	return true;
}

/* Its connections went with the daemon that began it: it is only there to be given up. */
static bool read_ids(const struct tree *node, struct series_plan *plan)
{
	const char *text;

	if (tree_get(node, "ids") == NULL)
		return true;
	plan->exact = true;
	return tree_string(node, "ids", &text) && strcmp(text, "exact") == 0;
}

/* Not there where it has nothing to say, nor in what older daemons wrote. */
static bool read_known(const struct tree *node, const char *name, char *dst, size_t size)
{
	return tree_get(node, name) == NULL || read_text(node, name, dst, size);
}

static bool read_plan(const struct tree *node, struct series_plan *plan)
{
	uint64_t spacing_ms;
	int64_t due_ms;

	if (!read_text(node, "id", plan->id, sizeof(plan->id)) ||
	    !read_text(node, "target", plan->target, sizeof(plan->target)) ||
	    !read_text(node, "isolate", plan->isolate, sizeof(plan->isolate)) ||
	    !read_text(node, "rule", plan->rule, sizeof(plan->rule)) ||
	    !read_known(node, "step", plan->step, sizeof(plan->step)) ||
	    !read_known(node, "requested_by", plan->requested_by, sizeof(plan->requested_by)) ||
	    !read_text(node, "cause", plan->cause, sizeof(plan->cause)) ||
	    !tree_double(node, "cause_value", &plan->cause_value) ||
	    !tree_uint(node, "index", &plan->index) || !tree_uint(node, "count", &plan->count) ||
	    !tree_uint(node, "spacing_ms", &spacing_ms) || !tree_int(node, "due_ms", &due_ms) ||
	    !tree_bool(node, "gc_before", &plan->gc_before) ||
	    !tree_bool(node, "force", &plan->force) || !read_ids(node, plan))
		return false;
	if (plan->index < 2 || plan->index > plan->count || plan->count > COUNT_MAX ||
	    spacing_ms == 0 || spacing_ms > SPACING_MAX_MS)
		return false;
	plan->spacing_ns = spacing_ms * NS_PER_MS;
	/* What fell due while nobody was here is due now, with one spacing of patience left. */
	plan->due_ns = read_time(due_ms, plan->spacing_ns);
	return read_growth(node, &plan->growth) && read_choice(node, "redact", &plan->recipe) &&
	       read_choice(node, "compress", &plan->recipe) && read_level(node, &plan->recipe) &&
	       read_allow(node, &plan->recipe) && read_encrypt(node, &plan->recipe) &&
	       read_guards(node, plan);
}

int series_read(struct captures *captures, const struct tree *array)
{
	for (size_t i = 0; i < tree_size(array); i++) {
		struct series_plan *plan = calloc(1, sizeof(*plan));

		if (plan == NULL)
			return -ENOMEM;
		link_init(&plan->link);
		if (i < SERIES_MAX && read_plan(tree_at(array, i), plan)) {
			list_append(&captures->series, &plan->link);
			continue;
		}
		log_error("capture", "a series of the state file makes no sense: it ends");
		recipe_choice_fini(&plan->recipe);
		free(plan);
	}
	return 0;
}
