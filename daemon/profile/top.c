/* Tables of functions. */

#include "profile/top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile/profile.h"

/* The order of equals: a profile read of either of its files gives the same table. */
static int compare_functions(const struct profile *profile, uint32_t a, uint32_t b)
{
	const struct profile_function *one = &profile->functions[a], *two = &profile->functions[b];
	int order = strcmp(profile_name(profile, a), profile_name(profile, b));

	if (order == 0)
		order = strcmp(profile_url(profile, a), profile_url(profile, b));
	if (order == 0)
		order = (one->line > two->line) - (one->line < two->line);
	return order != 0 ? order : (one->column > two->column) - (one->column < two->column);
}

/* ---- top ---- */

/* `open` has how often each function is in the stack. A call of one that is there adds nothing. */
static void enter(const struct profile *profile, uint32_t at, const uint64_t *sums, uint32_t *open,
		  struct profile_row *rows)
{
	const struct profile_node *node = &profile->nodes[at];
	struct profile_row *row = &rows[node->function];

	row->self_bytes += node->self_bytes;
	row->self_count += node->self_count;
	if (open[node->function]++ == 0)
		row->total_bytes += sums[at];
}

/* Leave a node, and those that end with it, for the next one; PROFILE_NONE: there is none. */
static uint32_t leave(const struct profile *profile, uint32_t at, uint32_t *open)
{
	while (at != PROFILE_NONE) {
		open[profile->nodes[at].function]--;
		if (profile->nodes[at].next != PROFILE_NONE)
			return profile->nodes[at].next;
		at = profile->nodes[at].parent;
	}
	return PROFILE_NONE;
}

static void fill(const struct profile *profile, const uint64_t *sums, uint32_t *open,
		 struct profile_row *rows)
{
	uint32_t at = 0;

	while (at != PROFILE_NONE) {
		enter(profile, at, sums, open, rows);
		at = profile->nodes[at].first != PROFILE_NONE ? profile->nodes[at].first
							      : leave(profile, at, open);
	}
}

static int compare_rows(const void *a, const void *b, void *profile)
{
	const struct profile_row *one = a, *two = b;

	if (one->self_bytes != two->self_bytes)
		return one->self_bytes < two->self_bytes ? 1 : -1;
	if (one->total_bytes != two->total_bytes)
		return one->total_bytes < two->total_bytes ? 1 : -1;
	return compare_functions(profile, one->function, two->function);
}

int profile_top(const struct profile *profile, struct profile_row **ret, size_t *ret_n)
{
	struct profile_row *rows = calloc(profile->functions_n, sizeof(*rows));
	uint32_t *open = calloc(profile->functions_n, sizeof(*open));
	uint64_t *sums = profile_sums(profile);
	size_t n = 0;

	if (rows == NULL || open == NULL || sums == NULL) {
		free(rows);
		free(open);
		free(sums);
		return -ENOMEM;
	}
	fill(profile, sums, open, rows);
	free(open);
	free(sums);
	for (uint32_t i = 0; i < profile->functions_n; i++) {
		if (rows[i].total_bytes == 0)
			continue;
		rows[n] = rows[i];
		rows[n++].function = i;
	}
	qsort_r(rows, n, sizeof(*rows), compare_rows, (void *)profile);
	*ret = rows;
	*ret_n = n;
	return 0;
}

/* ---- diff ---- */

static int name_functions(struct profile *names, const struct profile *profile, uint32_t *map)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < profile->functions_n; i++) {
		const struct profile_function *function = &profile->functions[i];
		const char *name = profile_name(profile, i), *url = profile_url(profile, i);

		r = profile_function(names, name, strlen(name), url, strlen(url), function->line,
				     function->column, &map[i]);
	}
	return r;
}

static uint64_t grown(const struct profile_change *change)
{
	return change->bytes > change->base_bytes ? change->bytes - change->base_bytes
						  : change->base_bytes - change->bytes;
}

static int compare_changes(const void *a, const void *b, void *names)
{
	const struct profile_change *one = a, *two = b;
	bool grew = one->bytes > one->base_bytes, other = two->bytes > two->base_bytes;

	if (grown(one) != grown(two))
		return grown(one) < grown(two) ? 1 : -1;
	if (grew != other)
		return grew ? -1 : 1;
	return compare_functions(names, one->function, two->function);
}

static size_t keep_changed(struct profile_change *changes, size_t n)
{
	size_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (changes[i].bytes == changes[i].base_bytes)
			continue;
		changes[kept] = changes[i];
		changes[kept++].function = i;
	}
	return kept;
}

int profile_diff(const struct profile *base, const struct profile *profile, struct profile *names,
		 struct profile_change **ret, size_t *ret_n)
{
	uint32_t *map = calloc(base->functions_n + profile->functions_n, sizeof(*map));
	struct profile_change *changes = NULL;
	int r = map == NULL ? -ENOMEM : name_functions(names, base, map);

	if (r == 0)
		r = name_functions(names, profile, map + base->functions_n);
	if (r == 0) {
		changes = calloc(names->functions_n, sizeof(*changes));
		r = changes == NULL ? -ENOMEM : 0;
	}
	for (size_t i = 0; r == 0 && i < base->nodes_n; i++) {
		changes[map[base->nodes[i].function]].base_bytes += base->nodes[i].self_bytes;
		changes[map[base->nodes[i].function]].base_count += base->nodes[i].self_count;
	}
	for (size_t i = 0; r == 0 && i < profile->nodes_n; i++) {
		const struct profile_node *node = &profile->nodes[i];

		changes[map[base->functions_n + node->function]].bytes += node->self_bytes;
		changes[map[base->functions_n + node->function]].count += node->self_count;
	}
	free(map);
	if (r < 0) {
		free(changes);
		return r;
	}
	*ret_n = keep_changed(changes, names->functions_n);
	qsort_r(changes, *ret_n, sizeof(*changes), compare_changes, names);
	*ret = changes;
	return 0;
}
