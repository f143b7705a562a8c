#pragma once

/* Numbers of source maps: base64 digits of five bits each, the lowest first, with a sign
 * (ECMA-426, "VLQ"). */

#include <stdint.h>

/* Past one number. 0; -EBADMSG: none is there, or it does not fit 32 bits. */
int vlq_read(const char **at, const char *end, int64_t *ret);
