#pragma once

/*
 * A gate before a scripted server (peer.h): a thread that takes one TLS connection after the other
 * and hands what comes on in clear. Its certificates are made by the openssl program in a folder of
 * its own: of the authority `ca`, for 127.0.0.1 and inspector.example, and `client` for us.
 */

#include <pthread.h>
#include <stdbool.h>

#include "net/address.h"

struct ssl_ctx_st;

struct tls_gate {
	struct address address; /* of the gate, is_tls; access is the test's */
	struct address to; /* of the server, in clear */
	char folder[64];
	struct ssl_ctx_st *context;
	int fd;
	bool stopping; /* atomic */
	pthread_t thread;
};

/* version: of TLS, as TLS1_2_VERSION; 0: any. demands: a certificate of the client's. */
void tls_gate_start(struct tls_gate *gate, const struct address *to, int version, bool demands);
void tls_gate_stop(struct tls_gate *gate);

/* Of a file in the folder: "ca.pem", "other.pem" (an authority that is none of ours), "client.pem",
 * "client.key", "locked.key" (with a passphrase). Valid until the next call but three. */
const char *tls_gate_file(const struct tls_gate *gate, const char *name);
