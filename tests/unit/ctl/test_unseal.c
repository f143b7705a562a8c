/* Opening: what was sealed comes back, and nothing that was changed, cut or moved does. */

#include "ctl/unseal.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect.h"
#include "conf/option.h"
#include "pipeline/age.h"
#include "util/err.h"

enum {
	SEALED_CHUNK = AGE_CHUNK_BYTES + CRYPTO_TAG_BYTES,
	HEADER_1 = 22 + 98 + 48, /* with one recipient */
	PAYLOAD_1 = HEADER_1 + AGE_NONCE_BYTES,
	KEYS = 3,
};

static uint8_t secrets[KEYS][CRYPTO_KEY_BYTES];

static void setup(void)
{
	cr_assert_eq(crypto_setup(), 0);
	crypto_random(secrets, sizeof(secrets));
}

TestSuite(unseal, .init = setup);

static const struct identities first = { secrets, 1 }, third = { secrets + 2, 1 };
static const struct identities all = { secrets, KEYS };

/* Sealed to the first n keys; buf_fini() it. */
static struct buf seal(const char *data, size_t size, unsigned n)
{
	struct text_list recipients = { 0 };
	struct collect end;
	struct stage *stage;

	for (unsigned i = 0; i < n; i++) {
		uint8_t key[CRYPTO_KEY_BYTES];
		char text[AGE_RECIPIENT_MAX];

		crypto_public_key(key, secrets[i]);
		age_recipient_format(text, key);
		cr_assert_eq(text_list_add(&recipients, text), 0);
	}
	collect_init(&end);
	cr_assert_eq(age_seal_new(&stage, &recipients, &end.stage, NULL), 0);
	cr_assert_eq(feed(stage, data, size, 50000), 0);
	stage->ops->free(stage);
	text_list_fini(&recipients);
	return end.data;
}

struct opened {
	int result;
	struct collect end;
	char error[STAGE_ERROR_MAX];
};

static struct opened open_all(const char *data, size_t size, size_t piece,
			      const struct identities *identities)
{
	struct opened opened;
	struct stage *stage;

	collect_init(&opened.end);
	cr_assert_eq(unseal_new(&stage, identities, &opened.end.stage, NULL), 0);
	opened.result = feed(stage, data, size, piece);
	strcpy(opened.error, stage->error);
	cr_assert_eq(opened.error[0] != '\0', opened.result != 0);
	stage->ops->free(stage);
	return opened;
}

static void expect_refused(const char *data, size_t size, int wanted, const char *why)
{
	struct opened opened = open_all(data, size, 10000, &first);

	cr_expect_eq(opened.result, wanted, "%d, %s", opened.result, opened.error);
	cr_expect_not_null(strstr(opened.error, why), "%s, not %s", opened.error, why);
	collect_fini(&opened.end);
}

Test(unseal, goes_there_and_back)
{
	static const size_t sizes[] = { 0, 1, 63, 65535, 65536, 65537, 131071, 131072, 131073 };
	char *data = noise(131073);

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct buf sealed = seal(data, sizes[i], 3);

		for (size_t piece = 1; piece < 1000000; piece *= 313) {
			struct opened opened = open_all(sealed.data, sealed.size, piece, &third);

			cr_assert_eq(opened.result, 0, "%s", opened.error);
			cr_assert_eq(opened.end.data.size, sizes[i]);
			cr_assert(sizes[i] == 0 ||
				  memcmp(opened.end.data.data, data, sizes[i]) == 0);
			collect_fini(&opened.end);
		}
		buf_fini(&sealed);
	}
	free(data);
}

Test(unseal, one_key_of_many_is_enough)
{
	struct buf sealed = seal("text", 4, 1);
	struct opened opened = open_all(sealed.data, sealed.size, 100, &all);

	cr_assert_eq(opened.result, 0);
	collect_fini(&opened.end);
	opened = open_all(sealed.data, sealed.size, 100, &third);
	cr_assert_eq(opened.result, -ENOKEY);
	cr_assert_not_null(strstr(opened.error, "1 X25519 recipient"), "%s", opened.error);
	cr_assert_eq(opened.end.puts, 0);
	collect_fini(&opened.end);
	buf_fini(&sealed);
}

Test(unseal, wants_an_identity)
{
	struct identities none = { 0 };
	struct stage *stage;
	struct err err;

	cr_assert_eq(unseal_new(&stage, &none, NULL, &err), -EINVAL);
}

Test(unseal, cut_anywhere_is_seen)
{
	char *data = noise(300);
	struct buf sealed = seal(data, 300, 2);

	for (size_t n = 0; n < sealed.size; n++) {
		struct opened opened = open_all(sealed.data, n, 64, &first);

		cr_assert_eq(opened.result, -EBADMSG, "%zu: %s", n, opened.error);
		cr_assert_eq(opened.end.data.size, 0);
		collect_fini(&opened.end);
	}
	buf_fini(&sealed);
	free(data);
}

/* Every byte of header, nonce and payload counts. */
Test(unseal, a_changed_byte_is_seen)
{
	char *data = noise(300);
	struct buf sealed = seal(data, 300, 2);

	for (size_t i = 0; i < sealed.size; i++) {
		for (int bit = 1; bit < 256; bit *= 2) {
			struct opened opened;

			sealed.data[i] = (char)(sealed.data[i] ^ bit);
			opened = open_all(sealed.data, sealed.size, 4096, &first);
			cr_assert(opened.result == -EBADMSG || opened.result == -ENOKEY,
				  "byte %zu, bit %d", i, bit);
			cr_assert_eq(opened.end.data.size, 0);
			collect_fini(&opened.end);
			sealed.data[i] = (char)(sealed.data[i] ^ bit);
		}
	}
	buf_fini(&sealed);
	free(data);
}

Test(unseal, cut_between_chunks_is_seen)
{
	size_t size = 3 * AGE_CHUNK_BYTES;
	char *data = noise(size);
	struct buf sealed = seal(data, size, 1);

	for (size_t chunk = 0; chunk < 3; chunk++) {
		size_t at = PAYLOAD_1 + chunk * SEALED_CHUNK;

		expect_refused(sealed.data, at - 1, -EBADMSG, "cut short");
		expect_refused(sealed.data, at, -EBADMSG, "cut short");
		expect_refused(sealed.data, at + 1, -EBADMSG, "cut short");
		expect_refused(sealed.data, at + CRYPTO_TAG_BYTES, -EBADMSG, "");
	}
	buf_fini(&sealed);
	free(data);
}

/* Whole chunks of the same file, all authentic, in another order. */
Test(unseal, chunks_in_another_order_are_seen)
{
	size_t size = 4 * AGE_CHUNK_BYTES;
	char *data = noise(size), *copy;
	struct buf sealed = seal(data, size, 1);

	copy = malloc(sealed.size + SEALED_CHUNK);
	cr_assert_not_null(copy);
	for (size_t a = 0; a < 4; a++) {
		for (size_t b = 0; b < 4; b++) {
			if (a == b)
				continue;
			memcpy(copy, sealed.data, sealed.size);
			memcpy(copy + PAYLOAD_1 + a * SEALED_CHUNK,
			       sealed.data + PAYLOAD_1 + b * SEALED_CHUNK, SEALED_CHUNK);
			expect_refused(copy, sealed.size, -EBADMSG, "chunk");
		}
	}
	memcpy(copy, sealed.data, sealed.size);
	memcpy(copy + sealed.size, sealed.data + sealed.size - SEALED_CHUNK, SEALED_CHUNK);
	expect_refused(copy, sealed.size + SEALED_CHUNK, -EBADMSG, "chunk 3");
	expect_refused(copy, sealed.size + 1, -EBADMSG, "chunk 3");
	free(copy);
	buf_fini(&sealed);
	free(data);
}

/* A file key that is known lets one forge the header: what follows must not pass for a chunk. */
Test(unseal, an_empty_last_chunk_is_seen)
{
	char *data = noise(AGE_CHUNK_BYTES);
	struct buf sealed = seal(data, AGE_CHUNK_BYTES, 1);
	char *copy = malloc(sealed.size + CRYPTO_TAG_BYTES);

	cr_assert_not_null(copy);
	memcpy(copy, sealed.data, sealed.size);
	memset(copy + sealed.size, 0, CRYPTO_TAG_BYTES);
	expect_refused(copy, sealed.size + CRYPTO_TAG_BYTES, -EBADMSG, "chunk 0");
	free(copy);
	buf_fini(&sealed);
	free(data);
}

/* ---- headers ---- */

/* The header with a piece of text put in at a place; without its end, which is not reached. */
static void expect_header(const char *header, int wanted, const char *why)
{
	expect_refused(header, strlen(header), wanted, why);
}

#define V   "age-encryption.org/v1\n"
#define K32 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define MAC "--- " K32 "\n"

Test(unseal, headers_that_are_none)
{
	expect_header("", -EBADMSG, "cut short");
	expect_header("{\"snapshot\"", -EBADMSG, "not a file of age");
	expect_header("age-encryption.org/v2\n", -EBADMSG, "not a file of age");
	expect_header("age-encryption.org/v1\r\n", -EBADMSG, "not a file of age");
	expect_header("-----BEGIN AGE ENCRYPTED FILE-----\n", -EBADMSG, "armored");
	expect_header(V, -EBADMSG, "cut short");
	expect_header(V "\n", -EBADMSG, "neither");
	expect_header(V MAC, -EBADMSG, "no stanza");
	expect_header(V "->\n", -EBADMSG, "neither");
	expect_header(V "-> \n", -EBADMSG, "arguments");
	expect_header(V "->  a\n", -EBADMSG, "arguments");
	expect_header(V "-> a \n", -EBADMSG, "arguments");
	expect_header(V "-> a\tb\n", -EBADMSG, "arguments");
	expect_header(V "-> a\nAAA=\n", -EBADMSG, "base64");
	expect_header(V "-> a\nA\n", -EBADMSG, "base64");
	expect_header(V "-> a\nAB\n", -EBADMSG, "base64");
	expect_header(V "-> a\n" K32 K32 "\n", -EBADMSG, "64 columns");
	expect_header(V "-> a\n\n---" K32 "\n", -EBADMSG, "neither");
	expect_header(V "-> a\n\n--- " K32 "A\n", -EBADMSG, "MAC");
	expect_header(V "-> a\n\n--- \n", -EBADMSG, "MAC");
}

Test(unseal, stanzas_of_our_kind_are_checked)
{
	expect_header(V "-> X25519\n", -EBADMSG, "X25519");
	expect_header(V "-> X25519 " K32 " x\n", -EBADMSG, "X25519");
	expect_header(V "-> X25519 AAAA\n", -EBADMSG, "X25519");
	expect_header(V "-> X25519 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB\n", -EBADMSG,
		      "X25519");
	expect_header(V "-> X25519 " K32 "\nAAAA\n", -EBADMSG, "wrong size");
	expect_header(V "-> X25519 " K32 "\n" K32 "\n", -EBADMSG, "low order");
}

/* Others may be there, and are left alone. */
Test(unseal, stanzas_of_other_kinds_are_passed_over)
{
	expect_header(V "-> x25519 a\n\n-> X25519x\n" K32 "\n" MAC, -ENOKEY, "0 X25519 recipients");
	expect_header(V "-> scrypt AAAA 18\n" K32 "\n" MAC, -ENOKEY, "passphrase");
	expect_header(V "-> scrypt AAAA 18\n" K32 "\n-> a\n\n" MAC, -EBADMSG, "passphrase");
}

Test(unseal, headers_without_end_are_bounded)
{
	char *text = malloc(100000);

	cr_assert_not_null(text);
	memset(text, 'a', 100000);
	memcpy(text, V "-> ", 25);
	expect_refused(text, 100000, -EBADMSG, "too long");
	for (size_t i = 22; i + 6 < 100000; i += 6)
		memcpy(text + i, "-> a\n\n", 6);
	expect_refused(text, 100000, -EBADMSG, "too long");
	free(text);
}

Test(unseal, a_failure_of_the_next_stage_comes_through)
{
	char *data = noise(200000);
	struct buf sealed = seal(data, 200000, 1);

	for (unsigned at = 1; at <= 4; at++) {
		struct collect end;
		struct stage *stage;

		collect_init(&end);
		end.fail_at = at;
		end.result = at % 2 ? -EIO : 1;
		cr_assert_eq(unseal_new(&stage, &first, &end.stage, NULL), 0);
		cr_assert_eq(feed(stage, sealed.data, sealed.size, 4096), end.result);
		cr_assert_eq(end.finished, 0);
		stage->ops->free(stage);
		collect_fini(&end);
	}
	buf_fini(&sealed);
	free(data);
}
