/*
 * Requests of ours to receivers. Names are resolved off the control thread (net/http_call.h), and a
 * deadline holds over all of it.
 *
 * The name that must stand in the certificate is that of the URL. Where `server_name` says another,
 * the URL is made with that one, and connected to is the place that was named.
 */

#include "notify/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/access.h"
#include "net/http_call.h"
#include "net/secret.h"
#include "notify/settings.h"
#include "util/err.h"
#include "util/str.h"

/* Of an answer only a few words are of use. */
enum { ANSWER_MAX = 64 << 10 };

static int copy(char **dst, const char *src)
{
	*dst = src != NULL ? strdup(src) : NULL;
	return src != NULL && *dst == NULL ? -ENOMEM : 0;
}

/* "HOST:PORT" of the URL; its port when there is none is that of https. */
static int split(const char *url, const char **ret_host, size_t *ret_size, const char **ret_port)
{
	const char *host = strstr(url, "://"), *colon;
	size_t size;

	if (host == NULL)
		return -EINVAL;
	host += 3;
	size = strcspn(host, "/?#");
	colon = memrchr(host, ':', size);
	if (colon != NULL && memchr(colon, ']', (size_t)(host + size - colon)) != NULL)
		colon = NULL; /* within an IPv6 address */
	*ret_host = host;
	*ret_size = size;
	*ret_port = colon;
	return size > 0 ? 0 : -EINVAL;
}

static int set_name(struct endpoint *endpoint, const char *name)
{
	const char *host, *port, *rest;
	size_t size;
	int r = split(endpoint->url, &host, &size, &port), port_size;

	if (r < 0 || name == NULL || !str_has_prefix(endpoint->url, "https://"))
		return r;
	rest = host + size;
	port_size = port != NULL ? (int)(rest - port) : 0;
	if (asprintf(&endpoint->named_url, "https://%s%.*s%s", name, port_size,
		     port != NULL ? port : "", rest) < 0) {
		endpoint->named_url = NULL;
		return -ENOMEM;
	}
	if (asprintf(&endpoint->connect_to, "%.*s%s", (int)size, host, port != NULL ? "" : ":443") <
	    0) {
		endpoint->connect_to = NULL;
		return -ENOMEM;
	}
	return 0;
}

int endpoint_init(struct endpoint *endpoint, const char *url,
		  const struct endpoint_settings *settings)
{
	const struct access_files files = {
		.ca_file = settings->tls.ca_file,
		.cert_file = settings->tls.cert_file,
		.key_file = settings->tls.key_file,
		.server_name = settings->tls.server_name,
		.insecure_skip_verify = settings->tls.insecure_skip_verify,
		.credentials_file = settings->authorization.credentials_file,
	};
	int r;

	*endpoint = (struct endpoint){ .timeout_ns = settings->timeout_ns };
	r = copy(&endpoint->url, url);
	if (r == 0)
		r = copy(&endpoint->user, settings->basic_auth.username);
	if (r == 0)
		r = copy(&endpoint->password_file, settings->basic_auth.password_file);
	if (r == 0)
		r = access_new(&endpoint->access, &files);
	return r == 0 ? set_name(endpoint, files.server_name) : r;
}

void endpoint_fini(struct endpoint *endpoint)
{
	free(endpoint->url);
	free(endpoint->named_url);
	free(endpoint->connect_to);
	free(endpoint->user);
	free(endpoint->password_file);
	access_unref(endpoint->access);
	*endpoint = (struct endpoint){ 0 };
}

int endpoint_post(const struct endpoint *endpoint, struct http_client *client, const char *payload,
		  size_t size, const char *const *headers,
		  void (*fn)(void *owner, const struct http_answer *answer), void *owner,
		  struct http_fetch **ret, struct err *err)
{
	struct http_request request = {
		.method = "POST",
		.url = endpoint->named_url != NULL ? endpoint->named_url : endpoint->url,
		.connect_to = endpoint->connect_to,
		.tls = &endpoint->access->files,
		.user = endpoint->user,
		.accept = "application/json",
		.headers = headers,
		.payload = payload,
		.payload_size = size,
		.timeout_ns = endpoint->timeout_ns,
		.body_max = ANSWER_MAX,
	};
	char *token = NULL, *password = NULL;
	int r = access_token(endpoint->access, &token, err);

	if (r == 0 && endpoint->password_file != NULL)
		r = secret_read(endpoint->password_file, &password, err);
	if (r == 0) {
		request.bearer = token;
		request.password = password != NULL ? password : "";
		r = http_call(ret, client, &request, fn, owner);
		if (r < 0)
			err_set(err, r, "%s", strerrordesc_np(-r));
	}
	access_token_free(token);
	secret_free(password);
	return r;
}

void endpoint_describe(const struct http_answer *answer, char *dst, size_t size)
{
	int n;

	if (answer->r < 0) {
		str_copy(dst, size, answer->reason);
		return;
	}
	n = snprintf(dst, size, "status %ld: ", answer->status);
	for (size_t i = 0; i < answer->size && n + 1 < (int)size; i++) {
		char c = answer->body[i];

		dst[n++] = c >= ' ' && c < 0x7f ? c : ' ';
	}
	dst[n] = '\0';
}
