/*
 * Select
 */

#include "spool/select.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "spool/manifest.h"
#include "util/str.h"

enum { VALUE_MAX = 1400, KEY_MAX = 32 };

static const char *const presences[] = {
	[PRESENCE_PRESENT] = "present",     [PRESENCE_ENCRYPTED] = "encrypted",
	[PRESENCE_TRUNCATED] = "truncated", [PRESENCE_MISSING] = "missing",
	[PRESENCE_ERROR] = "error",
};

const char *presence_name(enum presence presence)
{
	return presences[presence];
}

int presence_parse(const char *name, enum presence *ret)
{
	for (size_t i = 0; i < sizeof(presences) / sizeof(presences[0]); i++) {
		if (strcmp(presences[i], name) == 0) {
			*ret = (enum presence)i;
			return 0;
		}
	}
	return -EINVAL;
}

enum presence select_presence(int ready_fd, const struct manifest *manifest)
{
	struct stat status;

	if (fstatat(ready_fd, manifest->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? PRESENCE_MISSING : PRESENCE_ERROR;
	if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size > manifest->file_bytes)
		return PRESENCE_ERROR;
	if ((uint64_t)status.st_size < manifest->file_bytes)
		return PRESENCE_TRUNCATED;
	return strcmp(manifest->encrypt, "age") == 0 ? PRESENCE_ENCRYPTED : PRESENCE_PRESENT;
}

/* Cut "key=glob" apart; false when there is no key. */
static bool split(const char *pattern, char key[KEY_MAX], const char **ret_glob)
{
	size_t size = strspn(pattern, "abcdefghijklmnopqrstuvwxyz_0123456789");

	if (pattern[size] != '=' || size == 0 || size >= KEY_MAX)
		return false;
	memcpy(key, pattern, size);
	key[size] = '\0';
	*ret_glob = pattern + size + 1;
	return true;
}

/* Names may have brackets in them, as IPv6 addresses do. */
static bool fits(const char *glob, const char *text)
{
	return strcmp(glob, text) == 0 || fnmatch(glob, text, 0) == 0;
}

bool select_matches(const struct manifest *manifest, const char *pattern)
{
	char key[KEY_MAX], value[VALUE_MAX];
	const char *glob;

	if (!split(pattern, key, &glob))
		return fits(pattern, manifest->target);
	return manifest_format(manifest, key, value, sizeof(value)) && fits(glob, value);
}

bool select_is_pattern(const char *pattern)
{
	static const struct manifest none;
	char key[KEY_MAX], value[VALUE_MAX];
	const char *glob;

	return !split(pattern, key, &glob) || manifest_format(&none, key, value, sizeof(value));
}

void select_plain_name(char *dst, size_t size, const char *name)
{
	static const char *const endings[] = { ".age", ".zst" };

	str_copy(dst, size, name);
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t length = strlen(dst), cut = strlen(endings[i]);

		if (length > cut && strcmp(dst + length - cut, endings[i]) == 0)
			dst[length - cut] = '\0';
	}
}

bool select_is_called(const struct manifest *manifest, const char *name)
{
	size_t size = strlen(name);
	char plain[SPOOL_NAME_MAX];

	if (size >= SELECT_PREFIX_MIN && strncmp(manifest->id, name, size) == 0)
		return true;
	select_plain_name(plain, sizeof(plain), manifest->name);
	return strcmp(name, manifest->name) == 0 || strcmp(name, plain) == 0;
}
