/*
 * Bech32, recipients and identities: any text is read or refused with a reason that does not repeat
 * it; what is read is written again as it was.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ctl/identity.h"
#include "pipeline/age.h"
#include "pipeline/bech32.h"
#include "util/err.h"

enum { BYTES_MAX = 512, TEXT_MAX = 2048, REPEATED = 12 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void check_bech32(const char *text)
{
	char prefix[BECH32_PREFIX_MAX], again[TEXT_MAX];
	uint8_t bytes[BYTES_MAX];
	struct err err = { 0 };
	size_t size;

	if (bech32_decode(text, prefix, bytes, sizeof(bytes), &size, &err) < 0) {
		expect(err.text[0] != '\0');
		return;
	}
	expect(bech32_encode(again, sizeof(again), prefix, bytes, size) == 0);
	expect(strcasecmp(again, text) == 0);
}

static void check_recipient(const char *text)
{
	uint8_t key[CRYPTO_KEY_BYTES];
	char again[AGE_RECIPIENT_MAX];
	struct err err = { 0 };

	if (age_recipient_parse(text, key, &err) < 0) {
		expect(err.text[0] != '\0');
		return;
	}
	age_recipient_format(again, key);
	expect(strcmp(again, text) == 0);
}

/* What looks like a secret is not said again: no part of it that is long enough to be of use. */
static void check_identity(const char *text)
{
	static const char start[] = "AGE-SECRET-KEY-1";
	uint8_t secret[CRYPTO_KEY_BYTES];
	char again[IDENTITY_TEXT_MAX];
	struct err err = { 0 };

	if (identity_parse(text, secret, &err) == 0) {
		identity_format(again, secret);
		expect(strcmp(again, text) == 0);
	} else if (strncmp(text, start, strlen(start)) == 0 &&
		   strlen(text) >= strlen(start) + REPEATED) {
		char part[REPEATED + 1] = { 0 };

		memcpy(part, text + strlen(start), REPEATED);
		expect(strstr(err.text, part) == NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size >= TEXT_MAX / 2)
		return 0;
	text = malloc(size + 1);
	expect(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	check_bech32(text);
	check_recipient(text);
	check_identity(text);
	free(text);
	return 0;
}
