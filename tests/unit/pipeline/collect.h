#pragma once

/* The end of a pipeline in memory: keeps what comes, and fails when it is told to. */

#include "pipeline/stage.h"
#include "util/buf.h"

struct collect {
	struct stage stage;
	struct buf data;
	unsigned puts, finished; /* how often */
	unsigned fail_at; /* the put that fails, from 1; 0: none */
	int result; /* with this */
};

void collect_init(struct collect *collect);
void collect_fini(struct collect *collect);

/* Put all in pieces of this size and finish. What the first failing call gave. */
int feed(struct stage *first, const void *data, size_t size, size_t piece);

/* size bytes that neither repeat nor compress much; free() them. */
char *noise(size_t size);
