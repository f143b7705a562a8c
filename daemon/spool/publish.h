#pragma once

/* How manifests reach ready/. Of the spool's own files only. */

#include "spool/manifest.h"

struct spool;

enum { MANIFEST_NAME_MAX = SPOOL_NAME_MAX + 8 };

void publish_manifest_name(char dst[MANIFEST_NAME_MAX], const char *name);

/* Replaces an older one atomically. 0, FILE_E_FULL, FILE_E_UNSURE, -errno. */
int publish_manifest(const struct spool *spool, const struct manifest *manifest);

/*
 * Delete what is visible without its capture. The manifest goes last, and stays when the list of
 * scripts or the report cannot be deleted: by it the next start knows whose that is.
 */
void publish_take_back(const struct spool *spool, const struct manifest *manifest);
