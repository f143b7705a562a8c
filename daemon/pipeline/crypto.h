#pragma once

/*
 * The primitives of age v1: X25519, HKDF-SHA-256, HMAC-SHA-256, ChaCha20-Poly1305 (RFC 7748, 5869,
 * 2104, 8439). crypto.c is the only file that includes libsodium.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CRYPTO_KEY_BYTES = 32,
	CRYPTO_TAG_BYTES = 16,
	CRYPTO_NONCE_BYTES = 12,
	CRYPTO_MAC_BYTES = 32
};

int crypto_setup(void); /* once, before all else; again is fine. 0, -ENOSYS */
void crypto_random(void *dst, size_t size);
void crypto_wipe(void *data, size_t size);
bool crypto_equal(const void *a, const void *b, size_t size); /* in constant time */

/* secret: 32 random bytes. */
void crypto_public_key(uint8_t ret[CRYPTO_KEY_BYTES], const uint8_t secret[CRYPTO_KEY_BYTES]);

/* -EINVAL when the point is of low order: the share would be zero. */
int crypto_share(uint8_t ret[CRYPTO_KEY_BYTES], const uint8_t secret[CRYPTO_KEY_BYTES],
		 const uint8_t public_key[CRYPTO_KEY_BYTES]);

/* 32 bytes out; salt may be empty. */
void crypto_hkdf(uint8_t ret[CRYPTO_KEY_BYTES], const void *salt, size_t salt_size, const void *key,
		 size_t key_size, const char *info);
void crypto_hmac(uint8_t ret[CRYPTO_MAC_BYTES], const uint8_t key[CRYPTO_KEY_BYTES],
		 const void *data, size_t size);

/* The same with a key of any length. */
void crypto_hmac_of(uint8_t ret[CRYPTO_MAC_BYTES], const void *key, size_t key_size,
		    const void *data, size_t size);

/* dst: size + CRYPTO_TAG_BYTES; may be data itself. */
void crypto_seal(void *dst, const void *data, size_t size, const uint8_t nonce[CRYPTO_NONCE_BYTES],
		 const uint8_t key[CRYPTO_KEY_BYTES]);

/* size includes the tag; dst: size - CRYPTO_TAG_BYTES, may be data itself. -EBADMSG when forged. */
int crypto_open(void *dst, const void *data, size_t size, const uint8_t nonce[CRYPTO_NONCE_BYTES],
		const uint8_t key[CRYPTO_KEY_BYTES]);
