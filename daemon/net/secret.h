#pragma once

/* A secret in a file of its own: a password, a key for signatures. */

#include <stddef.h>

struct err;

/*
 * The text of the file without its last line break, to be wiped and freed with secret_free(). 0;
 * -EINVAL when it is empty or has further lines, -EFBIG, -errno of reading; text in err.
 */
int secret_read(const char *path, char **ret, struct err *err);
void secret_free(char *secret); /* NULL is fine */
