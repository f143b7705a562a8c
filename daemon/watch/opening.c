/* Which process a target's inspector is to be opened in, and whether it can take the signal. */

#include "watch/opening.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/address.h"
#include "net/listening.h"
#include "net/process.h"
#include "util/err.h"
#include "util/str.h"

enum {
	PID_FILE_MAX = 64, /* bytes of it are read */
	SOCKETS_MAX = 64, /* that listen at one port */
	DEFAULT_PORT = 9229, /* of Node's inspector */
};

/* ---- the settings ---- */

int opening_copy(struct opening *dst, const struct opening *src)
{
	*dst = (struct opening){ .wanted = src->wanted, .uid = src->uid };
	if (src->pid_file != NULL)
		dst->pid_file = strdup(src->pid_file);
	if (src->command != NULL)
		dst->command = strdup(src->command);
	if ((src->pid_file != NULL) == (dst->pid_file != NULL) &&
	    (src->command != NULL) == (dst->command != NULL))
		return 0;
	opening_fini(dst);
	return -ENOMEM;
}

void opening_fini(struct opening *opening)
{
	free(opening->pid_file);
	free(opening->command);
	*opening = (struct opening){ .wanted = false };
}

static bool same(const char *a, const char *b)
{
	return a != NULL && b != NULL ? strcmp(a, b) == 0 : a == b;
}

bool opening_equal(const struct opening *a, const struct opening *b)
{
	return a->wanted == b->wanted && a->uid == b->uid && same(a->pid_file, b->pid_file) &&
	       same(a->command, b->command);
}

/* ---- by pid file ---- */

/*
 * Who can write the file can have any process of `uid` signalled: only root, we, and that user
 * itself may own it.
 */
static int check_pid_file(const struct opening *opening, int fd, struct err *err)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return err_set(err, -errno, "%s: %s", opening->pid_file, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return err_set(err, -EINVAL, "%s is no regular file", opening->pid_file);
	if (status.st_uid != 0 && status.st_uid != geteuid() && status.st_uid != opening->uid)
		return err_set(err, -EPERM, "%s belongs to the stranger with uid %u",
			       opening->pid_file, status.st_uid);
	if ((status.st_mode & S_IWOTH) != 0)
		return err_set(err, -EPERM, "%s can be written by everybody", opening->pid_file);
	return 0;
}

static int read_pid(const struct opening *opening, int fd, int64_t *ret, struct err *err)
{
	char text[PID_FILE_MAX + 1];
	ssize_t n = read(fd, text, PID_FILE_MAX);
	char *end;

	if (n < 0)
		return err_set(err, -errno, "%s: %s", opening->pid_file, strerror(errno));
	text[n] = '\0';
	errno = 0;
	*ret = isdigit((unsigned char)text[0]) ? strtoll(text, &end, 10) : 0;
	if (*ret <= 1 || *ret > INT32_MAX || end[strspn(end, " \t\r\n")] != '\0')
		return err_set(err, -EINVAL, "%s holds no pid", opening->pid_file);
	return 0;
}

static int find_by_file(const struct opening *opening, int64_t *ret, struct err *err)
{
	int fd = open(opening->pid_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int r;

	if (fd < 0)
		return err_set(err, -errno, "%s: %s", opening->pid_file, strerror(errno));
	r = check_pid_file(opening, fd, err);
	if (r == 0)
		r = read_pid(opening, fd, ret, err);
	close(fd);
	return r;
}

/* ---- by an argument ---- */

static bool has_argument(const struct process *process, const char *wanted)
{
	for (const char *arg = NULL; (arg = process_next_arg(process, arg)) != NULL;) {
		if (strcmp(arg, wanted) == 0)
			return true;
	}
	return false;
}

static bool is_node(const struct process *process)
{
	return process_is(process, "node") || process_is(process, "nodejs");
}

static bool matches(const struct opening *opening, const struct process *process)
{
	struct process_status status;

	return is_node(process) && has_argument(process, opening->command) &&
	       process_status(process, &status) == 0 && status.uid == opening->uid &&
	       process_shares_network(process);
}

static int find_by_command(const struct opening *opening, const char *proc, int64_t *ret,
			   struct err *err)
{
	DIR *dir = opendir(proc);
	const struct dirent *entry;
	unsigned found = 0;

	if (dir == NULL)
		return err_set(err, -errno, "%s: %s", proc, strerror(errno));
	while ((entry = readdir(dir)) != NULL) {
		struct process process;
		int64_t pid = strtoll(entry->d_name, NULL, 10);

		if (pid <= 1 || process_read(&process, proc, pid) < 0)
			continue;
		if (matches(opening, &process)) {
			*ret = pid;
			found++;
		}
		process_fini(&process);
	}
	closedir(dir);
	if (found == 0)
		return err_set(err, -ESRCH, "no process of Node with the argument '%.100s'",
			       opening->command);
	if (found > 1)
		return err_set(err, -EINVAL, "%u processes of Node have the argument '%.100s'",
			       found, opening->command);
	return 0;
}

/* ---- is it one that may be signalled? ---- */

static int check_kind(const struct opening *opening, const struct process *process,
		      const struct process_status *status, struct err *err)
{
	if (status->uid != opening->uid || status->many_uids)
		return err_set(err, -EPERM, "pid %" PRId64 " is of uid %u, not of uid %u",
			       process->pid, status->uid, opening->uid);
	if (!process->readable)
		return err_set(err, -EACCES, "it cannot be seen which program pid %" PRId64 " runs",
			       process->pid);
	if (!is_node(process))
		return err_set(err, -EINVAL, "pid %" PRId64 " is %s, not Node", process->pid,
			       process->program);
	if (!process_shares_network(process))
		return err_set(err, -EINVAL, "pid %" PRId64 " is in another network namespace",
			       process->pid);
	return 0;
}

/* "9229", "127.0.0.1:9229", "127.0.0.1": where such a value of --inspect-port opens. */
static int check_told(const char *value, const struct address *address, struct err *err)
{
	struct address told;
	char text[ADDRESS_TEXT_MAX];

	if (value[strspn(value, "0123456789")] != '\0' && strchr(value, ':') == NULL)
		snprintf(text, sizeof(text), "%s:%d", value, DEFAULT_PORT);
	else
		str_copy(text, sizeof(text), value);
	if (strcmp(value, "0") == 0 || address_parse(&told, text, NULL) < 0)
		return err_set(err, -EINVAL, "its --inspect-port is '%.64s', not the target's port",
			       value);
	if (!address_is_local(&told))
		return err_set(err, -EPERM,
			       "its --inspect-port would open beyond loopback ('%.64s')", value);
	if (told.port != address->port)
		return err_set(err, -EINVAL, "its --inspect-port is %u, the target's is %u",
			       told.port, address->port);
	return 0;
}

/* What comes after the option's name in the argument, NULL when it is another; - and _ are the
 * same. */
static const char *after_option(const char *arg, const char *option)
{
	for (; *option != '\0'; arg++, option++) {
		if (*arg != *option && !(*arg == '_' && *option == '-'))
			return NULL;
	}
	return arg;
}

/* What follows the option's name in an argument, or the argument after it; NULL: another one. */
static const char *port_option(const char *arg, const char *next)
{
	static const char *const names[] = { "--inspect-port", "--debug-port" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *after = after_option(arg, names[i]);

		if (after != NULL && *after == '=')
			return after + 1;
		if (after != NULL && *after == '\0')
			return next != NULL ? next : "";
	}
	return NULL;
}

/* Of the same option the last one holds, and an argument before the environment's. */
static void told_port(const struct process *process, char dst[ADDRESS_TEXT_MAX])
{
	char options[4096], *save = NULL;
	const char *value, *next;

	dst[0] = '\0';
	if (process_environment(process, "NODE_OPTIONS", options, sizeof(options)) == 0) {
		const char *word = strtok_r(options, " ", &save);

		for (; word != NULL; word = next) {
			next = strtok_r(NULL, " ", &save);
			value = port_option(word, next);
			if (value != NULL)
				str_copy(dst, ADDRESS_TEXT_MAX, value);
		}
	}
	for (const char *arg = process_next_arg(process, NULL); arg != NULL; arg = next) {
		next = process_next_arg(process, arg);
		value = port_option(arg, next);
		if (value != NULL)
			str_copy(dst, ADDRESS_TEXT_MAX, value);
	}
}

static int check_port(const struct process *process, const struct address *address, struct err *err)
{
	char value[ADDRESS_TEXT_MAX];

	told_port(process, value);
	/* A program may set process.debugPort by itself: what it opens is looked at afterwards. */
	return value[0] != '\0' ? check_told(value, address, err) : 0;
}

/* ---- what it does at the address ---- */

struct place {
	const struct address *address;
	uint64_t here[SOCKETS_MAX], all[SOCKETS_MAX]; /* inodes: at it, and at all addresses */
	size_t here_n, all_n;
	bool holds_here, holds_all;
};

static int take_listening(void *owner, const struct address *listening, uint64_t inode)
{
	struct place *place = owner;

	if (listening->family == place->address->family &&
	    listening->port == place->address->port &&
	    strcmp(listening->host, place->address->host) == 0 && place->here_n < SOCKETS_MAX)
		place->here[place->here_n++] = inode;
	else if (listening->port == place->address->port && address_is_any(listening) &&
		 place->all_n < SOCKETS_MAX)
		place->all[place->all_n++] = inode;
	return 0;
}

static int take_held(void *owner, uint64_t inode)
{
	struct place *place = owner;

	for (size_t i = 0; i < place->here_n; i++)
		place->holds_here |= place->here[i] == inode;
	for (size_t i = 0; i < place->all_n; i++)
		place->holds_all |= place->all[i] == inode;
	return 0;
}

static int look_at_place(const struct process *process, struct place *place, struct err *err)
{
	int r = listening_read_tcp(process->proc, take_listening, place);

	if (r == 0 && place->here_n + place->all_n > 0)
		r = process_each_socket(process, take_held, place);
	if (r < 0)
		return err_set(err, r, "cannot see where pid %" PRId64 " listens: %s", process->pid,
			       strerror(-r));
	return 0;
}

static int look(const struct opening *opening, const struct process *process,
		const struct address *address, struct opening_process *ret, struct err *err)
{
	struct process_status status;
	struct place place = { .address = address };
	int r = process_status(process, &status);

	if (r < 0)
		return err_set(err, r, "pid %" PRId64 " is gone", process->pid);
	r = check_kind(opening, process, &status, err);
	if (r == 0)
		r = look_at_place(process, &place, err);
	if (r < 0)
		return r;
	ret->start_ticks = status.start_ticks;
	ret->catches = (status.caught >> (SIGUSR1 - 1) & 1) != 0;
	ret->exposed = place.holds_all;
	ret->listens = place.holds_here || place.holds_all;
	ret->taken = !ret->listens && place.here_n + place.all_n > 0;
	return ret->listens ? 0 : check_port(process, address, err);
}

/*
 * The pidfd comes first and is asked last: what was read in between is of the process it stands
 * for.
 */
int opening_find(const struct opening *opening, const char *proc, const struct address *address,
		 struct opening_process *ret, struct err *err)
{
	struct process process;
	int64_t pid = 0;
	int r = opening->pid_file != NULL ? find_by_file(opening, &pid, err)
					  : find_by_command(opening, proc, &pid, err);

	if (r < 0)
		return r;
	*ret = (struct opening_process){ .pid = pid, .pidfd = pidfd_open((pid_t)pid, 0) };
	if (ret->pidfd < 0)
		return err_set(err, -errno, "pid %" PRId64 ": %s", pid,
			       errno == ESRCH ? "there is no such process" : strerror(errno));
	r = process_read(&process, proc, pid);
	if (r < 0) {
		err_set(err, r, "pid %" PRId64 " is gone", pid);
	} else {
		r = look(opening, &process, address, ret, err);
		process_fini(&process);
	}
	if (r == 0 && pidfd_send_signal(ret->pidfd, 0, NULL, 0) < 0)
		r = err_set(err, -errno, "pid %" PRId64 " cannot be signalled: %s", pid,
			    strerror(errno));
	if (r < 0)
		opening_process_fini(ret);
	return r;
}

void opening_process_fini(struct opening_process *process)
{
	if (process->pidfd >= 0)
		close(process->pidfd);
	process->pidfd = -1;
}

int opening_signal(const struct opening_process *process, struct err *err)
{
	if (!process->catches)
		return err_set(err, -EAGAIN,
			       "pid %" PRId64
			       " has no handler of SIGUSR1 and would die of it: it is "
			       "just starting, or runs with --disable-sigusr1 or --permission",
			       process->pid);
	if (pidfd_send_signal(process->pidfd, SIGUSR1, NULL, 0) < 0)
		return err_set(err, -errno, "pid %" PRId64 " cannot be signalled: %s", process->pid,
			       strerror(errno));
	return 0;
}

bool opening_still_listens(const char *proc, int64_t pid, uint64_t start_ticks,
			   const struct address *address)
{
	struct place place = { .address = address };
	struct process_status status;
	struct process process;
	bool listens = false;

	if (process_read(&process, proc, pid) < 0)
		return false;
	if (process_status(&process, &status) == 0 && status.start_ticks == start_ticks &&
	    look_at_place(&process, &place, NULL) == 0)
		listens = place.holds_here || place.holds_all;
	process_fini(&process);
	return listens;
}
