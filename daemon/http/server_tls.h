#pragma once

/*
 * TLS of the HTTP endpoint: certificate, key and what is asked of clients, read from files. The
 * connections are libmicrohttpd's, which rides on GnuTLS: server_tls.c is the only file that
 * includes it. Each connection is given what is in force when it begins, so that renewed files need
 * neither a new socket nor a restart. Control thread only.
 */

#include <stdbool.h>

struct err;
struct server_tls;

struct server_tls_files {
	const char *cert_file, *key_file;
	const char *client_ca_file; /* NULL: clients are not asked for a certificate */
	bool only_tls13; /* else 1.2, too */
};

/*
 * Reads the files, with one reference. 0; -errno with the reason in err and the name of the file's
 * option in *ret_option.
 */
int server_tls_load(struct server_tls **ret, const struct server_tls_files *files,
		    const char **ret_option, struct err *err);

/* NULL is fine in both. Held for as long as a session uses it. */
struct server_tls *server_tls_ref(struct server_tls *tls);
void server_tls_unref(struct server_tls *tls);

/*
 * session (gnutls_session_t) has not begun its handshake, and has nothing to serve by yet. 0;
 * -ENOMEM: it stays so, and its handshake will fail.
 */
int server_tls_begin(struct server_tls *tls, void *session);

/*
 * Is what it demands of clients the same: certificates, of the same authorities, and the least
 * version? Neither is NULL.
 */
bool server_tls_demands_same(const struct server_tls *a, const struct server_tls *b);

/*
 * What a library that wants a function to ask for certificates
 * (gnutls_certificate_retrieve_function3) is given in place of one: it has none, so that what
 * server_tls_begin() did not reach is refused.
 */
extern void (*const server_tls_no_certificate)(void);
