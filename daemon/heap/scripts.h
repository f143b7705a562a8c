#pragma once

/*
 * The list of scripts beside a snapshot (STEM.scripts.json, as Debugger.scriptParsed told them):
 * the files behind the script numbers of a snapshot's places.
 */

#include <stddef.h>
#include <stdint.h>

struct err;
struct script;

/* The daemon writes no longer list. */
#define SCRIPTS_MAX_BYTES (128ull << 20)

struct scripts {
	struct script *items; /* owned: by id */
	size_t n;
};

/* 0; -EBADMSG, -EFBIG with the reason in err; -ENOMEM. fini in any case. */
int scripts_parse(struct scripts *ret, const char *text, uint64_t size, struct err *err);
void scripts_fini(struct scripts *scripts); /* zeroed is fine */

/* The URL; NULL: not known. */
const char *scripts_find(const struct scripts *scripts, uint64_t id);

/* Of its source map, as the script names it; NULL: none, or not known. */
const char *scripts_find_map(const struct scripts *scripts, uint64_t id);
