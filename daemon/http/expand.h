#pragma once

/*
 * A compressed capture, read expanded: what a client gets that does not take zstd itself. It works
 * on demand, in bounded pieces, so that the control thread can serve it between other things.
 */

#include <stddef.h>
#include <sys/types.h>

struct expand;

/* Takes the descriptor, also on failure. 0, -ENOMEM. */
int expand_open(struct expand **ret, int fd);

/* At most size bytes; 0 at the end of a whole file; -EBADMSG when it is damaged; -errno. */
ssize_t expand_read(struct expand *expand, void *dst, size_t size);
void expand_free(struct expand *expand); /* NULL is fine */
