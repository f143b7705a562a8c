#pragma once

/* Snapshots and lists as the worker has them: mapped while it may, expanded when it is confined. */

#include <stdbool.h>
#include <stdint.h>
#include "heap/load_v8.h"

struct err;

/* The file behind a descriptor. 0, -errno with the reason in err. */
int input_map(struct v8_text *ret, int fd, struct err *err);

/*
 * What is packed is unpacked, layer by layer, within so many bytes of memory; the packed text is
 * given back. *ret_bytes: the memory it takes. 0; -ENOMEM: more would be needed; -EBADMSG: damaged,
 * and the text is what there is in it before that, packed still where there was no memory for more;
 * others; each with the reason in err.
 */
int input_expand(struct v8_text *text, uint64_t memory_bytes, uint64_t *ret_bytes, struct err *err);

bool input_is_packed(const struct v8_text *text);

/*
 * A snapshot that input_expand() found damaged: where in what there is of it, too. What
 * input_expand() returned, with err told anew; else err stays.
 */
int input_damage(const struct v8_text *text, uint64_t memory_max, int r, struct err *err);

/* Give it back. */
void input_fini(struct v8_text *text);
