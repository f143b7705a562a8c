/*
 * What the daemon left beside a capture
 */

#include "ctl/beside.h"

#include <stdint.h>
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
	if (heap_file_open(&file, path, options, 0, false, &ignored) == CTL_OK &&
	    tree_parse(file.text.data, (size_t)file.text.size, &ret, NULL) < 0)
		ret = NULL;
	heap_file_fini(&file);
	return ret;
}

struct process {
	int64_t pid, start;
	bool known;
};

static struct process process_of(const char *snapshot, const struct ctl_options *options)
{
	struct process ret = { .known = false };
	struct tree *manifest = beside_manifest(snapshot, options);

	ret.known = manifest != NULL && tree_int(manifest, "pid", &ret.pid) && ret.pid > 0;
	if (ret.known && !tree_int(manifest, "target_start_wall_ms", &ret.start))
		ret.start = 0;
	tree_free(manifest);
	return ret;
}

enum beside_process beside_process(const char *snapshot, const char *other,
				   const struct ctl_options *options)
{
	struct process a = process_of(snapshot, options), b = process_of(other, options);

	if (!a.known || !b.known)
		return BESIDE_UNTOLD;
	return a.pid == b.pid && a.start == b.start ? BESIDE_SAME : BESIDE_OTHER;
}
