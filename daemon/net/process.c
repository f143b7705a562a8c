/* Processes as /proc has them. What is read has a limit: arguments can be megabytes. */

#include "net/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/listening.h"
#include "util/str.h"

enum {
	PATH_SIZE = 512,
	ARGS_MAX = 64 << 10,
	ENVIRONMENT_MAX = 1 << 20,
	STATUS_MAX = 16 << 10,
	DESCRIPTORS_MAX = 65536, /* of one process are looked at */
};

/* Fields of /proc/PID/stat by their numbers in proc(5). */
enum { STAT_PPID = 4, STAT_STARTTIME = 22 };

static void path_of(const struct process *process, const char *name, char dst[PATH_SIZE])
{
	snprintf(dst, PATH_SIZE, "%s/%" PRId64 "/%s", process->proc, process->pid, name);
}

/* At most max bytes of it and a zero, in memory of the caller's. 0, -ENOMEM, -errno. */
static int read_file(const struct process *process, const char *name, size_t max, char **ret,
		     size_t *ret_size)
{
	char path[PATH_SIZE];
	FILE *file;
	int r = 0;

	path_of(process, name, path);
	file = fopen(path, "re");
	if (file == NULL)
		return -errno;
	*ret = malloc(max + 1);
	if (*ret == NULL) {
		r = -ENOMEM;
	} else {
		*ret_size = fread(*ret, 1, max, file);
		(*ret)[*ret_size] = '\0';
		if (ferror(file)) {
			r = -EIO;
			free(*ret);
		}
	}
	fclose(file);
	return r;
}

/* "/usr/bin/node (deleted)": node. */
static void take_program(struct process *process, char *path)
{
	static const char deleted[] = " (deleted)";
	size_t size = strlen(path);
	const char *slash = strrchr(path, '/');

	if (size > sizeof(deleted) && strcmp(path + size - sizeof(deleted) + 1, deleted) == 0)
		path[size - sizeof(deleted) + 1] = '\0';
	str_copy(process->program, sizeof(process->program), slash != NULL ? slash + 1 : path);
}

static int read_program(struct process *process)
{
	char path[PATH_SIZE], link[4096];
	ssize_t n;

	path_of(process, "exe", path);
	n = readlink(path, link, sizeof(link) - 1);
	process->readable = n >= 0;
	if (n < 0 && errno != EACCES && errno != EPERM)
		return -ESRCH;
	if (n < 0)
		str_copy(link, sizeof(link), process->args);
	else
		link[n] = '\0';
	take_program(process, link);
	return 0;
}

int process_read(struct process *process, const char *proc, int64_t pid)
{
	int r;

	*process = (struct process){ .proc = proc, .pid = pid };
	r = read_file(process, "cmdline", ARGS_MAX, &process->args, &process->args_size);
	if (r < 0)
		return r == -ENOMEM ? r : -ESRCH;
	r = read_program(process);
	if (r < 0)
		process_fini(process);
	return r;
}

void process_fini(struct process *process)
{
	free(process->args);
	process->args = NULL;
}

bool process_is(const struct process *process, const char *program)
{
	size_t size = strlen(program);

	return str_has_prefix(process->program, program) &&
	       (process->program[size] == '\0' || process->program[size] == '-' ||
		isdigit((unsigned char)process->program[size]));
}

/* What stands after the name of a line of /proc/PID/status ("Uid:"); NULL. */
static const char *find_line(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	while (at != NULL && at != text && at[-1] != '\n')
		at = strstr(at + 1, name);
	return at != NULL ? at + strlen(name) : NULL;
}

static int read_status(const struct process *process, struct process_status *ret)
{
	const char *uids, *caught;
	unsigned real, effective, saved;
	size_t size;
	char *text;
	int r = read_file(process, "status", STATUS_MAX, &text, &size);

	if (r < 0)
		return -ESRCH;
	uids = find_line(text, "Uid:");
	caught = find_line(text, "SigCgt:");
	if (uids == NULL || caught == NULL ||
	    sscanf(uids, "%u %u %u", &real, &effective, &saved) != 3 ||
	    sscanf(caught, "%" SCNx64, &ret->caught) != 1) {
		r = -ESRCH;
	} else {
		ret->uid = real;
		ret->many_uids = real != effective || real != saved;
	}
	free(text);
	return r;
}

/* Field `number` of /proc/PID/stat, as proc(5) counts; those after the name only. */
static int read_stat(const struct process *process, int number, int64_t *ret)
{
	const char *at;
	size_t size;
	char *text, *end;
	int r = -ESRCH;

	if (read_file(process, "stat", STATUS_MAX, &text, &size) < 0)
		return -ESRCH;
	/* The name is in parentheses, and may have some. The state after it is a letter. */
	at = strrchr(text, ')');
	if (at != NULL && at[1] == ' ' && at[2] != '\0') {
		at += 3;
		r = 0;
	}
	for (int i = 4; r == 0 && i <= number; i++) {
		*ret = strtoll(at, &end, 10);
		r = end == at ? -ESRCH : 0;
		at = end;
	}
	free(text);
	return r;
}

int process_status(const struct process *process, struct process_status *ret)
{
	int64_t start = 0;
	int r = read_stat(process, STAT_STARTTIME, &start);

	*ret = (struct process_status){ .start_ticks = (uint64_t)start };
	return r == 0 ? read_status(process, ret) : r;
}

const char *process_next_arg(const struct process *process, const char *arg)
{
	const char *end = process->args + process->args_size;

	arg = arg == NULL ? process->args : arg + strlen(arg) + 1;
	return arg < end ? arg : NULL;
}

int process_environment(const struct process *process, const char *name, char *dst, size_t size)
{
	size_t n = strlen(name), all;
	char *text;
	int r = read_file(process, "environ", ENVIRONMENT_MAX, &text, &all);

	if (r < 0)
		return r;
	r = -ENOENT;
	for (const char *at = text; r == -ENOENT && at < text + all; at += strlen(at) + 1) {
		if (strncmp(at, name, n) == 0 && at[n] == '=')
			r = str_copy(dst, size, at + n + 1) ? 0 : -ENAMETOOLONG;
	}
	free(text);
	return r;
}

bool process_shares_network(const struct process *process)
{
	char path[PATH_SIZE], theirs[64], ours[64];
	ssize_t n, own;

	path_of(process, "ns/net", path);
	n = readlink(path, theirs, sizeof(theirs));
	snprintf(path, sizeof(path), "%s/self/ns/net", process->proc);
	own = readlink(path, ours, sizeof(ours));
	return n > 0 && n == own && memcmp(theirs, ours, (size_t)n) == 0;
}

int64_t process_parent(const struct process *process)
{
	int64_t parent = 0;

	return read_stat(process, STAT_PPID, &parent) == 0 ? parent : 0;
}

int process_each_socket(const struct process *process, int (*fn)(void *owner, uint64_t inode),
			void *owner)
{
	char path[PATH_SIZE], link[64];
	const struct dirent *entry;
	uint64_t inode;
	int r = 0;
	ssize_t n;
	DIR *dir;

	path_of(process, "fd", path);
	dir = opendir(path);
	if (dir == NULL)
		return -errno;
	for (int seen = 0; r == 0 && seen < DESCRIPTORS_MAX && (entry = readdir(dir)) != NULL;
	     seen++) {
		n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		if (n <= 0)
			continue;
		link[n] = '\0';
		inode = listening_inode(link);
		if (inode != 0)
			r = fn(owner, inode);
	}
	closedir(dir);
	return r;
}
