/*
 * What /proc and the control groups tell: on real processes of our own, and on made-up trees for
 * what a test cannot bring about.
 */

#include "watch/pages.h"
#include "watch/procfs.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

/* ---- real processes ---- */

/* An independent reading of the boot time. */
static double boot_seconds(void)
{
	FILE *file = fopen("/proc/stat", "r");
	double boot = 0;
	char *line = NULL;
	size_t size = 0;

	cr_assert_not_null(file);
	while (getline(&line, &size, file) > 0) {
		if (strncmp(line, "btime ", 6) == 0)
			boot = atof(line + 6);
	}
	free(line);
	fclose(file);
	cr_assert_gt(boot, 0);
	return boot;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A child that only waits to be killed. */
static pid_t start_child(const char *name)
{
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (name != NULL)
			prctl(PR_SET_NAME, name);
		raise(SIGSTOP);
		for (;;)
			pause();
	}
	cr_assert_eq(waitpid(pid, NULL, WUNTRACED), pid);
	return pid;
}

static void end_child(pid_t pid)
{
	cr_assert_eq(kill(pid, SIGKILL), 0);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

/* As a runtime tells it, by the wall clock. */
static int read_started(pid_t pid, int64_t start_wall_ms, struct process_stats *ret)
{
	const struct process_start start = { .wall_ms = start_wall_ms };

	return procfs_read(pid, &start, ret);
}

Test(procfs, ourselves)
{
	struct process_stats stats;

	cr_assert_eq(procfs_read(getpid(), NULL, &stats), 0);
	cr_assert(stats.present);
	cr_assert_eq(stats.state, 'R');
	cr_assert_gt(stats.resident_bytes, 1 << 20);
	cr_assert_lt(stats.resident_bytes, stats.virtual_bytes);
	cr_assert_geq(stats.start_seconds, boot_seconds() - 1);
	cr_assert_leq(stats.start_seconds, (double)now_ms() / 1000 + 1);
}

Test(procfs, memory_and_cpu_of_ourselves_grow)
{
	struct process_stats before, after;
	const size_t size = 32 << 20;
	char *block;

	cr_assert_eq(procfs_read(getpid(), NULL, &before), 0);
	block = malloc(size);
	cr_assert_not_null(block);
	memset(block, 1, size);
	cr_assert_eq(procfs_read(getpid(), NULL, &after), 0);
	cr_assert_gt(after.resident_bytes, before.resident_bytes + size / 2);
	while (after.cpu_seconds < before.cpu_seconds + 0.02)
		cr_assert_eq(procfs_read(getpid(), NULL, &after), 0);
	free(block);
}

Test(procfs, start_time_tells_processes_apart)
{
	int64_t started_ms = now_ms();
	pid_t pid = start_child(NULL);
	struct process_stats stats;

	cr_assert_eq(read_started(pid, started_ms, &stats), 0);
	cr_assert(stats.present);
	cr_assert_float_eq(stats.start_seconds, (double)started_ms / 1000, 0.5);
	cr_assert_eq(read_started(pid, started_ms + 1400, &stats), 0);
	cr_assert_eq(read_started(pid, started_ms - 1400, &stats), 0);
	cr_assert_eq(read_started(pid, started_ms + 2600, &stats), -ESRCH);
	cr_assert_not(stats.present);
	cr_assert_eq(read_started(pid, started_ms - 2600, &stats), -ESRCH);
	end_child(pid);
	cr_assert_eq(procfs_read(pid, NULL, &stats), -ESRCH);
}

Test(procfs, states)
{
	pid_t pid = start_child(NULL);
	struct process_stats stats;
	siginfo_t info;

	cr_assert_eq(procfs_read(pid, NULL, &stats), 0);
	cr_assert_eq(stats.state, 'T');
	cr_assert_eq(kill(pid, SIGKILL), 0);
	cr_assert_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	cr_assert_eq(procfs_read(pid, NULL, &stats), 0);
	cr_assert_eq(stats.state, 'Z');
	cr_assert_eq(stats.resident_bytes, 0);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

Test(procfs, names_with_anything_in_them)
{
	static const char *const names[] = { "a b", ") R 1 2 (", "))) Z", "x\ny) S", "" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int64_t started_ms = now_ms();
		pid_t pid = start_child(names[i]);
		struct process_stats stats;

		cr_expect_eq(read_started(pid, started_ms, &stats), 0, "%s", names[i]);
		cr_expect_eq(stats.state, 'T', "%s: %c", names[i], stats.state);
		end_child(pid);
	}
}

Test(procfs, no_such_process)
{
	struct process_stats stats;

	memset(&stats, 1, sizeof(stats));
	cr_assert_eq(procfs_read(0, NULL, &stats), -ESRCH);
	cr_assert_not(stats.present);
	cr_assert_eq(procfs_read(-1, NULL, &stats), -ESRCH);
	cr_assert_eq(procfs_read(INT64_MAX, NULL, &stats), -ESRCH);
	/* One above the largest pid Linux gives. */
	cr_assert_eq(procfs_read(4194305, NULL, &stats), -ESRCH);
}

/* ---- made-up trees ---- */

static char root[64], proc[80], cgroup[80];

static void make_roots(void)
{
	snprintf(root, sizeof(root), "%s/test_procfs.XXXXXX", P_tmpdir);
	cr_assert_not_null(mkdtemp(root));
	snprintf(proc, sizeof(proc), "%s/proc", root);
	snprintf(cgroup, sizeof(cgroup), "%s/cgroup", root);
	cr_assert_eq(mkdir(proc, 0755), 0);
	cr_assert_eq(mkdir(cgroup, 0755), 0);
	procfs_set_roots(proc, cgroup);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_roots(void)
{
	procfs_set_roots(NULL, NULL);
	cr_assert_eq(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Write a file below root, with its folders. */
static void put(const char *name, const char *text)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *slash = strchr(path + strlen(root) + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		cr_assert(mkdir(path, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	file = fopen(path, "w");
	cr_assert_not_null(file, "%s", path);
	cr_assert_geq(fputs(text, file), 0);
	cr_assert_eq(fclose(file), 0);
}

#define STAT                                                                                       \
	"7 (node) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 11 0 1000 123456789 2048 "        \
	"18446744073709551615 1 1 0 0 0 0 0 4096 134234626 0 0 0 17 1 0 0 0 0 0\n"

static struct process_stats read_7(void)
{
	struct process_stats stats;

	cr_assert_eq(procfs_read(7, NULL, &stats), 0);
	return stats;
}

TestSuite(procfs_tree, .init = make_roots, .fini = remove_roots);

Test(procfs_tree, fields)
{
	struct process_stats stats;

	put("proc/7/stat", STAT);
	stats = read_7();
	cr_assert(stats.present);
	cr_assert_eq(stats.state, 'S');
	cr_assert_float_eq(stats.cpu_seconds, 300.0 / (double)sysconf(_SC_CLK_TCK), 1e-9);
	cr_assert_float_eq(stats.start_seconds,
			   boot_seconds() + 1000.0 / (double)sysconf(_SC_CLK_TCK), 1.5);
	cr_assert_eq(stats.virtual_bytes, 123456789);
	cr_assert_eq(stats.resident_bytes, 2048 * (uint64_t)sysconf(_SC_PAGESIZE));
	cr_assert_not(stats.cgroup.has_usage);
	cr_assert_not(stats.cgroup.has_limit);
}

Test(procfs_tree, stat_that_makes_no_sense)
{
	static const char *const texts[] = {
		"",          "7",          "7 (node",          "7 (node)",
		"7 (node) ", "7 (node) S", "7 (node) S 1 7 7", "7 (node) S 1 7 7 0 -1 x"
	};
	struct process_stats stats;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		put("proc/7/stat", texts[i]);
		cr_expect_eq(procfs_read(7, NULL, &stats), -ESRCH, "%s", texts[i]);
		cr_expect_not(stats.present);
	}
}

static void expect_cgroup(uint64_t usage, uint64_t limit)
{
	struct process_stats stats = read_7();

	cr_expect(stats.cgroup.has_usage);
	cr_expect_eq(stats.cgroup.usage_bytes, usage, "usage %llu",
		     (unsigned long long)stats.cgroup.usage_bytes);
	cr_expect_eq(stats.cgroup.has_limit, limit != 0);
	cr_expect_eq(stats.cgroup.limit_bytes, limit, "limit %llu",
		     (unsigned long long)stats.cgroup.limit_bytes);
}

static void expect_no_cgroup(void)
{
	struct process_stats stats = read_7();

	cr_expect_not(stats.cgroup.has_usage);
	cr_expect_not(stats.cgroup.has_limit);
}

Test(procfs_tree, version_2)
{
	put("proc/7/stat", STAT);
	put("proc/7/cgroup", "0::/app.slice/api.service\n");
	put("cgroup/app.slice/memory.current", "900\n");
	put("cgroup/app.slice/memory.max", "max\n");
	put("cgroup/app.slice/api.service/memory.current", "500\n");
	put("cgroup/app.slice/api.service/memory.max", "1000\n");
	expect_cgroup(500, 1000);

	/* Unlimited itself: the limit above counts, with the usage above. */
	put("cgroup/app.slice/api.service/memory.max", "max\n");
	put("cgroup/app.slice/memory.max", "2000\n");
	expect_cgroup(900, 2000);

	/* The smallest counts, wherever it stands. */
	put("cgroup/app.slice/api.service/memory.max", "4000\n");
	expect_cgroup(900, 2000);
	put("cgroup/app.slice/api.service/memory.max", "2000\n");
	expect_cgroup(500, 2000);

	/* No limit anywhere: its own usage. */
	put("cgroup/app.slice/api.service/memory.max", "max\n");
	put("cgroup/app.slice/memory.max", "max\n");
	expect_cgroup(500, 0);
}

Test(procfs_tree, version_2_in_the_root_of_a_namespace)
{
	put("proc/7/stat", STAT);
	put("proc/7/cgroup", "0::/\n");
	expect_no_cgroup();
	put("cgroup/memory.current", "500\n");
	put("cgroup/memory.max", "1000\n");
	expect_cgroup(500, 1000);
}

Test(procfs_tree, version_1)
{
	put("proc/7/stat", STAT);
	put("proc/7/cgroup", "12:cpu,cpuacct:/docker/1\n4:hugetlb,memory:/docker/1\n0::/other\n");
	put("cgroup/memory/docker/1/memory.usage_in_bytes", "500\n");
	put("cgroup/memory/docker/1/memory.limit_in_bytes", "1000\n");
	put("cgroup/memory/docker/memory.usage_in_bytes", "800\n");
	put("cgroup/memory/docker/memory.limit_in_bytes", "9223372036854771712\n");
	expect_cgroup(500, 1000);
	put("cgroup/memory/docker/1/memory.limit_in_bytes", "9223372036854771712\n");
	expect_cgroup(500, 0);
	put("cgroup/memory/docker/memory.limit_in_bytes", "900\n");
	expect_cgroup(800, 900);
	/* The root of the hierarchy has files too. */
	put("cgroup/memory/memory.usage_in_bytes", "50\n");
	put("cgroup/memory/memory.limit_in_bytes", "60\n");
	expect_cgroup(50, 60);
}

/* Not every word with "memory" in it is the controller. */
Test(procfs_tree, hierarchies_without_the_memory_controller)
{
	put("proc/7/stat", STAT);
	put("proc/7/cgroup", "3:name=memory:/a\n2:mem:/a\n1:memory_x,x_memory:/a\n0::/b\n");
	put("cgroup/memory/a/memory.limit_in_bytes", "1\n");
	put("cgroup/memory/a/memory.usage_in_bytes", "1\n");
	put("cgroup/b/memory.current", "500\n");
	put("cgroup/b/memory.max", "1000\n");
	expect_cgroup(500, 1000);
}

/* The host's path, where the mount shows only our own group. */
Test(procfs_tree, container_without_namespace)
{
	put("proc/7/stat", STAT);
	put("proc/7/cgroup", "4:memory:/docker/1\n");
	put("cgroup/memory/memory.usage_in_bytes", "500\n");
	put("cgroup/memory/memory.limit_in_bytes", "1000\n");
	expect_no_cgroup();
	put("proc/self/cgroup", "4:memory:/docker/2\n");
	expect_no_cgroup();
	put("proc/self/cgroup", "4:memory:/docker/1\n");
	expect_cgroup(500, 1000);
}

Test(procfs_tree, groups_out_of_sight)
{
	static const char *const lines[] = { "0::/../other\n", "0::\n", "0:\n", "\n", "",
					     "memory\n",       "0::x\n" };

	put("proc/7/stat", STAT);
	put("cgroup/memory.current", "500\n");
	put("cgroup/memory.max", "1000\n");
	/* Where the first line would lead to, taken literally. */
	put("other/memory.current", "500\n");
	put("other/memory.max", "1000\n");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		put("proc/7/cgroup", lines[i]);
		expect_no_cgroup();
	}
}

Test(procfs_tree, numbers_that_are_none)
{
	put("proc/7/stat", STAT);
	put("proc/7/cgroup", "0::/a\n");
	put("cgroup/a/memory.current", "\n");
	put("cgroup/a/memory.max", "1000\n");
	expect_no_cgroup();
	put("cgroup/a/memory.current", "500\n");
	put("cgroup/a/memory.max", "-1\n");
	expect_cgroup(500, 0);
}

/* Deeper or longer than any real one: no harm. */
Test(procfs_tree, endless_paths)
{
	static char line[20000];

	put("proc/7/stat", STAT);
	put("cgroup/memory.current", "500\n");
	put("cgroup/memory.max", "1000\n");
	strcpy(line, "0::");
	for (int i = 0; i < 9000; i++)
		strcat(line, "/a");
	put("proc/7/cgroup", line);
	expect_no_cgroup();
	line[3 + 2 * 2000] = '\0';
	put("proc/7/cgroup", line);
	expect_no_cgroup();
}

/* ---- what can still be given ---- */

Test(procfs_tree, reclaimable_of_the_group_that_limits)
{
	struct process_stats stats;

	put("proc/7/stat", STAT);
	put("proc/7/cgroup", "0::/pod/app\n");
	put("cgroup/pod/memory.max", "2000\n");
	put("cgroup/pod/memory.current", "1500\n");
	put("cgroup/pod/memory.stat", "anon 1\nfile 2\ninactive_file 300\nactive_file 4\n");
	put("cgroup/pod/app/memory.max", "max\n");
	put("cgroup/pod/app/memory.current", "1400\n");
	put("cgroup/pod/app/memory.stat", "inactive_file 200\n");
	stats = read_7();
	cr_assert_eq(stats.cgroup.limit_bytes, 2000);
	cr_assert_eq(stats.cgroup.usage_bytes, 1500);
	cr_assert_eq(stats.cgroup.reclaimable_bytes, 300);
	put("cgroup/pod/memory.stat", "anon 1\nsome_inactive_file 9\ninactive_file x\n");
	cr_assert_eq(read_7().cgroup.reclaimable_bytes, 0);
}

/* A slice that siblings have filled gives nothing, however small the limit below it is. */
Test(procfs_tree, the_fullest_is_not_always_the_tightest)
{
	struct process_stats stats;

	put("proc/7/stat", STAT);
	put("proc/7/cgroup", "0::/pod/app\n");
	put("cgroup/pod/memory.max", "9000\n");
	put("cgroup/pod/memory.current", "8900\n");
	put("cgroup/pod/memory.stat", "inactive_file 40\n");
	put("cgroup/pod/app/memory.max", "2000\n");
	put("cgroup/pod/app/memory.current", "500\n");
	stats = read_7();
	cr_assert_eq(stats.cgroup.limit_bytes, 2000);
	cr_assert_eq(stats.cgroup.usage_bytes, 500);
	cr_assert_eq(stats.fullest_cgroup.limit_bytes, 9000);
	cr_assert_eq(stats.fullest_cgroup.usage_bytes, 8900);
	cr_assert_eq(cgroup_left_bytes(&stats.fullest_cgroup), 140);
	/* Over the limit, as the kernel allows for a moment. */
	put("cgroup/pod/memory.current", "9100\n");
	put("cgroup/pod/memory.stat", "inactive_file 0\n");
	stats = read_7();
	cr_assert_eq(cgroup_left_bytes(&stats.fullest_cgroup), 0);
	/* No limit: nothing is short. */
	put("cgroup/pod/memory.max", "max\n");
	put("cgroup/pod/app/memory.max", "max\n");
	stats = read_7();
	cr_assert_eq(cgroup_left_bytes(&stats.fullest_cgroup), UINT64_MAX);
}

Test(procfs_tree, reclaimable_in_version_1)
{
	put("proc/7/stat", STAT);
	put("proc/7/cgroup", "4:memory:/app\n0::/\n");
	put("cgroup/memory/app/memory.limit_in_bytes", "2000\n");
	put("cgroup/memory/app/memory.usage_in_bytes", "1500\n");
	put("cgroup/memory/app/memory.stat", "inactive_file 1\ntotal_inactive_file 250\n");
	cr_assert_eq(read_7().cgroup.reclaimable_bytes, 250);
}

Test(procfs_tree, available)
{
	uint64_t bytes = 1;

	cr_assert_eq(procfs_available_bytes(&bytes), -ENOENT);
	put("proc/meminfo", "MemTotal:       24683520 kB\nMemFree:        1 kB\n"
			    "MemAvailable:   23943168 kB\nBuffers: 2 kB\n");
	cr_assert_eq(procfs_available_bytes(&bytes), 0);
	cr_assert_eq(bytes, 23943168ull * 1024);
	put("proc/meminfo", "MemTotal: 5 kB\nNotMemAvailable: 7 kB\n");
	cr_assert_lt(procfs_available_bytes(&bytes), 0);
	put("proc/meminfo", "MemAvailable: lots\n");
	cr_assert_lt(procfs_available_bytes(&bytes), 0);
}

Test(procfs, available_here)
{
	uint64_t bytes = 0;

	cr_assert_eq(procfs_available_bytes(&bytes), 0);
	cr_assert_gt(bytes, 1 << 20);
}

/* ---- a browser and its pages ---- */

static const char *const page_programs[] = { "WebKitWebProces", "WPEWebProcess", NULL };

/* utime in ticks; the start is that of a process of the pid that was made first. */
static void put_process(int pid, const char *name, char state, int parent, unsigned ticks)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "proc/%d/stat", pid);
	snprintf(text, sizeof(text),
		 "%d (%s) %c %d 7 7 0 -1 4194560 100 0 0 0 %u 0 0 0 20 0 11 0 %d 123456789 2048 "
		 "18446744073709551615\n",
		 pid, name, state, parent, ticks, 1000 + pid);
	put(path, text);
}

static void end_process(int pid)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/proc/%d/stat", root, pid);
	cr_assert_eq(remove(path), 0);
}

static uint64_t simulated_ns;

/* A second looks too often; two do not. */
static bool ended_after_a_look(struct pages *pages)
{
	clock_simulate(simulated_ns += NS_PER_S, 0);
	cr_expect_not(pages_ended(pages));
	clock_simulate(simulated_ns += NS_PER_S, 0);
	return pages_ended(pages);
}

/* Another browser's is no page of it; one in a sandbox is, as is one with ") 1" in its name. */
static void put_browser(struct pages *pages, size_t n)
{
	put_process(20, "MiniBrowser", 'S', 1, 100);
	put_process(21, "WebKitNetworkPr", 'S', 20, 10);
	put_process(22, "WebKitWebProces", 'S', 20, 50);
	put_process(30, "MiniBrowser", 'S', 1, 100);
	put_process(31, "WPEWebProcess", 'S', 30, 100);
	if (n > 1) {
		put_process(23, "bwrap) 1", 'S', 20, 0);
		put_process(24, "bwrap", 'S', 23, 0);
		put_process(25, "WPEWebProcess", 'S', 24, 50);
	}
	clock_simulate(simulated_ns = 1000 * NS_PER_S, 0);
	pages_note(pages, 20, page_programs);
	cr_assert_eq(pages->n, n);
}

Test(procfs_tree, a_page_that_ends_is_seen)
{
	struct pages pages;

	put_browser(&pages, 1);
	cr_expect_not(ended_after_a_look(&pages));
	end_process(22);
	cr_expect_not(ended_after_a_look(&pages), "its time has gone with it");
	cr_expect(ended_after_a_look(&pages));
	put_process(22, "WebKitWebProces", 'Z', 20, 50);
	cr_expect(ended_after_a_look(&pages), "nobody has heard of its end");
	clock_real();
}

Test(procfs_tree, whoever_works_may_be_the_page_or_pass_it_on)
{
	struct pages pages;

	put_browser(&pages, 2);
	end_process(22);
	(void)ended_after_a_look(&pages);
	put_process(25, "WPEWebProcess", 'S', 24, 100);
	cr_expect_not(ended_after_a_look(&pages), "it has worked");
	put_process(25, "WPEWebProcess", 'R', 24, 100);
	cr_expect_not(ended_after_a_look(&pages), "it waits for a processor");
	put_process(25, "WPEWebProcess", 'S', 24, 100);
	put_process(20, "MiniBrowser", 'S', 1, 150);
	cr_expect_not(ended_after_a_look(&pages), "the browser has worked");
	cr_expect(ended_after_a_look(&pages));
	clock_real();
}

Test(procfs_tree, pages_that_cannot_be_found_have_not_ended)
{
	struct pages pages;

	put_process(20, "MiniBrowser", 'S', 1, 100);
	clock_simulate(simulated_ns = 1000 * NS_PER_S, 0);
	pages_note(&pages, 20, page_programs);
	cr_expect_eq(pages.n, 0);
	cr_expect_not(ended_after_a_look(&pages));
	cr_expect_not(ended_after_a_look(&pages));
	clock_real();
}

/* The pid is another process's now. */
Test(procfs_tree, a_page_whose_pid_is_used_again_has_ended)
{
	struct pages pages;
	char path[32] = "proc/22/stat";

	put_browser(&pages, 1);
	put(path, "22 (cat) S 1 7 7 0 -1 0 0 0 0 0 50 0 0 0 20 0 1 0 5000 1 1 1\n");
	(void)ended_after_a_look(&pages);
	cr_expect(ended_after_a_look(&pages));
	clock_real();
}
