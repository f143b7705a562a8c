/*
 * bcrypt
 *
 * By crypt(3) of libxcrypt, which knows what Prometheus' exporters take: $2a$, $2b$ and $2y$, whose
 * sums are the same for every password people have.
 */

#include "http/bcrypt.h"

#include <crypt.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/err.h"

enum { COST_AT = 4, COST_MIN = 4, SUM_AT = 7, HASH_SIZE = BCRYPT_HASH_MAX - 1 };

static const char digits[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

static bool has_form(const char *hash)
{
	return strlen(hash) == HASH_SIZE && strncmp(hash, "$2", 2) == 0 &&
	       strchr("aby", hash[2]) != NULL && hash[3] == '$' &&
	       isdigit((unsigned char)hash[COST_AT]) && isdigit((unsigned char)hash[COST_AT + 1]) &&
	       hash[COST_AT + 2] == '$' && strspn(hash + SUM_AT, digits) == HASH_SIZE - SUM_AT;
}

int bcrypt_cost(const char *hash)
{
	return (hash[COST_AT] - '0') * 10 + (hash[COST_AT + 1] - '0');
}

int bcrypt_check_hash(const char *hash, struct err *err)
{
	if (!has_form(hash))
		return err_set(err, -EINVAL,
			       "this is no bcrypt hash ($2y$10$ and 53 characters, as htpasswd -nB "
			       "makes them)");
	if (bcrypt_cost(hash) < COST_MIN || bcrypt_cost(hash) > BCRYPT_COST_MAX)
		return err_set(err, -EINVAL, "a bcrypt hash of cost %d (%d to %d is possible)",
			       bcrypt_cost(hash), COST_MIN, BCRYPT_COST_MAX);
	return 0;
}

void bcrypt_decoy(char dst[BCRYPT_HASH_MAX], int cost)
{
	snprintf(dst, BCRYPT_HASH_MAX, "$2b$%02d$abcdefghijklmnopqrstuu%031d", cost, 0);
}

/* In the same time wherever they differ. */
static bool same(const char *a, const char *b)
{
	unsigned char differs = 0;

	for (size_t i = 0; i < HASH_SIZE; i++)
		differs |= (unsigned char)(a[i] ^ b[i]);
	return differs == 0;
}

int bcrypt_is(const char *hash, const char *password)
{
	struct crypt_data *data;
	const char *made;
	int r;

	/* Refused by crypt(3), so it is nobody's. */
	if (strlen(password) >= CRYPT_MAX_PASSPHRASE_SIZE)
		return 0;
	data = calloc(1, sizeof(*data));
	if (data == NULL)
		return -ENOMEM;
	made = crypt_rn(password, hash, data, sizeof(*data));
	if (made == NULL || strlen(made) != HASH_SIZE)
		r = errno > 0 ? -errno : -EIO;
	else
		r = same(made, hash);
	explicit_bzero(data, sizeof(*data));
	free(data);
	return r;
}
