#pragma once

/*
 * What systemd wants of a service, and what the daemon gets from it: readiness, status, watchdog,
 * passed sockets, the journal. service.c is the only file that includes libsystemd.
 * Without systemd every call is harmless.
 */

#include <stddef.h>
#include <stdint.h>
#include "loop/hang.h"
#include "loop/loop.h"

struct service {
	struct hang_watch hang;
	struct loop_timer watchdog;
	uint64_t watchdog_ns; /* after which systemd takes us for hung; 0: it does not watch */
};

/* Journal sink when stderr is the journal's ($JOURNAL_STREAM); starts the watchdog timer. */
int service_init(struct service *service, struct loop *loop);
void service_fini(struct service *service);

/*
 * The loop begins to turn: one that hangs ends the process from now on, after the time of systemd's
 * watchdog, which may not be there, or half a minute. 0 or -errno.
 */
int service_watch(struct service *service, struct loop *loop);

/* It has turned for the last time: what is left may take as long as systemd gives us. */
void service_watch_last(struct service *service);

void service_ready(void);
void service_reloading(void);
void service_stopping(void);
void service_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * systemd has this connection too (fd, borrowed) and hands it to the next daemon, should this one
 * be killed; or no more (-1). The name is of this connection alone. From any thread.
 */
void service_keep(const char *name, int fd);

/* A connection that a daemon before this one has had kept, and its name; fd is the callee's. */
typedef void service_kept_fn(void *owner, int fd, const char *name);

/*
 * Sockets that systemd passes: those of socket activation into fds; returns how many (at most
 * max). Connections that were kept go to kept(); what is neither is closed.
 */
size_t service_sockets(int *fds, size_t max, service_kept_fn *kept, void *owner);
