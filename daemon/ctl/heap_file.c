/*
 * A heap snapshot in a file
 */

#include "ctl/heap_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/progress.h"
#include "ctl/source.h"
#include "ctl/unpack.h"
#include "heap/alloc.h"
#include "util/err.h"
#include "util/memory.h"

/* UINT64_MAX: any number. */
static uint64_t memory_left(const struct ctl_options *options, uint64_t taken)
{
	uint64_t max = options->heap.memory_max_bytes;

	/* What is taken already, the kernel has counted. */
	if (max == 0)
		return memory_available();
	return max > taken ? max - taken : 0;
}

static int map(struct heap_file *file, int fd, const char *path, struct err *err)
{
	struct stat status;
	void *data;

	if (fstat(fd, &status) < 0)
		return source_fail(err, CTL_FAILURE, -errno, "%s: %s", path, strerror(errno));
	if (S_ISDIR(status.st_mode))
		return source_fail(err, CTL_FAILURE, -EISDIR, "%s: is a directory", path);
	file->text.size = (uint64_t)status.st_size;
	if (status.st_size == 0)
		return CTL_OK;
	data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return source_fail(err, CTL_FAILURE, -errno, "%s: %s", path, strerror(errno));
	file->mapped = (size_t)status.st_size;
	file->text.data = data;
	file->text.mapped = true;
	return CTL_OK;
}

/* The graph of what is encrypted would be written to the disk. */
static bool would_bare(const struct unpack *unpack)
{
	return unpack->sealed && unpack->spill != NULL;
}

/* What was packed is in memory now, unless it is in a file. */
static int take_note(struct heap_file *file, const struct unpack *unpack, const char *path,
		     struct err *err)
{
	file->sealed = unpack->sealed;
	if (unpack->packed && (unpack->spill == NULL || unpack->sealed))
		file->taken = file->text.size;
	if (would_bare(unpack))
		return source_fail(err, CTL_REFUSED, -EPERM,
				   "%s: it is encrypted, and what is in it goes to no disk in "
				   "clear: --spill is for other files",
				   path);
	return CTL_OK;
}

/* Where a snapshot breaks off of which fd has the part that could be unpacked. */
static int tell_part(struct heap_file *file, int fd, const struct unpack *unpack, const char *path,
		     const struct ctl_options *options, uint64_t taken, struct err *err)
{
	struct heap_load_options load;
	struct err place;
	int exit = map(file, fd, path, err);

	if (exit != CTL_OK)
		return exit;
	load = heap_file_load_options(path, options, taken + file->text.size);
	heap_load_part(&file->text, &load, unpack->damage, &place);
	progress_end();
	return source_fail(err, CTL_FAILURE, place.code, "%s: %s", path, place.text);
}

/* fd is closed in any case. */
static int take_in(struct heap_file *file, int fd, const char *path,
		   const struct ctl_options *options, uint64_t taken, bool snapshot,
		   struct err *err)
{
	struct unpack unpack = { .memory_max = memory_left(options, taken),
				 .spill = options->heap.spill };
	int exit = unpack_all(&unpack, &fd, path, options, err);

	if (exit == CTL_OK && file->mapped == 0)
		exit = map(file, fd, path, err);
	if (exit == CTL_OK)
		exit = take_note(file, &unpack, path, err);
	else if (unpack.part && snapshot && file->mapped == 0 && !would_bare(&unpack))
		exit = tell_part(file, fd, &unpack, path, options, taken, err);
	close(fd);
	return exit;
}

static int open_path(const char *path, int *ret, struct err *err)
{
	*ret = open(path, O_RDONLY | O_CLOEXEC);
	return *ret >= 0 ? CTL_OK
			 : source_fail(err, CTL_FAILURE, -errno, "%s: %s", path, strerror(errno));
}

int heap_file_open(struct heap_file *ret, const char *path, const struct ctl_options *options,
		   uint64_t taken, bool snapshot, struct err *err)
{
	int fd, exit = open_path(path, &fd, err);

	*ret = (struct heap_file){ .text = { .data = "" } };
	return exit == CTL_OK ? take_in(ret, fd, path, options, taken, snapshot, err) : exit;
}

void heap_file_fini(struct heap_file *file)
{
	if (file->mapped > 0)
		munmap((void *)(uintptr_t)file->text.data, file->mapped);
	file->mapped = 0;
}

static unsigned threads_of(const struct ctl_options *options)
{
	cpu_set_t set;

	if (options->heap.threads != 0)
		return (unsigned)options->heap.threads;
	return sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 1 ? 2 : 1;
}

uint64_t heap_file_memory_max(const struct ctl_options *options, uint64_t taken)
{
	uint64_t left = memory_left(options, taken);

	if (options->heap.spill != NULL || left == UINT64_MAX)
		return 0;
	return left > 0 ? left : 1;
}

struct heap_load_options heap_file_load_options(const char *path, const struct ctl_options *options,
						uint64_t taken)
{
	return (struct heap_load_options){ .threads = threads_of(options),
					   .memory_max = heap_file_memory_max(options, taken),
					   .progress = progress_begin(path, options) };
}

int heap_file_failed(struct err *err, const char *path, int r, const struct err *why)
{
	int exit = r == -EFBIG || r == -EOVERFLOW ? CTL_REFUSED : CTL_FAILURE;

	if (r == -ENOMEM && heap_spill_error() != 0)
		return source_fail(err, exit, heap_spill_error(), "%s: --spill: %s", path,
				   strerror(-heap_spill_error()));
	return source_fail(err, exit, r, "%s: %s%s", path, why->text,
			   r == -EFBIG ? UNPACK_SPILL_HINT : "");
}

/* ---- index ---- */

static uint64_t index_from(const struct ctl_options *options)
{
	return options->heap.index != NULL ? 1 : INDEX_FROM_BYTES;
}

/*
 * Of what is encrypted nothing is kept, and of a pipe it is not known what it will be. How large
 * it is that was packed shows only when it is unpacked, which an index is there to spare.
 */
static bool wants_index(struct heap_file *file, int fd, const char *path,
			const struct ctl_options *options)
{
	struct stat status;
	bool sealed;

	if (options->heap.no_index || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return false;
	file->packed = unpack_is_packed(fd, &sealed);
	file->source.path = path;
	return !sealed && (file->packed || (uint64_t)status.st_size >= index_from(options)) &&
	       heap_mark_of(fd, &file->source.mark) == 0;
}

/* What need not be unpacked is mapped for its strings, which the index does not have then. */
static int from_index(struct heap_file *file, struct heap_analysis *ret, int fd,
		      const struct heap_request *request, const struct ctl_options *options)
{
	struct err ignored;
	int r;

	if (!file->packed && map(file, fd, request->path, &ignored) != CTL_OK)
		return -ENOENT;
	if (!file->packed) {
		file->source.text = file->text.data;
		file->source.text_size = file->text.size;
	}
	r = index_file_read(ret, &file->source, request->parts, threads_of(options), options);
	if (r == 0 && request->shapes != NULL)
		r = heap_analysis_reshape(ret, request->shapes);
	return r;
}

bool heap_file_lacks_index(const struct heap_file *file, const struct heap_analysis *analysis)
{
	return file->keeps && !file->sealed && analysis->index == NULL;
}

void heap_file_keep(const struct heap_file *file, const struct heap_analysis *analysis,
		    const struct ctl_options *options)
{
	if (heap_file_lacks_index(file, analysis))
		index_file_write(analysis, &file->source, options);
}

/* ---- analysis ---- */

static int analyse(struct heap_file *file, struct heap_analysis *ret,
		   const struct heap_request *request, const struct ctl_options *options,
		   struct err *why)
{
	struct heap_load_options load =
		heap_file_load_options(request->path, options, request->taken + file->taken);

	load.after = request->after;
	if (!request->only_classes)
		return heap_analyse(ret, &file->text, &load, why);
	file->keeps = false;
	return heap_analyse_classes(ret, &file->text, request->shapes, &load, why);
}

int heap_file_analyse(struct heap_file *file, struct heap_analysis *ret,
		      const struct heap_request *request, const struct ctl_options *options,
		      struct err *err)
{
	struct err why;
	int r, fd, exit = open_path(request->path, &fd, err);

	*file = (struct heap_file){ .text = { .data = "" } };
	*ret = (struct heap_analysis){ .retained = NULL };
	if (exit != CTL_OK)
		return exit;
	file->keeps =
		wants_index(file, fd, request->path, options) && !(request->text && file->packed);
	if (file->keeps && from_index(file, ret, fd, request, options) == 0) {
		if (!request->stacks || !file->packed || !ret->graph.traced) {
			close(fd);
			return CTL_OK;
		}
		file->keeps = false; /* it is there already */
	}
	heap_analysis_fini(ret);
	exit = take_in(file, fd, request->path, options, request->taken, true, err);
	if (exit != CTL_OK)
		return exit;
	file->keeps = file->keeps && file->text.size >= index_from(options);
	r = analyse(file, ret, request, options, &why);
	progress_end();
	return r < 0 ? heap_file_failed(err, request->path, r, &why) : CTL_OK;
}

uint64_t heap_file_taken(const struct heap_file *file, const struct heap_graph *graph)
{
	if (graph->borrowed)
		return file->taken;
	return file->taken + heap_graph_cost(graph->nodes, graph->edges_n, NULL);
}

int heap_file_stacks(struct heap_stacks *ret, const struct heap_file *file,
		     const struct heap_graph *graph, uint64_t taken, const char *path,
		     const struct ctl_options *options, struct err *err)
{
	struct err why;
	int r = heap_stacks_read(ret, graph, &file->text, heap_file_memory_max(options, taken),
				 &why);

	return r < 0 ? heap_file_failed(err, path, r, &why) : CTL_OK;
}
