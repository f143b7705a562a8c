#pragma once

/*
 * The client side of TLS (1.2 and 1.3) on a connected socket that does not block, for one thread at
 * a time. tls.c is the only file that includes OpenSSL's libssl. SIGPIPE must be ignored.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct address;
struct err;
struct tls;

/*
 * Reads the files that to->access names. fd is borrowed and must outlive it. 0; -EINVAL when a file
 * is no good, -ENOMEM; text in err.
 */
int tls_new(struct tls **ret, int fd, const struct address *to, struct err *err);

/* Says goodbye if that needs no waiting. NULL is fine. */
void tls_free(struct tls *tls);

/*
 * One step. 0 when it is done; -EAGAIN: wait for the socket (tls_wants_write() says for what) and
 * call again; -EACCES when one of the two does not trust the other, -EPROTO, -ECONNRESET with text
 * in err.
 */
int tls_handshake(struct tls *tls, struct err *err);

/*
 * As recv() and send() on a socket that does not block, but the error is the result: -EAGAIN as
 * above. After an -EAGAIN of a write the same bytes must come first in the next one. A refusal of
 * our certificate in TLS 1.3 comes with the first read: -EACCES.
 */
ssize_t tls_read(struct tls *tls, void *data, size_t size);
ssize_t tls_peek(struct tls *tls, void *data, size_t size);
ssize_t tls_write(struct tls *tls, const void *data, size_t size);

bool tls_wants_write(const struct tls *tls);

/* Bytes are here already: a read needs no waiting, and waiting for the socket may last for ever. */
bool tls_pending(const struct tls *tls);

/* Why the last call failed, for people; never NULL. */
const char *tls_reason(const struct tls *tls);
