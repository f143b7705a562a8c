/*
 * profile: what .heapprofile and .pb.gz files say was allocated, as a table, a comparison, a flame
 * graph, and for go tool pprof. Those of Node (--heap-prof), Chrome DevTools and Go are read too.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/grid.h"
#include "ctl/heap_file.h"
#include "ctl/output.h"
#include "ctl/profile_show.h"
#include "ctl/show.h"
#include "ctl/source.h"
#include "ctl/tap.h"
#include "pipeline/gzip.h"
#include "profile/flame.h"
#include "profile/pprof.h"
#include "profile/profile.h"
#include "profile/read.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/str.h"

enum { FILE_MAX_BYTES = 1 << 30 };

/* Into ret, which is to be finished in any case. */
static int read_profile(const char *path, const struct ctl_options *options, struct profile *ret,
			struct err *err)
{
	struct heap_file file = { .mapped = 0 };
	int exit = heap_file_open(&file, path, options, 0, false, err), r;

	if (exit == CTL_OK) {
		r = profile_read(ret, file.text.data, (size_t)file.text.size);
		if (r < 0)
			exit = source_fail(err, CTL_FAILURE, r, "%s: %s", path,
					   r == -ENOMEM ? "out of memory" : profile_read_error(r));
	}
	heap_file_fini(&file);
	return exit;
}

static int add_profile(const char *path, const struct ctl_options *options, struct profile *to,
		       struct err *err)
{
	struct profile profile = { .nodes = NULL };
	int exit = read_profile(path, options, &profile, err), r = 0;

	if (exit == CTL_OK)
		r = profile_merge(to, &profile);
	profile_fini(&profile);
	if (r < 0)
		return source_fail(err, CTL_FAILURE, r, "%s: it cannot be added: %s", path,
				   strerror(-r));
	return exit;
}

/* All that are named, call by call: what a program allocated over several profiles of it. */
static int read_all(const struct ctl_options *options, struct profile *ret, struct err *err)
{
	int exit = read_profile(options->args[1], options, ret, err);

	for (size_t i = 2; exit == CTL_OK && i < options->args_n; i++)
		exit = add_profile(options->args[i], options, ret, err);
	return exit;
}

/* ---- files that are made ---- */

struct making {
	const char *path;
	struct buf buf;
};

static int fill(void *owner, int fd, struct err *err)
{
	struct making *making = owner;
	struct outlet outlet;
	int r;

	outlet_init(&outlet, fd);
	r = stage_put(&outlet.stage, making->buf.data, making->buf.size);
	if (r == 0)
		return CTL_OK;
	return source_fail(err, CTL_FAILURE, r, "%s: %s", making->path, chain_error(&outlet.stage));
}

static int write_out(struct making *making, const char *ending, int r,
		     const struct ctl_options *options, struct err *err)
{
	char name[OUTPUT_NAME_MAX];

	if (r < 0)
		return source_fail(err, CTL_FAILURE, r, "%s: %s", making->path, strerror(-r));
	output_name(name, making->path, ending);
	return output_write(options, name, fill, making, err);
}

static int make_pprof(const struct profile *profile, const char *path,
		      const struct ctl_options *options, struct err *err)
{
	struct making making = { .path = path };
	int exit, r;

	buf_init(&making.buf, FILE_MAX_BYTES);
	r = profile_write_pprof(profile, &making.buf);
	if (r == 0)
		r = gzip_pack(&making.buf);
	exit = write_out(&making, ".pb.gz", r, options, err);
	buf_fini(&making.buf);
	return exit;
}

static int make_flame(const struct profile *profile, const struct profile *base, const char *path,
		      const struct ctl_options *options, struct err *err)
{
	const char *slash = strrchr(path, '/');
	struct making making = { .path = path };
	int exit, r;

	buf_init(&making.buf, FILE_MAX_BYTES);
	r = profile_write_flame(profile, base, slash != NULL ? slash + 1 : path, &making.buf);
	exit = write_out(&making, ".svg", r, options, err);
	buf_fini(&making.buf);
	return exit;
}

/* ---- the words ---- */

static int run_top(const struct ctl_options *options, struct err *err)
{
	struct profile profile = { .nodes = NULL };
	int exit = read_all(options, &profile, err);

	if (exit == CTL_OK)
		exit = profile_show_top(&profile, options, err);
	profile_fini(&profile);
	return exit;
}

static int run_pprof(const struct ctl_options *options, struct err *err)
{
	struct profile profile = { .nodes = NULL };
	int exit = read_all(options, &profile, err);

	if (exit == CTL_OK)
		exit = make_pprof(&profile, options->args[1], options, err);
	profile_fini(&profile);
	return exit;
}

/* Where either is not known, or there is no base, there is nothing to say. */
static void warn_of_two_kinds(const struct profile *base, const struct profile *profile)
{
	if (base->what != PROFILE_UNKNOWN && profile->what != PROFILE_UNKNOWN &&
	    base->what != profile->what)
		fputs("heapwatchctl: warning: one of them is of what lives, the other of all that "
		      "was allocated\n",
		      stderr);
}

static int run_two(const struct ctl_options *options, bool flame, struct err *err)
{
	struct profile base = { .nodes = NULL }, profile = base;
	const char *path = options->args[options->args_n - 1];
	int exit = read_profile(path, options, &profile, err);

	if (exit == CTL_OK && options->args_n == 3)
		exit = read_profile(options->args[1], options, &base, err);
	if (exit == CTL_OK && !options->quiet)
		warn_of_two_kinds(&base, &profile);
	if (exit == CTL_OK)
		exit = flame ? make_flame(&profile, options->args_n == 3 ? &base : NULL, path,
					  options, err)
			     : profile_show_diff(&base, &profile, options, err);
	profile_fini(&base);
	profile_fini(&profile);
	return exit;
}

int command_profile(struct source *source, const struct ctl_options *options, struct err *err)
{
	const char *word = options->args[0];
	size_t files = options->args_n - 1;

	(void)source;
	if (strcmp(word, "top") == 0)
		return run_top(options, err);
	if (strcmp(word, "pprof") == 0)
		return run_pprof(options, err);
	if (strcmp(word, "flame") == 0 && files <= 2)
		return run_two(options, true, err);
	if (strcmp(word, "diff") == 0 && files == 2)
		return run_two(options, false, err);
	return source_fail(err, CTL_USAGE, -EINVAL,
			   "profile: say top FILE..., flame [BASE] FILE, diff BASE FILE or pprof "
			   "FILE...");
}
