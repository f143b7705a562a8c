#pragma once

/*
 * Passwords as bcrypt has them. bcrypt.c is the only file that includes crypt.h.
 */

struct err;

enum {
	BCRYPT_HASH_MAX = 61, /* "$2b$10$", 22 characters of salt, 31 of the sum; terminated */
	/* Of 2^14 rounds a processor makes one in a second or so: nobody waits for more. */
	BCRYPT_COST_MAX = 14,
};

/* Is this a hash that can be checked? 0; -EINVAL with the reason in err, without the hash. */
int bcrypt_check_hash(const char *hash, struct err *err);

/* Of a hash that was checked. */
int bcrypt_cost(const char *hash);

/* A hash of no password that takes as long as any of that cost. */
void bcrypt_decoy(char dst[BCRYPT_HASH_MAX], int cost);

/*
 * Is this the password of the hash? Takes up to a second of processor time, so it is for a thread
 * that may; several may at once. Of a password 72 bytes count. 1; 0: it is
 * another; -errno: it cannot be told, for want of memory.
 */
int bcrypt_is(const char *hash, const char *password);
