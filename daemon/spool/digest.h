#pragma once

/* SHA-256 of a stream. digest.c is the only file that includes libcrypto. */

#include <stddef.h>

struct digest;

enum { DIGEST_HEX_MAX = 65 };

int digest_new(struct digest **ret); /* 0, -ENOMEM */
void digest_free(struct digest *digest); /* NULL is fine */
void digest_update(struct digest *digest, const void *data, size_t size);

/* Once, at the end: 64 lower-case hex digits. 0, -EIO when the library failed on the way. */
int digest_final(struct digest *digest, char dst[DIGEST_HEX_MAX]);
