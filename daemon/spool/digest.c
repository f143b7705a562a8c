/*
 * Digests
 *
 * Made while the bytes pass, so that a capture need not be read again to be known by its sum. By
 * libcrypto, which uses the SHA instructions of the processor (docs/adr/0006).
 */

#include "spool/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

struct digest {
	EVP_MD_CTX *context; /* owned */
	int error;
};

int digest_new(struct digest **ret)
{
	struct digest *digest = calloc(1, sizeof(*digest));

	if (digest == NULL)
		return -ENOMEM;
	digest->context = EVP_MD_CTX_new();
	if (digest->context == NULL ||
	    EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) != 1) {
		digest_free(digest);
		return -ENOMEM;
	}
	*ret = digest;
	return 0;
}

void digest_free(struct digest *digest)
{
	if (digest == NULL)
		return;
	EVP_MD_CTX_free(digest->context);
	free(digest);
}

void digest_update(struct digest *digest, const void *data, size_t size)
{
	if (EVP_DigestUpdate(digest->context, data, size) != 1)
		digest->error = -EIO;
}

int digest_final(struct digest *digest, char dst[DIGEST_HEX_MAX])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	if (EVP_DigestFinal_ex(digest->context, sum, &size) != 1)
		digest->error = -EIO;
	for (unsigned i = 0; i < size; i++)
		snprintf(dst + (size_t)2 * i, 3, "%02x", sum[i]);
	return digest->error;
}
