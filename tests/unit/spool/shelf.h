#pragma once

/* A spool in a folder of the test's own, filled by hand. All abort when they cannot. */

#include <stdbool.h>
#include <stdint.h>
#include "folder.h"
#include "spool/spool.h"

#define SHELF_SUM "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

extern char shelf_dir[FOLDER_PATH_MAX / 2];

void shelf_new(void);
void shelf_remove(void);
void shelf_open(struct spool *spool); /* without limits */

/* The i-th: target "t<i>", isolate "main", a second after the one before, of `bytes` bytes. */
struct manifest shelf_manifest(unsigned i, uint64_t bytes);

/* Publish and list it: claimed, its files filled with 'x'. */
struct spool_entry *shelf_put(struct spool *spool, const struct manifest *manifest);

/* The manifest of a snapshot with a list of scripts of so many bytes. */
void shelf_add_scripts(struct manifest *manifest, uint64_t bytes);

/* In FOLDER/NAME with END: is it there, write it, delete it. */
bool shelf_has(const char *folder, const char *name, const char *end);
void shelf_write(const char *folder, const char *name, const char *end, const char *content);
void shelf_delete(const char *folder, const char *name, const char *end);
