/* The kernel's tables of sockets. Addresses stand there as words in the machine's byte order. */

#include "net/listening.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "net/address.h"
#include "util/str.h"

/* Of struct sock, as /proc/net/tcp has it. */
enum { TCP_ESTABLISHED = 0x01, TCP_LISTEN = 0x0A };

/* __SO_ACCEPTCON, as /proc/net/unix has it. */
enum { UNIX_LISTENS = 1 << 16 };

enum { WORD_DIGITS = 8, WORDS_MAX = 4 };

struct reading {
	listening_fn *fn;
	unsigned state; /* of TCP: those in it */
	void *owner;
};

/* "0100007F": 127.0.0.1 on a little-endian machine. */
static bool parse_host(const char *text, struct address *address)
{
	size_t size = strlen(text), n = size / WORD_DIGITS;
	uint32_t words[WORDS_MAX];

	if (size % WORD_DIGITS != 0 || (n != 1 && n != WORDS_MAX))
		return false;
	for (size_t i = 0; i < n; i++)
		if (sscanf(text + i * WORD_DIGITS, "%8" SCNx32, &words[i]) != 1)
			return false;
	address->family = n == 1 ? ADDRESS_INET : ADDRESS_INET6;
	return inet_ntop(n == 1 ? AF_INET : AF_INET6, words, address->host,
			 sizeof(address->host)) != NULL;
}

/* "  0: 0100007F:2407 00000000:0000 0A ... inode ..." */
static int take_tcp(const struct reading *reading, char *line)
{
	struct address address = { .path = "" };
	unsigned port, state;
	uint64_t inode;
	char host[40];

	if (sscanf(line,
		   " %*d: %39[0-9A-F]:%x %*[0-9A-F]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %" SCNu64,
		   host, &port, &state, &inode) != 4 ||
	    state != reading->state || (inode == 0 && state == TCP_LISTEN) ||
	    !parse_host(host, &address))
		return 0;
	address.port = (uint16_t)port;
	return reading->fn(reading->owner, &address, inode);
}

/* "0000000000000000: 00000002 00000000 00010000 0001 01 INODE PATH", the flag: it listens. */
static int take_unix(const struct reading *reading, char *line)
{
	struct address address = { .family = ADDRESS_UNIX };
	unsigned flags;
	uint64_t inode;
	int at = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%*x: %*x %*x %x %*x %*x %" SCNu64 " %n", &flags, &inode, &at) != 2 ||
	    at == 0 || (flags & UNIX_LISTENS) == 0 || line[at] != '/' ||
	    !str_copy(address.host, sizeof(address.host), line + at))
		return 0;
	return reading->fn(reading->owner, &address, inode);
}

static int read_table(const char *proc, const char *name, const struct reading *reading,
		      int (*take)(const struct reading *reading, char *line))
{
	char path[512], line[512];
	FILE *file;
	int r = 0;

	snprintf(path, sizeof(path), "%s/net/%s", proc, name);
	file = fopen(path, "re");
	if (file == NULL)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && fgets(line, sizeof(line), file) != NULL)
		r = take(reading, line);
	fclose(file);
	return r;
}

static int read_tcp(const char *proc, const struct reading *reading)
{
	int r = read_table(proc, "tcp", reading, take_tcp);

	return r != 0 ? r : read_table(proc, "tcp6", reading, take_tcp);
}

int listening_read_tcp(const char *proc, listening_fn *fn, void *owner)
{
	return read_tcp(proc, &(struct reading){ .fn = fn, .state = TCP_LISTEN, .owner = owner });
}

struct clients {
	const struct address *address;
	unsigned n;
};

/* Local addresses of the one side are remote ones of the other: each connection counts once. */
static int count_client(void *owner, const struct address *local, uint64_t inode)
{
	struct clients *clients = owner;

	(void)inode;
	clients->n += address_equal(local, clients->address);
	return 0;
}

int listening_count_clients(const char *proc, const struct address *address, unsigned *ret)
{
	struct clients clients = { .address = address };
	const struct reading reading = { .fn = count_client,
					 .state = TCP_ESTABLISHED,
					 .owner = &clients };
	int r = read_tcp(proc, &reading);

	*ret = clients.n;
	return r;
}

int listening_read_unix(const char *proc, listening_fn *fn, void *owner)
{
	struct reading reading = { .fn = fn, .owner = owner };

	return read_table(proc, "unix", &reading, take_unix);
}

uint64_t listening_inode(const char *link)
{
	uint64_t inode;

	return sscanf(link, "socket:[%" SCNu64 "]", &inode) == 1 ? inode : 0;
}
