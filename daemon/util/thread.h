#pragma once

/* Threads beside the control thread. */

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

/*
 * A thread that no signal goes to, for these are the control thread's. attr: NULL: as usual. 0 or
 * -errno.
 */
static inline int thread_start(pthread_t *ret, const pthread_attr_t *attr,
			       void *(*run)(void *owner), void *owner)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(ret, attr, run, owner);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}
