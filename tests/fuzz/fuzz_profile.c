/*
 * Profiles of hostile bytes: they are read or refused, and what was read has all its tables and
 * files, and a report that can be read. What the rows have is what the nodes have; merged into
 * nothing it is the same.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "json/tree.h"
#include "json/write.h"
#include "profile/flame.h"
#include "profile/pprof.h"
#include "profile/read_v8.h"
#include "profile/report.h"
#include "profile/top.h"
#include "util/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

static void check_files(const struct profile *profile)
{
	struct buf buf;

	buf_init(&buf, 64 << 20);
	must(profile_write_flame(profile, NULL, NULL, &buf) == 0);
	must(profile_write_pprof(profile, &buf) == 0);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile profile;
	int r = profile_parse(&profile, (const char *)data, size);

	must(r == 0 || r == -EBADMSG || r == -E2BIG);
	if (r == 0) {
		check_rows(&profile);
		check_files(&profile);
		check_report(&profile);
		check_merged(&profile);
	}
	profile_fini(&profile);
	return 0;
}
