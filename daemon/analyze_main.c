/*
 * heapwatch-analyze: what a heap snapshot or a profile holds, found out by a process that can do
 * nothing else
 *
 *   descriptors, mapped -> confined -> expanded -> analysed, compared -> report to descriptor 1
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
#include <sys/resource.h>
#include <unistd.h>

#include "analyze_input.h"
#include "analyze_leaks.h"
#include "analyze_profile.h"
#include "capture/worker.h"
#include "confine.h"
#include "heap/report.h"
#include "json/tree.h"
#include "json/write.h"
#include "profile/profile.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"

/* Snapshots to compare with, or profiles to add. */
enum { EARLIER_MAX = WORKER_PROFILES_MAX };
_Static_assert((int)EARLIER_MAX >= (int)HEAP_PASTS_MAX, "room for either");

enum { TOP_DEFAULT = 100, DEADLINE_DEFAULT_S = 3600, MORE_FIRST = 3 };

/* The strings' index, names, classes and scripts, which the estimate does not count: a share of it.
 */
enum { UNCOUNTED_SHARE = 8 };

struct wish {
	const char *name; /* of the file, for the report */
	const char *no_verdict; /* why it is not compared, though it is the last of a series */
	bool is_profile;
	uint64_t memory_bytes, deadline_s, top;
	uint64_t earlier; /* snapshots to compare it with, or profiles to add to it */
	const char *earlier_names[HEAP_PASTS_MAX]; /* of snapshots, where they are told */
	unsigned earlier_names_n;
	bool scripts, same_process, tracked;
};

static const struct option long_flags[] = {
	{ "kind", required_argument, NULL, 'k' },
	{ "name", required_argument, NULL, 'n' },
	{ "memory-max", required_argument, NULL, 'm' },
	{ "deadline", required_argument, NULL, 'd' },
	{ "top", required_argument, NULL, 't' },
	{ "scripts", no_argument, NULL, 's' },
	{ "earlier", required_argument, NULL, 'e' },
	{ "earlier-name", required_argument, NULL, 'N' },
	{ "same-process", no_argument, NULL, 'p' },
	{ "tracked", no_argument, NULL, 'w' },
	{ "no-verdict", required_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char usage[] =
	"usage: heapwatch-analyze [flags] <SNAPSHOT >REPORT\n"
	"\n"
	"The worker of heapwatchd: reads a heap snapshot, a .heapprofile or a profile of pprof's,\n"
	"plain or packed by zstd or gzip, from descriptor 0 and writes a report to descriptor 1,\n"
	"with no right to anything else. `heapwatchctl analyze FILE` and `profile top FILE` are\n"
	"for people.\n"
	"\n"
	"  --kind=KIND         snapshot or sampling (default: snapshot)\n"
	"  --name=NAME         what the report calls the file\n"
	"  --memory-max=BYTES  more is refused (default: 1GiB)\n"
	"  --deadline=SECONDS  of processor time (default: 3600)\n"
	"  --top=NUMBER        classes or functions in the report (default: 100)\n"
	"  --scripts           descriptor 3 is the list of the program's scripts\n"
	"  --earlier=NUMBER    the next 1 or 2 descriptors are earlier snapshots, the oldest "
	"first:\n"
	"                      tell what accumulates; or of a profile up to 11 that are added\n"
	"  --earlier-name=NAME the name of an earlier snapshot, for the case that it is damaged;\n"
	"                      once for each, the oldest first\n"
	"  --same-process      they are known to be of one process\n"
	"  --tracked           and of one tracking: tell what came, too\n"
	"  --no-verdict=TEXT   why that is not told\n";

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

static int take_earlier_name(struct wish *wish, const char *name)
{
	if (wish->earlier_names_n == HEAP_PASTS_MAX)
		return -EINVAL;
	wish->earlier_names[wish->earlier_names_n++] = name;
	return 0;
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
		case 's':
			wish->scripts = true;
			break;
		case 'e':
			r = str_parse_uint(optarg, &wish->earlier);
			break;
		case 'N':
			r = take_earlier_name(wish, optarg);
			break;
		case 'p':
			wish->same_process = true;
			break;
		case 'w':
			wish->tracked = true;
			break;
		case 'v':
			wish->no_verdict = optarg;
			break;
		case 'h':
			end(WORKER_DONE, usage);
		default:
			r = -EINVAL;
		}
	}
	if (r < 0 || optind < argc ||
	    wish->earlier > (wish->is_profile ? (unsigned)EARLIER_MAX : (unsigned)HEAP_PASTS_MAX))
		end(WORKER_USAGE, usage);
}

/* ---- what it reads ---- */

struct inputs {
	struct v8_text snapshot, scripts, earlier[EARLIER_MAX];
};

static int map_all(struct inputs *ret, const struct wish *wish, struct err *err)
{
	int fd = MORE_FIRST, r = input_map(&ret->snapshot, STDIN_FILENO, err);

	ret->scripts = (struct v8_text){ .data = "" };
	if (r == 0 && wish->scripts)
		r = input_map(&ret->scripts, fd++, err);
	for (uint64_t i = 0; i < wish->earlier && r == 0; i++)
		r = input_map(&ret->earlier[i], fd++, err);
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

static int report(struct heap_analysis *analysis, const struct wish *wish,
		  const struct leaks_input *leaks, uint64_t began_ns, struct err *err)
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
	r = leaks_write(&w, analysis, leaks);
	if (r < 0)
		return err_set(err, r, "out of memory");
	write_usage(&w, &analysis->graph, began_ns);
	json_write_object_end(&w);
	buf_puts(&buf, "\n");
	if (buf.error != 0)
		return err_set(err, buf.error, "the report would have more than %d bytes",
			       WORKER_REPORT_MAX);
	put(buf.data, buf.size);
	return 0;
}

/* What of the limit is left when the snapshot is analysed. */
static uint64_t left_beside(const struct heap_analysis *analysis, uint64_t expanded,
			    const struct wish *wish)
{
	uint64_t taken =
		expanded + heap_graph_cost(analysis->graph.nodes, analysis->graph.edges_n, NULL);

	return wish->memory_bytes > taken ? wish->memory_bytes - taken : 0;
}

/* One of the earlier ones that is damaged is as one that is gone. */
static unsigned add_earlier(struct profile *profile, struct inputs *inputs, const struct wish *wish)
{
	unsigned n = 0;

	for (uint64_t i = 0; i < wish->earlier; i++) {
		struct v8_text *text = &inputs->earlier[i];
		struct err ignored;
		uint64_t expanded;
		int r = input_expand(text, wish->memory_bytes, &expanded, &ignored);

		if (r == 0)
			r = analyze_profile_add(profile, text->data, (size_t)text->size, &ignored);
		n += r == 0;
		input_fini(text);
	}
	return n;
}

static int report_profile(struct inputs *inputs, const struct wish *wish, struct err *err)
{
	struct profile profile = { .nodes = NULL };
	struct buf buf;
	unsigned n = 1;
	int r = analyze_profile_add(&profile, inputs->snapshot.data, (size_t)inputs->snapshot.size,
				    err);

	if (r < 0)
		return r;
	n += add_earlier(&profile, inputs, wish);
	buf_init(&buf, WORKER_REPORT_MAX);
	r = analyze_profile_report(&profile, n, wish->name, (size_t)wish->top, &buf, err);
	if (r == 0)
		put(buf.data, buf.size);
	return r;
}

static int work(struct inputs *inputs, const struct wish *wish, struct err *err)
{
	uint64_t began_ns = clock_mono_ns(), expanded;
	struct heap_load_options load = { .threads = 1, .memory_max = wish->memory_bytes };
	struct leaks_input leaks = { .earlier = inputs->earlier,
				     .earlier_names = wish->earlier_names,
				     .earlier_n = (unsigned)wish->earlier,
				     .scripts = &inputs->scripts,
				     .same_process = wish->same_process,
				     .tracked = wish->tracked,
				     .top = (size_t)wish->top,
				     .refused = wish->no_verdict };
	struct heap_analysis analysis;
	int r = input_expand(&inputs->snapshot, wish->memory_bytes, &expanded, err);

	load.memory_max -= expanded;
	load.memory_max -= load.memory_max / UNCOUNTED_SHARE;
	if (r < 0 && !wish->is_profile)
		r = input_damage(&inputs->snapshot, load.memory_max, r, err);
	if (r < 0)
		return r;
	if (wish->is_profile)
		return report_profile(inputs, wish, err);
	r = heap_analyse(&analysis, &inputs->snapshot, &load, err);
	if (r < 0)
		return r;
	leaks.memory_bytes = left_beside(&analysis, expanded, wish);
	return report(&analysis, wish, &leaks, began_ns, err);
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
	struct inputs inputs;
	int r;

	read_flags(argc, argv, &wish);
	confine_priority();
	r = is_wanted() ? map_all(&inputs, &wish, &err)
			: err_set(&err, -EPIPE, "nobody reads the report");
	if (r == 0)
		r = seed_trees(&err);
	if (r == 0)
		r = confine(&wish, &err);
	if (r == 0)
		r = work(&inputs, &wish, &err);
	if (r == -ENOMEM)
		err_set(&err, -EFBIG, "it takes more than the %s that may be taken",
			str_format_bytes(limit, wish.memory_bytes));
	if (r < 0)
		end(err.code == -EFBIG || err.code == -EOVERFLOW ? WORKER_REFUSED : WORKER_FAILED,
		    err.text);
	_exit(WORKER_DONE);
}
