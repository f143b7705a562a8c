/*
 * Reports of profiles
 *
 * What a flame graph draws narrower than a third of a pixel is not in the report; of each call
 * what its small ones have is one call without a function, so that every sum stays what it was.
 */

#include "profile/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json/tree.h"
#include "json/write.h"
#include "profile/profile.h"
#include "profile/top.h"
#include "util/str.h"

enum {
	TEXT_MAX = 160, /* bytes of a name or an address */
	SHARES = 3600, /* thirds of a pixel in a flame graph */
	READ_MAX = 1 << 13, /* calls, functions */
};

#define BYTES_MAX (1ull << 48) /* of one call: sums of them do not overflow */

static const char others[] = "(smaller calls)";

/* ---- writing ---- */

void profile_report_facts(const struct profile *profile, struct json_writer *w)
{
	json_member_string(w, "what", profile_what_name(profile->what));
	json_member_string(w, "counted", profile->has_objects ? "objects" : "samples");
	json_member_uint(w, "interval_bytes", profile->interval_bytes);
	json_member_double(w, "duration_seconds", (double)profile->duration_ns / 1e9);
	json_member_uint(w, "bytes", profile_total_bytes(profile));
	json_member_uint(w, "count", profile_total_count(profile));
}

void profile_report_row(const struct profile *profile, const struct profile_row *row,
			size_t text_max, struct json_writer *w)
{
	const struct profile_function *function = &profile->functions[row->function];
	const char *name = profile_name(profile, row->function);
	const char *url = profile_url(profile, row->function);

	json_write_object(w);
	json_write_key(w, "function");
	json_write_span(w, name, text_max > 0 ? strnlen(name, text_max) : strlen(name));
	/* The end of an address tells more than its beginning. */
	json_member_string(w, "url", text_max > 0 ? str_end(url, text_max) : url);
	json_member_uint(w, "line", (uint64_t)function->line);
	json_member_uint(w, "column", (uint64_t)function->column);
	json_member_uint(w, "self_bytes", row->self_bytes);
	json_member_uint(w, "self_count", row->self_count);
	json_member_uint(w, "total_bytes", row->total_bytes);
	json_write_object_end(w);
}

/* What is written of a profile. */
struct choice {
	const struct profile *profile;
	uint64_t *sums; /* owned */
	uint32_t *calls; /* owned: by node its index in "calls"; PROFILE_NONE: not there */
	uint32_t *functions; /* owned: by function its index in "functions"; likewise */
	size_t calls_n;
	struct profile_row *rows; /* owned */
	size_t rows_n;
};

/* Those of at least so many bytes, the root in any case. */
static void choose_above(struct choice *choice, uint64_t least)
{
	const struct profile *profile = choice->profile;

	choice->calls_n = 0;
	for (uint32_t i = 0; i < profile->nodes_n; i++) {
		uint32_t parent = profile->nodes[i].parent;
		bool kept = parent == PROFILE_NONE ||
			    (choice->calls[parent] != PROFILE_NONE && choice->sums[i] >= least);

		choice->calls[i] = kept ? (uint32_t)choice->calls_n++ : PROFILE_NONE;
	}
}

static void choose_calls(struct choice *choice, size_t max)
{
	uint64_t least = choice->sums[0] / SHARES + 1;

	choose_above(choice, least);
	while (choice->calls_n > max && choice->calls_n > 1) {
		least *= 2;
		choose_above(choice, least);
	}
}

static void choose_functions(struct choice *choice, size_t top)
{
	const struct profile *profile = choice->profile;
	uint32_t n = 0;

	memset(choice->functions, 0xff, profile->functions_n * sizeof(*choice->functions));
	for (uint32_t i = 0; i < profile->nodes_n; i++)
		if (choice->calls[i] != PROFILE_NONE)
			choice->functions[profile->nodes[i].function] = 0; /* in any case */
	for (size_t i = 0; i < choice->rows_n; i++) {
		uint32_t function = choice->rows[i].function;

		if (i < top || choice->functions[function] != PROFILE_NONE)
			choice->functions[function] = n++;
	}
}

static int choose(struct choice *choice, size_t top, size_t calls)
{
	const struct profile *profile = choice->profile;
	int r;

	choice->sums = profile_sums(profile);
	choice->calls = calloc(profile->nodes_n, sizeof(*choice->calls));
	choice->functions = calloc(profile->functions_n, sizeof(*choice->functions));
	if (choice->sums == NULL || choice->calls == NULL || choice->functions == NULL)
		return -ENOMEM;
	r = profile_top(profile, &choice->rows, &choice->rows_n);
	if (r < 0)
		return r;
	choose_calls(choice, calls);
	choose_functions(choice, top);
	return 0;
}

static void write_functions(const struct choice *choice, struct json_writer *w)
{
	json_write_key(w, "functions");
	json_write_array(w);
	for (size_t i = 0; i < choice->rows_n; i++)
		if (choice->functions[choice->rows[i].function] != PROFILE_NONE)
			profile_report_row(choice->profile, &choice->rows[i], TEXT_MAX, w);
	json_write_array_end(w);
	json_member_uint(w, "functions_in_all", choice->rows_n);
}

static void write_index(struct json_writer *w, uint32_t index)
{
	if (index == PROFILE_NONE)
		json_write_null(w);
	else
		json_write_uint(w, index);
}

static void write_call(struct json_writer *w, uint32_t parent, uint32_t function, uint64_t bytes)
{
	json_write_array(w);
	write_index(w, parent);
	write_index(w, function);
	json_write_uint(w, bytes);
	json_write_array_end(w);
}

/* What the calls of a node have that are not written. */
static uint64_t rest_of(const struct choice *choice, uint32_t node)
{
	const struct profile_node *nodes = choice->profile->nodes;
	uint64_t bytes = 0;

	for (uint32_t i = nodes[node].first; i != PROFILE_NONE; i = nodes[i].next)
		if (choice->calls[i] == PROFILE_NONE)
			bytes += choice->sums[i];
	return bytes;
}

static void write_calls(const struct choice *choice, struct json_writer *w)
{
	const struct profile *profile = choice->profile;

	json_write_key(w, "calls");
	json_write_array(w);
	for (uint32_t i = 0; i < profile->nodes_n && choice->sums[0] > 0; i++) {
		const struct profile_node *node = &profile->nodes[i];
		uint32_t parent =
			node->parent == PROFILE_NONE ? PROFILE_NONE : choice->calls[node->parent];

		if (choice->calls[i] != PROFILE_NONE)
			write_call(w, parent, choice->functions[node->function], node->self_bytes);
	}
	for (uint32_t i = 0; i < profile->nodes_n; i++) {
		uint64_t rest = choice->calls[i] != PROFILE_NONE ? rest_of(choice, i) : 0;

		if (rest > 0)
			write_call(w, choice->calls[i], PROFILE_NONE, rest);
	}
	json_write_array_end(w);
}

int profile_report_write(const struct profile *profile, size_t top, size_t calls,
			 struct json_writer *w)
{
	struct choice choice = { .profile = profile };
	int r = choose(&choice, top, calls);

	if (r == 0) {
		profile_report_facts(profile, w);
		write_functions(&choice, w);
		write_calls(&choice, w);
	}
	free(choice.sums);
	free(choice.calls);
	free(choice.functions);
	free(choice.rows);
	return r;
}

/* ---- reading ---- */

static int read_place(const struct tree *row, const char *member)
{
	int64_t value = 0;

	return tree_int(row, member, &value) && value > 0 && value <= INT32_MAX ? (int)value : 0;
}

static int read_function(struct profile *profile, const struct tree *row, uint32_t *ret)
{
	const char *name, *url;

	if (!tree_string(row, "function", &name) || !tree_string(row, "url", &url))
		return -EBADMSG;
	return profile_function(profile, name, strlen(name), url, strlen(url),
				read_place(row, "line"), read_place(row, "column"), ret);
}

/* An element of a call: an index below `end`, or nothing. */
static bool read_index(const struct tree *call, size_t at, size_t end, uint32_t *ret)
{
	uint64_t value;

	*ret = PROFILE_NONE;
	if (!tree_uint(tree_at(call, at), "", &value))
		return true;
	*ret = (uint32_t)value;
	return value < end;
}

/* functions and calls by their index in the report. */
struct reading {
	struct profile *profile;
	uint32_t *functions, *calls; /* owned */
	size_t functions_n, calls_n;
	uint32_t others;
};

static int read_call(struct reading *reading, const struct tree *call)
{
	struct profile *profile = reading->profile;
	uint32_t parent, function, *node = &reading->calls[reading->calls_n];
	uint64_t bytes;
	int r = 0;

	if (!read_index(call, 0, reading->calls_n, &parent) ||
	    !read_index(call, 1, reading->functions_n, &function) ||
	    !tree_uint(tree_at(call, 2), "", &bytes) || bytes > BYTES_MAX ||
	    (parent == PROFILE_NONE) != (reading->calls_n == 0))
		return -EBADMSG;
	if (reading->calls_n == 0)
		*node = 0;
	else
		r = profile_node(profile, reading->calls[parent],
				 function == PROFILE_NONE ? reading->others
							  : reading->functions[function],
				 node);
	if (r < 0)
		return r;
	profile->nodes[*node].self_bytes += bytes;
	reading->calls_n++;
	return 0;
}

static int read_arrays(struct reading *reading, const struct tree *report)
{
	const struct tree *functions = tree_get(report, "functions");
	const struct tree *calls = tree_get(report, "calls");
	size_t functions_n = tree_size(functions), calls_n = tree_size(calls);
	int r;

	if (!tree_is_array(functions) || !tree_is_array(calls) || functions_n > READ_MAX ||
	    calls_n > READ_MAX)
		return -EBADMSG;
	reading->functions = calloc(functions_n + 1, sizeof(*reading->functions));
	reading->calls = calloc(calls_n + 1, sizeof(*reading->calls));
	if (reading->functions == NULL || reading->calls == NULL)
		return -ENOMEM;
	r = profile_function(reading->profile, others, sizeof(others) - 1, "", 0, 0, 0,
			     &reading->others);
	for (size_t i = 0; r == 0 && i < functions_n; i++) {
		r = read_function(reading->profile, tree_at(functions, i), &reading->functions[i]);
		reading->functions_n = i + 1;
	}
	for (size_t i = 0; r == 0 && i < calls_n; i++)
		r = read_call(reading, tree_at(calls, i));
	return r;
}

static int read_facts(struct profile *profile, const struct tree *report)
{
	const char *what, *counted;
	double seconds;

	if (!tree_string(report, "what", &what) || !tree_string(report, "counted", &counted) ||
	    !tree_uint(report, "interval_bytes", &profile->interval_bytes) ||
	    !tree_double(report, "duration_seconds", &seconds))
		return -EBADMSG;
	for (int i = PROFILE_UNKNOWN; i <= PROFILE_ALLOCATED; i++)
		if (strcmp(what, profile_what_name((enum profile_what)i)) == 0)
			profile->what = (enum profile_what)i;
	profile->has_objects = strcmp(counted, "objects") == 0;
	if (seconds > 0 && seconds < 1e9)
		profile->duration_ns = (uint64_t)(seconds * 1e9);
	return 0;
}

int profile_report_read(struct profile *ret, const struct tree *report)
{
	struct reading reading = { .profile = ret };
	int r = profile_init(ret);

	if (r == 0)
		r = read_facts(ret, report);
	if (r == 0)
		r = read_arrays(&reading, report);
	free(reading.functions);
	free(reading.calls);
	return r == -E2BIG ? -EBADMSG : r;
}
