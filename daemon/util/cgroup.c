/*
 * Control groups
 *
 * /proc/PID/cgroup has a line per hierarchy. Where one carries the memory controller of version 1
 * that one counts, for a controller lives in one hierarchy only; else the line of version 2. A
 * limit may stand on any group above the process (a pod, a slice), and the kernel enforces the
 * usage of that group against it, so the two are read from the same group. The walk costs one read
 * a level, and two more where there is a limit.
 *
 * In a container without a namespace for control groups the line is the host's path and the mount
 * shows our own group as its root; when the target's line is the same as ours, that root is its
 * group too.
 */

#include "util/cgroup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/file.h"
#include "util/str.h"

enum { PATH_MAX_BYTES = 4096, LEVELS_MAX = 32, STAT_BYTES_MAX = 16384 };

/* Version 1 writes "no limit" as the largest whole number of pages. */
static const uint64_t unlimited_bytes = 1ull << 62;

struct layout {
	const char *subdirectory, *usage, *limit;
	const char *reclaimable; /* in memory.stat, with that of the groups below */
};

static const struct layout version_1 = { "/memory", "memory.usage_in_bytes",
					 "memory.limit_in_bytes", "total_inactive_file " };
static const struct layout version_2 = { "", "memory.current", "memory.max", "inactive_file " };

struct group {
	const struct layout *layout;
	char path[PATH_MAX_BYTES]; /* of the group's folder; cut shorter while walking up */
	size_t root_size; /* the part of path that is the mount point */
};

static int read_member(struct group *group, const char *name, char *dst, size_t dst_size)
{
	size_t size = strlen(group->path);
	int r = -ENAMETOOLONG;

	if (snprintf(group->path + size, sizeof(group->path) - size, "/%s", name) <
	    (int)(sizeof(group->path) - size))
		r = file_read_once(group->path, dst, dst_size);
	group->path[size] = '\0';
	return r;
}

/* 0 when the kernel does not say. */
static uint64_t read_reclaimable(struct group *group)
{
	const char *name = group->layout->reclaimable;
	char text[STAT_BYTES_MAX];
	uint64_t bytes = 0;

	if (read_member(group, "memory.stat", text, sizeof(text)) < 0)
		return 0;
	for (char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!str_has_prefix(line, name))
			continue;
		line += strlen(name);
		line[strcspn(line, "\n")] = '\0';
		return str_parse_uint(line, &bytes) == 0 ? bytes : 0;
	}
	return 0;
}

/* 0; 1 when it says "max" or as good as; -errno. */
static int read_bytes(struct group *group, const char *name, uint64_t *ret)
{
	char text[64];
	int r = read_member(group, name, text, sizeof(text));

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	if (strcmp(text, "max") == 0)
		return 1;
	r = str_parse_uint(text, ret);
	if (r < 0)
		return r;
	return *ret >= unlimited_bytes;
}

/* True when the comma-separated controllers of a line name memory. */
static bool names_memory(const char *controllers, size_t size)
{
	for (const char *end = controllers + size; controllers < end;) {
		size_t word = strcspn(controllers, ",:");

		if (word == strlen("memory") && strncmp(controllers, "memory", word) == 0)
			return true;
		controllers += word + 1;
	}
	return false;
}

/* The path in the line that counts, within text, or NULL. */
static char *find_path(char *text, const struct layout **ret)
{
	char *found = NULL, *rest;

	for (char *line = strtok_r(text, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		char *controllers = strchr(line, ':'), *path;

		path = controllers ? strchr(controllers + 1, ':') : NULL;
		if (path == NULL)
			continue;
		if (names_memory(controllers + 1, (size_t)(path - controllers - 1))) {
			*ret = &version_1;
			return path + 1;
		}
		if (path == controllers + 1) {
			*ret = &version_2;
			found = path + 1;
		}
	}
	return found;
}

/* The path of a process's group below the mount point into dst. */
static int read_path(const char *proc_root, const char *process, char dst[PATH_MAX_BYTES],
		     const struct layout **ret)
{
	char name[512], text[2 * PATH_MAX_BYTES];
	const char *path;
	int r;

	snprintf(name, sizeof(name), "%s/%s/cgroup", proc_root, process);
	r = file_read_once(name, text, sizeof(text));
	if (r < 0)
		return r;
	path = find_path(text, ret);
	/* "/../x" is a group outside of our namespace. */
	if (path == NULL || path[0] != '/' || str_has_prefix(path, "/.."))
		return -ENOENT;
	return str_copy(dst, PATH_MAX_BYTES, path) ? 0 : -ENAMETOOLONG;
}

static bool is_our_own(const char *proc_root, const char *path)
{
	const struct layout *layout;
	char own[PATH_MAX_BYTES];

	return read_path(proc_root, "self", own, &layout) == 0 && strcmp(own, path) == 0;
}

static int set_path(struct group *group, const char *cgroup_root, const char *path)
{
	int n = snprintf(group->path, sizeof(group->path), "%s%s", cgroup_root,
			 group->layout->subdirectory);

	group->root_size = (size_t)n;
	if (strcmp(path, "/") == 0)
		return 0;
	if (!str_copy(group->path + n, sizeof(group->path) - group->root_size, path))
		return -ENAMETOOLONG;
	return 0;
}

static int find_group(struct group *group, const char *proc_root, const char *cgroup_root,
		      const char *process)
{
	char path[PATH_MAX_BYTES];
	int r;

	r = read_path(proc_root, process, path, &group->layout);
	if (r < 0)
		return r;
	r = set_path(group, cgroup_root, path);
	if (r < 0 || access(group->path, F_OK) == 0)
		return r;
	if (!is_our_own(proc_root, path))
		return -ENOENT;
	return set_path(group, cgroup_root, "/");
}

/* One level up; false at the mount point. */
static bool go_up(struct group *group)
{
	char *slash = strrchr(group->path + group->root_size, '/');

	if (slash == NULL)
		return false;
	*slash = '\0';
	return true;
}

/* False when this level says nothing, or that it does not limit. */
static bool read_limited(struct group *group, struct cgroup_memory *ret)
{
	*ret = (struct cgroup_memory){ .has_usage = true, .has_limit = true };
	if (read_bytes(group, group->layout->limit, &ret->limit_bytes) != 0 ||
	    read_bytes(group, group->layout->usage, &ret->usage_bytes) != 0)
		return false;
	ret->reclaimable_bytes = read_reclaimable(group);
	return true;
}

static struct cgroups walk(struct group *group)
{
	struct cgroup_memory own = { .has_usage = false }, level;
	struct cgroups groups;

	own.has_usage = read_bytes(group, group->layout->usage, &own.usage_bytes) == 0;
	groups = (struct cgroups){ own, own };
	for (int i = 0; i < LEVELS_MAX; i++) {
		if (read_limited(group, &level)) {
			if (!groups.tightest.has_limit ||
			    level.limit_bytes < groups.tightest.limit_bytes)
				groups.tightest = level;
			if (cgroup_left_bytes(&level) < cgroup_left_bytes(&groups.fullest))
				groups.fullest = level;
		}
		if (!go_up(group))
			break;
	}
	return groups;
}

struct cgroups cgroups_read(const char *proc_root, const char *cgroup_root, const char *process)
{
	struct group group;

	if (find_group(&group, proc_root, cgroup_root, process) < 0)
		return (struct cgroups){ 0 };
	return walk(&group);
}

uint64_t cgroup_left_bytes(const struct cgroup_memory *memory)
{
	uint64_t held = memory->usage_bytes > memory->reclaimable_bytes
				? memory->usage_bytes - memory->reclaimable_bytes
				: 0;

	if (!memory->has_limit)
		return UINT64_MAX;
	return memory->limit_bytes > held ? memory->limit_bytes - held : 0;
}
