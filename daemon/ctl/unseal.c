/*
 * age v1, the half that opens
 *
 * The header is collected whole, line by line, in the buffer that holds a chunk later: its MAC is
 * over all of it, and its key comes from one of its stanzas. A chunk waits for the byte after it or
 * the end, because only then it is known whether it has to be the last one.
 */

#include "ctl/unseal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/age.h"
#include "pipeline/stage.h"
#include "util/base64.h"
#include "util/err.h"
#include "util/list.h"

enum {
	BODY_COLUMNS = 64,
	BODY_LINE_BYTES = BODY_COLUMNS / 4 * 3,
	WRAPPED_BYTES = AGE_FILE_KEY_BYTES + CRYPTO_TAG_BYTES,
	SEALED_CHUNK_BYTES = AGE_CHUNK_BYTES + CRYPTO_TAG_BYTES,
	HEADER_MAX = AGE_CHUNK_BYTES,
};

/* What the next bytes are. The first three end with a line. */
enum state { VERSION, STANZA, BODY, NONCE, PAYLOAD };

struct stanza {
	bool is_x25519;
	uint8_t share[CRYPTO_KEY_BYTES];
	uint8_t body[BODY_LINE_BYTES]; /* its first line; all there is of one that we open */
	size_t body_size; /* of all lines */
};

struct unseal {
	struct stage stage;
	const struct identities *identities; /* borrowed */
	enum state state;
	struct stanza stanza; /* the one being read */
	unsigned stanzas, recipients; /* of any kind, of ours */
	bool has_passphrase, has_key;
	uint8_t file_key[AGE_FILE_KEY_BYTES];
	uint8_t key[CRYPTO_KEY_BYTES]; /* of the payload */
	uint64_t chunks; /* opened so far */
	size_t fill; /* bytes in data */
	size_t line; /* where the current line begins in data */
	uint8_t data[SEALED_CHUNK_BYTES];
};

static int __attribute__((format(printf, 3, 4)))
fail(struct unseal *unseal, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(unseal->stage.error, sizeof(unseal->stage.error), fmt, args);
	va_end(args);
	return code;
}

static int malformed(struct unseal *unseal, const char *what)
{
	return fail(unseal, -EBADMSG, "age: malformed header: %s", what);
}

/* ---- base64 ---- */

/* Without padding, and canonical. How many bytes (at most size / 4 * 3 + 2), or -EBADMSG. */
static int base64_decode(uint8_t *dst, const char *text, size_t size)
{
	unsigned bits = 0, bits_n = 0;
	int n = 0;

	for (size_t i = 0; i < size; i++) {
		int value = base64_digit(text[i]);

		if (value < 0)
			return -EBADMSG;
		bits = (bits << 6 | (unsigned)value) & 0xffff;
		bits_n += 6;
		if (bits_n >= 8) {
			bits_n -= 8;
			dst[n++] = (uint8_t)(bits >> bits_n);
		}
	}
	if (bits_n == 6 || (bits & ((1u << bits_n) - 1)) != 0)
		return -EBADMSG;
	return n;
}

/* Exactly 32 bytes. */
static bool base64_key(uint8_t ret[CRYPTO_KEY_BYTES], const char *text, size_t size)
{
	return size == 43 && base64_decode(ret, text, size) == CRYPTO_KEY_BYTES;
}

/* ---- stanzas ---- */

/* True when this identity's key opens the stanza; *r is -EBADMSG when the stanza is an attack. */
static bool unwrap(struct unseal *unseal, const uint8_t secret[CRYPTO_KEY_BYTES], int *r)
{
	static const uint8_t nonce[CRYPTO_NONCE_BYTES];
	const struct stanza *stanza = &unseal->stanza;
	uint8_t salt[2 * CRYPTO_KEY_BYTES], shared[CRYPTO_KEY_BYTES], wrap[CRYPTO_KEY_BYTES];
	bool opened = false;

	memcpy(salt, stanza->share, CRYPTO_KEY_BYTES);
	crypto_public_key(salt + CRYPTO_KEY_BYTES, secret);
	if (crypto_share(shared, secret, stanza->share) < 0) {
		*r = malformed(unseal, "a point of low order");
	} else {
		crypto_hkdf(wrap, salt, sizeof(salt), shared, sizeof(shared), AGE_INFO_X25519);
		opened = crypto_open(unseal->file_key, stanza->body, WRAPPED_BYTES, nonce, wrap) ==
			 0;
	}
	crypto_wipe(shared, sizeof(shared));
	crypto_wipe(wrap, sizeof(wrap));
	return opened;
}

static int end_stanza(struct unseal *unseal)
{
	const struct identities *identities = unseal->identities;
	int r = 0;

	unseal->state = STANZA;
	if (!unseal->stanza.is_x25519)
		return 0;
	unseal->recipients++;
	if (unseal->stanza.body_size != WRAPPED_BYTES)
		return malformed(unseal, "a wrapped key of the wrong size");
	for (size_t i = 0; i < identities->n && !unseal->has_key && r == 0; i++)
		unseal->has_key = unwrap(unseal, identities->secrets[i], &r);
	return r;
}

static int read_body(struct unseal *unseal, const char *line, size_t size)
{
	struct stanza *stanza = &unseal->stanza;
	uint8_t bytes[BODY_LINE_BYTES];
	int n;

	if (size > BODY_COLUMNS)
		return malformed(unseal, "a line of over 64 columns");
	n = base64_decode(bytes, line, size);
	if (n < 0)
		return malformed(unseal, "a line that is not base64");
	if (stanza->body_size == 0)
		memcpy(stanza->body, bytes, (size_t)n);
	stanza->body_size += (size_t)n;
	return size == BODY_COLUMNS ? 0 : end_stanza(unseal);
}

/* Arguments are of visible characters, with one space between them. */
static bool arguments_ok(const char *text, size_t size)
{
	bool after_space = true;

	for (size_t i = 0; i < size; i++) {
		if (text[i] == ' ' ? after_space : text[i] < 33 || text[i] > 126)
			return false;
		after_space = text[i] == ' ';
	}
	return !after_space;
}

static bool is_kind(const char *arguments, size_t size, const char *kind)
{
	size_t n = strlen(kind);

	return size >= n && memcmp(arguments, kind, n) == 0 && (size == n || arguments[n] == ' ');
}

/* What stands behind "-> ". */
static int begin_stanza(struct unseal *unseal, const char *arguments, size_t size)
{
	static const char kind[] = "X25519 ";
	size_t skip = strlen(kind);

	if (!arguments_ok(arguments, size))
		return malformed(unseal, "the arguments of a stanza");
	unseal->stanza = (struct stanza){ .is_x25519 = is_kind(arguments, size, "X25519") };
	unseal->has_passphrase = unseal->has_passphrase || is_kind(arguments, size, "scrypt");
	unseal->stanzas++;
	unseal->state = BODY;
	if (unseal->stanza.is_x25519 &&
	    (size < skip || !base64_key(unseal->stanza.share, arguments + skip, size - skip)))
		return malformed(unseal, "the arguments of an X25519 stanza");
	return 0;
}

/* ---- header ---- */

static int no_key(struct unseal *unseal)
{
	if (unseal->has_passphrase)
		return fail(unseal, -ENOKEY,
			    "age: sealed with a passphrase, not to recipients; `age -d` opens it");
	return fail(unseal, -ENOKEY,
		    "age: sealed to %u X25519 recipient%s; no key given opens it (%zu tried)",
		    unseal->recipients, unseal->recipients == 1 ? "" : "s", unseal->identities->n);
}

/* The MAC is over everything up to its own mark; text is what stands behind the mark. */
static int end_header(struct unseal *unseal, const char *text, size_t size)
{
	uint8_t given[CRYPTO_MAC_BYTES], key[CRYPTO_KEY_BYTES], mac[CRYPTO_MAC_BYTES];
	bool equal;

	if (!base64_key(given, text, size))
		return malformed(unseal, "the MAC");
	if (unseal->stanzas == 0)
		return malformed(unseal, "no stanza");
	if (unseal->has_passphrase && unseal->stanzas > 1)
		return malformed(unseal, "a passphrase besides others");
	if (!unseal->has_key)
		return no_key(unseal);
	crypto_hkdf(key, NULL, 0, unseal->file_key, sizeof(unseal->file_key), AGE_INFO_HEADER);
	crypto_hmac(mac, key, unseal->data, unseal->line + strlen("---"));
	equal = crypto_equal(mac, given, sizeof(mac));
	crypto_wipe(key, sizeof(key));
	if (!equal)
		return fail(unseal, -EBADMSG, "age: the header is damaged or forged (wrong MAC)");
	unseal->state = NONCE;
	return 0;
}

/* Anything else is seen at its first byte. */
static int check_version(struct unseal *unseal)
{
	static const char line[] = AGE_VERSION_LINE, armor[] = "-----BEGIN AGE";
	size_t n = unseal->fill < strlen(line) ? unseal->fill : strlen(line);

	if (memcmp(unseal->data, line, n) == 0)
		return 0;
	n = unseal->fill < strlen(armor) ? unseal->fill : strlen(armor);
	if (memcmp(unseal->data, armor, n) == 0)
		return fail(unseal, -EBADMSG, "age: an armored file; `age -d` opens it");
	return fail(unseal, -EBADMSG, "age: not a file of age v1");
}

static int read_line(struct unseal *unseal, const char *line, size_t size)
{
	if (unseal->state == BODY)
		return read_body(unseal, line, size);
	if (unseal->state == VERSION) {
		unseal->state = STANZA;
		return 0;
	}
	if (size >= 3 && memcmp(line, "-> ", 3) == 0)
		return begin_stanza(unseal, line + 3, size - 3);
	if (size >= 4 && memcmp(line, "--- ", 4) == 0)
		return end_header(unseal, line + 4, size - 4);
	return malformed(unseal, "neither a stanza nor the MAC");
}

/* Takes at most one line. */
static int put_header(struct unseal *unseal, const uint8_t *data, size_t size, size_t *taken)
{
	const uint8_t *end = memchr(data, '\n', size);
	size_t n = end != NULL ? (size_t)(end - data) + 1 : size;
	size_t line = unseal->line;
	int r = 0;

	if (n > HEADER_MAX - unseal->fill)
		return malformed(unseal, "it is too long");
	memcpy(unseal->data + unseal->fill, data, n);
	unseal->fill += n;
	*taken = n;
	if (unseal->state == VERSION)
		r = check_version(unseal);
	if (r == 0 && end != NULL) {
		r = read_line(unseal, (const char *)unseal->data + line, unseal->fill - line - 1);
		unseal->line = unseal->fill;
	}
	return r;
}

/* ---- payload ---- */

static int put_nonce(struct unseal *unseal, const uint8_t *data, size_t size, size_t *taken)
{
	size_t have = unseal->fill - unseal->line, n = AGE_NONCE_BYTES - have;

	n = n < size ? n : size;
	memcpy(unseal->data + unseal->fill, data, n);
	unseal->fill += n;
	if (have + n == AGE_NONCE_BYTES) {
		crypto_hkdf(unseal->key, unseal->data + unseal->line, AGE_NONCE_BYTES,
			    unseal->file_key, sizeof(unseal->file_key), AGE_INFO_PAYLOAD);
		crypto_wipe(unseal->file_key, sizeof(unseal->file_key));
		unseal->fill = 0;
		unseal->state = PAYLOAD;
	}
	*taken = n;
	return 0;
}

static int put_chunk(struct unseal *unseal, bool last)
{
	uint8_t nonce[CRYPTO_NONCE_BYTES];
	size_t size = unseal->fill;

	age_chunk_nonce(nonce, unseal->chunks, last);
	if (crypto_open(unseal->data, unseal->data, size, nonce, unseal->key) < 0)
		return fail(unseal, -EBADMSG,
			    last ? "age: cut short, or damaged in its last chunk (%llu)"
				 : "age: chunk %llu is damaged, forged or not in its place",
			    (unsigned long long)unseal->chunks);
	unseal->chunks++;
	unseal->fill = 0;
	size -= CRYPTO_TAG_BYTES;
	return size > 0 ? stage_put(unseal->stage.next, unseal->data, size) : 0;
}

static int put_payload(struct unseal *unseal, const uint8_t *data, size_t size, size_t *taken)
{
	size_t n;

	if (unseal->fill == SEALED_CHUNK_BYTES) {
		int r = put_chunk(unseal, false);

		if (r != 0)
			return r;
	}
	n = SEALED_CHUNK_BYTES - unseal->fill;
	n = n < size ? n : size;
	memcpy(unseal->data + unseal->fill, data, n);
	unseal->fill += n;
	*taken = n;
	return 0;
}

/* ---- the stage ---- */

static int unseal_put(struct stage *stage, const void *data, size_t size)
{
	struct unseal *unseal = container_of(stage, struct unseal, stage);
	const uint8_t *from = data;

	int r = 0;

	while (size > 0 && r == 0) {
		size_t taken = 0;

		if (unseal->state == PAYLOAD)
			r = put_payload(unseal, from, size, &taken);
		else if (unseal->state == NONCE)
			r = put_nonce(unseal, from, size, &taken);
		else
			r = put_header(unseal, from, size, &taken);
		from += taken;
		size -= taken;
	}
	return r;
}

/* The last chunk has plain text in it, unless it is the only one. */
static int unseal_finish(struct stage *stage)
{
	struct unseal *unseal = container_of(stage, struct unseal, stage);

	if (unseal->state != PAYLOAD)
		return fail(unseal, -EBADMSG, "age: cut short in its header");
	if (unseal->fill < CRYPTO_TAG_BYTES)
		return fail(unseal, -EBADMSG, "age: cut short in chunk %llu",
			    (unsigned long long)unseal->chunks);
	if (unseal->fill == CRYPTO_TAG_BYTES && unseal->chunks > 0)
		return fail(unseal, -EBADMSG, "age: its last chunk is empty");
	return put_chunk(unseal, true);
}

static void unseal_free(struct stage *stage)
{
	struct unseal *unseal = container_of(stage, struct unseal, stage);

	crypto_wipe(unseal, sizeof(*unseal));
	free(unseal);
}

static const struct stage_ops unseal_ops = {
	.name = "unseal",
	.put = unseal_put,
	.finish = unseal_finish,
	.free = unseal_free,
};

int unseal_new(struct stage **ret, const struct identities *identities, struct stage *next,
	       struct err *err)
{
	struct unseal *unseal;
	int r;

	if (identities->n == 0)
		return err_set(err, -EINVAL, "no identity is given");
	r = crypto_setup();
	if (r < 0)
		return err_set(err, r, "libsodium does not start");
	unseal = calloc(1, sizeof(*unseal));
	if (unseal == NULL)
		return err_set(err, -ENOMEM, "out of memory");
	unseal->stage.ops = &unseal_ops;
	unseal->stage.next = next;
	unseal->identities = identities;
	*ret = &unseal->stage;
	return 0;
}
