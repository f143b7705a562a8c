#pragma once

/* Opens what pipeline/age.c sealed: age v1 with X25519 identities, as a stage. */

#include <stddef.h>

struct err;
struct stage;

/*
 * files: paths of identity files as age-keygen writes them ("AGE-SECRET-KEY-1..." lines, comments,
 * blank lines), at least one; "-" is stdin. Putting gives -EBADMSG, with a text, for what is no age
 * file, is sealed to none of the identities, or has been changed; nothing unauthenticated reaches
 * next. 0; -EINVAL with file and line in err; -errno with the file in err; -ENOMEM.
 */
int unseal_new(struct stage **ret, const char *const *files, size_t n, struct stage *next,
	       struct err *err);
