#pragma once

/* Select: which captures are meant by what a person wrote, and whether their files are there. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct manifest;

enum presence {
	PRESENCE_PRESENT,
	PRESENCE_ENCRYPTED, /* present, to be read with a key only */
	PRESENCE_TRUNCATED, /* shorter than the manifest says */
	PRESENCE_MISSING,
	PRESENCE_ERROR, /* longer, no file, or not to be looked at */
};

/* By the size of the file: whether its bytes are right takes reading it (spool/verify.h). */
enum presence select_presence(int ready_fd, const struct manifest *manifest);
const char *presence_name(enum presence presence); /* "present" */
int presence_parse(const char *name, enum presence *ret); /* -EINVAL */

/*
 * A pattern is a glob over the target's name, or key=glob with a member of the manifest as the key
 * ("rule=Leak*"). False also for a key that does not exist.
 */
bool select_matches(const struct manifest *manifest, const char *pattern);

/* Is it a pattern at all: a glob, or a known key? */
bool select_is_pattern(const char *pattern);

enum { SELECT_PREFIX_MIN = 4 };

/* Is it meant by name: its id, the first digits (at least 4) of it, or the name of its file? */
bool select_is_called(const struct manifest *manifest, const char *name);

/* The name of a file without what compression and encryption added to it. */
void select_plain_name(char *dst, size_t size, const char *name);
