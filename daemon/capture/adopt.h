#pragma once

/*
 * Adoption: files that runtimes write by themselves (--diagnostic-dir, --heapsnapshot-signal,
 * --heapsnapshot-near-heap-limit, --heap-snapshot-on-oom, --heap-prof) are taken over from the
 * directories named in `capture.adopt` into the spool, through the same stages, with a manifest.
 * A file is taken when it is whole, and its original deleted when the adopted one is safe.
 *
 * Whole is what its writer has closed, or what nobody has written to for `settle`, and what ends as
 * a document does; a snapshot that turns out to be cut is told once and left alone until it
 * changes. A kill between the publication and the deletion adopts nothing twice: the manifest names
 * the source and its time. Originals that are kept are noted (capture/kept.h), for their copies do
 * not stay forever.
 *
 * The target is the configured one, or that whose process has the pid in the file's name. A program
 * that wrote a snapshot by itself is slow ever after; its session is asked to settle it.
 */

#include "capture/capture.h"

struct adoption;

/* captures and its settings are borrowed. 0, -errno. */
int adoption_new(struct adoption **ret, struct captures *captures);

/* After captures_fini(), for what is under way calls back. NULL is fine. */
void adoption_free(struct adoption *adoption);

/* The settings have changed: watch the directories they name now. */
void adoption_set(struct adoption *adoption);
