/*
 * Pool
 *
 * One lock, one condition, two lists. Threads are started when they are first needed and stay:
 * captures are rare, and a thread that waits costs a few pages of stack. Signals belong to the
 * control thread, so all are blocked here.
 */

#include "capture/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "capture/step.h"
#include "capture/tracking.h"
#include "loop/wake.h"
#include "util/thread.h"

enum {
	/* A download needs less than 32 KiB; sanitizers triple it. */
	STACK_BYTES = 256 * 1024,
	/* capture.threads is 64 at the most. */
	THREADS_MAX = 64 + POOL_THREADS_SPARE + POOL_THREADS_SAMPLING + POOL_THREADS_CONTINUOUS +
		      TRACKED_MAX,
};

struct capture_pool {
	pthread_mutex_t lock;
	pthread_cond_t work; /* the queue has grown, or stopping */
	struct link queue, done; /* struct pool_job */
	uint32_t idle, waiting; /* threads without a job, jobs without a thread */
	bool stopping;
	struct loop_wake *wake; /* borrowed */
	pthread_t threads[THREADS_MAX]; /* control thread only, as is threads_n */
	uint32_t threads_n;
};

int capture_pool_new(struct capture_pool **ret, struct loop_wake *wake)
{
	struct capture_pool *pool = calloc(1, sizeof(*pool));
	int r;

	if (pool == NULL)
		return -ENOMEM;
	r = pthread_mutex_init(&pool->lock, NULL);
	if (r == 0) {
		r = pthread_cond_init(&pool->work, NULL);
		if (r != 0)
			pthread_mutex_destroy(&pool->lock);
	}
	if (r != 0) {
		free(pool);
		return -r;
	}
	link_init(&pool->queue);
	link_init(&pool->done);
	pool->wake = wake;
	*ret = pool;
	return 0;
}

/* The next job, or NULL when the pool stops and the queue is empty. With the lock held. */
static struct pool_job *next_job(struct capture_pool *pool)
{
	struct link *first;

	pool->idle++;
	while (list_empty(&pool->queue) && !pool->stopping)
		pthread_cond_wait(&pool->work, &pool->lock);
	pool->idle--;
	if (list_empty(&pool->queue))
		return NULL;
	first = pool->queue.next;
	link_remove(first);
	pool->waiting--;
	return container_of(first, struct pool_job, link);
}

static void *work(void *owner)
{
	struct capture_pool *pool = owner;
	struct pool_job *job;

	pthread_mutex_lock(&pool->lock);
	while ((job = next_job(pool)) != NULL) {
		pthread_mutex_unlock(&pool->lock);
		job->run(job);
		pthread_mutex_lock(&pool->lock);
		list_append(&pool->done, &job->link);
		loop_wake_up(pool->wake);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static int start_thread(struct capture_pool *pool)
{
	pthread_attr_t attr;
	int r;

	r = pthread_attr_init(&attr);
	if (r != 0)
		return -r;
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	r = thread_start(&pool->threads[pool->threads_n], &attr, work, pool);
	pthread_attr_destroy(&attr);
	if (r == 0)
		pool->threads_n++;
	return r;
}

/* 0: a thread is idle, or was started; -EAGAIN: there are as many as may be; -errno. */
static int find_thread(struct capture_pool *pool, uint64_t threads_max)
{
	bool busy;

	pthread_mutex_lock(&pool->lock);
	busy = pool->idle <= pool->waiting;
	pthread_mutex_unlock(&pool->lock);
	if (!busy)
		return 0;
	return pool->threads_n < threads_max && pool->threads_n < THREADS_MAX ? start_thread(pool)
									      : -EAGAIN;
}

static void enqueue(struct capture_pool *pool, struct pool_job *job)
{
	pthread_mutex_lock(&pool->lock);
	list_append(&pool->queue, &job->link);
	pool->waiting++;
	pthread_cond_signal(&pool->work);
	pthread_mutex_unlock(&pool->lock);
}

int capture_pool_submit(struct capture_pool *pool, struct pool_job *job, uint64_t threads_max)
{
	int r = find_thread(pool, threads_max);

	if (r < 0 && pool->threads_n == 0)
		return r;
	enqueue(pool, job);
	return 0;
}

int capture_pool_start(struct capture_pool *pool, struct pool_job *job, uint64_t threads_max)
{
	int r = find_thread(pool, threads_max);

	if (r == 0)
		enqueue(pool, job);
	return r;
}

struct pool_job *capture_pool_take(struct capture_pool *pool)
{
	struct pool_job *job = NULL;

	pthread_mutex_lock(&pool->lock);
	if (!list_empty(&pool->done)) {
		job = container_of(pool->done.next, struct pool_job, link);
		link_remove(&job->link);
	}
	pthread_mutex_unlock(&pool->lock);
	return job;
}

void capture_pool_stop(struct capture_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	while (pool->threads_n > 0)
		pthread_join(pool->threads[--pool->threads_n], NULL);
}

void capture_pool_free(struct capture_pool *pool)
{
	if (pool == NULL)
		return;
	assert(pool->threads_n == 0 && list_empty(&pool->queue) && list_empty(&pool->done));
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}
