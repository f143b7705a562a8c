/* How to be let in. */

#include "net/access.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/err.h"
#include "util/file.h"
#include "util/str.h"

/* A JSON web token with many claims has some kilobytes; it must fit into a head. */
enum { TOKEN_BYTES_MAX = 4096 };

static int copy(const char **dst, const char *src)
{
	*dst = src ? strdup(src) : NULL;
	return src && !*dst ? -ENOMEM : 0;
}

int access_new(struct access **ret, const struct access_files *files)
{
	struct access *access = calloc(1, sizeof(*access));
	int r = 0;

	if (!access)
		return -ENOMEM;
	access->refs = 1;
	access->files.insecure_skip_verify = files->insecure_skip_verify;
	r |= copy(&access->files.ca_file, files->ca_file);
	r |= copy(&access->files.cert_file, files->cert_file);
	r |= copy(&access->files.key_file, files->key_file);
	r |= copy(&access->files.server_name, files->server_name);
	r |= copy(&access->files.credentials_file, files->credentials_file);
	if (r < 0) {
		access_unref(access);
		return -ENOMEM;
	}
	*ret = access;
	return 0;
}

struct access *access_ref(struct access *access)
{
	if (access)
		__atomic_add_fetch(&access->refs, 1, __ATOMIC_RELAXED);
	return access;
}

void access_unref(struct access *access)
{
	if (!access || __atomic_sub_fetch(&access->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	free((char *)access->files.ca_file);
	free((char *)access->files.cert_file);
	free((char *)access->files.key_file);
	free((char *)access->files.server_name);
	free((char *)access->files.credentials_file);
	free(access);
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool access_equal(const struct access *a, const struct access *b)
{
	if (!a || !b)
		return a == b;
	return same(a->files.ca_file, b->files.ca_file) &&
	       same(a->files.cert_file, b->files.cert_file) &&
	       same(a->files.key_file, b->files.key_file) &&
	       same(a->files.server_name, b->files.server_name) &&
	       same(a->files.credentials_file, b->files.credentials_file) &&
	       a->files.insecure_skip_verify == b->files.insecure_skip_verify;
}

/* What may stand in a header: one word of visible characters. */
static bool is_token(const char *text, size_t size)
{
	size_t n = 0;

	while (text[n] > ' ' && text[n] < 0x7f)
		n++;
	return n > 0 && n == size;
}

int access_token(const struct access *access, char **ret, struct err *err)
{
	const char *file = access ? access->files.credentials_file : NULL;
	char *token;
	size_t size;
	int r;

	*ret = NULL;
	if (!file)
		return 0;
	r = file_read(file, TOKEN_BYTES_MAX, &token, &size);
	if (r < 0)
		return err_set(err, r, "credentials_file %s: %s", str_end(file, ACCESS_PATH_SHOWN),
			       strerrordesc_np(-r));
	while (size > 0 && strchr(" \t\r\n", token[size - 1]))
		token[--size] = '\0';
	if (is_token(token, size)) {
		*ret = token;
		return 0;
	}
	explicit_bzero(token, size);
	free(token);
	return err_set(err, -EINVAL, "credentials_file %s: not one word",
		       str_end(file, ACCESS_PATH_SHOWN));
}

void access_token_free(char *token)
{
	if (token)
		explicit_bzero(token, strlen(token));
	free(token);
}
