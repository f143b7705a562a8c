/*
 * Graves
 *
 * The threads are detached, one for each file that is removed and one that syncs. What they have
 * still to free is counted, because until then statvfs does not show it, and a vacuum that looked
 * only there would delete more than it needs to.
 */

#include "spool/bury.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file.h"
#include "util/log.h"
#include "util/rand.h"

enum { BURY_STACK_BYTES = 65536 };

struct graves {
	pthread_mutex_t lock;
	pthread_cond_t none; /* no thread is left */
	unsigned n; /* under lock, as all below */
	uint64_t bytes;
	bool settling, again; /* a thread syncs; what has left since it began needs it once more */
};

struct grave {
	struct graves *graves; /* borrowed */
	int dir_fd; /* owned */
	uint64_t bytes;
	char name[32];
	bool settles; /* the directory is synced, and nothing in it is unlinked */
};

int graves_new(struct graves **ret)
{
	struct graves *graves = calloc(1, sizeof(*graves));

	if (graves == NULL)
		return -ENOMEM;
	if (pthread_mutex_init(&graves->lock, NULL) != 0) {
		free(graves);
		return -ENOMEM;
	}
	if (pthread_cond_init(&graves->none, NULL) != 0) {
		pthread_mutex_destroy(&graves->lock);
		free(graves);
		return -ENOMEM;
	}
	*ret = graves;
	return 0;
}

void graves_free(struct graves *graves)
{
	if (graves == NULL)
		return;
	pthread_mutex_lock(&graves->lock);
	while (graves->n > 0)
		pthread_cond_wait(&graves->none, &graves->lock);
	pthread_mutex_unlock(&graves->lock);
	pthread_cond_destroy(&graves->none);
	pthread_mutex_destroy(&graves->lock);
	free(graves);
}

uint64_t graves_bytes(struct graves *graves)
{
	uint64_t bytes;

	if (graves == NULL)
		return 0;
	pthread_mutex_lock(&graves->lock);
	bytes = graves->bytes;
	pthread_mutex_unlock(&graves->lock);
	return bytes;
}

/* It is done, or given up. */
static void fill(struct grave *grave)
{
	struct graves *graves = grave->graves;
	uint64_t bytes = grave->bytes;

	close(grave->dir_fd);
	free(grave);
	pthread_mutex_lock(&graves->lock);
	graves->bytes -= bytes;
	if (--graves->n == 0)
		pthread_cond_broadcast(&graves->none);
	pthread_mutex_unlock(&graves->lock);
}

static void tell_unsure(int r)
{
	if (r != 0)
		log_warn("spool",
			 "the spool's folder could not be synced: what was deleted may come back "
			 "if the power fails now");
}

/* True: the caller is the one that settles. */
static bool begin_settling(struct graves *graves)
{
	bool begins;

	pthread_mutex_lock(&graves->lock);
	begins = !graves->settling;
	graves->again = graves->settling;
	graves->settling = true;
	pthread_mutex_unlock(&graves->lock);
	return begins;
}

/* False: once more. */
static bool end_settling(struct graves *graves)
{
	bool ends;

	pthread_mutex_lock(&graves->lock);
	ends = !graves->again;
	graves->again = false;
	graves->settling = !ends;
	pthread_mutex_unlock(&graves->lock);
	return ends;
}

static void *bury(void *owner)
{
	struct grave *grave = owner;

	if (!grave->settles) {
		unlinkat(grave->dir_fd, grave->name, 0);
	} else {
		do
			tell_unsure(file_sync_directory(grave->dir_fd));
		while (!end_settling(grave->graves));
	}
	fill(grave);
	return NULL;
}

static bool bury_later(struct grave *grave)
{
	struct graves *graves = grave->graves;
	pthread_attr_t attr;
	pthread_t thread;
	bool started = false;

	pthread_mutex_lock(&graves->lock);
	graves->n++;
	graves->bytes += grave->bytes;
	pthread_mutex_unlock(&graves->lock);
	if (pthread_attr_init(&attr) == 0) {
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		pthread_attr_setstacksize(&attr, BURY_STACK_BYTES);
		started = pthread_create(&thread, &attr, bury, grave) == 0;
		pthread_attr_destroy(&attr);
	}
	return started;
}

static int take_away(struct grave *grave, int from_fd, const char *name, int incoming_fd)
{
	char digits[17];
	struct stat st;
	int r = rand_hex(digits, 8);

	if (r < 0)
		return r;
	snprintf(grave->name, sizeof(grave->name), ".#%s", digits);
	if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	grave->bytes = (uint64_t)st.st_blocks * 512;
	grave->dir_fd = fcntl(incoming_fd, F_DUPFD_CLOEXEC, 0);
	if (grave->dir_fd < 0)
		return -errno;
	return renameat(from_fd, name, grave->dir_fd, grave->name) < 0 ? -errno : 0;
}

int graves_bury(struct graves *graves, int from_fd, const char *name, int incoming_fd)
{
	struct grave *grave = malloc(sizeof(*grave));
	int r;

	if (grave == NULL)
		return -ENOMEM;
	*grave = (struct grave){ .graves = graves, .dir_fd = -1 };
	r = take_away(grave, from_fd, name, incoming_fd);
	if (r == 0) {
		/* Without a thread it is done here and now: late is better than never. */
		if (!bury_later(grave))
			bury(grave);
		return 0;
	}
	if (grave->dir_fd >= 0)
		close(grave->dir_fd);
	free(grave);
	return r;
}

int graves_settle(struct graves *graves, int dir_fd)
{
	struct grave *grave = malloc(sizeof(*grave));
	int r;

	if (grave == NULL)
		return -ENOMEM;
	*grave = (struct grave){ .graves = graves, .settles = true };
	grave->dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	if (grave->dir_fd < 0) {
		r = -errno;
		free(grave);
		return r;
	}
	if (!begin_settling(graves)) {
		close(grave->dir_fd);
		free(grave);
		return 0;
	}
	if (bury_later(grave))
		return 0;
	/* A sync may take as long as the disk likes, so nobody does it here. */
	while (!end_settling(graves))
		;
	fill(grave);
	return -EAGAIN;
}
