/*
 * TLS on OpenSSL
 *
 * A context per connection: the files are read anew each time, and a session is never resumed, so
 * that a certificate which was withdrawn is not in use any more at the next connect. The library's
 * queue of errors belongs to the thread; it is emptied before each call and read after.
 */

#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "net/access.h"
#include "net/address.h"
#include "util/err.h"
#include "util/str.h"

struct tls {
	SSL_CTX *context; /* owned */
	SSL *ssl; /* owned */
	bool wants_write;
	bool broken; /* nothing more may be said */
	char reason[128];
};

static const struct access_files *files_of(const struct address *to)
{
	static const struct access_files none;

	return to->access ? &to->access->files : &none;
}

/* What the library says of the oldest error in its queue. */
static const char *library_reason(void)
{
	unsigned long code = ERR_get_error();
	const char *text = code ? ERR_reason_error_string(code) : NULL;

	/* Errors of the system have no text there. */
	if (!text && code && ERR_SYSTEM_ERROR(code))
		text = strerrordesc_np(ERR_GET_REASON(code));
	return text ? text : "TLS failed";
}

/* A key with a passphrase is refused, not asked for on the terminal. */
static int no_passphrase(char *text, int size, int writing, void *owner)
{
	(void)text;
	(void)size;
	(void)writing;
	(void)owner;
	return -1;
}

static int bad_file(const char *option, const char *file, struct err *err)
{
	return err_set(err, -EINVAL, "%s %s: %s", option, str_end(file, ACCESS_PATH_SHOWN),
		       library_reason());
}

static int load_files(SSL_CTX *context, const struct access_files *files, struct err *err)
{
	const char *key = files->key_file ? files->key_file : files->cert_file;

	if (files->ca_file && SSL_CTX_load_verify_file(context, files->ca_file) != 1)
		return bad_file("ca_file", files->ca_file, err);
	/* The system's are a hundred and more: they are not read to be ignored. */
	if (!files->ca_file && !files->insecure_skip_verify &&
	    SSL_CTX_set_default_verify_paths(context) != 1)
		return err_set(err, -EINVAL, "the system's certificates cannot be read");
	if (!files->cert_file)
		return 0;
	SSL_CTX_set_default_passwd_cb(context, no_passphrase);
	if (SSL_CTX_use_certificate_chain_file(context, files->cert_file) != 1)
		return bad_file("cert_file", files->cert_file, err);
	if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
		return bad_file("key_file", key, err);
	return 0;
}

/* Whose certificate it must be. Without a name it is the address that must stand in it. */
static int expect(SSL *ssl, const struct address *to, const char *name)
{
	if (!name)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), to->host) == 1 ? 0
											 : -EINVAL;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (SSL_set1_host(ssl, name) != 1 || SSL_set_tlsext_host_name(ssl, name) != 1)
		return -ENOMEM;
	return 0;
}

static int set_up(struct tls *tls, int fd, const struct address *to, struct err *err)
{
	const struct access_files *files = files_of(to);
	int r;

	tls->context = SSL_CTX_new(TLS_client_method());
	if (!tls->context)
		return err_set(err, -ENOMEM, "out of memory");
	SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
	SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(tls->context,
			 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_verify(tls->context,
			   files->insecure_skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	r = load_files(tls->context, files, err);
	if (r < 0)
		return r;
	tls->ssl = SSL_new(tls->context);
	if (!tls->ssl || SSL_set_fd(tls->ssl, fd) != 1)
		return err_set(err, -ENOMEM, "out of memory");
	SSL_set_connect_state(tls->ssl);
	r = expect(tls->ssl, to, files->server_name);
	return r < 0 ? err_set(err, r, "the server's name cannot be checked") : 0;
}

int tls_new(struct tls **ret, int fd, const struct address *to, struct err *err)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	int r;

	if (!tls)
		return err_set(err, -ENOMEM, "out of memory");
	ERR_clear_error();
	r = set_up(tls, fd, to, err);
	if (r < 0) {
		tls->broken = true;
		tls_free(tls);
		return r;
	}
	*ret = tls;
	return 0;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	ERR_clear_error();
	if (tls->ssl && !tls->broken && SSL_is_init_finished(tls->ssl))
		(void)SSL_shutdown(tls->ssl);
	SSL_free(tls->ssl);
	SSL_CTX_free(tls->context);
	ERR_clear_error();
	free(tls);
}

/* Alerts by which the peer says that it does not let us in (RFC 8446 6.2), or that we do not trust
 * it. */
static bool is_distrust(unsigned long code)
{
	switch (ERR_GET_REASON(code)) {
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
	case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
	case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
		return true;
	default:
		return false;
	}
}

/* The library's own error: what it says, and which errno that is. */
static int ssl_failed(struct tls *tls)
{
	unsigned long code = ERR_peek_error();
	long verified = SSL_get_verify_result(tls->ssl);

	if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK)
		str_copy(tls->reason, sizeof(tls->reason), X509_verify_cert_error_string(verified));
	else
		str_copy(tls->reason, sizeof(tls->reason), library_reason());
	return is_distrust(code) ? -EACCES : -EPROTO;
}

/* What a result that is no success means. 0: the peer has ended the connection. */
static int failed(struct tls *tls, int n)
{
	int error = errno;

	tls->wants_write = false;
	switch (SSL_get_error(tls->ssl, n)) {
	case SSL_ERROR_WANT_WRITE:
		tls->wants_write = true;
		return -EAGAIN;
	case SSL_ERROR_WANT_READ:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		tls->broken = true;
		str_copy(tls->reason, sizeof(tls->reason), "connection lost");
		return error > 0 ? -error : -ECONNRESET;
	default:
		tls->broken = true;
		/* A peer that just hangs up, without goodbye. */
		if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
			return 0;
		return ssl_failed(tls);
	}
}

static void begin(void)
{
	ERR_clear_error();
	errno = 0;
}

int tls_handshake(struct tls *tls, struct err *err)
{
	int n, r;

	begin();
	n = SSL_do_handshake(tls->ssl);
	if (n == 1)
		return 0;
	r = failed(tls, n);
	if (r == -EAGAIN)
		return r;
	if (r == 0)
		return err_set(err, -ECONNRESET, "TLS: the peer hung up");
	return err_set(err, r, "TLS: %s", tls->reason);
}

ssize_t tls_read(struct tls *tls, void *data, size_t size)
{
	size_t got;

	begin();
	if (SSL_read_ex(tls->ssl, data, size, &got) == 1)
		return (ssize_t)got;
	return failed(tls, 0);
}

ssize_t tls_peek(struct tls *tls, void *data, size_t size)
{
	size_t got;

	begin();
	if (SSL_peek_ex(tls->ssl, data, size, &got) == 1)
		return (ssize_t)got;
	return failed(tls, 0);
}

ssize_t tls_write(struct tls *tls, const void *data, size_t size)
{
	size_t done;
	int r;

	begin();
	if (SSL_write_ex(tls->ssl, data, size, &done) == 1)
		return (ssize_t)done;
	r = failed(tls, 0);
	return r == 0 ? -EPIPE : r;
}

bool tls_wants_write(const struct tls *tls)
{
	return tls->wants_write;
}

bool tls_pending(const struct tls *tls)
{
	return SSL_pending(tls->ssl) > 0;
}

const char *tls_reason(const struct tls *tls)
{
	return tls->reason[0] ? tls->reason : "connection lost";
}
