/*
 * Profiles that were read have all their tables and files, and a report and a pprof that can be
 * read. What the rows have is what the nodes have; merged into nothing it is the same.
 */

#include "profile_sane.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "json/tree.h"
#include "json/write.h"
#include "profile/flame.h"
#include "profile/pprof.h"
#include "profile/profile.h"
#include "profile/read.h"
#include "profile/report.h"
#include "profile/top.h"
#include "util/buf.h"

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_rows(const struct profile *profile)
{
	uint64_t all = profile_total_bytes(profile), sum = 0;
	struct profile_row *rows;
	size_t n;

	must(profile_top(profile, &rows, &n) == 0);
	for (size_t i = 0; i < n; i++) {
		must(rows[i].self_bytes <= rows[i].total_bytes && rows[i].total_bytes <= all);
		sum += rows[i].self_bytes;
	}
	must(sum == all);
	free(rows);
}

/* What no sample may be: those that add up to as much are written, and not read again. */
#define SAMPLE_MAX (1ull << 41)

static void check_again(const struct profile *profile, const char *pprof, size_t size)
{
	uint64_t bytes = profile_total_bytes(profile), count = profile_total_count(profile);
	struct profile read;
	int r = profile_read(&read, pprof, size);

	must((r == -EBADMSG && (bytes > SAMPLE_MAX || count > SAMPLE_MAX)) ||
	     (r == 0 && profile_total_bytes(&read) == bytes &&
	      profile_total_count(&read) == count));
	profile_fini(&read);
}

static void check_files(const struct profile *profile)
{
	struct buf buf;
	size_t flame;

	buf_init(&buf, 64 << 20);
	must(profile_write_flame(profile, NULL, NULL, &buf) == 0);
	flame = buf.size;
	must(profile_write_pprof(profile, &buf) == 0);
	check_again(profile, buf.data + flame, buf.size - flame);
	buf_fini(&buf);
}

/* Sums that no program has (2^48 bytes of one call) are written, and not read again. */
static void check_report(const struct profile *profile)
{
	struct profile read;
	struct json_writer w;
	struct tree *tree;
	struct buf buf;
	int r;

	buf_init(&buf, 64 << 20);
	json_write_init(&w, &buf);
	json_write_object(&w);
	must(profile_report_write(profile, 10, PROFILE_REPORT_CALLS, &w) == 0);
	json_write_object_end(&w);
	must(buf.error == 0 && tree_parse(buf.data, buf.size, &tree, NULL) == 0);
	r = profile_report_read(&read, tree);
	must(r == -EBADMSG ||
	     (r == 0 && profile_total_bytes(&read) == profile_total_bytes(profile)));
	tree_free(tree);
	profile_fini(&read);
	buf_fini(&buf);
}

static void check_merged(struct profile *profile)
{
	struct profile twice;
	struct profile_change *rows;
	struct profile names;
	size_t n;

	must(profile_init(&twice) == 0 && profile_merge(&twice, profile) == 0);
	must(profile_init(&names) == 0);
	must(profile_diff(profile, &twice, &names, &rows, &n) == 0 && n == 0);
	free(rows);
	profile_fini(&names);
	profile_fini(&twice);
}

void profile_check(struct profile *profile)
{
	check_rows(profile);
	check_files(profile);
	check_report(profile);
	check_merged(profile);
}
