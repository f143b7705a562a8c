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
#include "net/listening.h"
#include "util/str.h"

enum {
	INODES_MAX = 64, /* sockets that may be the one: several programs may share a port */
	DESCRIPTORS_MAX = 65536, /* of one process are looked at */
};

struct inodes {
	uint64_t inode[INODES_MAX];
	size_t n;
};

struct search {
	const struct address *address;
	struct inodes *inodes;
};

static bool same_host(const char *a, const char *b, int family)
{
	struct in6_addr one = { 0 }, other = { 0 };

	return inet_pton(family, a, &one) == 1 && inet_pton(family, b, &other) == 1 &&
	       memcmp(&one, &other, sizeof(one)) == 0;
}

/* Is it where connections to the address arrive: the address itself, or all addresses? */
static bool arrives_at(const struct address *listening, const struct address *address)
{
	if (listening->family == ADDRESS_UNIX)
		return strcmp(listening->host, address->host) == 0;
	if (listening->port != address->port)
		return false;
	if (address_is_any(listening))
		return true;
	return listening->family == address->family &&
	       same_host(listening->host, address->host,
			 address->family == ADDRESS_INET6 ? AF_INET6 : AF_INET);
}

static int take_listening(void *owner, const struct address *listening, uint64_t inode)
{
	struct search *search = owner;
	struct inodes *inodes = search->inodes;

	if (inodes->n < INODES_MAX && arrives_at(listening, search->address))
		inodes->inode[inodes->n++] = inode;
	return 0;
}

static int find_sockets(struct inodes *inodes, const char *proc, const struct address *address)
{
	struct search search = { .address = address, .inodes = inodes };

	return address->family == ADDRESS_UNIX ? listening_read_unix(proc, take_listening, &search)
					       : listening_read_tcp(proc, take_listening, &search);
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
	uint64_t inode = listening_inode(link);

	for (size_t i = 0; i < inodes->n; i++)
		if (inode != 0 && inodes->inode[i] == inode)
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

bool listener_is(const char *proc, const struct address *address, int64_t pid)
{
	struct inodes inodes = { .n = 0 };
	char name[24];

	snprintf(name, sizeof(name), "%" PRId64, pid);
	return find_sockets(&inodes, proc, address) == 0 && inodes.n > 0 &&
	       holds_socket(proc, name, &inodes);
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
