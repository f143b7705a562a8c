/*
 * age v1, the half that seals
 *
 * One buffer holds one chunk: it is filled, encrypted where it stands, and handed on in one piece.
 * A full chunk waits for the next byte or the end, because only then it is known whether it is the
 * last one, which its nonce says.
 */

#include "pipeline/age.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/option.h"
#include "pipeline/bech32.h"
#include "pipeline/recipe.h"
#include "pipeline/stage.h"
#include "util/err.h"
#include "util/list.h"
#include "util/str.h"

enum {
	HEADER_MAX = 4096, /* a stanza takes 99 bytes */
	BASE64_KEY_MAX = 44, /* 32 bytes without padding, and the terminator */
};

struct age_seal {
	struct stage stage;
	uint8_t key[CRYPTO_KEY_BYTES]; /* of the payload */
	uint64_t chunks; /* sealed so far */
	size_t header_size; /* 0 once it is written */
	size_t fill; /* bytes of plain text in chunk */
	uint8_t header[HEADER_MAX]; /* with the nonce of the payload */
	uint8_t chunk[AGE_CHUNK_BYTES + CRYPTO_TAG_BYTES];
};

/* What making the header needs; wiped after. */
struct header {
	struct age_seal *seal;
	uint8_t file_key[AGE_FILE_KEY_BYTES];
};

/* ---- recipients ---- */

/* Reasons that are more useful than a wrong checksum; the text may be a secret: never repeat it. */
static int check_kind(const char *text, struct err *err)
{
	if (strncasecmp(text, "AGE-SECRET-KEY-", 15) == 0)
		return err_set(err, -EINVAL,
			       "this is a secret key; the recipient that belongs to it is wanted "
			       "(age1..., after \"# public key:\"), and whoever could read this "
			       "has the key");
	if (str_has_prefix(text, "ssh-"))
		return err_set(err, -EINVAL, "SSH keys are not supported, only age1...");
	if (str_has_prefix(text, "age1pq1") || str_has_prefix(text, "age1tag"))
		return err_set(err, -EINVAL, "only X25519 recipients (age1...) are supported");
	if (!str_has_prefix(text, "age1"))
		return err_set(err, -EINVAL, "not an age recipient: it begins with \"age1\"");
	return 0;
}

/* Sending to a point of low order would make a key that everybody knows. */
static int check_order(const uint8_t key[CRYPTO_KEY_BYTES], struct err *err)
{
	static const uint8_t any_secret[CRYPTO_KEY_BYTES] = { 1 };
	uint8_t share[CRYPTO_KEY_BYTES];

	if (crypto_share(share, any_secret, key) < 0)
		return err_set(err, -EINVAL, "not an age recipient: a point of low order");
	return 0;
}

int age_recipient_parse(const char *text, uint8_t ret[CRYPTO_KEY_BYTES], struct err *err)
{
	char prefix[BECH32_PREFIX_MAX];
	struct err reason;
	size_t size;
	int r;

	r = crypto_setup();
	if (r < 0)
		return err_set(err, r, "libsodium does not start");
	r = check_kind(text, err);
	if (r < 0)
		return r;
	r = bech32_decode(text, prefix, ret, CRYPTO_KEY_BYTES, &size, &reason);
	if (r < 0)
		return err_set(err, -EINVAL, "not an age recipient: %s", reason.text);
	if (strcmp(prefix, "age") != 0)
		return err_set(err, -EINVAL,
			       "a recipient of a plugin (%s1...); only X25519 recipients (age1...) "
			       "are supported",
			       prefix);
	if (size != CRYPTO_KEY_BYTES)
		return err_set(err, -EINVAL, "not an age recipient: %zu bytes instead of %d", size,
			       CRYPTO_KEY_BYTES);
	return check_order(ret, err);
}

void age_recipient_format(char dst[AGE_RECIPIENT_MAX], const uint8_t key[CRYPTO_KEY_BYTES])
{
	if (bech32_encode(dst, AGE_RECIPIENT_MAX, "age", key, CRYPTO_KEY_BYTES) < 0)
		dst[0] = '\0';
}

/* ---- header ---- */

static void add(struct age_seal *seal, const void *data, size_t size)
{
	memcpy(seal->header + seal->header_size, data, size);
	seal->header_size += size;
}

static void add_text(struct age_seal *seal, const char *text)
{
	add(seal, text, strlen(text));
}

/* 32 bytes in base64 without padding are 43 characters: always one line, and not a full one. */
static void add_base64(struct age_seal *seal, const uint8_t data[CRYPTO_KEY_BYTES])
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[BASE64_KEY_MAX];
	unsigned bits = 0, bits_n = 0;
	size_t n = 0;

	for (size_t i = 0; i < CRYPTO_KEY_BYTES; i++) {
		bits = (bits << 8 | data[i]) & 0xffff;
		for (bits_n += 8; bits_n >= 6; bits_n -= 6)
			text[n++] = alphabet[bits >> (bits_n - 6) & 63];
	}
	text[n++] = alphabet[bits << (6 - bits_n) & 63];
	add(seal, text, n);
}

/* The file key, for one recipient. */
static int add_stanza(struct header *header, const uint8_t recipient[CRYPTO_KEY_BYTES])
{
	static const uint8_t nonce[CRYPTO_NONCE_BYTES];
	uint8_t secret[CRYPTO_KEY_BYTES], shared[CRYPTO_KEY_BYTES], wrap[CRYPTO_KEY_BYTES];
	uint8_t salt[2 * CRYPTO_KEY_BYTES], body[AGE_FILE_KEY_BYTES + CRYPTO_TAG_BYTES];
	int r;

	crypto_random(secret, sizeof(secret));
	crypto_public_key(salt, secret);
	memcpy(salt + CRYPTO_KEY_BYTES, recipient, CRYPTO_KEY_BYTES);
	r = crypto_share(shared, secret, recipient);
	if (r == 0) {
		crypto_hkdf(wrap, salt, sizeof(salt), shared, sizeof(shared), AGE_INFO_X25519);
		crypto_seal(body, header->file_key, sizeof(header->file_key), nonce, wrap);
		add_text(header->seal, "-> X25519 ");
		add_base64(header->seal, salt);
		add_text(header->seal, "\n");
		add_base64(header->seal, body);
		add_text(header->seal, "\n");
	}
	crypto_wipe(secret, sizeof(secret));
	crypto_wipe(shared, sizeof(shared));
	crypto_wipe(wrap, sizeof(wrap));
	return r;
}

static int add_recipients(struct header *header, const struct text_list *recipients,
			  struct err *err)
{
	if (recipients->n == 0 || recipients->n > RECIPIENTS_MAX)
		return err_set(err, -EINVAL, "%zu recipients; 1 to %d are allowed", recipients->n,
			       RECIPIENTS_MAX);
	for (size_t i = 0; i < recipients->n; i++) {
		uint8_t key[CRYPTO_KEY_BYTES];
		struct err reason = { 0 };
		int r = age_recipient_parse(recipients->items[i], key, &reason);

		if (r == 0)
			r = add_stanza(header, key);
		if (r < 0)
			return err_set(err, r, "recipient %zu: %s", i + 1, reason.text);
	}
	return 0;
}

/* The whole header, the nonce of the payload behind it, and the key that follows from both. */
static int make_header(struct header *header, const struct text_list *recipients, struct err *err)
{
	struct age_seal *seal = header->seal;
	uint8_t mac_key[CRYPTO_KEY_BYTES], mac[CRYPTO_MAC_BYTES], nonce[AGE_NONCE_BYTES];
	int r;

	crypto_random(header->file_key, sizeof(header->file_key));
	add_text(seal, AGE_VERSION_LINE);
	r = add_recipients(header, recipients, err);
	if (r < 0)
		return r;
	add_text(seal, "---");
	crypto_hkdf(mac_key, NULL, 0, header->file_key, sizeof(header->file_key), AGE_INFO_HEADER);
	crypto_hmac(mac, mac_key, seal->header, seal->header_size);
	add_text(seal, " ");
	add_base64(seal, mac);
	add_text(seal, "\n");
	crypto_random(nonce, sizeof(nonce));
	add(seal, nonce, sizeof(nonce));
	crypto_hkdf(seal->key, nonce, sizeof(nonce), header->file_key, sizeof(header->file_key),
		    AGE_INFO_PAYLOAD);
	crypto_wipe(mac_key, sizeof(mac_key));
	return 0;
}

/* ---- payload ---- */

void age_chunk_nonce(uint8_t ret[CRYPTO_NONCE_BYTES], uint64_t chunk, bool last)
{
	memset(ret, 0, CRYPTO_NONCE_BYTES);
	for (unsigned i = 0; i < sizeof(chunk); i++)
		ret[CRYPTO_NONCE_BYTES - 2 - i] = (uint8_t)(chunk >> 8 * i);
	ret[CRYPTO_NONCE_BYTES - 1] = last;
}

static int put_header(struct age_seal *seal)
{
	size_t size = seal->header_size;

	seal->header_size = 0;
	return size > 0 ? stage_put(seal->stage.next, seal->header, size) : 0;
}

static int put_chunk(struct age_seal *seal, bool last)
{
	uint8_t nonce[CRYPTO_NONCE_BYTES];
	size_t size = seal->fill;

	age_chunk_nonce(nonce, seal->chunks++, last);
	crypto_seal(seal->chunk, seal->chunk, size, nonce, seal->key);
	seal->fill = 0;
	return stage_put(seal->stage.next, seal->chunk, size + CRYPTO_TAG_BYTES);
}

static int seal_put(struct stage *stage, const void *data, size_t size)
{
	struct age_seal *seal = container_of(stage, struct age_seal, stage);
	const uint8_t *from = data;
	int r = put_header(seal);

	while (size > 0 && r == 0) {
		size_t room = AGE_CHUNK_BYTES - seal->fill, n = size < room ? size : room;

		if (room == 0) {
			r = put_chunk(seal, false);
			continue;
		}
		memcpy(seal->chunk + seal->fill, from, n);
		seal->fill += n;
		from += n;
		size -= n;
	}
	return r;
}

static int seal_finish(struct stage *stage)
{
	struct age_seal *seal = container_of(stage, struct age_seal, stage);
	int r = put_header(seal);

	return r == 0 ? put_chunk(seal, true) : r;
}

static void seal_free(struct stage *stage)
{
	struct age_seal *seal = container_of(stage, struct age_seal, stage);

	crypto_wipe(seal, sizeof(*seal));
	free(seal);
}

static const struct stage_ops seal_ops = {
	.name = "age",
	.put = seal_put,
	.finish = seal_finish,
	.free = seal_free,
};

int age_seal_new(struct stage **ret, const struct text_list *recipients, struct stage *next,
		 struct err *err)
{
	struct header header = { 0 };
	int r;

	r = crypto_setup();
	if (r < 0)
		return err_set(err, r, "libsodium does not start");
	header.seal = calloc(1, sizeof(*header.seal));
	if (header.seal == NULL)
		return -ENOMEM;
	header.seal->stage.ops = &seal_ops;
	header.seal->stage.next = next;
	r = make_header(&header, recipients, err);
	if (r < 0)
		seal_free(&header.seal->stage);
	else
		*ret = &header.seal->stage;
	crypto_wipe(&header, sizeof(header));
	return r;
}
