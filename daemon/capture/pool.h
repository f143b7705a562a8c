#pragma once

/*
 * Pool: threads for work that waits for sockets and disks, or computes for long. A job belongs to
 * the pool from submit until it is taken back; each job says itself what it may share meanwhile.
 */

#include <stdint.h>
#include "util/list.h"

struct capture_pool;
struct loop_wake;

struct pool_job {
	struct link link;
	void (*run)(struct pool_job *job); /* on a thread of the pool */
	void (*done)(void *owner, struct pool_job *job); /* for whoever takes it back */
};

/* wake is woken when a job is done; it must outlive the pool. 0 or -errno. */
int capture_pool_new(struct capture_pool **ret, struct loop_wake *wake);

/*
 * Queue a job. A thread is started when none is idle and there are fewer than threads_max. 0, or
 * -errno when there is no thread at all; then the job was not taken.
 */
int capture_pool_submit(struct capture_pool *pool, struct pool_job *job, uint64_t threads_max);

/* The same for a job that cannot wait: -EAGAIN when no thread is idle and none can be started. */
int capture_pool_start(struct capture_pool *pool, struct pool_job *job, uint64_t threads_max);

/* A job that is done, or NULL. */
struct pool_job *capture_pool_take(struct capture_pool *pool);

/* Waits until all that was submitted is done, and ends the threads. */
void capture_pool_stop(struct capture_pool *pool);

/* Stopped and all taken. NULL is fine. */
void capture_pool_free(struct capture_pool *pool);
