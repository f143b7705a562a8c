#pragma once

/*
 * age v1 (C2SP, age-encryption.org/v1): encryption to X25519 recipients, as a stage. Only the half
 * that seals is here, so that the daemon cannot open what it wrote; the other half is ctl/unseal.c.
 */

#include <stdbool.h>
#include <stdint.h>
#include "pipeline/crypto.h"

struct err;
struct stage;
struct text_list;

enum {
	AGE_CHUNK_BYTES = 64 * 1024, /* of plain text */
	AGE_FILE_KEY_BYTES = 16,
	AGE_NONCE_BYTES = 16, /* of the payload */
	AGE_RECIPIENT_MAX = 63, /* "age1..." is 62 characters */
};

#define AGE_VERSION_LINE "age-encryption.org/v1\n"
#define AGE_INFO_X25519  "age-encryption.org/v1/X25519"
#define AGE_INFO_HEADER  "header"
#define AGE_INFO_PAYLOAD "payload"

/* recipients: "age1..." texts, at least one. 0; -EINVAL with the reason in err; -ENOMEM. */
int age_seal_new(struct stage **ret, const struct text_list *recipients, struct stage *next,
		 struct err *err);

/*
 * 0; -EINVAL with the reason: not Bech32, wrong checksum, another kind of recipient, a secret key.
 * The reason never repeats the text.
 */
int age_recipient_parse(const char *text, uint8_t ret[CRYPTO_KEY_BYTES], struct err *err);
void age_recipient_format(char dst[AGE_RECIPIENT_MAX], const uint8_t key[CRYPTO_KEY_BYTES]);

/* Chunks count from 0; the last one says so. */
void age_chunk_nonce(uint8_t ret[CRYPTO_NONCE_BYTES], uint64_t chunk, bool last);
