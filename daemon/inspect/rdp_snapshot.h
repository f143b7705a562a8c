#pragma once

/* The capture half of dialect_rdp (inspect/rdp.c). */

#include <stdbool.h>
#include <stdint.h>
#include "inspect/rdp_allocations.h"
#include "inspect/rdp_calls.h"

struct download;
struct tree;

enum { RDP_SNAPSHOT_CALLS = 8, RDP_SNAPSHOT_ID_MAX = 48 };

/* download->state: sizeof(struct rdp_snapshot) is the dialect's download_size. */
struct rdp_snapshot {
	struct rdp_calls calls;
	struct rdp_call call[RDP_SNAPSHOT_CALLS];
	bool greeted, is_tab;
	char file[RDP_ACTOR_MAX]; /* heapSnapshotFileActor */
	char memory[RDP_ACTOR_MAX]; /* memoryActor; "" before */
	char id[RDP_SNAPSHOT_ID_MAX]; /* of the snapshot; "" before it is saved */
	uint64_t asked_ns; /* for the snapshot */
	bool attached; /* from then on the program may be at work on what was asked */
	bool saving;
	bool receiving; /* the bulk packet under way is the snapshot */
	uint64_t total, received; /* bytes of it */
	struct rdp_allocations allocations; /* of that task */
};

/* For rdp_allocations.c: ask the memory actor. */
int rdp_snapshot_step(struct download *download, const char *type);
int rdp_snapshot_record(struct download *download, double probability, int log_max);

int rdp_snapshot_begin(struct download *download);
int rdp_snapshot_packet(struct download *download, const struct tree *packet);
int rdp_snapshot_bulk(struct download *download, const char *actor, uint64_t size);
int rdp_snapshot_data(struct download *download, const char *data, size_t size, bool last);
int rdp_snapshot_overdue(struct download *download);
int rdp_snapshot_woken(struct download *download);
int rdp_snapshot_finish(struct download *download);
