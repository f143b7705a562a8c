/* A secret in a file, read when it is needed: who renews it need not tell us. */

#include "net/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/err.h"
#include "util/file.h"
#include "util/str.h"

enum { SECRET_BYTES_MAX = 4096, PATH_SHOWN = 80 };

int secret_read(const char *path, char **ret, struct err *err)
{
	char *text;
	size_t size;
	int r = file_read(path, SECRET_BYTES_MAX, &text, &size);

	*ret = NULL;
	if (r < 0)
		return err_set(err, r, "%s: %s", str_end(path, PATH_SHOWN), strerrordesc_np(-r));
	while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
		text[--size] = '\0';
	if (size == 0 || size != strcspn(text, "\r\n")) {
		explicit_bzero(text, size);
		free(text);
		return err_set(err, -EINVAL, "%s: not one line", str_end(path, PATH_SHOWN));
	}
	*ret = text;
	return 0;
}

void secret_free(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}
