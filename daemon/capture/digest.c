/*
 * Digests
 *
 * Made while the bytes pass, so that a capture need not be read again to be known by its sum.
 */

#include "capture/digest.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

struct digest {
	crypto_hash_sha256_state state;
};

int digest_new(struct digest **ret)
{
	struct digest *digest;

	if (sodium_init() < 0)
		return -ENOSYS;
	digest = malloc(sizeof(*digest));
	if (digest == NULL)
		return -ENOMEM;
	crypto_hash_sha256_init(&digest->state);
	*ret = digest;
	return 0;
}

void digest_free(struct digest *digest)
{
	free(digest);
}

void digest_update(struct digest *digest, const void *data, size_t size)
{
	crypto_hash_sha256_update(&digest->state, data, size);
}

void digest_final(struct digest *digest, char dst[DIGEST_HEX_MAX])
{
	unsigned char sum[crypto_hash_sha256_BYTES];

	crypto_hash_sha256_final(&digest->state, sum);
	sodium_bin2hex(dst, DIGEST_HEX_MAX, sum, sizeof(sum));
}
