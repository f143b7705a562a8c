#pragma once

/*
 * Bech32 (BIP 173) without its limit of 90 characters, as age has it: the spelling of recipients
 * and identities, with a checksum that finds mistyped ones.
 */

#include <stddef.h>
#include <stdint.h>

struct err;

enum {
	BECH32_PREFIX_MAX = 32, /* with the terminator */
	BECH32_CHECKSUM_CHARS = 6,
};

/*
 * Text of one case. 0; -EINVAL with the reason in err, which never repeats the text: it may be a
 * secret; -E2BIG when there are more than max bytes in it.
 */
int bech32_decode(const char *text, char prefix[BECH32_PREFIX_MAX], uint8_t *ret, size_t max,
		  size_t *ret_size, struct err *err);

/* In lower case; prefix too. -E2BIG when dst is too small. */
int bech32_encode(char *dst, size_t dst_size, const char *prefix, const uint8_t *data, size_t size);
