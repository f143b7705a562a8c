/* Memory that is left, as a made-up /proc and /sys/fs/cgroup have it. */

#include "ctl/memory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char home[] = "/tmp/test_memory.XXXXXX", proc[64], groups[64];

static void put(const char *path, const char *text)
{
	char full[256], *slash;
	FILE *out;

	snprintf(full, sizeof(full), "%s/%s", home, path);
	for (slash = strchr(full + strlen(home) + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
	out = fopen(full, "w");
	cr_assert_not_null(out);
	fputs(text, out);
	fclose(out);
}

static void begin(void)
{
	cr_assert_not_null(mkdtemp(home));
	snprintf(proc, sizeof(proc), "%s/proc", home);
	snprintf(groups, sizeof(groups), "%s/cgroup", home);
	put("proc/meminfo", "MemTotal:       24000000 kB\nMemAvailable:    1000000 kB\n");
}

static void end(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", home);
	cr_assert_eq(system(command), 0);
}

TestSuite(memory, .init = begin, .fini = end);

Test(memory, without_a_group_the_machine_counts)
{
	cr_assert_eq(memory_available_in(proc, groups), 1024000000);
}

Test(memory, nothing_is_known)
{
	cr_assert_eq(memory_available_in("/nowhere", "/nowhere"), UINT64_MAX);
}

Test(memory, the_tightest_group_above_counts)
{
	put("proc/self/cgroup", "0::/system.slice/a.service\n");
	put("cgroup/system.slice/a.service/memory.max", "max\n");
	put("cgroup/system.slice/a.service/memory.current", "300000000\n");
	put("cgroup/system.slice/memory.max", "500000000\n");
	put("cgroup/system.slice/memory.current", "400000000\n");
	put("cgroup/system.slice/memory.stat", "anon 1\ninactive_file 50000000\n");
	cr_assert_eq(memory_available_in(proc, groups), 150000000);
	put("cgroup/system.slice/a.service/memory.max", "300000000\n");
	cr_assert_eq(memory_available_in(proc, groups), 0);
}

Test(memory, a_container_is_the_top_of_what_it_sees)
{
	put("proc/self/cgroup", "0::/\n");
	put("cgroup/memory.max", "100000000\n");
	put("cgroup/memory.current", "40000000\n");
	cr_assert_eq(memory_available_in(proc, groups), 60000000);
}

Test(memory, of_version_1_too)
{
	put("proc/self/cgroup", "4:cpu:/x\n3:memory:/a\n0::/b\n");
	put("cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n");
	put("cgroup/memory/a/memory.usage_in_bytes", "1\n");
	cr_assert_eq(memory_available_in(proc, groups), 1024000000);
	put("cgroup/memory/memory.limit_in_bytes", "200000000\n");
	put("cgroup/memory/memory.usage_in_bytes", "150000000\n");
	put("cgroup/memory/memory.stat", "cache 1\ntotal_inactive_file 10000000\n");
	cr_assert_eq(memory_available_in(proc, groups), 60000000);
}
