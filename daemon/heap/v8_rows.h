#pragma once

/* Rows of a V8 heap snapshot into the columns of a graph. */

#include <pthread.h>
#include "heap/graph.h"
#include "heap/v8_array.h"
#include "heap/v8_head.h"

struct v8_rows {
	const struct v8_head *head;
	struct heap_graph *graph;
	pthread_mutex_t lock;
	uint32_t name_max; /* the largest string that anything names */
};

v8_rows_fn v8_node_rows;
v8_rows_fn v8_edge_rows;

/* Counts of edges to where they begin. -EBADMSG when they are not as many as there are. */
int v8_rows_sum(struct heap_graph *graph);
