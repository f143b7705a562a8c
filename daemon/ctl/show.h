#pragma once

/* What commands print: tables, JSON, texts made safe for terminals; through a pager if wanted. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ctl/options.h"

struct err;
struct buf;
struct item_array;
struct source;

enum { SHOW_MAX_BYTES = 64 << 20, SHOW_TIME_MAX = 64 };

/* A text without control characters, which a target's name may hold. */
void show_text(struct buf *buf, const char *text);

/* "Wed 2026-11-25 10:00:00 UTC", local; "-" when 0. dst is returned. */
char *show_time(char dst[SHOW_TIME_MAX], int64_t wall_ms);

/* TIME TARGET ISOLATE KIND RULE FILE SIZE HEAP PAUSE ID */
void show_table(struct buf *buf, const struct item_array *items, bool legend);

/* For a person, a block per capture; reports are read from the source (may be NULL: are not). */
void show_info(struct buf *buf, struct source *source, const struct item_array *items);

/* An array of manifests, each with `file`. */
void show_json(struct buf *buf, const struct item_array *items, enum json_mode mode);

/* One JSON document again, in lines if it is to be pretty. */
void show_json_text(struct buf *buf, const char *json, enum json_mode mode);

/* The same of what was written into json, which is freed; its error becomes that of buf. */
void show_json_end(struct buf *buf, struct buf *json, enum json_mode mode);

/* To stdout, or a pager when that is a terminal. Frees buf. CTL_OK, or CTL_FAILURE, said. */
int show_out(struct buf *buf, bool pager);

/*
 * The same of tables that --top makes shorter: what they came to, in r or in buf, is told as too
 * much when it is an error.
 */
int show_top(struct buf *buf, int r, const struct ctl_options *options, struct err *err);
