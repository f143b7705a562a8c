/*
 * Primitives of age v1
 *
 * By libsodium. HKDF is built from its HMAC: the version in Debian 12 has no HKDF of its own.
 */

#include "pipeline/crypto.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

static_assert(CRYPTO_KEY_BYTES == crypto_scalarmult_BYTES &&
		      CRYPTO_KEY_BYTES == crypto_aead_chacha20poly1305_ietf_KEYBYTES &&
		      CRYPTO_TAG_BYTES == crypto_aead_chacha20poly1305_ietf_ABYTES &&
		      CRYPTO_NONCE_BYTES == crypto_aead_chacha20poly1305_ietf_NPUBBYTES &&
		      CRYPTO_MAC_BYTES == crypto_auth_hmacsha256_BYTES,
	      "sizes are those of libsodium");

int crypto_setup(void)
{
	return sodium_init() < 0 ? -ENOSYS : 0;
}

void crypto_random(void *dst, size_t size)
{
	randombytes_buf(dst, size);
}

void crypto_wipe(void *data, size_t size)
{
	sodium_memzero(data, size);
}

bool crypto_equal(const void *a, const void *b, size_t size)
{
	return sodium_memcmp(a, b, size) == 0;
}

void crypto_public_key(uint8_t ret[CRYPTO_KEY_BYTES], const uint8_t secret[CRYPTO_KEY_BYTES])
{
	crypto_scalarmult_base(ret, secret);
}

int crypto_share(uint8_t ret[CRYPTO_KEY_BYTES], const uint8_t secret[CRYPTO_KEY_BYTES],
		 const uint8_t public_key[CRYPTO_KEY_BYTES])
{
	return crypto_scalarmult(ret, secret, public_key) == 0 ? 0 : -EINVAL;
}

static void hmac(uint8_t ret[CRYPTO_MAC_BYTES], const void *key, size_t key_size, const void *data,
		 size_t size, const char *more, size_t more_size)
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key, key_size);
	crypto_auth_hmacsha256_update(&state, data, size);
	crypto_auth_hmacsha256_update(&state, (const uint8_t *)more, more_size);
	crypto_auth_hmacsha256_final(&state, ret);
	sodium_memzero(&state, sizeof(state));
}

/* The first block of the expansion, which is all that is needed of it, ends with the number 1. */
void crypto_hkdf(uint8_t ret[CRYPTO_KEY_BYTES], const void *salt, size_t salt_size, const void *key,
		 size_t key_size, const char *info)
{
	uint8_t extracted[CRYPTO_MAC_BYTES];

	hmac(extracted, salt_size > 0 ? salt : "", salt_size, key, key_size, "", 0);
	hmac(ret, extracted, sizeof(extracted), info, strlen(info), "\x01", 1);
	sodium_memzero(extracted, sizeof(extracted));
}

void crypto_hmac(uint8_t ret[CRYPTO_MAC_BYTES], const uint8_t key[CRYPTO_KEY_BYTES],
		 const void *data, size_t size)
{
	hmac(ret, key, CRYPTO_KEY_BYTES, data, size, "", 0);
}

void crypto_hmac_of(uint8_t ret[CRYPTO_MAC_BYTES], const void *key, size_t key_size,
		    const void *data, size_t size)
{
	hmac(ret, key, key_size, data, size, "", 0);
}

void crypto_seal(void *dst, const void *data, size_t size, const uint8_t nonce[CRYPTO_NONCE_BYTES],
		 const uint8_t key[CRYPTO_KEY_BYTES])
{
	crypto_aead_chacha20poly1305_ietf_encrypt(dst, NULL, data, size, NULL, 0, NULL, nonce, key);
}

int crypto_open(void *dst, const void *data, size_t size, const uint8_t nonce[CRYPTO_NONCE_BYTES],
		const uint8_t key[CRYPTO_KEY_BYTES])
{
	return crypto_aead_chacha20poly1305_ietf_decrypt(dst, NULL, NULL, data, size, NULL, 0,
							 nonce, key) == 0
		       ? 0
		       : -EBADMSG;
}
