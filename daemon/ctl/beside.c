/*
 * What the daemon left beside a capture
 */

#include "ctl/beside.h"

#include <stdio.h>
#include <unistd.h>

#include "ctl/heap_file.h"
#include "json/tree.h"
#include "util/err.h"

enum { PATH_BYTES_MAX = 4096 };

struct tree *beside_manifest(const char *snapshot, const struct ctl_options *options)
{
	struct heap_file file;
	struct tree *ret = NULL;
	struct err ignored;
	char path[PATH_BYTES_MAX];
	int n = snprintf(path, sizeof(path), "%s.json", snapshot);

	if (n < 0 || (size_t)n >= sizeof(path) || access(path, R_OK) < 0)
		return NULL;
	if (heap_file_open(&file, path, options, 0, &ignored) == CTL_OK &&
	    tree_parse(file.text.data, (size_t)file.text.size, &ret, NULL) < 0)
		ret = NULL;
	heap_file_fini(&file);
	return ret;
}
