/*
 * Memory that is left
 *
 * The host, and each control group on the way up, can give what the one of them with the least
 * left gives.
 */

#include "util/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cgroup.h"
#include "util/file.h"
#include "util/str.h"

int memory_of_host(const char *proc, uint64_t *ret)
{
	static const char name[] = "MemAvailable:";
	char path[512], text[8192];
	const char *at;
	char *end;
	int r;

	snprintf(path, sizeof(path), "%s/meminfo", proc);
	r = file_read_once(path, text, sizeof(text));
	if (r < 0)
		return r;
	at = strstr(text, name);
	if (at == NULL || (at != text && at[-1] != '\n'))
		return -ENOENT;
	at += strlen(name);
	at += strspn(at, " ");
	*ret = strtoull(at, &end, 10) * 1024;
	return end != at && str_has_prefix(end, " kB") ? 0 : -EBADMSG;
}

uint64_t memory_available_in(const char *proc, const char *cgroups)
{
	struct cgroups groups = cgroups_read(proc, cgroups, "self");
	uint64_t left = cgroup_left_bytes(&groups.fullest), host;

	return memory_of_host(proc, &host) == 0 && host < left ? host : left;
}

uint64_t memory_available(void)
{
	return memory_available_in("/proc", "/sys/fs/cgroup");
}
