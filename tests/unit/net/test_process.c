/* Processes of a made /proc, and this very one. */

#include "net/process.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char proc[] = "/tmp/test_process.XXXXXX";

static void make(void)
{
	char path[128];

	cr_assert_not_null(mkdtemp(proc));
	snprintf(path, sizeof(path), "%s/42", proc);
	cr_assert_eq(mkdir(path, 0700), 0);
}

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/42/%s", proc, name);
	return path;
}

static void put(const char *name, const char *data, size_t size)
{
	FILE *file = fopen(path_of(name), "w");

	cr_assert_not_null(file);
	cr_assert_eq(fwrite(data, 1, size, file), size);
	cr_assert_eq(fclose(file), 0);
}

static void clean(void)
{
	static const char *const names[] = { "cmdline", "exe", "stat", "status", "environ", "" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		remove(path_of(names[i]));
	rmdir(proc);
}

static struct process program(const char *exe)
{
	static const char args[] = "node\0--inspect-port=9300\0/srv/app.js";
	struct process process;

	unlink(path_of("exe"));
	cr_assert_eq(symlink(exe, path_of("exe")), 0);
	put("cmdline", args, sizeof(args));
	cr_assert_eq(process_read(&process, proc, 42), 0);
	return process;
}

static void put_stat(const char *text)
{
	put("stat", text, strlen(text));
}

static void put_status(const char *text)
{
	put("status", text, strlen(text));
}

Test(process, is_a_program, .init = make, .fini = clean)
{
	static const struct {
		const char *exe;
		bool is;
	} cases[] = {
		{ "/usr/bin/node", true },    { "/usr/bin/node-24", true },
		{ "/opt/node22", true },      { "/usr/bin/node (deleted)", true },
		{ "/usr/bin/nodejs", false }, { "/usr/bin/node_exporter", false },
		{ "/usr/bin/no", false },     { "/usr/bin/bun", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct process process = program(cases[i].exe);

		cr_expect_eq(process_is(&process, "node"), cases[i].is, "%s", cases[i].exe);
		process_fini(&process);
	}
}

Test(process, arguments, .init = make, .fini = clean)
{
	struct process process = program("/usr/bin/node");
	const char *arg = process_next_arg(&process, NULL);

	cr_expect_str_eq(arg, "node");
	arg = process_next_arg(&process, arg);
	cr_expect_str_eq(arg, "--inspect-port=9300");
	arg = process_next_arg(&process, arg);
	cr_expect_str_eq(arg, "/srv/app.js");
	cr_expect_null(process_next_arg(&process, arg));
	process_fini(&process);
}

/* A name may have all that ends it. */
Test(process, status, .init = make, .fini = clean)
{
	struct process process = program("/usr/bin/node");
	struct process_status status;

	put_stat("42 (a) b\n(c) S 7 42 42 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 11 0 987654 1 2\n");
	put_status("Name:\tUid: 9\nUid:\t1000\t1000\t1000\t1000\nSigCgt:\t0000000100004e02\n");
	cr_assert_eq(process_status(&process, &status), 0);
	cr_expect_eq(status.uid, 1000);
	cr_expect_not(status.many_uids);
	cr_expect_eq(status.start_ticks, 987654);
	cr_expect_eq(status.caught >> (SIGUSR1 - 1) & 1, 1);
	cr_expect_eq(process_parent(&process), 7);

	put_status("Uid:\t1000\t0\t1000\t1000\nSigCgt:\t0\n");
	cr_assert_eq(process_status(&process, &status), 0);
	cr_expect(status.many_uids);
	process_fini(&process);
}

Test(process, status_that_makes_no_sense, .init = make, .fini = clean)
{
	static const char good_stat[] = "42 (a) S 7 1 1 0 -1 1 1 2 3 4 5 6 7 8 20 0 11 0 9 1 2\n",
			  good_status[] = "Uid:\t1\t1\t1\t1\nSigCgt:\t0\n";
	static const char *const cases[][2] = {
		{ "", good_status },
		{ "42 (a", good_status },
		{ "42 (a) S 7", good_status },
		{ "42 (a) S x", good_status },
		{ good_stat, "" },
		{ good_stat, "Uid:\t1\t1\t1\t1\n" },
		{ good_stat, "SigCgt:\t0\n" },
		{ good_stat, "Uid:\tx\nSigCgt:\t0\n" },
	};
	struct process process = program("/usr/bin/node");
	struct process_status status;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_stat(cases[i][0]);
		put_status(cases[i][1]);
		cr_expect_eq(process_status(&process, &status), -ESRCH, "case %zu", i);
	}
	put_stat("42 (a) S 7");
	cr_expect_eq(process_parent(&process), 7);
	put_stat("");
	cr_expect_eq(process_parent(&process), 0);
	process_fini(&process);
}

Test(process, who_is_gone, .init = make, .fini = clean)
{
	struct process process;

	cr_expect_eq(process_read(&process, proc, 42), -ESRCH);
	cr_expect_eq(process_read(&process, proc, 43), -ESRCH);
}

Test(process, variables, .init = make, .fini = clean)
{
	static const char texts[] = "NODE_OPTIONS_=x\0NODE_OPTIONS=--a --b\0EMPTY=\0";
	struct process process = program("/usr/bin/node");
	char value[16];

	cr_expect_eq(process_environment(&process, "EMPTY", value, sizeof(value)), -ENOENT);
	put("environ", texts, sizeof(texts));
	cr_assert_eq(process_environment(&process, "NODE_OPTIONS", value, sizeof(value)), 0);
	cr_expect_str_eq(value, "--a --b");
	cr_assert_eq(process_environment(&process, "EMPTY", value, sizeof(value)), 0);
	cr_expect_str_empty(value);
	cr_expect_eq(process_environment(&process, "OPTIONS", value, sizeof(value)), -ENOENT);
	cr_expect_eq(process_environment(&process, "NODE_OPTIONS", value, 4), -ENAMETOOLONG);
	process_fini(&process);
}

/* ---- this very process ---- */

static int find_inode(void *owner, uint64_t inode)
{
	return *(uint64_t *)owner == inode ? 1 : 0;
}

Test(process, ours)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct process_status status;
	struct process process;
	struct stat socket_status;
	uint64_t inode;

	cr_assert_eq(fstat(fd, &socket_status), 0);
	inode = socket_status.st_ino;
	signal(SIGUSR1, SIG_DFL);
	cr_assert_eq(process_read(&process, "/proc", getpid()), 0);
	cr_assert_eq(process_status(&process, &status), 0);
	cr_expect_eq(status.uid, getuid());
	cr_expect_eq(status.caught >> (SIGUSR1 - 1) & 1, 0);
	cr_expect_eq(process_parent(&process), getppid());
	cr_expect(process_shares_network(&process));
	cr_expect_eq(process_each_socket(&process, find_inode, &inode), 1);
	close(fd);
	cr_expect_eq(process_each_socket(&process, find_inode, &inode), 0);
	process_fini(&process);
}
