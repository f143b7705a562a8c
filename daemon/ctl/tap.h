#pragma once

/* Ends of a pipeline that reads captures back: a sum in passing, a descriptor, nothing. */

#include <stdbool.h>
#include <stdint.h>
#include "pipeline/stage.h"
#include "spool/digest.h"

/* Sums what passes on to next. */
struct tap {
	struct stage stage;
	struct digest *digest; /* owned */
};

int tap_init(struct tap *tap, struct stage *next); /* 0, -ENOMEM */
void tap_fini(struct tap *tap); /* zeroed is fine */
int tap_sum(struct tap *tap, char dst[DIGEST_HEX_MAX]); /* once; 0, -EIO */

/* Throws away what comes. */
void drain_init(struct stage *stage);

/* Writes to a descriptor, which is borrowed. */
struct outlet {
	struct stage stage;
	int fd;
	uint64_t room; /* bytes that may still be written; any number at first */
	bool is_full; /* it failed for want of room */
};

void outlet_init(struct outlet *outlet, int fd);

/* Why the first stage of a chain that says something failed; "cannot go on" when none does. */
const char *chain_error(const struct stage *first);
