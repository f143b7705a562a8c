#pragma once

/* What the spool does at its start: empty incoming/, judge what is in ready/, make the index. */

struct spool;

/* The descriptors are open, the index is empty. 0 or -errno; what cannot be swept is logged. */
int spool_sweep(struct spool *spool);
