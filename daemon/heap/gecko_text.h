#pragma once

/* Texts of Gecko's core dump, as names. */

#include <stdbool.h>
#include <stdint.h>
#include "heap/gecko_read.h"
#include "heap/names.h"

struct buf;

/* Appended as it stands between JSON's quotes: UTF-8, what has to be escaped is. */
void gecko_put_wide(struct buf *buf, const struct gecko_text *text);
void gecko_put_narrow(struct buf *buf, const struct gecko_text *text);

/* Bytes that these append at the most. */
uint64_t gecko_wide_bytes(const struct gecko_text *text);
uint64_t gecko_narrow_bytes(const struct gecko_text *text);

/* The name of what buf holds, which is empty then. 0, -ENOMEM. */
int gecko_name(struct heap_names *names, struct buf *buf, uint32_t *ret);

/* "objectElements[4711]": an element of an array. */
bool gecko_element(const struct gecko_text *text, uint32_t *ret);
