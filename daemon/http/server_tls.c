/*
 * TLS of the endpoint
 *
 * Credentials are complete before anything uses them: a file that is no good leaves those in force
 * alone. Sessions are not resumed (no tickets), so each handshake asks for the client's certificate
 * anew.
 */

#include "http/server_tls.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "spool/digest.h"
#include "util/err.h"
#include "util/file.h"
#include "util/str.h"

/* A chain or a list of authorities; a key. */
enum { FILE_BYTES_MAX = 1 << 20, PATH_SHOWN = 120 };

struct server_tls {
	int refs;
	bool asks; /* for a certificate of the client */
	bool only_tls13;
	char authorities[DIGEST_HEX_MAX]; /* of the file; "": none */
	gnutls_certificate_credentials_t credentials; /* owned */
	gnutls_priority_t priority; /* owned */
};

struct loading {
	struct server_tls *tls;
	const struct server_tls_files *files;
	const char **option; /* the one that is being read */
	struct err *err;
};

static int read_file(const struct loading *loading, const char *path, gnutls_datum_t *ret)
{
	char *text;
	size_t size;
	int r = file_read(path, FILE_BYTES_MAX, &text, &size);

	if (r < 0)
		return err_set(loading->err, r, "%s: %s", str_end(path, PATH_SHOWN),
			       strerrordesc_np(-r));
	*ret = (gnutls_datum_t){ .data = (unsigned char *)text, .size = (unsigned)size };
	return 0;
}

static void forget_file(gnutls_datum_t *data)
{
	if (data->data != NULL)
		explicit_bzero(data->data, data->size);
	free(data->data);
	*data = (gnutls_datum_t){ .data = NULL };
}

static int refuse_file(const struct loading *loading, const char *path, int error)
{
	if (error == GNUTLS_E_MEMORY_ERROR)
		return err_set(loading->err, -ENOMEM, "out of memory");
	return err_set(loading->err, -EINVAL, "%s: %s", str_end(path, PATH_SHOWN),
		       error < 0 ? gnutls_strerror(error) : "there is no certificate in it");
}

/* Looked at alone first, for the library does not tell which of the two files is no good. */
static int check_chain(const struct loading *loading, const gnutls_datum_t *chain)
{
	gnutls_x509_crt_t *certificates = NULL;
	unsigned n = 0;
	int r = gnutls_x509_crt_list_import2(&certificates, &n, chain, GNUTLS_X509_FMT_PEM, 0);

	if (r < 0)
		return refuse_file(loading, loading->files->cert_file, r);
	for (unsigned i = 0; i < n; i++)
		gnutls_x509_crt_deinit(certificates[i]);
	gnutls_free(certificates);
	return n > 0 ? 0 : refuse_file(loading, loading->files->cert_file, 0);
}

static int load_pair(const struct loading *loading)
{
	gnutls_datum_t chain = { .data = NULL }, key = { .data = NULL };
	int r;

	*loading->option = "cert_file";
	r = read_file(loading, loading->files->cert_file, &chain);
	if (r == 0)
		r = check_chain(loading, &chain);
	if (r == 0) {
		*loading->option = "key_file";
		r = read_file(loading, loading->files->key_file, &key);
	}
	if (r == 0) {
		r = gnutls_certificate_set_x509_key_mem2(loading->tls->credentials, &chain, &key,
							 GNUTLS_X509_FMT_PEM, NULL, 0);
		r = r < 0 ? refuse_file(loading, loading->files->key_file, r) : 0;
	}
	forget_file(&chain);
	forget_file(&key);
	return r;
}

static int sum_authorities(struct server_tls *tls, const gnutls_datum_t *list)
{
	struct digest *digest;
	int r = digest_new(&digest);

	if (r < 0)
		return r;
	digest_update(digest, list->data, list->size);
	r = digest_final(digest, tls->authorities);
	digest_free(digest);
	return r;
}

static int load_authorities(const struct loading *loading)
{
	const char *path = loading->files->client_ca_file;
	gnutls_datum_t list = { .data = NULL };
	int r;

	if (path == NULL)
		return 0;
	*loading->option = "client_ca_file";
	loading->tls->asks = true;
	r = read_file(loading, path, &list);
	if (r < 0)
		return r;
	r = sum_authorities(loading->tls, &list);
	if (r < 0) {
		forget_file(&list);
		return err_set(loading->err, r, "%s", strerrordesc_np(-r));
	}
	r = gnutls_certificate_set_x509_trust_mem(loading->tls->credentials, &list,
						  GNUTLS_X509_FMT_PEM);
	forget_file(&list);
	return r > 0 ? 0 : refuse_file(loading, path, r);
}

int server_tls_load(struct server_tls **ret, const struct server_tls_files *files,
		    const char **ret_option, struct err *err)
{
	struct server_tls *tls = calloc(1, sizeof(*tls));
	struct loading loading = { .tls = tls, .files = files, .option = ret_option, .err = err };
	const char *versions = files->only_tls13 ? "NORMAL:-VERS-ALL:+VERS-TLS1.3"
						 : "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
	int r;

	*ret_option = "cert_file";
	if (tls == NULL)
		return err_set(err, -ENOMEM, "out of memory");
	tls->refs = 1;
	tls->only_tls13 = files->only_tls13;
	if (gnutls_certificate_allocate_credentials(&tls->credentials) < 0 ||
	    gnutls_priority_init2(&tls->priority, versions, NULL, 0) < 0)
		r = err_set(err, -ENOMEM, "out of memory");
	else
		r = load_pair(&loading);
	if (r == 0)
		r = load_authorities(&loading);
	if (r < 0) {
		server_tls_unref(tls);
		return r;
	}
	*ret = tls;
	return 0;
}

struct server_tls *server_tls_ref(struct server_tls *tls)
{
	if (tls != NULL)
		tls->refs++;
	return tls;
}

void server_tls_unref(struct server_tls *tls)
{
	if (tls == NULL || --tls->refs > 0)
		return;
	if (tls->credentials != NULL)
		gnutls_certificate_free_credentials(tls->credentials);
	if (tls->priority != NULL)
		gnutls_priority_deinit(tls->priority);
	free(tls);
}

bool server_tls_demands_same(const struct server_tls *a, const struct server_tls *b)
{
	return a->asks == b->asks && a->only_tls13 == b->only_tls13 &&
	       strcmp(a->authorities, b->authorities) == 0;
}

int server_tls_begin(struct server_tls *tls, void *session_of_library)
{
	/* Kept by the session: a certificate that is made for servers only is none of a client. */
	static gnutls_typed_vdata_st purpose = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT,
	};
	gnutls_session_t session = session_of_library;

	if (gnutls_priority_set(session, tls->priority) < 0)
		return -ENOMEM;
	gnutls_certificate_server_set_request(session,
					      tls->asks ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_IGNORE);
	if (tls->asks)
		gnutls_session_set_verify_cert2(session, &purpose, 1, 0);
	if (gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials) < 0)
		return -ENOMEM;
	return 0;
}

static int no_certificate(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
			  gnutls_pcert_st **certificates, unsigned *certificates_n,
			  gnutls_ocsp_data_st **ocsp, unsigned *ocsp_n, gnutls_privkey_t *key,
			  unsigned *flags)
{
	(void)session;
	(void)info;
	(void)certificates;
	(void)certificates_n;
	(void)ocsp;
	(void)ocsp_n;
	(void)key;
	(void)flags;
	return -1;
}

void (*const server_tls_no_certificate)(void) = (void (*)(void))no_certificate;
