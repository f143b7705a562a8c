#pragma once

/*
 * Whether ids mean the same in two snapshots
 *
 * Engines number objects anew when their profiler was switched off in between (V8), when a client
 * left or another snapshot was taken (JSC), or at each snapshot (Bun's in V8's form); the file does
 * not say so. Ids that are there in both then belong to different objects, which their classes
 * tell.
 */

#include <stdbool.h>
#include <stdint.h>
#include "heap/analysis.h"
#include "heap/ids.h"

/* What has to be known beside what was compared by ids, where manifests and seeds are silent. */
#define HEAP_IDS_UNTOLD                                                                            \
	"Nothing tells that the snapshots are of one process: of different ones ids are not "      \
	"comparable."

struct heap_agreement {
	uint64_t both; /* ids that are in both */
	uint64_t equal; /* of these, of equal class, and of equal name where that does not change */
	uint64_t base; /* ids in the base */
	uint64_t came; /* ids in the last only */
	uint64_t missed; /* of these, lower than the highest of the base */
	uint32_t classes; /* of the base, with ids that are in both */
	uint32_t lasting; /* of these, with most of them equal */
};

/*
 * An object keeps its id and hardly ever changes its class: where ids last, all but a few of those
 * in both agree. Where nearly all objects are of one class they do so by accident, too: hence those
 * of most classes have to.
 */
bool heap_ids_last(const struct heap_agreement *agreement);

/*
 * Engines number upwards, and a snapshot numbers all there is: in a later one of the same process
 * what has come has higher numbers. Of another process, whose first objects may well have the same
 * numbers, some are between those of the base.
 */
bool heap_ids_go_on(const struct heap_agreement *agreement);

/* The ids of a snapshot; of equal ones, which no engine writes, the first counts. 0, -ENOMEM, -EIO;
 * heap_ids_fini() in any case. */
int heap_ids_of(struct heap_ids *ret, const struct heap_graph *graph);

/*
 * How far the ids of the base agree with those of the last, which are in ids. Only nodes, names and
 * classes are looked at; plain objects may be of different shapes. of: NULL, or by node of the last
 * the node of the base that agrees; others are left as they are. 0, -ENOMEM.
 */
int heap_agree(struct heap_agreement *ret, const struct heap_analysis *base,
	       const struct heap_analysis *last, const struct heap_ids *ids, uint32_t *of);
