/* The kernel's tables as they look on a little-endian machine, and this very process's sockets. */

#include "net/listening.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "net/address.h"
#include "util/buf.h"

static const char tcp[] = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
			  "retrnsmt   uid  timeout "
			  "inode\n"
			  "   0: 0100007F:240D 00000000:0000 0A 00000000:00000000 00:00000000 "
			  "00000000     0        0 "
			  "101 1 0000000000000000 100 0 0 10 0\n"
			  "   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 "
			  "00000000  1000        0 "
			  "102 1 0000000000000000 100 0 0 10 0\n"
			  "   2: 0100007F:240D 0100007F:9C40 01 00000000:00000000 00:00000000 "
			  "00000000     0        0 "
			  "103 1 0000000000000000 20 4 30 10 -1\n"
			  "garbage\n";
static const char tcp6[] =
	"  sl  local_address                         remote_address                        st\n"
	"   0: 00000000000000000000000001000000:240E 00000000000000000000000000000000:0000 0A "
	"00000000:00000000 00:00000000 00000000     0        0 201 1 0000000000000000 100 0 0 10 "
	"0\n"
	"   1: 00000000000000000000000000000000:240F 00000000000000000000000000000000:0000 0A "
	"00000000:00000000 00:00000000 00000000     0        0 202 1 0000000000000000 100 0 0 10 "
	"0\n";
static const char unixes[] =
	"Num       RefCount Protocol Flags    Type St Inode Path\n"
	"0000000000000000: 00000002 00000000 00010000 0001 01 301 /run/a b.sock\n"
	"0000000000000000: 00000003 00000000 00000000 0001 03 302 /run/connected.sock\n"
	"0000000000000000: 00000002 00000000 00010000 0001 01 303 @abstract\n"
	"0000000000000000: 00000002 00000000 00010000 0001 01 304\n";

static char proc[] = "/tmp/test_listening.XXXXXX";

static void put(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/net/%s", proc, name);
	file = fopen(path, "w");
	cr_assert_not_null(file);
	cr_assert_geq(fputs(text, file), 0);
	cr_assert_eq(fclose(file), 0);
}

static void make(void)
{
	char path[128];

	cr_assert_not_null(mkdtemp(proc));
	snprintf(path, sizeof(path), "%s/net", proc);
	cr_assert_eq(mkdir(path, 0700), 0);
}

static void clean(void)
{
	static const char *const names[] = { "net/tcp", "net/tcp6", "net/unix", "net", "" };
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", proc, names[i]);
		remove(path);
	}
}

static int note(void *owner, const struct address *address, uint64_t inode)
{
	char text[ADDRESS_TEXT_MAX];

	return buf_printf(owner, "%s=%lu ", address_format(text, address), (unsigned long)inode);
}

static void expect(int r, struct buf *got, const char *wanted)
{
	cr_expect_eq(r, 0);
	cr_expect_str_eq(buf_text(got), wanted);
	buf_fini(got);
}

Test(listening, tcp_of_both_families, .init = make, .fini = clean)
{
	struct buf got;

	put("tcp", tcp);
	put("tcp6", tcp6);
	buf_init(&got, 1024);
	expect(listening_read_tcp(proc, note, &got), &got,
	       "127.0.0.1:9229=101 0.0.0.0:8080=102 [::1]:9230=201 [::]:9231=202 ");
}

Test(listening, unix_with_a_path, .init = make, .fini = clean)
{
	struct buf got;

	put("unix", unixes);
	buf_init(&got, 1024);
	expect(listening_read_unix(proc, note, &got), &got, "unix:/run/a b.sock=301 ");
}

Test(listening, a_table_that_is_not_there_is_empty, .init = make, .fini = clean)
{
	struct buf got;

	put("tcp", tcp);
	buf_init(&got, 1024);
	expect(listening_read_tcp(proc, note, &got), &got, "127.0.0.1:9229=101 0.0.0.0:8080=102 ");
	buf_init(&got, 1024);
	expect(listening_read_unix(proc, note, &got), &got, "");
}

static int stop(void *owner, const struct address *address, uint64_t inode)
{
	(void)address;
	*(uint64_t *)owner = inode;
	return -ECANCELED;
}

Test(listening, ends_when_told, .init = make, .fini = clean)
{
	uint64_t inode = 0;

	put("tcp", tcp);
	put("tcp6", tcp6);
	cr_expect_eq(listening_read_tcp(proc, stop, &inode), -ECANCELED);
	cr_expect_eq(inode, 101);
}

Test(listening, links)
{
	cr_expect_eq(listening_inode("socket:[4711]"), 4711);
	cr_expect_eq(listening_inode("pipe:[4711]"), 0);
	cr_expect_eq(listening_inode("/dev/null"), 0);
	cr_expect_eq(listening_inode(""), 0);
}

Test(listening, clients_of_an_address, .init = make, .fini = clean)
{
	struct address address = { .family = ADDRESS_INET, .host = "127.0.0.1", .port = 9229 };
	unsigned n = 7;

	put("tcp", tcp);
	put("tcp6", tcp6);
	cr_expect_eq(listening_count_clients(proc, &address, &n), 0);
	cr_expect_eq(n, 1);
	/* The other end of that connection. */
	address.port = 40000;
	cr_expect_eq(listening_count_clients(proc, &address, &n), 0);
	cr_expect_eq(n, 0);
}
