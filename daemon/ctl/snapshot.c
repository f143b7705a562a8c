/*
 * A snapshot to be compared by its objects
 */

#include "ctl/snapshot.h"

#include "ctl/command.h"
#include "heap/leaks_answer.h"
#include "util/err.h"

struct heap_request snapshot_request(const char *path)
{
	return (struct heap_request){
		.path = path,
		.parts = HEAP_PARTS_NODES | HEAP_PARTS_EDGES | HEAP_PARTS_ORDER | HEAP_PARTS_TREE,
	};
}

int snapshot_init(struct snapshot *ret, const char *path, uint64_t taken,
		  const struct ctl_options *options, struct err *err)
{
	struct heap_request request = snapshot_request(path);
	struct err why;
	int r, exit;

	request.taken = taken;

	*ret = (struct snapshot){ .file = { .mapped = 0 } };
	exit = heap_file_analyse(&ret->file, &ret->analysis, &request, options, err);
	if (exit != CTL_OK)
		return exit;
	r = heap_side_init(&ret->side, &ret->analysis);
	err_set(&why, r, "out of memory");
	return r < 0 ? heap_file_failed(err, path, r, &why) : CTL_OK;
}

void snapshot_fini(struct snapshot *snapshot)
{
	heap_side_fini(&snapshot->side);
	heap_analysis_fini(&snapshot->analysis);
	heap_file_fini(&snapshot->file);
}

uint64_t snapshot_taken(const struct snapshot *snapshot)
{
	return heap_file_taken(&snapshot->file, &snapshot->analysis.graph) +
	       leaks_answer_cost(snapshot->analysis.graph.nodes);
}
