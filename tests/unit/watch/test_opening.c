/*
 * Which process may be signalled: real children with a real pidfd, and what a made /proc says of
 * them, so that each thing that is wrong is the only one.
 */

#include "watch/opening.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/address.h"
#include "util/err.h"

enum { STAT_START = 4711 };

static char proc[] = "/tmp/test_opening.XXXXXX";
static char pid_file[64];
static pid_t child;
static const struct address address = { .family = ADDRESS_INET, .host = "127.0.0.1", .port = 9229 };

static void put_at(const char *path, const char *data, size_t size)
{
	FILE *file = fopen(path, "w");

	cr_assert_not_null(file, "%s", path);
	cr_assert_eq(fwrite(data, 1, size, file), size);
	cr_assert_eq(fclose(file), 0);
}

static void put(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%d/%s", proc, child, name);
	put_at(path, text, strlen(text));
}

static void put_link(const char *of, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s/%s", proc, of, name);
	unlink(path);
	cr_assert_eq(symlink(text, path), 0, "%s", path);
}

static const char *child_name(void)
{
	static char name[16];

	snprintf(name, sizeof(name), "%d", child);
	return name;
}

static void put_args(const char *data, size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%d/cmdline", proc, child);
	put_at(path, data, size);
}

static void put_status(unsigned uid, const char *caught)
{
	char text[128];

	snprintf(text, sizeof(text), "Uid:\t%u\t%u\t%u\t%u\nSigCgt:\t%s\n", uid, uid, uid, uid,
		 caught);
	put("status", text);
}

static void put_tcp(const char *line)
{
	char path[128], text[512];

	snprintf(path, sizeof(path), "%s/net/tcp", proc);
	snprintf(text, sizeof(text), "  sl  local_address\n%s", line);
	put_at(path, text, strlen(text));
}

static void folder(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", proc, name);
	cr_assert_eq(mkdir(path, 0700), 0, "%s", path);
}

/* A Node as it should be: nothing listens at the port, SIGUSR1 has a handler. */
static void make(void)
{
	static const char args[] = "node\0/srv/app.js";
	char name[64];

	cr_assert_not_null(mkdtemp(proc));
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		for (;;)
			pause();
	}
	folder("net");
	folder("self");
	folder("self/ns");
	folder(child_name());
	snprintf(name, sizeof(name), "%d/ns", child);
	folder(name);
	snprintf(name, sizeof(name), "%d/fd", child);
	folder(name);
	put_link("self", "ns/net", "net:[1]");
	put_link(child_name(), "ns/net", "net:[1]");
	put_link(child_name(), "exe", "/usr/bin/node");
	put_args(args, sizeof(args));
	put("stat", "1 (node) S 7 1 1 0 -1 1 1 2 3 4 5 6 7 8 20 0 11 0 4711 1 2\n");
	put_status(geteuid(), "0000000100004e02");
	put_tcp("");
	snprintf(pid_file, sizeof(pid_file), "%s/pid", proc);
	put_at(pid_file, child_name(), strlen(child_name()));
}

static void clean(void)
{
	char command[64];

	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	snprintf(command, sizeof(command), "rm -r %s", proc);
	cr_assert_eq(system(command), 0);
}

static struct opening by_file(void)
{
	return (struct opening){ .wanted = true, .pid_file = pid_file, .uid = geteuid() };
}

static void expect_found(const struct opening *opening, struct opening_process *ret)
{
	struct err err = { 0 };

	cr_assert_eq(opening_find(opening, proc, &address, ret, &err), 0, "%s", err.text);
	cr_expect_eq(ret->pid, child);
	cr_expect_eq(ret->start_ticks, STAT_START);
}

static void expect_refused(const struct opening *opening, int r, const char *text)
{
	struct opening_process process;
	struct err err = { 0 };
	int found = opening_find(opening, proc, &address, &process, &err);

	cr_expect_eq(found, r, "%d, not %d: %s", found, r, err.text);
	cr_expect_not_null(strstr(err.text, text), "'%s' is not in '%s'", text, err.text);
	if (found == 0)
		opening_process_fini(&process);
}

TestSuite(opening, .init = make, .fini = clean);

Test(opening, one_that_may)
{
	const struct opening opening = by_file();
	struct opening_process process;
	int status;

	expect_found(&opening, &process);
	cr_expect(process.catches);
	cr_expect_not(process.listens || process.taken || process.exposed);
	/* The child has no handler in truth, and so dies of it: it was the signal, and to it. */
	cr_expect_eq(opening_signal(&process, NULL), 0);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
	/* Whoever has the pid now is another. */
	cr_expect_eq(opening_signal(&process, NULL), -ESRCH);
	opening_process_fini(&process);
}

Test(opening, one_without_a_handler_is_not_signalled)
{
	const struct opening opening = by_file();
	struct opening_process process;
	struct err err = { 0 };

	put_status(geteuid(), "0000000100004c02");
	expect_found(&opening, &process);
	cr_expect_eq(opening_signal(&process, &err), -EAGAIN);
	cr_expect_not_null(strstr(err.text, "has no handler of SIGUSR1"));
	cr_expect_eq(waitpid(child, NULL, WNOHANG), 0, "it lives");
	opening_process_fini(&process);
}

Test(opening, no_node)
{
	const struct opening opening = by_file();

	put_link(child_name(), "exe", "/usr/bin/bun");
	expect_refused(&opening, -EINVAL, "is bun, not Node");
	put_link(child_name(), "exe", "/usr/bin/nodejs");
	expect_refused(&opening, 0, "");
}

Test(opening, of_another_user)
{
	const struct opening opening = by_file();

	put_status(12345, "0000000100004e02");
	expect_refused(&opening, -EPERM, "is of uid 12345, not of uid");
	put("status", "Uid:\t0\t1\t0\t0\nSigCgt:\t0000000100004e02\n");
	expect_refused(&opening, -EPERM, "is of uid");
}

Test(opening, in_another_network)
{
	const struct opening opening = by_file();

	put_link(child_name(), "ns/net", "net:[2]");
	expect_refused(&opening, -EINVAL, "in another network namespace");
}

Test(opening, pid_files)
{
	static const struct {
		const char *text, *reason;
		int r;
	} cases[] = {
		{ "", "holds no pid", -EINVAL },
		{ "0", "holds no pid", -EINVAL },
		{ "1", "holds no pid", -EINVAL },
		{ "-7", "holds no pid", -EINVAL },
		{ " 7", "holds no pid", -EINVAL },
		{ "7x", "holds no pid", -EINVAL },
		{ "99999999999", "holds no pid", -EINVAL },
		{ "99999999999999999999999", "holds no pid", -EINVAL },
		{ "2147483646", "there is no such process", -ESRCH },
	};
	const struct opening opening = by_file();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_at(pid_file, cases[i].text, strlen(cases[i].text));
		expect_refused(&opening, cases[i].r, cases[i].reason);
	}
	unlink(pid_file);
	expect_refused(&opening, -ENOENT, "No such file");
	/* Nobody waits for a writer. */
	cr_assert_eq(mkfifo(pid_file, 0600), 0);
	expect_refused(&opening, -EINVAL, "is no regular file");
	unlink(pid_file);
	put_at(pid_file, "7", 1);
	cr_assert_eq(chmod(pid_file, 0666), 0);
	expect_refused(&opening, -EPERM, "can be written by everybody");
}

Test(opening, by_an_argument)
{
	struct opening opening = { .wanted = true,
				   .command = (char *)"/srv/app.js",
				   .uid = geteuid() };
	struct opening_process process;

	expect_found(&opening, &process);
	opening_process_fini(&process);
	opening.command = (char *)"/srv/app";
	expect_refused(&opening, -ESRCH, "no process of Node with the argument '/srv/app'");
	opening.command = (char *)"/srv/app.js";
	put_link(child_name(), "exe", "/usr/bin/vi");
	expect_refused(&opening, -ESRCH, "no process of Node");
}

Test(opening, what_its_inspect_port_says)
{
	static const struct {
		const char *option, *value, *reason;
		int r;
	} cases[] = {
		{ "--inspect-port=9229", "", "", 0 },
		{ "--inspect-port=127.0.0.1:9229", "", "", 0 },
		{ "--inspect-port=127.0.0.1", "", "", 0 },
		{ "--inspect-port", "9229", "", 0 },
		{ "--inspect-port", "9230", "its --inspect-port is 9230, the target's is 9229",
		  -EINVAL },
		{ "--debug-port=9230", "", "its --inspect-port is 9230", -EINVAL },
		{ "--inspect-port=0", "", "its --inspect-port is '0'", -EINVAL },
		{ "--inspect-port=0.0.0.0:9229", "", "beyond loopback", -EPERM },
		{ "--inspect_port=0.0.0.0", "", "beyond loopback", -EPERM },
		{ "--inspect-port=[::]:9229", "", "beyond loopback", -EPERM },
		{ "--inspect-port=host.example:9229", "", "not the target's port", -EINVAL },
		{ "--inspect-portal=9230", "", "", 0 },
	};
	const struct opening opening = by_file();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char args[128];
		int n = snprintf(args, sizeof(args), "node%c%s%c%s%c/srv/app.js", 0,
				 cases[i].option, 0, cases[i].value, 0);

		put_args(args, (size_t)n + 1);
		expect_refused(&opening, cases[i].r, cases[i].reason);
	}
}

Test(opening, what_the_environment_says_of_the_port)
{
	static const char last[] = "node\0--inspect-port=9229\0/srv/app.js";
	const struct opening opening = by_file();

	put("environ",
	    "NODE_OPTIONS=--max-old-space-size=100 --inspect-port 9230 --inspect-port=9231");
	expect_refused(&opening, -EINVAL, "its --inspect-port is 9231");
	/* The command line comes after it. */
	put_args(last, sizeof(last));
	expect_refused(&opening, 0, "");
}

#define LISTENS(host, inode)                                                                       \
	"   0: " host ":240D 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 " inode   \
	" 1 0 100 0 0 10 0\n"

Test(opening, who_listens_there)
{
	const struct opening opening = by_file();
	struct opening_process process;

	put_tcp(LISTENS("0100007F", "101"));
	expect_found(&opening, &process);
	cr_expect(process.taken && !process.listens);
	opening_process_fini(&process);

	put_link(child_name(), "fd/3", "socket:[101]");
	expect_found(&opening, &process);
	cr_expect(process.listens && !process.taken && !process.exposed);
	opening_process_fini(&process);

	put_tcp(LISTENS("00000000", "101"));
	expect_found(&opening, &process);
	cr_expect(process.listens && process.exposed && !process.taken);
	opening_process_fini(&process);
}

Test(opening, still_listens_only_as_the_same_process)
{
	put_tcp(LISTENS("0100007F", "101"));
	cr_expect_not(opening_still_listens(proc, child, STAT_START, &address));
	put_link(child_name(), "fd/3", "socket:[101]");
	cr_expect(opening_still_listens(proc, child, STAT_START, &address));
	cr_expect_not(opening_still_listens(proc, child, STAT_START + 1, &address), "a reused pid");
	cr_expect_not(opening_still_listens(proc, child + 1, STAT_START, &address));
}

Test(opening, copies_and_comparison)
{
	struct opening one = by_file(), other;

	cr_assert_eq(opening_copy(&other, &one), 0);
	cr_expect(opening_equal(&one, &other));
	other.uid++;
	cr_expect_not(opening_equal(&one, &other));
	other.uid--;
	other.pid_file[0] = 'x';
	cr_expect_not(opening_equal(&one, &other));
	opening_fini(&other);
	cr_expect_not(opening_equal(&one, &other));
}
