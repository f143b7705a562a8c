#pragma once

/*
 * Who listens: the process of this host that holds the listening socket of an inspector, for
 * runtimes that do not tell their pid. It is looked for by the name of its program, so that a proxy
 * before it, or a stranger that took its port, is not mistaken for it.
 */

#include <stdbool.h>
#include <stdint.h>

struct address;

/*
 * The pid of the process that listens at an address and whose name (/proc/PID/comm) begins with
 * `program`. proc is where /proc is. 0, -ESRCH, -errno. Reads the table of sockets and the
 * descriptors of the processes of that name only.
 */
int listener_find(const char *proc, const struct address *address, const char *program,
		  int64_t *ret);

/* Does the process of that pid listen at the address, whatever its name? False also when that
 * cannot be seen. */
bool listener_is(const char *proc, const struct address *address, int64_t pid);
