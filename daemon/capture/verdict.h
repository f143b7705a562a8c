#pragma once

/*
 * Verdicts: what accumulates, found out when the last snapshot of a series is analysed, by
 * comparing it with the first and the one in the middle. Here is which snapshots those are, and
 * what is taken over from the worker's report; it is kept in the manifest of the last.
 */

#include <stdbool.h>
#include "spool/manifest.h"

struct err;
struct spool;
struct tree;

enum { VERDICT_EARLIER_MAX = 2 };

/* Is it the last snapshot of a series, or the second of a tracking? */
bool verdict_is_due(const struct manifest *manifest);

/*
 * Snapshots of the series to compare with, the oldest first; borrowed from the spool. How many; 0
 * with the reason in why.
 */
unsigned verdict_earlier(const struct spool *spool, const struct manifest *last,
			 const struct manifest *ret[VERDICT_EARLIER_MAX], struct err *why);

/* "leak", "nothing" or "none" as the report says; "none" when it says nothing that makes sense. */
void verdict_read(const struct tree *report, struct manifest_verdict *ret);

/* What came, of the second of a tracking; nothing where the report does not say. */
void verdict_read_arrived(const struct tree *report, struct manifest_analysis *ret);

/* There is none, and why. */
void verdict_none(struct manifest_verdict *ret, const char *why);

/* To the journal. */
void verdict_tell(const struct manifest *manifest);
