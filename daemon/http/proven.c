/* Passwords that were found to be right. */

#include "http/proven.h"

#include <string.h>

#include "spool/digest.h"
#include "util/rand.h"
#include "util/str.h"

_Static_assert((int)PROVEN_KEY_MAX == (int)DIGEST_HEX_MAX, "a key is a digest");

int proven_init(struct proven *proven)
{
	*proven = (struct proven){ .uses = 0 };
	return rand_bytes(proven->salt, sizeof(proven->salt));
}

void proven_fini(struct proven *proven)
{
	explicit_bzero(proven, sizeof(*proven));
}

int proven_key(const struct proven *proven, const char *name, const char *password,
	       char ret[PROVEN_KEY_MAX])
{
	struct digest *digest;
	int r = digest_new(&digest);

	if (r < 0)
		return r;
	digest_update(digest, proven->salt, sizeof(proven->salt));
	digest_update(digest, name, strlen(name) + 1); /* with the zero, which neither holds */
	digest_update(digest, password, strlen(password) + 1);
	r = digest_final(digest, ret);
	digest_free(digest);
	return r;
}

bool proven_has(struct proven *proven, const char *key)
{
	for (size_t i = 0; i < PROVEN_MAX; i++) {
		if (strcmp(proven->entries[i].key, key) == 0) {
			proven->entries[i].used = ++proven->uses;
			return true;
		}
	}
	return false;
}

void proven_add(struct proven *proven, const char *key)
{
	struct proven_entry *oldest = &proven->entries[0];

	for (size_t i = 1; i < PROVEN_MAX; i++) {
		if (proven->entries[i].used < oldest->used)
			oldest = &proven->entries[i];
	}
	str_copy(oldest->key, sizeof(oldest->key), key);
	oldest->used = ++proven->uses;
}

void proven_forget(struct proven *proven)
{
	explicit_bzero(proven->entries, sizeof(proven->entries));
}
