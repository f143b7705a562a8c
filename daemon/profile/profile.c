/*
 * Profiles
 *
 * Functions and calls are found again by hash tables of indexes with open addressing, half full at
 * most. The hash is FNV-1a with a random start, because a target chooses the names.
 */

#include "profile/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/rand.h"

enum { SLOTS_MIN = 256 };

#define FNV_PRIME  0x100000001b3ull
#define FNV_OFFSET 0xcbf29ce484222325ull

static const char *const what_names[] = {
	[PROFILE_UNKNOWN] = "unknown",
	[PROFILE_LIVE] = "live",
	[PROFILE_ALLOCATED] = "allocated",
};

const char *profile_what_name(enum profile_what what)
{
	return what_names[what];
}

const char *profile_name(const struct profile *profile, uint32_t function)
{
	return profile->text + profile->functions[function].name;
}

const char *profile_url(const struct profile *profile, uint32_t function)
{
	return profile->text + profile->functions[function].url;
}

/* ---- growing ---- */

static int grow(void **items, size_t *capacity, size_t wanted, size_t item_size)
{
	size_t more = *capacity < 64 ? 64 : *capacity;
	void *fresh;

	if (wanted <= *capacity)
		return 0;
	while (more < wanted)
		more *= 2;
	fresh = reallocarray(*items, more, item_size);
	if (fresh == NULL)
		return -ENOMEM;
	*items = fresh;
	*capacity = more;
	return 0;
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * FNV_PRIME;
	return hash;
}

static uint64_t hash_of_function(const struct profile *profile, uint32_t i)
{
	const struct profile_function *function = &profile->functions[i];
	const char *name = profile->text + function->name, *url = profile->text + function->url;
	uint64_t hash = hash_bytes(FNV_OFFSET ^ profile->seed, name, strlen(name) + 1);

	hash = hash_bytes(hash, url, strlen(url) + 1);
	hash = hash_bytes(hash, &function->line, sizeof(function->line));
	return hash_bytes(hash, &function->column, sizeof(function->column));
}

static uint64_t hash_of_node(const struct profile *profile, uint32_t i)
{
	const struct profile_node *node = &profile->nodes[i];
	uint64_t hash = hash_bytes(FNV_OFFSET ^ profile->seed, &node->parent, sizeof(node->parent));

	return hash_bytes(hash, &node->function, sizeof(node->function));
}

typedef uint64_t hash_fn(const struct profile *profile, uint32_t i);
typedef bool same_fn(const struct profile *profile, uint32_t a, uint32_t b);

/*
 * The last item has been appended: put it into the table, or find its equal there. ret is the
 * index of what is in the table then.
 */
static int enter(const struct profile *profile, uint32_t **slots, size_t *slots_n, size_t items_n,
		 hash_fn *hash_of, same_fn *same, uint32_t *ret)
{
	uint32_t item = (uint32_t)(items_n - 1);

	if (items_n * 2 > *slots_n) {
		size_t n = *slots_n == 0 ? SLOTS_MIN : *slots_n * 2;
		uint32_t *fresh = malloc(n * sizeof(*fresh));

		if (fresh == NULL)
			return -ENOMEM;
		memset(fresh, 0xff, n * sizeof(*fresh)); /* PROFILE_NONE */
		for (uint32_t i = 0; i < item; i++) {
			size_t at = hash_of(profile, i) & (n - 1);

			while (fresh[at] != PROFILE_NONE)
				at = (at + 1) & (n - 1);
			fresh[at] = i;
		}
		free(*slots);
		*slots = fresh;
		*slots_n = n;
	}
	for (size_t at = hash_of(profile, item) & (*slots_n - 1);; at = (at + 1) & (*slots_n - 1)) {
		if ((*slots)[at] == PROFILE_NONE)
			(*slots)[at] = item;
		else if (!same(profile, (*slots)[at], item))
			continue;
		*ret = (*slots)[at];
		return 0;
	}
}

/* ---- functions ---- */

static bool same_function(const struct profile *profile, uint32_t a, uint32_t b)
{
	const struct profile_function *one = &profile->functions[a], *two = &profile->functions[b];

	return one->line == two->line && one->column == two->column &&
	       strcmp(profile->text + one->name, profile->text + two->name) == 0 &&
	       strcmp(profile->text + one->url, profile->text + two->url) == 0;
}

/* Up to the first zero byte, which a name should not have, and cut between characters. */
static size_t text_size(const char *text, size_t size)
{
	const char *zero = memchr(text, '\0', size);
	size_t n = zero != NULL ? (size_t)(zero - text) : size;

	if (n <= PROFILE_NAME_MAX)
		return n;
	n = PROFILE_NAME_MAX;
	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static int add_text(struct profile *profile, const char *text, size_t size, uint32_t *ret)
{
	size_t n = size == 0 ? 0 : text_size(text, size);
	int r;

	if (profile->text_n + n + 1 > PROFILE_NONE)
		return -E2BIG;
	r = grow((void **)&profile->text, &profile->text_capacity, profile->text_n + n + 1, 1);
	if (r < 0)
		return r;
	*ret = (uint32_t)profile->text_n;
	if (n > 0)
		memcpy(profile->text + profile->text_n, text, n);
	profile->text_n += n + 1;
	profile->text[profile->text_n - 1] = '\0';
	return 0;
}

int profile_function(struct profile *profile, const char *name, size_t name_size, const char *url,
		     size_t url_size, int32_t line, int32_t column, uint32_t *ret)
{
	struct profile_function function = { .line = line, .column = column };
	size_t text_n = profile->text_n;
	int r = profile->functions_n >= PROFILE_NODES_MAX ? -E2BIG : 0;

	if (r == 0)
		r = grow((void **)&profile->functions, &profile->functions_capacity,
			 profile->functions_n + 1, sizeof(*profile->functions));
	if (r == 0)
		r = add_text(profile, name, name_size, &function.name);
	if (r == 0)
		r = add_text(profile, url, url_size, &function.url);
	if (r == 0) {
		profile->functions[profile->functions_n++] = function;
		r = enter(profile, &profile->function_slots, &profile->function_slots_n,
			  profile->functions_n, hash_of_function, same_function, ret);
		if (r < 0 || *ret != profile->functions_n - 1)
			profile->functions_n--;
		else
			return 0;
	}
	profile->text_n = text_n;
	return r;
}

/* ---- nodes ---- */

static bool same_node(const struct profile *profile, uint32_t a, uint32_t b)
{
	const struct profile_node *one = &profile->nodes[a], *two = &profile->nodes[b];

	return one->parent == two->parent && one->function == two->function;
}

static void adopt(struct profile *profile, uint32_t parent, uint32_t child)
{
	struct profile_node *node = &profile->nodes[parent];

	if (node->first == PROFILE_NONE)
		node->first = child;
	else
		profile->nodes[node->last].next = child;
	node->last = child;
}

int profile_node(struct profile *profile, uint32_t parent, uint32_t function, uint32_t *ret)
{
	int r;

	if (profile->nodes_n >= PROFILE_NODES_MAX)
		return -E2BIG;
	r = grow((void **)&profile->nodes, &profile->nodes_capacity, profile->nodes_n + 1,
		 sizeof(*profile->nodes));
	if (r < 0)
		return r;
	profile->nodes[profile->nodes_n++] = (struct profile_node){
		.parent = parent,
		.function = function,
		.first = PROFILE_NONE,
		.last = PROFILE_NONE,
		.next = PROFILE_NONE,
	};
	r = enter(profile, &profile->node_slots, &profile->node_slots_n, profile->nodes_n,
		  hash_of_node, same_node, ret);
	if (r < 0 || *ret != profile->nodes_n - 1)
		profile->nodes_n--;
	else if (parent != PROFILE_NONE)
		adopt(profile, parent, *ret);
	return r;
}

/* ---- the whole ---- */

int profile_init(struct profile *profile)
{
	static const char name[] = "(root)";
	uint32_t function = 0, root = 0;
	int r;

	*profile = (struct profile){ .what = PROFILE_UNKNOWN };
	r = rand_bytes(&profile->seed, sizeof(profile->seed));
	if (r < 0)
		return r;
	r = profile_function(profile, name, sizeof(name) - 1, "", 0, 0, 0, &function);
	return r < 0 ? r : profile_node(profile, PROFILE_NONE, function, &root);
}

void profile_fini(struct profile *profile)
{
	free(profile->nodes);
	free(profile->functions);
	free(profile->text);
	free(profile->function_slots);
	free(profile->node_slots);
	*profile = (struct profile){ .what = PROFILE_UNKNOWN };
}

static int merge_node(struct profile *to, const struct profile *from, uint32_t i, uint32_t *map)
{
	const struct profile_node *node = &from->nodes[i];
	const struct profile_function *function = &from->functions[node->function];
	const char *name = from->text + function->name, *url = from->text + function->url;
	uint32_t its = 0;
	int r = 0;

	if (i > 0)
		r = profile_function(to, name, strlen(name), url, strlen(url), function->line,
				     function->column, &its);
	if (r == 0 && i > 0)
		r = profile_node(to, map[node->parent], its, &map[i]);
	if (r < 0)
		return r;
	to->nodes[map[i]].self_bytes += node->self_bytes;
	to->nodes[map[i]].self_count += node->self_count;
	return 0;
}

static void merge_facts(struct profile *to, const struct profile *from)
{
	if (to->what != from->what)
		to->what = PROFILE_UNKNOWN;
	if (to->interval_bytes != from->interval_bytes)
		to->interval_bytes = 0;
	to->has_objects = to->has_objects && from->has_objects;
	if (from->started_wall_ms != 0 &&
	    (to->started_wall_ms == 0 || from->started_wall_ms < to->started_wall_ms))
		to->started_wall_ms = from->started_wall_ms;
	to->duration_ns += from->duration_ns;
}

int profile_merge(struct profile *to, const struct profile *from)
{
	uint32_t *map = calloc(from->nodes_n, sizeof(*map));
	int r = map == NULL ? -ENOMEM : 0;

	for (uint32_t i = 0; r == 0 && i < from->nodes_n; i++)
		r = merge_node(to, from, i, map);
	free(map);
	if (r == 0)
		merge_facts(to, from);
	return r;
}

uint64_t profile_total_bytes(const struct profile *profile)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < profile->nodes_n; i++)
		bytes += profile->nodes[i].self_bytes;
	return bytes;
}

uint64_t profile_total_count(const struct profile *profile)
{
	uint64_t count = 0;

	for (size_t i = 0; i < profile->nodes_n; i++)
		count += profile->nodes[i].self_count;
	return count;
}

uint64_t *profile_sums(const struct profile *profile)
{
	uint64_t *sums = calloc(profile->nodes_n, sizeof(*sums));

	if (sums == NULL)
		return NULL;
	for (size_t i = profile->nodes_n; i-- > 0;) {
		const struct profile_node *node = &profile->nodes[i];

		sums[i] += node->self_bytes;
		if (node->parent != PROFILE_NONE)
			sums[node->parent] += sums[i];
	}
	return sums;
}
