/*
 * First the kernel's tables, which know the inodes of sockets that listen at the address; then the
 * descriptors of the processes of that name, of which one holds such an inode.
 */

#include "watch/listener.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/address.h"
#include "util/str.h"

/* Of struct sock, as /proc/net/tcp has it. */
enum { TCP_LISTEN = 0x0A };

/* __SO_ACCEPTCON, as /proc/net/unix has it. */
enum { UNIX_LISTENS = 1 << 16 };

enum {
	INODES_MAX = 64, /* sockets that may be the one: several programs may share a port */
	DESCRIPTORS_MAX = 65536, /* of one process are looked at */
};

struct inodes {
	uint64_t inode[INODES_MAX];
	size_t n;
};

/* The address as the kernel prints it: each 32-bit word of it in the machine's byte order. */
static size_t format_words(char *dst, size_t size, const uint32_t *words, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(dst + at, size - at, "%08" PRIX32, words[i]);
	return at;
}

/* Is it where connections to the address arrive: the address itself, or all addresses? */
static bool is_local_side(const char *text, size_t size, const struct address *address)
{
	uint32_t words[4] = { 0 };
	char wanted[40];
	size_t n = address->family == ADDRESS_INET6 ? 4 : 1;

	if (strspn(text, "0") >= size)
		return true;
	if (inet_pton(n == 4 ? AF_INET6 : AF_INET, address->host, words) != 1)
		return false;
	return format_words(wanted, sizeof(wanted), words, n) == size &&
	       strncmp(text, wanted, size) == 0;
}

/* "  0: 0100007F:2407 00000000:0000 0A ... inode ..." */
static void take_line(struct inodes *inodes, const char *line, const struct address *address)
{
	unsigned port, state;
	uint64_t inode;
	char local[40];

	if (inodes->n == INODES_MAX ||
	    sscanf(line,
		   " %*d: %39[0-9A-F]:%x %*[0-9A-F]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %" SCNu64,
		   local, &port, &state, &inode) != 4)
		return;
	if (state == TCP_LISTEN && port == address->port && inode != 0 &&
	    is_local_side(local, strlen(local), address))
		inodes->inode[inodes->n++] = inode;
}

static int read_table(struct inodes *inodes, const char *proc, const char *name,
		      const struct address *address)
{
	char path[512], line[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/net/%s", proc, name);
	file = fopen(path, "re");
	if (file == NULL)
		return errno == ENOENT ? 0 : -errno;
	while (fgets(line, sizeof(line), file) != NULL)
		take_line(inodes, line, address);
	fclose(file);
	return 0;
}

/* "0000000000000000: 00000002 00000000 00010000 0001 01 INODE PATH", the flag: it listens. */
static void take_unix_line(struct inodes *inodes, char *line, const char *path)
{
	unsigned flags;
	uint64_t inode;
	int at = 0;

	line[strcspn(line, "\n")] = '\0';
	if (inodes->n < INODES_MAX &&
	    sscanf(line, "%*x: %*x %*x %x %*x %*x %" SCNu64 " %n", &flags, &inode, &at) == 2 &&
	    at > 0 && (flags & UNIX_LISTENS) != 0 && strcmp(line + at, path) == 0)
		inodes->inode[inodes->n++] = inode;
}

static int read_unix_table(struct inodes *inodes, const char *proc, const char *wanted)
{
	char path[512], line[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/net/unix", proc);
	file = fopen(path, "re");
	if (file == NULL)
		return errno == ENOENT ? 0 : -errno;
	while (fgets(line, sizeof(line), file) != NULL)
		take_unix_line(inodes, line, wanted);
	fclose(file);
	return 0;
}

static int find_sockets(struct inodes *inodes, const char *proc, const struct address *address)
{
	int r;

	if (address->family == ADDRESS_UNIX)
		return read_unix_table(inodes, proc, address->host);
	r = read_table(inodes, proc, "tcp", address);
	return r < 0 ? r : read_table(inodes, proc, "tcp6", address);
}

static bool is_program(const char *proc, const char *pid, const char *program)
{
	char path[512], name[64] = "";
	FILE *file;
	bool is;

	snprintf(path, sizeof(path), "%s/%s/comm", proc, pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	is = fgets(name, sizeof(name), file) != NULL && str_has_prefix(name, program);
	fclose(file);
	return is;
}

static bool is_one_of(const struct inodes *inodes, const char *link)
{
	uint64_t inode;

	if (sscanf(link, "socket:[%" SCNu64 "]", &inode) != 1)
		return false;
	for (size_t i = 0; i < inodes->n; i++)
		if (inodes->inode[i] == inode)
			return true;
	return false;
}

static bool holds_socket(const char *proc, const char *pid, const struct inodes *inodes)
{
	char path[512], link[64];
	const struct dirent *entry;
	bool found = false;
	DIR *dir;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s/fd", proc, pid);
	dir = opendir(path);
	if (dir == NULL)
		return false;
	for (int seen = 0; !found && seen < DESCRIPTORS_MAX && (entry = readdir(dir)) != NULL;
	     seen++) {
		n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		if (n <= 0)
			continue;
		link[n] = '\0';
		found = is_one_of(inodes, link);
	}
	closedir(dir);
	return found;
}

int listener_find(const char *proc, const struct address *address, const char *program,
		  int64_t *ret)
{
	struct inodes inodes = { .n = 0 };
	const struct dirent *entry;
	DIR *dir;
	int r = find_sockets(&inodes, proc, address);

	if (r < 0 || inodes.n == 0)
		return r < 0 ? r : -ESRCH;
	dir = opendir(proc);
	if (dir == NULL)
		return -errno;
	r = -ESRCH;
	while (r == -ESRCH && (entry = readdir(dir)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    !is_program(proc, entry->d_name, program) ||
		    !holds_socket(proc, entry->d_name, &inodes))
			continue;
		*ret = strtoll(entry->d_name, NULL, 10);
		r = 0;
	}
	closedir(dir);
	return r;
}
