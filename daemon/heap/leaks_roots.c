/*
 * What accumulates where no object holds it
 *
 * Of one root all classes that grew are one suspect: they come together, as a timer does with what
 * it calls. Of what nothing leads to each class is one.
 */

#include "heap/leaks_roots.h"

#include <errno.h>
#include <stdlib.h>

struct growth {
	const struct root_group *group;
	uint64_t count, bytes, last_bytes;
};

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * From each snapshot to the next there are more, and some of them are new: what a stack or a handle
 * comes to hold as well leaves its holder for a place below the root, and was there before.
 */
static bool grew(const struct leaks_view *view, const struct root_group *now, struct growth *ret)
{
	uint64_t count = now->count, bytes = now->bytes;

	*ret = (struct growth){ .group = now };
	for (size_t i = view->pasts_n; i > 0; i--) {
		const struct root_group *past =
			root_groups_find(&view->pasts[i - 1].groups, now->key);
		uint64_t before = past != NULL ? past->count : 0;
		uint64_t bytes_before = past != NULL ? past->bytes : 0;

		if (before >= count || bytes_before >= bytes || now->new_count[i - 1] == 0)
			return false;
		count = before;
		bytes = bytes_before;
		ret->count = least(now->count - count, now->new_count[i - 1]);
		ret->bytes = least(now->bytes - bytes, now->new_bytes[i - 1]);
		if (i == view->pasts_n)
			ret->last_bytes = ret->bytes;
	}
	ret->last_bytes = least(ret->last_bytes, ret->bytes);
	return true;
}

static int by_holder(const void *a, const void *b)
{
	const struct growth *x = a, *y = b;

	if (x->group->holder != y->group->holder)
		return x->group->holder < y->group->holder ? -1 : 1;
	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->group->example < y->group->example ? -1 : 1;
}

/* Together with the first, those behind it that are of the same root. */
static size_t take(const struct leaks_view *view, const struct growth *growths, size_t n,
		   struct heap_suspect *ret)
{
	const struct root_group *first = growths[0].group;
	size_t i = 0;

	*ret = (struct heap_suspect){
		.holder = first->holder,
		.class = view->class[first->example],
		.example = first->example,
		.count = growths[0].count,
		.via = UINT32_MAX,
		.kind = first->unreached ? HEAP_LEAK_UNREACHED : HEAP_LEAK_ROOTS,
	};
	do {
		ret->others += i > 0 ? growths[i].count : 0;
		ret->bytes += growths[i].bytes;
		ret->last_bytes += growths[i].last_bytes;
		i++;
	} while (i < n && !first->unreached && growths[i].group->holder == first->holder);
	return i;
}

int leaks_roots(struct heap_leaks *leaks, const struct leaks_view *view,
		const struct root_groups *now)
{
	struct growth *growths = calloc(now->n + 1, sizeof(*growths));
	struct heap_suspect suspect;
	size_t n = 0;
	int r = growths == NULL ? -ENOMEM : 0;

	for (size_t i = 0; r == 0 && i < now->n; i++)
		n += grew(view, &now->items[i], &growths[n]);
	if (n > 1)
		qsort(growths, n, sizeof(*growths), by_holder);
	for (size_t i = 0; r == 0 && i < n;) {
		i += take(view, growths + i, n - i, &suspect);
		if (suspect.bytes >= view->threshold && suspect.count >= HEAP_LEAK_MIN_COUNT &&
		    leaks_in_each_step(view, &suspect))
			r = leaks_add(leaks, &suspect);
	}
	free(growths);
	return r;
}
