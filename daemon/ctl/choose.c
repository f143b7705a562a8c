/*
 * Choosing
 *
 * As journalctl and coredumpctl do: matches of one field are alternatives, matches of different
 * fields must all hold.
 */

#include "ctl/choose.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/err.h"

static int by_time(const void *a, const void *b)
{
	const struct manifest *left = &((const struct item *)a)->manifest;
	const struct manifest *right = &((const struct item *)b)->manifest;

	if (left->started_wall_ms != right->started_wall_ms)
		return left->started_wall_ms < right->started_wall_ms ? -1 : 1;
	return strcmp(left->id, right->id);
}

/* Length of the key of "key=glob"; 0 for a bare word. */
static size_t key_length(const char *pattern)
{
	size_t size = strspn(pattern, "abcdefghijklmnopqrstuvwxyz_0123456789");

	return pattern[size] == '=' ? size : 0;
}

static bool same_key(const char *a, const char *b)
{
	return key_length(a) == key_length(b) && strncmp(a, b, key_length(a)) == 0;
}

static bool fits(const struct manifest *manifest, const char *pattern)
{
	return select_matches(manifest, pattern) ||
	       (key_length(pattern) == 0 && select_is_called(manifest, pattern));
}

static bool fits_all(const struct manifest *manifest, const struct ctl_options *options)
{
	for (size_t i = 0; i < options->args_n; i++) {
		bool any = false;

		for (size_t k = 0; k < options->args_n && !any; k++)
			any = same_key(options->args[i], options->args[k]) &&
			      fits(manifest, options->args[k]);
		if (!any)
			return false;
	}
	if (options->since_ms > 0 && manifest->started_wall_ms < options->since_ms)
		return false;
	return options->until_ms == 0 || manifest->started_wall_ms <= options->until_ms;
}

static void drop_others(struct item_array *array, const struct ctl_options *options)
{
	size_t n = 0;

	for (size_t i = 0; i < array->n; i++) {
		if (fits_all(&array->items[i].manifest, options))
			array->items[n++] = array->items[i];
	}
	array->n = n;
}

static void keep_newest(struct item_array *array, uint64_t count)
{
	if (count == 0 || count >= array->n)
		return;
	memmove(array->items, array->items + array->n - count, count * sizeof(*array->items));
	array->n = count;
}

static void reverse(struct item_array *array)
{
	for (size_t i = 0; i < array->n / 2; i++) {
		struct item swapped = array->items[i];

		array->items[i] = array->items[array->n - 1 - i];
		array->items[array->n - 1 - i] = swapped;
	}
}

static int list_sorted(struct source *source, struct item_array *ret, struct err *err)
{
	int exit = source->ops->list(source, ret, err);

	if (exit == CTL_OK && ret->n > 0)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_time);
	return exit;
}

int choose_matching(struct source *source, const struct ctl_options *options,
		    struct item_array *ret, struct err *err)
{
	int exit;

	for (size_t i = 0; i < options->args_n; i++) {
		if (!select_is_pattern(options->args[i]))
			return source_fail(
				err, CTL_USAGE, -EINVAL,
				"'%.64s': manifests have no such member (target=, rule=, "
				"kind=, runtime=, isolate=, ...)",
				options->args[i]);
	}
	exit = list_sorted(source, ret, err);
	if (exit != CTL_OK)
		return exit;
	drop_others(ret, options);
	keep_newest(ret, options->count);
	if (options->reverse)
		reverse(ret);
	if (ret->n == 0)
		return source_fail(err, CTL_FAILURE, -ENOENT, "no captures found");
	return CTL_OK;
}

int choose_called(const struct item_array *all, const char *name, const struct item **ret,
		  struct err *err)
{
	const struct item *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++) {
		if (!select_is_called(&all->items[i].manifest, name))
			continue;
		if (strcmp(all->items[i].manifest.id, name) == 0 || n++ == 0)
			found = &all->items[i];
	}
	if (found == NULL)
		return source_fail(
			err, CTL_FAILURE, -ENOENT,
			"no capture is called '%.64s' (its id, at least %d digits of it, "
			"or the name of its file)",
			name, SELECT_PREFIX_MIN);
	if (n > 1 && strcmp(found->manifest.id, name) != 0)
		return source_fail(err, CTL_FAILURE, -EEXIST,
				   "'%.64s' begins the ids of %zu captures: write more digits",
				   name, n);
	*ret = found;
	return CTL_OK;
}

int choose_each(struct source *source, const struct ctl_options *options, struct item_array *ret,
		struct err *err)
{
	struct item_array all = { .items = NULL };
	int exit = list_sorted(source, &all, err);

	for (size_t i = 0; exit == CTL_OK && i < options->args_n; i++) {
		const struct item *found;
		struct item *item;

		exit = choose_called(&all, options->args[i], &found, err);
		if (exit != CTL_OK)
			break;
		item = item_array_add(ret);
		if (item == NULL)
			exit = source_fail(err, CTL_FAILURE, -ENOMEM, "out of memory");
		else
			*item = *found;
	}
	item_array_fini(&all);
	return exit;
}
