/*
 * Manifests: what is written is what is read, whatever the texts hold; what is not a manifest is
 * refused; and the names of files.
 */

#include "spool/manifest.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/tree.h"
#include "util/buf.h"
#include "util/err.h"

#define ID  "0123456789abcdef0123456789abcdef"
#define SUM "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static struct manifest sample_manifest(void)
{
	return (struct manifest){
		.id = ID,
		.name = "a.main.20260131T235959Z.1.heapsnapshot",
		.kind = "snapshot",
		.target = "a \"b\" \\ \n\t\x01\x7f {} é 漢 😀",
		.isolate = "worker:3",
		.address = "[::1]:9229",
		.runtime = "node",
		.runtime_version = "22.23.3",
		.engine = "v8",
		.engine_version = "12.4.254.21",
		.pid = INT64_MAX,
		.target_start_wall_ms = -1,
		.rule = "",
		.rule_step = "80%",
		.requested_by = "uid 1000, pid 4711 (heapwatchctl)",
		.redact_allow_names = 2,
		.redact_allow_sha256 = SUM,
		.compress_level = 19,
		.cause = "heap_used / heap_limit > 80% for 30s (now 0.83)",
		.cause_value = 0.1,
		.heap_used_bytes = 1ull << 62,
		.started_wall_ms = 1769903999999,
		.finished_wall_ms = 1769904000001,
		.duration_ns = 2,
		.pause_ns = 1,
		.size_bytes = 12345678901234,
		.file_bytes = 12345678901233,
		.sha256 = SUM,
	};
}

static char *text_of(const struct manifest *manifest)
{
	struct buf buf;

	buf_init(&buf, MANIFEST_BYTES_MAX);
	cr_assert_eq(manifest_write(manifest, &buf), 0);
	cr_assert_not_null(buf_text(&buf));
	return buf_take(&buf, NULL);
}

static int read_text(const char *text, struct manifest *ret, struct err *err)
{
	return manifest_read(text, strlen(text), ret, err);
}

Test(manifest, round_trip)
{
	struct manifest before = sample_manifest(), after;
	char *text = text_of(&before);

	memset(&after, 0xff, sizeof(after));
	cr_assert_eq(read_text(text, &after, NULL), 0);
	cr_expect_eq(memcmp(&before, &after, sizeof(before)), 0);
	cr_expect_eq(text[strlen(text) - 1], '\n');
	free(text);
}

/* Bytes that are not UTF-8 are replaced once; from then on the text stays as it is. */
Test(manifest, ill_formed_text_settles)
{
	struct manifest first = sample_manifest(), second, third;
	char *text;

	memset(first.target, '\xff', sizeof(first.target) - 1);
	memset(first.cause, '\xc3', sizeof(first.cause) - 1);
	text = text_of(&first);
	cr_assert_eq(read_text(text, &second, NULL), 0);
	free(text);
	cr_expect_eq(strlen(second.target), 126, "whole characters only");
	text = text_of(&second);
	cr_assert_eq(read_text(text, &third, NULL), 0);
	free(text);
	cr_expect_eq(memcmp(&second, &third, sizeof(second)), 0);
}

/* The largest manifest there can be fits its limit. */
Test(manifest, worst_case_fits)
{
	struct manifest manifest = sample_manifest();

	memset(manifest.target, 1, sizeof(manifest.target) - 1);
	memset(manifest.isolate, 1, sizeof(manifest.isolate) - 1);
	memset(manifest.address, 1, sizeof(manifest.address) - 1);
	memset(manifest.rule, 1, sizeof(manifest.rule) - 1);
	memset(manifest.cause, 1, sizeof(manifest.cause) - 1);
	memset(manifest.name, 1, sizeof(manifest.name) - 1);
	manifest.cause_value = -1.2345678901234567e-300;
	free(text_of(&manifest));
}

static void expect_bad(const char *text, const char *why)
{
	struct manifest manifest;
	struct err err = { 0 };

	cr_expect_eq(read_text(text, &manifest, &err), -EBADMSG, "%s", text);
	cr_expect_not_null(strstr(err.text, why), "'%s' is not in '%s'", why, err.text);
}

#define MINIMAL(version, id, name, bytes, sum)                                                     \
	"{\"version\":" version ",\"id\":\"" id "\",\"name\":\"" name "\",\"file_bytes\":" bytes   \
	",\"sha256\":\"" sum "\"}"

Test(manifest, damaged)
{
	expect_bad("", "");
	expect_bad("{", "");
	expect_bad("[]", "version");
	expect_bad("{}", "version");
	expect_bad(MINIMAL("2", ID, "a", "1", SUM), "version");
	expect_bad(MINIMAL("1", "", "a", "1", SUM), "id");
	expect_bad(MINIMAL("1", "0123", "a", "1", SUM), "id");
	expect_bad(MINIMAL("1", "0123456789ABCDEF0123456789abcdef", "a", "1", SUM), "id");
	expect_bad(MINIMAL("1", ID "0", "", "1", SUM), "name");
	expect_bad(MINIMAL("1", ID, "../a", "1", SUM), "name");
	expect_bad(MINIMAL("1", ID, "a", "-1", SUM), "file_bytes");
	expect_bad(MINIMAL("1", ID, "a", "\"1\"", SUM), "file_bytes");
	expect_bad(MINIMAL("1", ID, "a", "1", "ba78"), "sha256");
}

Test(manifest, every_beginning_is_damaged)
{
	struct manifest manifest = sample_manifest(), after;
	char *text = text_of(&manifest);

	for (size_t size = strlen(text) - 2; size > 0; size--)
		cr_expect_eq(manifest_read(text, size, &after, NULL), -EBADMSG, "%zu", size);
	free(text);
}

Test(manifest, minimal_and_unknown_members)
{
	struct manifest manifest;

	cr_assert_eq(read_text(MINIMAL("1", ID, "a", "0", SUM), &manifest, NULL), 0);
	cr_expect_str_eq(manifest.id, ID);
	cr_expect_str_eq(manifest.target, "");
	cr_assert_eq(read_text("{\"later\":[{}],\"version\":1,\"id\":\"" ID
			       "\",\"name\":\"a\",\"file_bytes\":7,\"sha256\":\"" SUM "\"}",
			       &manifest, NULL),
		     0);
	cr_expect_eq(manifest.file_bytes, 7);
}

static void expect_name(const char *target, const char *isolate, const char *name)
{
	struct manifest manifest = { .id = ID,
				     .started_wall_ms = 1769903999999,
				     .heap_used_bytes = 42 };

	snprintf(manifest.target, sizeof(manifest.target), "%s", target);
	snprintf(manifest.isolate, sizeof(manifest.isolate), "%s", isolate);
	manifest_set_name(&manifest, false);
	cr_expect_str_eq(manifest.name, name);
}

#define END ".20260131T235959Z.42.heapsnapshot"

Test(manifest, names)
{
	expect_name("shop-1", "main", "shop-1.main" END);
	expect_name("127.0.0.1:9229", "worker:3", "127.0.0.1_9229.worker_3" END);
	expect_name("../../etc/passwd", "main", "_._.._etc_passwd.main" END);
	expect_name("", "", "_._" END);
	expect_name(".hidden", "main", "_hidden.main" END);
	expect_name("-rf", "main", "_rf.main" END);
	expect_name("a b\n\"'$;|\x7f", "main", "a_b_______.main" END);
	expect_name("é", "main", "__.main" END);
}

Test(manifest, a_name_ends_by_its_format)
{
	struct manifest manifest = { .id = ID,
				     .target = "a",
				     .isolate = "page:1",
				     .kind = "snapshot",
				     .format = "jsc.json",
				     .compress = "zstd" };
	size_t size;

	manifest_set_name(&manifest, false);
	size = strlen(manifest.name);
	cr_expect_str_eq(manifest.name + size - 13, ".jsc.json.zst");
}

static struct manifest named(const char *kind, const char *format, const char *compress,
			     const char *encrypt)
{
	struct manifest manifest = { .id = ID, .target = "a", .isolate = "main" };

	snprintf(manifest.kind, sizeof(manifest.kind), "%s", kind);
	snprintf(manifest.format, sizeof(manifest.format), "%s", format);
	snprintf(manifest.compress, sizeof(manifest.compress), "%s", compress);
	snprintf(manifest.encrypt, sizeof(manifest.encrypt), "%s", encrypt);
	manifest_set_name(&manifest, false);
	return manifest;
}

/* Of one second and one size of the heap: what can have a report shares its name. */
Test(manifest, clashes)
{
	struct manifest snapshot = named("snapshot", "heapsnapshot", "none", "none");
	struct manifest packed = named("snapshot", "heapsnapshot", "zstd", "none");
	struct manifest sealed = named("snapshot", "heapsnapshot", "zstd", "age");
	struct manifest timeline = named("timeline", "heaptimeline", "zstd", "none");
	struct manifest sampling = named("sampling", "heapprofile", "none", "none");
	struct manifest alone = named("sampling", "pb.gz", "none", "none"), pprof = alone;
	struct manifest diagnostics = named("diagnostics", "", "zstd", "none");

	snprintf(pprof.profile, sizeof(pprof.profile), "%s", ID);
	cr_expect(manifest_clashes(&snapshot, &snapshot));
	cr_expect(manifest_clashes(&pprof, &pprof));
	cr_expect(manifest_clashes(&snapshot, &packed));
	cr_expect(manifest_clashes(&packed, &sealed));
	cr_expect(manifest_clashes(&packed, &timeline));
	cr_expect(manifest_clashes(&sampling, &packed));
	cr_expect(manifest_clashes(&sampling, &alone));
	cr_expect_not(manifest_clashes(&sampling, &pprof));
	cr_expect_not(manifest_clashes(&packed, &diagnostics));
	manifest_set_name(&packed, true);
	cr_expect_not(manifest_clashes(&snapshot, &packed));
}

Test(manifest, names_are_bounded)
{
	struct manifest manifest = { .id = ID, .heap_used_bytes = UINT64_MAX };

	memset(manifest.target, 'x', sizeof(manifest.target) - 1);
	memset(manifest.isolate, 'y', sizeof(manifest.isolate) - 1);
	manifest_set_name(&manifest, true);
	cr_expect_lt(strlen(manifest.name), SPOOL_NAME_MAX - 1);
	cr_expect_not_null(strstr(manifest.name, "." ID ".heapsnapshot"));
	cr_expect_str_eq(manifest.name + strlen(manifest.name) - 13, ".heapsnapshot");
}

Test(manifest, the_chart_of_a_timeline_is_read_again)
{
	struct manifest manifest = sample_manifest(), again;
	struct err err = { 0 };
	char *text;

	manifest.timeline.n = TIMELINE_POINTS_MAX;
	for (size_t i = 0; i < TIMELINE_POINTS_MAX; i++)
		manifest.timeline.points[i] =
			(struct timeline_point){ UINT64_MAX / 2 - i, UINT64_MAX / 2, i };
	text = text_of(&manifest);
	cr_assert_eq(read_text(text, &again, &err), 0, "%s", err.text);
	cr_expect_eq(memcmp(&again.timeline, &manifest.timeline, sizeof(again.timeline)), 0);
	free(text);
}

Test(manifest, a_chart_that_is_none_is_ignored)
{
	static const char *const charts[] = { "[1]",
					      "{}",
					      "[1,{}]",
					      "[{\"at_ms\":-1}]",
					      "[{\"at_ms\":1,\"seen_bytes\":2}]",
					      "[{\"at_ms\":1,\"seen_bytes\":2,"
					      "\"live_bytes\":3}]" };

	for (size_t i = 0; i < sizeof(charts) / sizeof(charts[0]); i++) {
		struct tree *root = NULL;
		struct timeline_chart chart;
		struct err err = { 0 };

		cr_assert_eq(tree_parse(charts[i], strlen(charts[i]), &root, &err), 0);
		timeline_chart_read(root, &chart);
		cr_expect_eq(chart.n, 0, "%s", charts[i]);
		tree_free(root);
	}
	timeline_chart_read(NULL, &(struct timeline_chart){ 0 });
}
