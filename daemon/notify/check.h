#pragma once

/* What must hold of receivers beyond each option of its own, and the files they name. */

#include <stdbool.h>

struct alerting_settings;
struct endpoint_settings;

typedef void notify_complain_fn(const void *owner, const char *path, const char *text);

/* complain is called for each mistake, with the path of the option. */
void notify_check(const struct alerting_settings *alerting, notify_complain_fn *complain,
		  const void *owner);

/*
 * The same of one endpoint, whatever it receives. path is where its options stand; has_secret: more
 * goes there that nobody else may hear.
 */
void endpoint_check(const struct endpoint_settings *endpoint, const char *url, bool has_secret,
		    const char *path, notify_complain_fn *complain, const void *owner);
int endpoint_each_path(struct endpoint_settings *endpoint,
		       int (*fn)(const char *folder, char **path), const char *folder);

/* Call fn for each path of a file; what it returns below 0 ends it and is returned. */
int notify_each_path(struct alerting_settings *alerting, int (*fn)(const char *folder, char **path),
		     const char *folder);
