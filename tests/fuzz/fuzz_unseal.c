/*
 * Opening: any bytes, whole and in pieces, give the same result and the same text. By the first
 * byte they are the file itself, or stanzas and payload in a file whose header is authentic, so
 * that what comes after the MAC is reached too. A file made from the input opens again.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/option.h"
#include "ctl/unseal.h"
#include "pipeline/age.h"
#include "pipeline/stage.h"
#include "util/buf.h"

enum { LIMIT = 32 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t secret[1][CRYPTO_KEY_BYTES] = { { 1, 2, 3 } };
static const struct identities identities = { secret, 1 };
static const uint8_t file_key[AGE_FILE_KEY_BYTES] = { 4, 5, 6 };

struct end {
	struct stage stage;
	struct buf data;
};

static int put(struct stage *stage, const void *data, size_t size)
{
	return buf_append(&((struct end *)stage)->data, data, size);
}

static int finish(struct stage *stage)
{
	(void)stage;
	return 0;
}

static const struct stage_ops ops = { .name = "end", .put = put, .finish = finish };

static void end_init(struct end *end)
{
	*end = (struct end){ .stage = { .ops = &ops } };
	buf_init(&end->data, LIMIT);
}

static void expect(bool holds)
{
	if (!holds)
		abort();
}

/* Each piece is a block of its own, so that the sanitizer sees a read past it. */
static int open_all(const char *data, size_t size, size_t step, struct end *end)
{
	struct stage *stage;
	int r = 0;

	end_init(end);
	expect(unseal_new(&stage, &identities, &end->stage, NULL) == 0);
	while (size > 0 && r == 0) {
		size_t n = step < size ? step : size;
		char *copy = malloc(n);

		expect(copy != NULL);
		memcpy(copy, data, n);
		r = stage_put(stage, copy, n);
		free(copy);
		data += n;
		size -= n;
	}
	if (r == 0)
		r = stage_finish(stage);
	expect((r != 0) == (stage->error[0] != '\0'));
	stage->ops->free(stage);
	return r;
}

static void check_split(const char *data, size_t size, size_t step)
{
	struct end whole, split;

	expect(open_all(data, size, SIZE_MAX, &whole) == open_all(data, size, step, &split));
	expect(whole.data.size == split.data.size);
	expect(whole.data.size == 0 ||
	       memcmp(whole.data.data, split.data.data, whole.data.size) == 0);
	buf_fini(&whole.data);
	buf_fini(&split.data);
}

static void add_base64(struct buf *buf, const uint8_t data[CRYPTO_KEY_BYTES])
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0, bits_n = 0;

	for (unsigned i = 0; i < CRYPTO_KEY_BYTES; i++) {
		bits = (bits << 8 | data[i]) & 0xffff;
		for (bits_n += 8; bits_n >= 6; bits_n -= 6)
			buf_append(buf, &alphabet[bits >> (bits_n - 6) & 63], 1);
	}
	buf_append(buf, &alphabet[bits << (6 - bits_n) & 63], 1);
}

/* A stanza for our identity. */
static void add_stanza(struct buf *buf)
{
	static const uint8_t nonce[CRYPTO_NONCE_BYTES], ephemeral[CRYPTO_KEY_BYTES] = { 7, 8, 9 };
	uint8_t salt[2 * CRYPTO_KEY_BYTES], shared[CRYPTO_KEY_BYTES], wrap[CRYPTO_KEY_BYTES];
	uint8_t body[AGE_FILE_KEY_BYTES + CRYPTO_TAG_BYTES];

	crypto_public_key(salt, ephemeral);
	crypto_public_key(salt + CRYPTO_KEY_BYTES, secret[0]);
	expect(crypto_share(shared, ephemeral, salt + CRYPTO_KEY_BYTES) == 0);
	crypto_hkdf(wrap, salt, sizeof(salt), shared, sizeof(shared), AGE_INFO_X25519);
	crypto_seal(body, file_key, sizeof(file_key), nonce, wrap);
	buf_puts(buf, "-> X25519 ");
	add_base64(buf, salt);
	buf_puts(buf, "\n");
	add_base64(buf, body);
	buf_puts(buf, "\n");
}

/* Stanzas up to a zero byte, then the payload; around them what makes the header authentic. */
static void check_authentic(const char *data, size_t size, size_t step)
{
	const char *zero = memchr(data, 0, size);
	size_t stanzas = zero != NULL ? (size_t)(zero - data) : size;
	uint8_t key[CRYPTO_KEY_BYTES], mac[CRYPTO_MAC_BYTES];
	struct buf file;

	buf_init(&file, LIMIT);
	buf_puts(&file, AGE_VERSION_LINE);
	add_stanza(&file);
	buf_append(&file, data, stanzas);
	buf_puts(&file, "---");
	crypto_hkdf(key, NULL, 0, file_key, sizeof(file_key), AGE_INFO_HEADER);
	crypto_hmac(mac, key, file.data, file.size);
	buf_puts(&file, " ");
	add_base64(&file, mac);
	buf_puts(&file, "\n");
	if (zero != NULL)
		buf_append(&file, zero + 1, size - stanzas - 1);
	expect(file.error == 0);
	check_split(file.data, file.size, step);
	buf_fini(&file);
}

static void check_round_trip(const char *data, size_t size)
{
	struct text_list recipients = { 0 };
	uint8_t key[CRYPTO_KEY_BYTES];
	char text[AGE_RECIPIENT_MAX];
	struct stage *stage;
	struct end sealed, opened;

	crypto_public_key(key, secret[0]);
	age_recipient_format(text, key);
	expect(text_list_add(&recipients, text) == 0);
	end_init(&sealed);
	expect(age_seal_new(&stage, &recipients, &sealed.stage, NULL) == 0);
	expect(stage_put(stage, data, size) == 0 && stage_finish(stage) == 0);
	stage->ops->free(stage);
	expect(open_all(sealed.data.data, sealed.data.size, SIZE_MAX, &opened) == 0);
	expect(opened.data.size == size);
	expect(size == 0 || memcmp(opened.data.data, data, size) == 0);
	buf_fini(&opened.data);
	buf_fini(&sealed.data);
	text_list_fini(&recipients);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *rest = (const char *)data + 1;

	if (size < 2 || crypto_setup() < 0)
		return 0;
	if (data[0] % 2 == 0)
		check_split(rest, size - 1, (size_t)data[0] / 2 + 1);
	else
		check_authentic(rest, size - 1, (size_t)data[0] / 2 + 1);
	check_round_trip(rest, size - 1);
	return 0;
}
