#pragma once

/*
 * Identities: the secret keys that open what the daemon sealed, as age-keygen writes them. They are
 * read and made by heapwatchctl only; the daemon does not link this.
 */

#include <stddef.h>
#include <stdint.h>
#include "pipeline/crypto.h"

struct err;

enum {
	IDENTITY_TEXT_MAX = 75, /* "AGE-SECRET-KEY-1..." is 74 characters */
	IDENTITIES_MAX = 1000, /* of one file */
};

struct identities {
	uint8_t (*secrets)[CRYPTO_KEY_BYTES]; /* owned */
	size_t n;
};

/*
 * A file with one identity per line; empty lines and those that begin with '#' do not count. 0;
 * -EINVAL with the reason and the line in err, which never repeats a key; -errno with a text.
 * Zeroed is fine for fini, which wipes.
 */
int identities_read(struct identities *ret, const char *path, struct err *err);
void identities_fini(struct identities *identities);

/* One line. As identities_read(). */
int identity_parse(const char *text, uint8_t ret[CRYPTO_KEY_BYTES], struct err *err);
void identity_format(char dst[IDENTITY_TEXT_MAX], const uint8_t secret[CRYPTO_KEY_BYTES]);
