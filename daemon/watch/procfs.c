/*
 * What /proc tells about a target's process
 *
 * One read of /proc/PID/stat gives state, CPU, start and memory (statm has the same resident figure
 * again); util/cgroup.c follows the process to its memory limit. The kernel dates a process by the
 * time since boot, which nobody can set; only what people read of it goes by the wall clock. The
 * time of boot is the difference of two clocks: btime in /proc/stat is the same, cut to seconds, at
 * the price of a line per CPU and a number per interrupt.
 */

#include "watch/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/file.h"
#include "util/memory.h"
#include "util/str.h"
#include "watch/command.h"
#include "watch/listener.h"

/* Both sides round; a pid used again within two seconds is beyond any check. */
static const int64_t start_tolerance_ms = 2000;

/* The kernel takes 2 MiB of arguments on most machines; who passes more is not described. */
enum { COMMAND_BYTES_MAX = 4 << 20 };

/* Between a browser and its pages. */
enum { ANCESTORS_MAX = 16 };

static const char *proc_root = "/proc", *cgroup_root = "/sys/fs/cgroup";

void procfs_set_roots(const char *proc, const char *cgroup)
{
	proc_root = proc ? proc : "/proc";
	cgroup_root = cgroup ? cgroup : "/sys/fs/cgroup";
}

static int64_t now_boot_ms(void)
{
	return (int64_t)(clock_boot_ns() / NS_PER_MS);
}

static double seconds_of_ticks(uint64_t ticks)
{
	return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* Fields of /proc/PID/stat by their numbers in proc(5), less 3 for the three before the numbers. */
enum { STAT_UTIME = 11, STAT_STIME = 12, STAT_STARTTIME = 19, STAT_VSIZE = 20, STAT_RSS = 21 };

/* The name may hold anything, parentheses and newlines too: numbers begin after the last one. */
static int parse_stat(const char *text, struct process_stats *stats)
{
	uint64_t field[STAT_RSS + 1] = { 0 };
	const char *at = strrchr(text, ')');

	if (at == NULL || at[1] != ' ' || at[2] == '\0')
		return -ESRCH;
	stats->state = at[2];
	at += 3;
	for (int i = 1; i <= STAT_RSS; i++) {
		char *end;

		/* Some fields are negative; those we want are not. */
		field[i] = (uint64_t)strtoll(at, &end, 10);
		if (end == at)
			return -ESRCH;
		at = end;
	}
	stats->cpu_seconds = seconds_of_ticks(field[STAT_UTIME] + field[STAT_STIME]);
	stats->user_seconds = seconds_of_ticks(field[STAT_UTIME]);
	stats->system_seconds = seconds_of_ticks(field[STAT_STIME]);
	stats->start_ticks = field[STAT_STARTTIME];
	stats->start_seconds = (double)(clock_wall_ms() - now_boot_ms()) / 1000 +
			       seconds_of_ticks(stats->start_ticks);
	stats->virtual_bytes = field[STAT_VSIZE];
	stats->resident_bytes = field[STAT_RSS] * (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

/* Is a reading of that clock, which now is at now_ms, from when the process began? */
static bool agrees(const struct process_stats *stats, int64_t start_ms, int64_t now_ms)
{
	double boot_ms = (double)start_ms - (double)now_ms + (double)now_boot_ms();

	return start_ms != 0 && fabs(seconds_of_ticks(stats->start_ticks) * 1000 - boot_ms) <=
					(double)start_tolerance_ms;
}

static bool began_at(const struct process_stats *stats, const struct process_start *start)
{
	if (start == NULL || (start->ticks == 0 && start->wall_ms == 0 && start->mono_ms == 0))
		return true;
	if (start->ticks != 0)
		return stats->start_ticks == start->ticks;
	return agrees(stats, start->wall_ms, clock_wall_ms()) ||
	       agrees(stats, start->mono_ms, (int64_t)(clock_mono_ns() / NS_PER_MS));
}

uint64_t procfs_age_ns(const struct process_stats *stats)
{
	uint64_t now_ns = clock_boot_ns();
	uint64_t start_ns = (uint64_t)(seconds_of_ticks(stats->start_ticks) * 1e9);

	return now_ns > start_ns ? now_ns - start_ns : 0;
}

int procfs_read_stat(int64_t pid, struct process_stats *ret)
{
	struct process_stats stats = { 0 };
	char path[512], text[2048];

	*ret = stats;
	if (pid <= 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "%s/%" PRId64 "/stat", proc_root, pid);
	if (file_read_once(path, text, sizeof(text)) < 0 || parse_stat(text, &stats) < 0)
		return -ESRCH;
	stats.present = true;
	*ret = stats;
	return 0;
}

int procfs_read(int64_t pid, const struct process_start *start, struct process_stats *ret)
{
	struct process_stats stats;
	struct cgroups groups;
	char number[24];

	*ret = (struct process_stats){ 0 };
	if (procfs_read_stat(pid, &stats) < 0 || !began_at(&stats, start))
		return -ESRCH;
	snprintf(number, sizeof(number), "%" PRId64, pid);
	groups = cgroups_read(proc_root, cgroup_root, number);
	stats.cgroup = groups.tightest;
	stats.fullest_cgroup = groups.fullest;
	*ret = stats;
	return 0;
}

int procfs_listener(const struct address *address, const char *program, int64_t *ret_pid,
		    struct process_start *ret_start)
{
	struct process_stats stats;
	int r = listener_find(proc_root, address, program, ret_pid);

	if (r == 0)
		r = procfs_read(*ret_pid, NULL, &stats);
	if (r == 0)
		*ret_start = (struct process_start){
			.ticks = stats.start_ticks,
			.wall_ms = (int64_t)(stats.start_seconds * 1000),
		};
	return r;
}

/* ---- kin ---- */

struct kin {
	char name[16];
	int64_t parent;
};

static bool read_kin(int64_t pid, struct kin *ret)
{
	char path[512], text[2048], *open, *end;

	snprintf(path, sizeof(path), "%s/%" PRId64 "/stat", proc_root, pid);
	if (file_read_once(path, text, sizeof(text)) < 0)
		return false;
	open = strchr(text, '(');
	end = strrchr(text, ')');
	if (open == NULL || end == NULL || end < open || end[1] != ' ' || end[2] == '\0')
		return false;
	*end = '\0';
	str_copy(ret->name, sizeof(ret->name), open + 1);
	ret->parent = strtoll(end + 3, NULL, 10);
	return true;
}

static bool is_called(const struct kin *kin, const char *const *programs)
{
	for (; *programs != NULL; programs++)
		if (strcmp(kin->name, *programs) == 0)
			return true;
	return false;
}

/* There may be the processes of a sandbox in between. */
static bool is_below(struct kin kin, int64_t pid)
{
	for (int up = 0; up < ANCESTORS_MAX && kin.parent > 1; up++) {
		if (kin.parent == pid)
			return true;
		if (!read_kin(kin.parent, &kin))
			return false;
	}
	return false;
}

size_t procfs_descendants(int64_t pid, const char *const *programs, int64_t *dst, size_t max)
{
	DIR *dir = opendir(proc_root);
	const struct dirent *entry;
	struct kin kin;
	size_t n = 0;

	while (dir != NULL && n < max && (entry = readdir(dir)) != NULL) {
		int64_t other = strtoll(entry->d_name, NULL, 10);

		if (other > 0 && read_kin(other, &kin) && is_called(&kin, programs) &&
		    is_below(kin, pid))
			dst[n++] = other;
	}
	if (dir != NULL)
		closedir(dir);
	return n;
}

bool procfs_listens(int64_t pid, const struct address *address)
{
	return listener_is(proc_root, address, pid);
}

/* The value of NAME=VALUE among texts that each end with a zero; NULL. */
static const char *find_variable(const char *texts, size_t size, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = texts; at < texts + size; at += strlen(at) + 1)
		if (strncmp(at, name, n) == 0 && at[n] == '=' && at[n + 1] == '/')
			return at + n + 1;
	return NULL;
}

/* In the order in which Gecko (xpcom/io/SpecialSystemDirectory.cpp) looks at them. */
static const char *temp_directory(const char *environment, size_t size)
{
	static const char *const names[] = { "TMPDIR", "TMP", "TEMP" };
	const char *value = NULL;

	for (size_t i = 0; value == NULL && i < sizeof(names) / sizeof(names[0]); i++)
		value = find_variable(environment, size, names[i]);
	return value != NULL ? value : "/tmp";
}

int procfs_temp_directory(int64_t pid, char *dst, size_t size)
{
	char path[512], *environment = NULL;
	size_t n = 0;
	int r;

	snprintf(path, sizeof(path), "%s/%" PRId64 "/environ", proc_root, pid);
	r = file_read(path, COMMAND_BYTES_MAX, &environment, &n);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	snprintf(path, sizeof(path), "%s/%" PRId64 "/root", proc_root, pid);
	if ((size_t)snprintf(dst, size, "%s%s", path, temp_directory(environment, n)) >= size)
		r = -ENAMETOOLONG;
	free(environment);
	return r;
}

int procfs_owner(int64_t pid, uid_t *ret)
{
	struct stat status;
	char path[512];

	snprintf(path, sizeof(path), "%s/%" PRId64, proc_root, pid);
	if (stat(path, &status) < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	*ret = status.st_uid;
	return 0;
}

int procfs_available_bytes(uint64_t *ret)
{
	return memory_of_host(proc_root, ret);
}

int procfs_command(int64_t pid, char *dst, size_t size)
{
	char path[512], *args = NULL;
	size_t n = 0;
	int r;

	snprintf(path, sizeof(path), "%s/%" PRId64 "/cmdline", proc_root, pid);
	r = file_read(path, COMMAND_BYTES_MAX, &args, &n);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	command_describe(args, n, dst, size);
	free(args);
	return n == 0 ? -ESRCH : 0;
}
