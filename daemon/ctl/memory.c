/*
 * Memory that is left
 *
 * Each control group above limits as well; the tightest one counts.
 */

#include "ctl/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/file.h"
#include "util/str.h"

enum { PATH_BYTES_MAX = 4096, TEXT_MAX = 64 << 10, NUMBER_MAX = 24 };

static const struct layout {
	const char *line, *folder; /* in /proc/self/cgroup; below the mount */
	const char *limit, *used, *spare; /* spare: of memory.stat */
} layouts[] = {
	{ "0::", "", "memory.max", "memory.current", "inactive_file " },
	{ ":memory:", "/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
	  "total_inactive_file " },
};

static char *read_text(const char *folder, const char *name)
{
	char path[PATH_BYTES_MAX], *text = NULL;
	size_t size;
	int n = snprintf(path, sizeof(path), "%s/%s", folder, name);

	if (n < 0 || (size_t)n >= sizeof(path) || file_read(path, TEXT_MAX, &text, &size) < 0)
		return NULL;
	return text;
}

/* The number behind a word, with which a line begins; "": the first line. */
static bool number_in(const char *text, const char *word, uint64_t *ret)
{
	const char *at = text;
	char number[NUMBER_MAX];
	size_t n;

	while (at != NULL && strncmp(at, word, strlen(word)) != 0) {
		at = strchr(at, '\n');
		at = at != NULL ? at + 1 : NULL;
	}
	if (at == NULL)
		return false;
	at += strlen(word);
	at += strspn(at, " ");
	n = strspn(at, "0123456789");
	if (n == 0 || n >= sizeof(number))
		return false;
	memcpy(number, at, n);
	number[n] = '\0';
	return str_parse_uint(number, ret) == 0;
}

static bool number_of(const char *folder, const char *name, const char *word, uint64_t *ret)
{
	char *text = read_text(folder, name);
	bool found = text != NULL && number_in(text, word, ret);

	free(text);
	return found;
}

static uint64_t left_of_machine(const char *proc)
{
	uint64_t kib;

	return number_of(proc, "meminfo", "MemAvailable:", &kib) ? kib * 1024 : UINT64_MAX;
}

/* "max", or no such file: it does not limit. */
static uint64_t left_of_group(const char *folder, const struct layout *layout)
{
	uint64_t limit, used, spare = 0;

	if (!number_of(folder, layout->limit, "", &limit) ||
	    !number_of(folder, layout->used, "", &used))
		return UINT64_MAX;
	number_of(folder, "memory.stat", layout->spare, &spare);
	used = used > spare ? used - spare : 0;
	return limit > used ? limit - used : 0;
}

static uint64_t left_of_groups(const char *cgroups, const char *path, const struct layout *layout)
{
	char folder[PATH_BYTES_MAX];
	uint64_t left = UINT64_MAX;
	size_t top = strlen(cgroups) + strlen(layout->folder);
	int n = snprintf(folder, sizeof(folder), "%s%s%s", cgroups, layout->folder, path);

	while (n > 0 && (size_t)n < sizeof(folder)) {
		uint64_t one = left_of_group(folder, layout);
		char *slash = strrchr(folder + top, '/');

		left = one < left ? one : left;
		if (slash == NULL)
			break;
		*slash = '\0';
	}
	return left;
}

uint64_t memory_available_in(const char *proc, const char *cgroups)
{
	uint64_t left = left_of_machine(proc);
	char *text = read_text(proc, "self/cgroup"), *rest = text, *line;

	while (text != NULL && (line = strsep(&rest, "\n")) != NULL) {
		for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
			const char *found = strstr(line, layouts[i].line);
			uint64_t one;

			if (found == NULL || (i == 0 && found != line))
				continue;
			one = left_of_groups(cgroups, found + strlen(layouts[i].line), &layouts[i]);
			left = one < left ? one : left;
		}
	}
	free(text);
	return left;
}

uint64_t memory_available(void)
{
	return memory_available_in("/proc", "/sys/fs/cgroup");
}
