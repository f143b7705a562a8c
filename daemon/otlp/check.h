#pragma once

/* What must hold of the settings beyond each option of its own, and the files they name. */

#include "notify/check.h"

struct otlp_settings;

/* complain is called for each mistake, with the path of the option. */
void otlp_check(const struct otlp_settings *settings, notify_complain_fn *complain,
		const void *owner);

/* Call fn for each path of a file; what it returns below 0 ends it and is returned. */
int otlp_each_path(struct otlp_settings *settings, int (*fn)(const char *folder, char **path),
		   const char *folder);
