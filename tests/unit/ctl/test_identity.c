/* Identities: files as age-keygen writes them, and what people give instead. */

#include "ctl/identity.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/age.h"
#include "util/err.h"

#define SECRET    "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
#define RECIPIENT "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"

/* What reading a file of this content gives. */
static int read_text(struct identities *identities, const char *text, size_t size, struct err *err)
{
	char path[] = "/tmp/identityXXXXXX";
	int fd = mkstemp(path), r;

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, size), (ssize_t)size);
	close(fd);
	r = identities_read(identities, path, err);
	unlink(path);
	return r;
}

Test(identity, belongs_to_its_recipient)
{
	uint8_t secret[CRYPTO_KEY_BYTES], key[CRYPTO_KEY_BYTES];
	char text[IDENTITY_TEXT_MAX], recipient[AGE_RECIPIENT_MAX];

	cr_assert_eq(identity_parse(SECRET, secret, NULL), 0);
	crypto_public_key(key, secret);
	age_recipient_format(recipient, key);
	cr_assert_str_eq(recipient, RECIPIENT);
	identity_format(text, secret);
	cr_assert_str_eq(text, SECRET);
}

Test(identity, comments_and_empty_lines_do_not_count)
{
	static const char text[] = "# created: 2026-01-01T00:00:00Z\n# public key: " RECIPIENT
				   "\n" SECRET "\n\n#\n" SECRET "\r\n" SECRET;
	struct identities identities = { 0 };
	struct err err = { 0 };

	cr_assert_eq(read_text(&identities, text, strlen(text), &err), 0, "%s", err.text);
	cr_assert_eq(identities.n, 3);
	cr_assert_arr_eq(identities.secrets[0], identities.secrets[2], CRYPTO_KEY_BYTES);
	cr_assert_eq(read_text(&identities, SECRET, strlen(SECRET), &err), 0);
	cr_assert_eq(identities.n, 4, "another file adds to them");
	identities_fini(&identities);
	identities_fini(&identities);
}

Test(identity, the_reason_says_line_and_what_is_wrong)
{
	static const char *const texts[][2] = {
		{ "", "no identity in it" },
		{ "# " SECRET "\n", "no identity in it" },
		{ "#\n" RECIPIENT "\n", ":2: a recipient" },
		{ "#\n\n" SECRET "X\n", ":3: not an identity: its checksum" },
		{ SECRET "\n" SECRET " \n", ":2: not an identity: a character" },
		{ "AGE-SECRET-KEY-1GFPYY\n", ":1: not an identity: it" },
		{ "age-secret-key-1gfpyysjz\n", ":1: not an identity: it begins" },
		{ "AGE-PLUGIN-YUBIKEY-1QQ\n", ":1: only X25519" },
		{ "AGE-SECRET-KEY-PQ-1XX\n", ":1: only X25519" },
		{ "age-encryption.org/v1\n", "itself encrypted" },
		{ "-----BEGIN AGE ENCRYPTED FILE-----\n", "itself encrypted" },
		{ "-----BEGIN OPENSSH PRIVATE KEY-----\n", "SSH" },
	};

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct identities identities = { 0 };
		struct err err = { 0 };

		cr_expect_eq(read_text(&identities, texts[i][0], strlen(texts[i][0]), &err),
			     -EINVAL);
		cr_expect_not_null(strstr(err.text, texts[i][1]), "%s: %s", texts[i][0], err.text);
		cr_expect_null(strstr(err.text, "GFPYY"), "a secret is never repeated");
		identities_fini(&identities);
	}
}

Test(identity, files_that_cannot_be_read)
{
	struct identities identities = { 0 };
	char *large = calloc(1, 1 << 20);
	struct err err;

	cr_assert_eq(identities_read(&identities, "/nowhere/key", &err), -ENOENT);
	cr_assert_not_null(strstr(err.text, "/nowhere/key"), "%s", err.text);
	cr_assert_eq(identities_read(&identities, "/", &err), -EISDIR);
	cr_assert_eq(read_text(&identities, large, 1000, &err), -EINVAL, "zeros are no text");
	cr_assert_eq(read_text(&identities, large, 1 << 20, &err), -EFBIG);
	memset(large, '\n', 1 << 20);
	for (size_t i = 0; i <= IDENTITIES_MAX; i++)
		memcpy(large + 75 * i, SECRET, 74);
	cr_assert_eq(read_text(&identities, large, 75 * (size_t)IDENTITIES_MAX, &err), 0);
	cr_assert_eq(identities.n, IDENTITIES_MAX);
	cr_assert_eq(read_text(&identities, SECRET, strlen(SECRET), &err), -EINVAL);
	cr_assert_not_null(strstr(err.text, "1000"), "%s", err.text);
	identities_fini(&identities);
	free(large);
}
