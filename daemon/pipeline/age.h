#pragma once

/*
 * age v1 (C2SP, age-encryption.org/v1): encryption to X25519 recipients, as a stage. Only the half
 * that seals is here, so that the daemon cannot open what it wrote; the other half is ctl/unseal.c.
 */

#include <stddef.h>
#include <stdint.h>
#include "pipeline/crypto.h"

struct err;
struct stage;
struct text_list;

enum {
	AGE_CHUNK_BYTES = 64 * 1024, /* of plain text */
	AGE_FILE_KEY_BYTES = 16,
	AGE_RECIPIENT_MAX = 63, /* "age1..." is 62 characters */
	AGE_IDENTITY_MAX = 75, /* "AGE-SECRET-KEY-1..." is 74 */
};

/* recipients: "age1..." texts, at least one. 0; -EINVAL with the reason in err; -ENOMEM. */
int age_seal_new(struct stage **ret, const struct text_list *recipients, struct stage *next,
		 struct err *err);

/* 0; -EINVAL with the reason: not Bech32, wrong checksum, another kind of recipient. */
int age_recipient_parse(const char *text, uint8_t ret[CRYPTO_KEY_BYTES], struct err *err);
void age_recipient_format(char dst[AGE_RECIPIENT_MAX], const uint8_t key[CRYPTO_KEY_BYTES]);
