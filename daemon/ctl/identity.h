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
	IDENTITIES_MAX = 1000,
};

struct identities {
	uint8_t (*secrets)[CRYPTO_KEY_BYTES]; /* owned */
	size_t n;
};

/*
 * Adds those of a file ("-": stdin; a pipe is fine) with one identity per line; empty lines and
 * those that begin with '#' do not count, and one at least has to be there. 0; -EINVAL with path,
 * line and reason in err, which never repeats a key; -errno with the path; fini in any case.
 */
int identities_read(struct identities *identities, const char *path, struct err *err);
void identities_fini(struct identities *identities); /* zeroed is fine; wipes */

/* One line. 0, or -EINVAL with the reason. */
int identity_parse(const char *text, uint8_t ret[CRYPTO_KEY_BYTES], struct err *err);
void identity_format(char dst[IDENTITY_TEXT_MAX], const uint8_t secret[CRYPTO_KEY_BYTES]);
