#pragma once

/*
 * The sockets that listen on this host, as the kernel's tables have them (/proc/net/tcp, tcp6,
 * unix; see proc_net(5)): those of the network namespace that is looked from.
 */

#include <stdint.h>

struct address;

/* One of them. The address is valid during the call. Not 0 ends the reading and is its result. */
typedef int listening_fn(void *owner, const struct address *address, uint64_t inode);

/* proc is where /proc is. 0, -errno, or fn's own. A table that is not there is empty. */
int listening_read_tcp(const char *proc, listening_fn *fn, void *owner);

/* Those with a path: abstract and unnamed ones are left out. */
int listening_read_unix(const char *proc, listening_fn *fn, void *owner);

/*
 * How many connections have been accepted at an address of TCP, or wait to be, and are open on both
 * sides. 0, -errno.
 */
int listening_count_clients(const char *proc, const struct address *address, unsigned *ret);

/*
 * The inode of the socket that a link in /proc/PID/fd is of ("socket:[123]"); 0: it is of none.
 */
uint64_t listening_inode(const char *link);
