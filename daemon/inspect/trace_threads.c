/*
 * Metadata tells the main threads, for it is they that have a name; of frames only the process is
 * told, and of a worker both by itself.
 */

#include "inspect/trace_threads.h"

#include <string.h>

#include "json/tree.h"

static bool is_named(const struct tree *event, const char *wanted)
{
	const char *name;

	return tree_string(event, "name", &name) && strcmp(name, wanted) == 0;
}

static bool take_id(const struct tree *node, const char *path, int64_t *ret)
{
	int64_t id;

	if (!tree_int(node, path, &id) || id <= 0)
		return false;
	*ret = id;
	return true;
}

bool trace_main_thread(const struct tree *event, int64_t *ret_pid, int64_t *ret_tid)
{
	const char *what;

	return is_named(event, "thread_name") && tree_string(event, "args.name", &what) &&
	       strcmp(what, "CrRendererMain") == 0 && take_id(event, "pid", ret_pid) &&
	       take_id(event, "tid", ret_tid);
}

bool trace_worker(const struct tree *event, const char **ret_target, int64_t *ret_pid,
		  int64_t *ret_tid)
{
	return is_named(event, "TracingSessionIdForWorker") &&
	       tree_string(event, "args.data.workerId", ret_target) &&
	       take_id(event, "pid", ret_pid) &&
	       take_id(event, "args.data.workerThreadId", ret_tid);
}

size_t trace_frames(const struct tree *event)
{
	const struct tree *frames = tree_get(event, "args.data.frames");

	return is_named(event, "TracingStartedInBrowser") && tree_is_array(frames)
		       ? tree_size(frames)
		       : 0;
}

bool trace_frame(const struct tree *event, size_t i, const char **ret_target, int64_t *ret_pid)
{
	const struct tree *frame = tree_at(tree_get(event, "args.data.frames"), i);

	return tree_string(frame, "frame", ret_target) && take_id(frame, "processId", ret_pid);
}
