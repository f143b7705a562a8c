#pragma once

/* SHA-256 of a stream. digest.c is the only file that includes libsodium. */

#include <stddef.h>

struct digest;

enum { DIGEST_HEX_MAX = 65 };

int digest_new(struct digest **ret); /* 0, -ENOMEM, -ENOSYS when the library does not start */
void digest_free(struct digest *digest); /* NULL is fine */
void digest_update(struct digest *digest, const void *data, size_t size);

/* Once, at the end: 64 lower-case hex digits. */
void digest_final(struct digest *digest, char dst[DIGEST_HEX_MAX]);
