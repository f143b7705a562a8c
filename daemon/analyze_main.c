/*
 * heapwatch-analyze: what a heap snapshot or a profile holds, found out by a process that can do
 * nothing else
 *
 *   descriptor 0, mapped -> confined -> expanded -> analysed -> report to descriptor 1
 *
 * Not a byte of the file is looked at before the process is confined. One thread: it has all
 * the time its deadline gives, and the host has other work.
 */

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyze_profile.h"
#include "capture/worker.h"
#include "confine.h"
#include "heap/report.h"
#include "json/tree.h"
#include "json/write.h"
#include "pipeline/packing.h"
#include "pipeline/stage.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/list.h"
#include "util/str.h"

enum { TOP_DEFAULT = 100, DEADLINE_DEFAULT_S = 3600, STEP_BYTES = 8 << 20 };

/* The strings' index, names and classes, which the estimate does not count: a share of the limit.
 */
enum { UNCOUNTED_SHARE = 8 };

struct wish {
	const char *name; /* of the file, for the report */
	bool is_profile;
	uint64_t memory_bytes, deadline_s, top;
};

static const struct option long_flags[] = {
	{ "kind", required_argument, NULL, 'k' },
	{ "name", required_argument, NULL, 'n' },
	{ "memory-max", required_argument, NULL, 'm' },
	{ "deadline", required_argument, NULL, 'd' },
	{ "top", required_argument, NULL, 't' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char usage[] =
	"usage: heapwatch-analyze [flags] <SNAPSHOT >REPORT\n"
	"\n"
	"The worker of heapwatchd: reads a heap snapshot or a .heapprofile, plain or packed by\n"
	"zstd or gzip, from descriptor 0 and writes a report to descriptor 1, with no right to\n"
	"anything else. `heapwatchctl analyze FILE` and `profile top FILE` are for people.\n"
	"\n"
	"  --kind=KIND         snapshot or sampling (default: snapshot)\n"
	"  --name=NAME         what the report calls the file\n"
	"  --memory-max=BYTES  more is refused (default: 1GiB)\n"
	"  --deadline=SECONDS  of processor time (default: 3600)\n"
	"  --top=NUMBER        classes or functions in the report (default: 100)\n";

static void put(const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDOUT_FILENO, text, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(WORKER_FAILED);
		text += n;
		size -= (size_t)n;
	}
}

/* Ends here, not by exit(): nothing of a library may run any more. */
static _Noreturn void end(enum worker_exit exit, const char *text)
{
	put(text, strlen(text));
	put("\n", text[0] != '\0');
	_exit((int)exit);
}

static int read_kind(const char *text, bool *is_profile)
{
	*is_profile = strcmp(text, "sampling") == 0;
	return *is_profile || strcmp(text, "snapshot") == 0 ? 0 : -EINVAL;
}

static void read_flags(int argc, char **argv, struct wish *wish)
{
	int flag, r = 0;

	opterr = 0;
	while (r == 0 && (flag = getopt_long(argc, argv, "", long_flags, NULL)) != -1) {
		switch (flag) {
		case 'k':
			r = read_kind(optarg, &wish->is_profile);
			break;
		case 'n':
			wish->name = optarg;
			break;
		case 'm':
			r = str_parse_bytes(optarg, &wish->memory_bytes);
			break;
		case 'd':
			r = str_parse_uint(optarg, &wish->deadline_s);
			break;
		case 't':
			r = str_parse_uint(optarg, &wish->top);
			break;
		case 'h':
			end(WORKER_DONE, usage);
		default:
			r = -EINVAL;
		}
	}
	if (r < 0 || optind < argc)
		end(WORKER_USAGE, usage);
}

/* ---- the file ---- */

static int map(struct v8_text *ret, struct err *err)
{
	struct stat status;
	void *data;

	*ret = (struct v8_text){ .data = "" };
	if (fstat(STDIN_FILENO, &status) < 0 || !S_ISREG(status.st_mode))
		return err_set(err, -EINVAL, "descriptor 0 is no file");
	if (status.st_size == 0)
		return 0;
	data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, STDIN_FILENO, 0);
	if (data == MAP_FAILED)
		return err_set(err, -errno, "mmap: %s", strerror(errno));
	*ret = (struct v8_text){ data, (uint64_t)status.st_size, .mapped = true };
	return 0;
}

/* Memory that what is expanded goes into, in steps, so that none is taken for nothing. */
struct room {
	struct stage stage;
	char *data;
	size_t size, capacity, max;
};

static int room_grow(struct room *room)
{
	size_t capacity = room->capacity + STEP_BYTES;
	void *data = room->data == NULL
			     ? mmap(NULL, capacity, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
			     : mremap(room->data, room->capacity, capacity, MREMAP_MAYMOVE);

	if (data == MAP_FAILED)
		return -ENOMEM;
	room->data = data;
	room->capacity = capacity;
	return 0;
}

static int room_put(struct stage *stage, const void *data, size_t size)
{
	struct room *room = container_of(stage, struct room, stage);

	if (size > room->max - room->size)
		return -ENOMEM;
	while (room->capacity - room->size < size) {
		int r = room_grow(room);

		if (r < 0)
			return r;
	}
	memcpy(room->data + room->size, data, size);
	room->size += size;
	return 0;
}

static int room_finish(struct stage *stage)
{
	(void)stage;
	return 0;
}

static const struct stage_ops room_ops = { .name = "room", .put = room_put, .finish = room_finish };

/* Firefox's own snapshots are gzip inside of whatever we made of them. */
enum { LAYERS_MAX = 3 };

/* The packed text is given back. */
static int expand(struct v8_text *text, const struct packing *packing, uint64_t memory_bytes,
		  struct err *err)
{
	struct room room = { .stage = { .ops = &room_ops }, .max = memory_bytes };
	struct stage *stage = NULL;
	int r = packing->expand_new(&stage, &room.stage);

	if (r == 0)
		r = stage_put(stage, text->data, text->size);
	if (r == 0)
		r = stage_finish(stage);
	if (r < 0)
		return err_set(err, r, "%s",
			       stage != NULL && stage->error[0] ? stage->error : strerror(-r));
	stage->ops->free(stage);
	munmap((void *)(uintptr_t)text->data, text->size);
	*text = (struct v8_text){ room.data != NULL ? room.data : "", room.size, .mapped = false };
	return 0;
}

/* The bytes it takes are in *ret. */
static int expand_all(struct v8_text *text, uint64_t memory_bytes, uint64_t *ret, struct err *err)
{
	const struct packing *packing;
	int r = 0;

	*ret = 0;
	for (int i = 0; i < LAYERS_MAX && r == 0; i++) {
		packing = packing_of(text->data, text->size);
		if (packing == NULL)
			break;
		r = expand(text, packing, memory_bytes - *ret, err);
		*ret = text->size;
	}
	return r;
}

/* ---- the report ---- */

static void write_usage(struct json_writer *w, const struct heap_graph *graph, uint64_t began_ns)
{
	struct rusage used = { .ru_maxrss = 0 };

	getrusage(RUSAGE_SELF, &used);
	json_write_key(w, "worker");
	json_write_object(w);
	json_member_uint(w, "estimate_bytes", heap_graph_cost(graph->nodes, graph->edges_n, NULL));
	json_member_uint(w, "peak_resident_bytes", (uint64_t)used.ru_maxrss * 1024);
	json_member_double(w, "duration_seconds", (double)(clock_mono_ns() - began_ns) / 1e9);
	json_write_object_end(w);
}

static int report(const struct heap_analysis *analysis, const struct wish *wish, uint64_t began_ns,
		  struct err *err)
{
	struct heap_report report;
	struct json_writer w;
	struct buf buf;
	int r = heap_report_init(&report, analysis, wish->name, NULL, wish->top);

	if (r < 0)
		return err_set(err, r, "out of memory");
	buf_init(&buf, WORKER_REPORT_MAX);
	json_write_init(&w, &buf);
	json_write_object(&w);
	heap_report_write(&report, &w);
	write_usage(&w, &analysis->graph, began_ns);
	json_write_object_end(&w);
	buf_puts(&buf, "\n");
	if (buf.error != 0)
		return err_set(err, buf.error, "the report would have more than %d bytes",
			       WORKER_REPORT_MAX);
	put(buf.data, buf.size);
	return 0;
}

static int report_profile(const struct v8_text *text, const struct wish *wish, struct err *err)
{
	struct buf buf;
	int r;

	buf_init(&buf, WORKER_REPORT_MAX);
	r = analyze_profile(text->data, (size_t)text->size, wish->name, (size_t)wish->top, &buf,
			    err);
	if (r == 0)
		put(buf.data, buf.size);
	return r;
}

static int work(struct v8_text *text, const struct wish *wish, struct err *err)
{
	uint64_t began_ns = clock_mono_ns(), expanded;
	struct heap_load_options load = { .threads = 1, .memory_max = wish->memory_bytes };
	struct heap_analysis analysis;
	int r = expand_all(text, wish->memory_bytes, &expanded, err);

	if (r == 0 && wish->is_profile)
		return report_profile(text, wish, err);
	if (r == 0) {
		load.memory_max -= expanded;
		load.memory_max -= load.memory_max / UNCOUNTED_SHARE;
		r = heap_analyse(&analysis, text, &load, err);
	}
	return r == 0 ? report(&analysis, wish, began_ns, err) : r;
}

/* Whoever started us may be gone before we could ask to be told. */
static bool is_wanted(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	return poll(&out, 1, 0) == 0 || (out.revents & (POLLERR | POLLNVAL)) == 0;
}

/* Trees take a random seed from the kernel, once: not any more when we are confined. */
static int seed_trees(struct err *err)
{
	struct tree *tree;
	int r = tree_parse("{}", 2, &tree, err);

	if (r == 0)
		tree_free(tree);
	return r;
}

static int confine(const struct wish *wish, struct err *err)
{
	const struct confine_limits limits = {
		.memory_bytes = wish->memory_bytes,
		.cpu_seconds = wish->deadline_s,
		.file_bytes = WORKER_REPORT_MAX,
	};
	int r = confine_limit(&limits, err);

	return r == 0 ? confine_calls(err) : r;
}

int main(int argc, char **argv)
{
	struct wish wish = { .memory_bytes = 1 << 30,
			     .deadline_s = DEADLINE_DEFAULT_S,
			     .top = TOP_DEFAULT };
	struct err err = { .text = "" };
	char limit[STR_UNIT_MAX];
	struct v8_text text;
	int r;

	read_flags(argc, argv, &wish);
	confine_priority();
	r = is_wanted() ? map(&text, &err) : err_set(&err, -EPIPE, "nobody reads the report");
	if (r == 0)
		r = seed_trees(&err);
	if (r == 0)
		r = confine(&wish, &err);
	if (r == 0)
		r = work(&text, &wish, &err);
	if (r == -ENOMEM)
		err_set(&err, -EFBIG, "it takes more than the %s that may be taken",
			str_format_bytes(limit, wish.memory_bytes));
	if (r < 0)
		end(err.code == -EFBIG || err.code == -EOVERFLOW ? WORKER_REFUSED : WORKER_FAILED,
		    err.text);
	_exit(WORKER_DONE);
}
