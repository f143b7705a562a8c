#pragma once

/*
 * Profiles: what a program allocated, by the stack it was allocated from, as samples tell it. A
 * tree of calls in arrays: a node is a function called from its parent, and has what was allocated
 * in it, not what its calls have. Parents stand before their children.
 *
 * V8 says how many bytes its samples stand for, but not how many objects: of small ones each sample
 * stands for many. Firefox samples objects, and has both.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PROFILE_NODES_MAX = 1 << 22,
	PROFILE_NAME_MAX = 4096, /* bytes of one name or address; longer ones are cut */
};

#define PROFILE_NONE UINT32_MAX

/* What the bytes are of. */
enum profile_what {
	PROFILE_UNKNOWN, /* a file that does not say */
	PROFILE_LIVE, /* of objects that were alive at the end */
	PROFILE_ALLOCATED, /* of all that was allocated meanwhile */
};

struct profile_function {
	uint32_t name, url; /* offsets in text, zero-terminated */
	int32_t line, column; /* from 1; 0: not known */
};

struct profile_node {
	uint32_t parent, function; /* the root has PROFILE_NONE as its parent */
	uint32_t first, last, next; /* of its children; PROFILE_NONE: none */
	uint64_t self_bytes;
	uint64_t self_count; /* samples, or objects where has_objects */
};

struct profile {
	struct profile_node *nodes; /* owned; 0 is the root */
	size_t nodes_n, nodes_capacity;
	struct profile_function *functions; /* owned; each once */
	size_t functions_n, functions_capacity;
	char *text; /* owned */
	size_t text_n, text_capacity;
	uint32_t *function_slots, *node_slots; /* owned: hash tables of indexes */
	size_t function_slots_n, node_slots_n;
	uint64_t seed;

	enum profile_what what;
	bool has_objects; /* self_count is objects, not samples */
	uint64_t interval_bytes; /* between samples on average; 0: not known */
	int64_t started_wall_ms; /* 0: not known */
	uint64_t duration_ns; /* 0: not known */
};

/* With its root. 0, -ENOMEM or another errno of rand_bytes(); fini in any case. */
int profile_init(struct profile *profile);
void profile_fini(struct profile *profile); /* zeroed is fine */

/* Its index, a new one or that of an equal. 0, -ENOMEM, -E2BIG. Texts need not be terminated. */
int profile_function(struct profile *profile, const char *name, size_t name_size, const char *url,
		     size_t url_size, int32_t line, int32_t column, uint32_t *ret);

/* The node of this function below that parent, a new one or the one that is there. As above. */
int profile_node(struct profile *profile, uint32_t parent, uint32_t function, uint32_t *ret);

/* All of `from` into `to`, call by call. What differs in what and interval becomes unknown. */
int profile_merge(struct profile *to, const struct profile *from);

const char *profile_name(const struct profile *profile, uint32_t function);
const char *profile_url(const struct profile *profile, uint32_t function);
uint64_t profile_total_bytes(const struct profile *profile);
uint64_t profile_total_count(const struct profile *profile);

/*
 * A node's bytes with those of all it calls, one for each node. NULL: out of memory; to be freed.
 */
uint64_t *profile_sums(const struct profile *profile);

/* "live", "allocated", "unknown" */
const char *profile_what_name(enum profile_what what);
