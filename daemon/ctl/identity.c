/*
 * Identities
 */

#include "ctl/identity.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/bech32.h"
#include "util/err.h"
#include "util/str.h"

#define PREFIX "age-secret-key-"

enum { FILE_MAX = 256 << 10 };

/* ---- one ---- */

/* What people give instead. */
static int check_kind(const char *text, struct err *err)
{
	if (str_has_prefix(text, "AGE-SECRET-KEY-1"))
		return 0;
	if (str_has_prefix(text, "age1"))
		return err_set(err, -EINVAL,
			       "a recipient (age1...) opens nothing: the secret key is wanted "
			       "(AGE-SECRET-KEY-1...)");
	if (str_has_prefix(text, "AGE-PLUGIN-") || str_has_prefix(text, "AGE-SECRET-KEY-PQ-"))
		return err_set(err, -EINVAL,
			       "only X25519 identities (AGE-SECRET-KEY-1...) are supported");
	if (str_has_prefix(text, "age-encryption.org/") ||
	    str_has_prefix(text, "-----BEGIN AGE ENCRYPTED"))
		return err_set(err, -EINVAL,
			       "the file of identities is itself encrypted: open it with `age -d`");
	if (str_has_prefix(text, "-----BEGIN"))
		return err_set(err, -EINVAL,
			       "SSH keys are not supported, only AGE-SECRET-KEY-1...");
	return err_set(err, -EINVAL, "not an identity: it begins with \"AGE-SECRET-KEY-1\"");
}

int identity_parse(const char *text, uint8_t ret[CRYPTO_KEY_BYTES], struct err *err)
{
	char prefix[BECH32_PREFIX_MAX];
	struct err reason;
	size_t size = 0;
	int r;

	r = crypto_setup();
	if (r < 0)
		return err_set(err, r, "libsodium does not start");
	r = check_kind(text, err);
	if (r < 0)
		return r;
	r = bech32_decode(text, prefix, ret, CRYPTO_KEY_BYTES, &size, &reason);
	if (r < 0)
		return err_set(err, -EINVAL, "not an identity: %s", reason.text);
	if (strcmp(prefix, PREFIX) != 0 || size != CRYPTO_KEY_BYTES)
		return err_set(err, -EINVAL, "not an identity: %zu bytes instead of %d", size,
			       CRYPTO_KEY_BYTES);
	return 0;
}

/* In capitals, so that a key stands out where it should not be. */
void identity_format(char dst[IDENTITY_TEXT_MAX], const uint8_t secret[CRYPTO_KEY_BYTES])
{
	if (bech32_encode(dst, IDENTITY_TEXT_MAX, PREFIX, secret, CRYPTO_KEY_BYTES) < 0)
		dst[0] = '\0';
	for (char *c = dst; *c != '\0'; c++)
		*c = (char)toupper((unsigned char)*c);
}

/* ---- a file of them ---- */

static int add(struct identities *identities, const char *text, struct err *err)
{
	if (identities->n == IDENTITIES_MAX)
		return err_set(err, -EINVAL, "more than %d identities", IDENTITIES_MAX);
	if (identities->secrets == NULL) {
		identities->secrets = calloc(IDENTITIES_MAX, sizeof(identities->secrets[0]));
		if (identities->secrets == NULL)
			return err_set(err, -ENOMEM, "out of memory");
	}
	return identity_parse(text, identities->secrets[identities->n++], err);
}

static int add_lines(struct identities *identities, const char *path, char *text, struct err *err)
{
	size_t before = identities->n;
	char *rest = text, *line;
	int number = 0;

	while ((line = strsep(&rest, "\n")) != NULL) {
		struct err reason;
		size_t size = strlen(line);
		int r;

		number++;
		if (size > 0 && line[size - 1] == '\r')
			line[--size] = '\0';
		if (size == 0 || line[0] == '#')
			continue;
		r = add(identities, line, &reason);
		if (r < 0)
			return err_set(err, r, "%s:%d: %s", path, number, reason.text);
	}
	if (identities->n == before)
		return err_set(err, -EINVAL, "%s: no identity in it", path);
	return 0;
}

/* All of it, or -errno; -EFBIG when it is more than max. */
static ssize_t read_all(int fd, char *dst, size_t max)
{
	size_t size = 0;

	for (;;) {
		ssize_t n = read(fd, dst + size, max - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return (ssize_t)size;
		size += (size_t)n;
		if (size == max)
			return -EFBIG;
	}
}

static int read_text(const char *path, char text[FILE_MAX], size_t *ret_size)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read_all(fd, text, FILE_MAX - 1);
	if (!is_stdin)
		close(fd);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	*ret_size = (size_t)n;
	return 0;
}

int identities_read(struct identities *identities, const char *path, struct err *err)
{
	char *text = malloc(FILE_MAX);
	size_t size = 0;
	int r;

	if (text == NULL)
		return err_set(err, -ENOMEM, "out of memory");
	r = read_text(path, text, &size);
	if (r < 0)
		err_set(err, r, "%s: %s", path, strerror(-r));
	else if (memchr(text, '\0', size) != NULL)
		r = err_set(err, -EINVAL, "%s: not a text file", path);
	else
		r = add_lines(identities, path, text, err);
	crypto_wipe(text, FILE_MAX);
	free(text);
	return r;
}

void identities_fini(struct identities *identities)
{
	if (identities->secrets != NULL)
		crypto_wipe(identities->secrets, IDENTITIES_MAX * sizeof(identities->secrets[0]));
	free(identities->secrets);
	*identities = (struct identities){ 0 };
}
