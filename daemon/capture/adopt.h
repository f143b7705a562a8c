#pragma once

/*
 * Adoption: files that runtimes write by themselves (--diagnostic-dir, --heapsnapshot-signal,
 * --heapsnapshot-near-heap-limit, --heap-snapshot-on-oom, --heap-prof) are taken over from the
 * directories named in `capture.adopt` into the spool, through the same stages, with a manifest.
 * A file is taken when it is whole, and its original deleted when the adopted one is safe.
 */

#include "capture/capture.h"

struct adoption;

/* captures and its settings are borrowed. 0, -errno. */
int adoption_new(struct adoption **ret, struct captures *captures);
void adoption_free(struct adoption *adoption);

/* The settings have changed: watch the directories they name now. */
void adoption_set(struct adoption *adoption);
