#pragma once

/*
 * Who listens: the process of this host that holds the listening socket of an inspector, for
 * runtimes that do not tell their pid. It is looked for by the name of its program, so that a proxy
 * before it, or a stranger that took its port, is not mistaken for it.
 */

#include <stdint.h>

struct address;

/*
 * The pid of the process that listens at an address and whose name (/proc/PID/comm) begins with
 * `program`. proc is where /proc is. 0, -ESRCH, -errno. Reads the table of sockets and the
 * descriptors of the processes of that name only.
 */
int listener_find(const char *proc, const struct address *address, const char *program,
		  int64_t *ret);
