#pragma once

/*
 * What systemd wants of a service, and what the daemon gets from it: readiness, status, watchdog,
 * passed sockets, the journal. service.c is the only file that includes libsystemd.
 * Without systemd every call is harmless.
 */

#include <stddef.h>
#include <stdint.h>
#include "loop/loop.h"

struct service {
	struct loop_timer watchdog;
	uint64_t watchdog_interval_ns; /* 0: none wanted */
};

/* Journal sink when stderr is the journal's ($JOURNAL_STREAM); starts the watchdog timer. */
int service_init(struct service *service, struct loop *loop);
void service_fini(struct service *service);

void service_ready(void);
void service_reloading(void);
void service_stopping(void);
void service_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Sockets passed by socket activation into fds; returns how many (at most max). */
size_t service_sockets(int *fds, size_t max);
