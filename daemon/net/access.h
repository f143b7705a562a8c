#pragma once

/*
 * How to be let in: the files of TLS and of a bearer token, as `tls_config` and `authorization`
 * name them. The names only: the files are read at each connect, so that renewed certificates and
 * tokens need no reload. Shared by the threads, never changed; counted.
 */

#include <stdbool.h>

struct err;

/* A reason is short: of the path of a file in it, its end is shown. */
enum { ACCESS_PATH_SHOWN = 80 };

struct access_files {
	const char *ca_file; /* NULL: the system's */
	const char *cert_file, *key_file; /* of the client; NULL: none */
	const char *server_name; /* in the certificate; NULL: the address */
	const char *credentials_file; /* a token; NULL: none */
	bool insecure_skip_verify; /* take whatever certificate */
};

struct access {
	int refs;
	struct access_files files; /* owned copies */
};

/* With one reference. 0 or -ENOMEM. */
int access_new(struct access **ret, const struct access_files *files);

/* NULL is fine in all of these. */
struct access *access_ref(struct access *access);
void access_unref(struct access *access);
bool access_equal(const struct access *a, const struct access *b);

/*
 * The token of the moment, to be wiped and freed with access_token_free(); NULL when there is none
 * to send. 0, -ENOMEM, -EINVAL (no one word), -errno of reading; text in err.
 */
int access_token(const struct access *access, char **ret, struct err *err);
void access_token_free(char *token);
