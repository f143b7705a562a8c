#pragma once

/*
 * The objects of one snapshot found again in a later one
 *
 * By id where ids last. V8 numbers all objects anew when its profiler was switched off between two
 * snapshots; then by their named dominator paths: what the same object holds by the same name is
 * the same. Of several that a name does not tell apart, the largest are taken for each other, then
 * the next ones, so that as little as possible has changed.
 */

#include <stdbool.h>
#include <stdint.h>
#include "heap/agreement.h"
#include "heap/analysis.h"
#include "heap/ids.h"

/* A snapshot and what is needed to match its objects. */
struct heap_side {
	struct heap_analysis *analysis; /* borrowed; its tree and ways are there */
	struct heap_ids ids; /* owned: of the last one, when the first other was matched with it */
};

/* 0, -ENOMEM; fini in any case. */
int heap_side_init(struct heap_side *ret, struct heap_analysis *analysis);
void heap_side_fini(struct heap_side *side); /* zeroed is fine */

struct heap_match {
	uint32_t nodes;
	uint32_t *
		of; /* owned, by node of the last snapshot: the node of the base; UINT32_MAX: new */
	uint64_t *guessed; /* owned: bits by node of the last: by its size, of several alike */
	struct heap_agreement agreement;
	uint64_t looked; /* references whose names were looked at: what the work grows with */
};

enum heap_match_by { HEAP_MATCH_AUTO, HEAP_MATCH_IDS, HEAP_MATCH_PATHS };

/*
 * Classes of both are of the same shapes. *by is made IDS or PATHS where it is AUTO; ids that are
 * addresses (Gecko) are another object's as soon as they are free, so that paths are taken. By ids,
 * what has none of the same id is looked for by its path all the same: something replaced by
 * another. 0, -ENOMEM; fini in any case.
 */
int heap_match_init(struct heap_match *ret, const struct heap_side *base, struct heap_side *last,
		    enum heap_match_by *by);

/*
 * Most objects of one of them have partners: two snapshots of one program have. base_nodes: how
 * many the base has.
 */
bool heap_match_most(const struct heap_match *match, uint32_t base_nodes);
void heap_match_fini(struct heap_match *match); /* zeroed is fine */
