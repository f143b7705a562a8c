/*
 * convert: a heap snapshot of any engine as V8's, for Chrome DevTools and MemLab
 *
 * What is V8's already is checked and copied as it is, so that nothing of it is lost.
 */

#include <errno.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/heap_file.h"
#include "ctl/output.h"
#include "ctl/progress.h"
#include "ctl/source.h"
#include "ctl/tap.h"
#include "heap/load.h"
#include "heap/save_v8.h"
#include "util/err.h"
#include "util/str.h"

struct converting {
	const char *path;
	struct heap_file file;
	struct heap_graph graph;
	struct heap_stacks stacks;
};

static int put(void *owner, const void *data, size_t size)
{
	return stage_put(owner, data, size);
}

static int fill(void *owner, int fd, struct err *err)
{
	const struct converting *converting = owner;
	const struct v8_text *text = &converting->file.text;
	struct outlet outlet;
	int r;

	outlet_init(&outlet, fd);
	if (heap_format_of(text) == HEAP_FORMAT_V8)
		r = put(&outlet.stage, text->data, (size_t)text->size);
	else
		r = heap_save_v8(&converting->graph, &converting->stacks, put, &outlet.stage);
	if (r == 0)
		return CTL_OK;
	return source_fail(err, CTL_FAILURE, r, "%s: %s", converting->path,
			   r == -ENOMEM ? "out of memory" : chain_error(&outlet.stage));
}

int command_convert(struct source *source, const struct ctl_options *options, struct err *err)
{
	struct heap_load_options load;
	struct converting converting = { .path = options->args[0] };
	char name[OUTPUT_NAME_MAX];
	struct err why;
	int r, exit = heap_file_open(&converting.file, converting.path, options, 0, true, err);

	(void)source;
	if (exit == CTL_OK) {
		load = heap_file_load_options(converting.path, options, converting.file.taken);
		r = heap_load(&converting.graph, &converting.file.text, &load, &why);
		progress_end();
		if (r < 0)
			exit = heap_file_failed(err, converting.path, r, &why);
	}
	if (exit == CTL_OK && heap_format_of(&converting.file.text) != HEAP_FORMAT_V8)
		exit = heap_file_stacks(&converting.stacks, &converting.file, &converting.graph,
					heap_file_taken(&converting.file, &converting.graph),
					converting.path, options, err);
	if (exit == CTL_OK) {
		output_name(name, converting.path, ".heapsnapshot");
		exit = output_write(options, name, fill, &converting, err);
	}
	heap_stacks_fini(&converting.stacks);
	heap_graph_fini(&converting.graph);
	heap_file_fini(&converting.file);
	return exit;
}
