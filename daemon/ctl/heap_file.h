#pragma once

/*
 * A heap snapshot in a file of this machine, as a capture of the spool or the runtime itself left
 * it: plain, compressed, sealed by age, or all of it. Nothing that was encrypted reaches a disk by
 * us.
 */

#include "ctl/index_file.h"
#include "ctl/options.h"
#include "heap/analysis.h"
#include "heap/load_v8.h"
#include "heap/stacks.h"

struct err;

struct heap_file {
	struct v8_text text;
	size_t mapped; /* bytes */
	uint64_t taken; /* bytes of memory that the text takes: 0 where it is a file's */
	bool packed, sealed; /* it was compressed or encrypted; encrypted */
	bool keeps; /* an index of it is to be kept */
	struct index_source source; /* if so */
};

/* What is wanted of a file. */
struct heap_request {
	const char *path;
	uint64_t taken; /* bytes of memory that other files of this command take */
	const struct heap_shapes *shapes; /* with only_classes: of what it is compared with; or NULL
					   */
	const struct heap_after *after; /* what is looked for then; NULL: it takes no more */
	bool text; /* the file itself is looked at, too: no index will do for one that is packed */
	bool stacks; /* so are those of allocations, where there are any: the same */
	bool only_classes; /* no retained sizes */
	enum heap_parts parts; /* that are looked at, where there is an index */
};

/*
 * taken: as above; snapshot: it is to be one, so of one that cannot be unpacked whole it is told
 * where it breaks off. CTL_OK; CTL_REFUSED: it takes too much memory; CTL_FAILURE; err has the
 * reason. fini in any case.
 */
int heap_file_open(struct heap_file *ret, const char *path, const struct ctl_options *options,
		   uint64_t taken, bool snapshot, struct err *err);
void heap_file_fini(struct heap_file *file); /* zeroed is fine */

/* The exit status for an analysis that failed with r and why, which goes to err. */
int heap_file_failed(struct err *err, const char *path, int r, const struct err *why);

/*
 * The file, analysed, or what an index has of that. request->path has to live as long as the file.
 * CTL_OK, or the exit status; fini both in any case.
 */
int heap_file_analyse(struct heap_file *file, struct heap_analysis *ret,
		      const struct heap_request *request, const struct ctl_options *options,
		      struct err *err);

/* It came from no index and one is to be kept. */
bool heap_file_lacks_index(const struct heap_file *file, const struct heap_analysis *analysis);

/* An index for the next command, where there is none; when all has been said, since it takes time.
 */
void heap_file_keep(const struct heap_file *file, const struct heap_analysis *analysis,
		    const struct ctl_options *options);

/* Bytes of memory that a file and the graph of it take, analysed or not, at the most. */
uint64_t heap_file_taken(const struct heap_file *file, const struct heap_graph *graph);

/*
 * Where the objects of the graph, which was loaded from the file at this path, were allocated;
 * taken: bytes of memory that are in use for both. CTL_OK, or the exit status; fini in any case.
 */
int heap_file_stacks(struct heap_stacks *ret, const struct heap_file *file,
		     const struct heap_graph *graph, uint64_t taken, const char *path,
		     const struct ctl_options *options, struct err *err);

/* Bytes of memory that may be taken beside what is; 0: no limit. */
uint64_t heap_file_memory_max(const struct ctl_options *options, uint64_t taken);

/*
 * By the wishes, the processors there are, and the memory that is left beside what is taken, for
 * the file at this path; progress_end() when the work is done.
 */
struct heap_load_options heap_file_load_options(const char *path, const struct ctl_options *options,
						uint64_t taken);
