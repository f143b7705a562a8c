#pragma once

/*
 * Samples: what one poll of one isolate yields, as values. A number the runtime did not give is
 * absent, which is not zero: `present` says which are there.
 */

#include <stdbool.h>
#include <stdint.h>

enum sample_field {
	SAMPLE_HEAP_USED, /* bytes, garbage included */
	SAMPLE_HEAP_SIZE, /* bytes reserved */
	SAMPLE_HEAP_LIMIT, /* bytes the old generation may grow to before the runtime aborts */
	SAMPLE_EXTERNAL, /* bytes outside the heap kept alive by it */
	SAMPLE_ARRAY_BUFFERS, /* bytes, part of external */
	SAMPLE_EMBEDDER_USED, /* bytes of the embedder's (C++) heap */
	SAMPLE_MALLOCED, /* bytes the engine got from malloc */
	SAMPLE_NATIVE_CONTEXTS, /* count */
	SAMPLE_DETACHED_CONTEXTS, /* count */
	SAMPLE_DOM_NODES, /* count, as the two below: of pages */
	SAMPLE_DOM_DOCUMENTS,
	SAMPLE_DOM_LISTENERS,
	SAMPLE_ALLOCATED, /* bytes allocated since start, exact (Node 26) */
	SAMPLE_UNIQUE, /* bytes of memory that its process shares with no other */
	SAMPLE_HEAP_LIVE, /* bytes of heap in use right after the latest full collection */
	SAMPLE_FIELDS,
};

enum { SPACES_MAX = 16, SPACE_NAME_MAX = 32, ISOLATE_PAGE_MAX = 256 };

/* One heap space; the name is the runtime's without its "_space" ending. */
struct space {
	char name[SPACE_NAME_MAX];
	uint64_t size, used, available, physical; /* bytes */
};

struct sample {
	uint64_t mono_ns; /* when the answer came */
	int64_t wall_ms;
	uint64_t round_trip_ns; /* of the cheapest request of the poll */
	int64_t pid; /* of a process of its own; 0: the target's */
	uint32_t present; /* bit per sample_field */
	uint64_t value[SAMPLE_FIELDS];
	uint32_t spaces_n;
	struct space spaces[SPACES_MAX];
};

static inline bool sample_has(const struct sample *sample, enum sample_field field)
{
	return sample->present & (1u << field);
}

static inline void sample_set(struct sample *sample, enum sample_field field, uint64_t value)
{
	sample->value[field] = value;
	sample->present |= 1u << field;
}

struct tree;

/* What the runtime says of itself and its process, once per connection. */
struct identity {
	char runtime[16]; /* "node" */
	char runtime_version[32]; /* "22.23.3" */
	char engine[16]; /* "v8" */
	char engine_version[48];
	char inspector_id[64]; /* changes with every start of the inspector */
	char title[128]; /* what the inspector calls the program */
	int64_t pid; /* in its own pid namespace; 0 when unknown */
	/*
	 * When it began: by the wall clock as it stood then, which may have been set since; by our
	 * monotonic clock, so before our boot it is negative; for the kernel of this host, in ticks
	 * since boot, which tells processes apart and is filled in by who has looked. 0 when
	 * unknown.
	 */
	int64_t start_wall_ms, start_mono_ms;
	uint64_t start_ticks;
};

/*
 * Of what a runtime told just now: `start`, milliseconds since 1970 (performance.timeOrigin), and
 * `age`, milliseconds since then (performance.now()). What is missing or makes no sense stays
 * unknown.
 */
void identity_take_start(struct identity *identity, const struct tree *value);
