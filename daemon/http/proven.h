#pragma once

/*
 * Passwords that were found to be right, as sums with a salt of this process: what is asked again
 * and again need not be checked again. Of fixed size; the one that was not asked for longest goes.
 */

#include <stdbool.h>
#include <stdint.h>

enum { PROVEN_MAX = 256, PROVEN_SALT_BYTES = 32, PROVEN_KEY_MAX = 65 };

struct proven_entry {
	char key[PROVEN_KEY_MAX]; /* "": free */
	uint64_t used; /* when, by the count of proven.uses */
};

struct proven {
	uint8_t salt[PROVEN_SALT_BYTES];
	struct proven_entry entries[PROVEN_MAX];
	uint64_t uses;
};

int proven_init(struct proven *proven); /* 0 or -errno */
void proven_fini(struct proven *proven);

/* What a name with its password is known by. 0, -ENOMEM, -EIO. */
int proven_key(const struct proven *proven, const char *name, const char *password,
	       char ret[PROVEN_KEY_MAX]);

bool proven_has(struct proven *proven, const char *key);
void proven_add(struct proven *proven, const char *key);
void proven_forget(struct proven *proven); /* all of them */
