/* Reports beside captures: noted, counted, verified, removed, and found again or swept. */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "shelf.h"
#include "spool/report.h"
#include "spool/verify.h"
#include "util/err.h"
#include "util/str.h"

#define TEXT "{\"nodes\":1}\n"

static struct spool spool;
static struct manifest manifest;

static void setup(void)
{
	shelf_new();
	shelf_open(&spool);
	manifest = shelf_manifest(1, 3);
	shelf_add_scripts(&manifest, 3);
	shelf_put(&spool, &manifest);
}

static void teardown(void)
{
	spool_close(&spool);
	shelf_remove();
}

TestSuite(report, .init = setup, .fini = teardown);

static struct manifest_analysis put(void)
{
	struct manifest_analysis analysis = { .state = "done", .attempts = 1 };

	cr_assert_eq(report_write(&spool, &manifest, TEXT, strlen(TEXT), &analysis), 0);
	cr_assert_eq(report_note(&spool, manifest.id, &analysis), 0);
	return analysis;
}

static void start_again(void)
{
	spool_close(&spool);
	shelf_open(&spool);
}

static const struct manifest_analysis *found(void)
{
	const struct spool_entry *entry = spool_find(&spool, manifest.id);

	cr_assert_not_null(entry);
	return &entry->manifest.analysis;
}

Test(report, is_counted_and_lasts)
{
	uint64_t before = spool.bytes;
	struct manifest_analysis analysis = put();

	cr_expect_eq(spool.bytes, before + strlen(TEXT));
	cr_expect_eq(atomic_load(&spool.claimed), spool.bytes);
	cr_expect_eq(atomic_load(&spool.reclaimable), spool.bytes);
	cr_expect(shelf_has("ready", analysis.report_name, ""));
	start_again();
	cr_expect_eq(spool.bytes, before + strlen(TEXT));
	cr_expect_str_eq(found()->state, "done");
	cr_expect_str_eq(found()->report_name, analysis.report_name);
	cr_expect_eq(found()->attempts, 1);
}

Test(report, is_removed_with_its_capture)
{
	struct manifest_analysis analysis = put();

	cr_assert_eq(spool_remove(&spool, manifest.id), 0);
	cr_expect(!shelf_has("ready", analysis.report_name, ""));
	cr_expect(!shelf_has("ready", manifest.name, ".json"));
	cr_expect_eq(spool.bytes, 0);
	cr_expect_eq(atomic_load(&spool.claimed), 0);
	cr_expect_eq(atomic_load(&spool.reclaimable), 0);
}

Test(report, of_a_pinned_capture_is_not_reclaimable)
{
	cr_assert_eq(spool_pin(&spool, manifest.id, true), 0);
	put();
	cr_expect_eq(atomic_load(&spool.reclaimable), 0);
	cr_assert_eq(spool_pin(&spool, manifest.id, false), 0);
	cr_expect_eq(atomic_load(&spool.reclaimable), spool.bytes);
}

Test(report, why_there_is_none_lasts)
{
	const struct manifest_analysis analysis = { .state = "skipped", .reason = "too large" };

	cr_assert_eq(report_note(&spool, manifest.id, &analysis), 0);
	start_again();
	cr_expect_str_eq(found()->reason, "too large");
	cr_expect_str_eq(found()->report_name, "");
}

Test(report, of_a_capture_that_is_gone)
{
	struct manifest_analysis analysis = { .state = "done" };

	cr_assert_eq(report_write(&spool, &manifest, TEXT, strlen(TEXT), &analysis), 0);
	cr_assert_eq(spool_remove(&spool, manifest.id), 0);
	cr_expect_eq(report_note(&spool, manifest.id, &analysis), -ENOENT);
	report_take_back(&spool, &analysis);
	cr_expect(!shelf_has("ready", analysis.report_name, ""));
}

/* A crash between the report and the manifest. */
Test(report, that_no_manifest_names_is_swept)
{
	struct manifest_analysis analysis = { .state = "done" };

	cr_assert_eq(report_write(&spool, &manifest, TEXT, strlen(TEXT), &analysis), 0);
	start_again();
	cr_expect(!shelf_has("ready", analysis.report_name, ""));
	cr_expect_str_eq(found()->state, "");
}

Test(report, that_is_missing_or_cut_short_is_forgotten)
{
	struct manifest_analysis analysis = put();

	shelf_delete("ready", analysis.report_name, "");
	start_again();
	cr_expect_str_eq(found()->state, "");
	put();
	shelf_write("ready", analysis.report_name, "", "{");
	start_again();
	cr_expect_str_eq(found()->state, "");
	cr_expect(shelf_has("corrupt", analysis.report_name, ""));
	cr_expect_str_neq(spool_find(&spool, manifest.id)->manifest.scripts_name, "");
}

Test(report, goes_where_its_capture_goes)
{
	struct manifest_analysis analysis = put();

	shelf_delete("ready", manifest.name, ".json");
	start_again();
	cr_expect(shelf_has("corrupt", manifest.name, ""));
	cr_expect(shelf_has("corrupt", analysis.report_name, ""));
	cr_expect(shelf_has("corrupt", manifest.scripts_name, ""));
}

Test(report, without_its_capture_is_swept)
{
	struct manifest_analysis analysis = put();

	shelf_delete("ready", manifest.name, "");
	start_again();
	cr_expect(!shelf_has("ready", analysis.report_name, ""));
	cr_expect(!shelf_has("ready", manifest.name, ".json"));
}

Test(report, is_verified)
{
	const struct manifest *noted;
	struct err err = { .text = "" };

	put();
	noted = &spool_find(&spool, manifest.id)->manifest;
	/* The shelf's own files are of another sum than their manifest says. */
	shelf_write("ready", noted->name, "", "abc");
	shelf_write("ready", noted->scripts_name, "", "abc");
	cr_expect_eq(verify_capture(spool.ready_fd, noted, &err), 0, "%s", err.text);
	shelf_write("ready", noted->analysis.report_name, "", "{\"nodes\":2}\n");
	cr_expect_eq(verify_capture(spool.ready_fd, noted, &err), VERIFY_E_DAMAGED);
	shelf_delete("ready", noted->analysis.report_name, "");
	cr_expect_eq(verify_capture(spool.ready_fd, noted, &err), VERIFY_E_MISSING);
}

Test(report, is_named_after_the_capture)
{
	char name[SPOOL_NAME_MAX];

	str_copy(manifest.name, sizeof(manifest.name), "app.main.1.heapsnapshot.zst.age");
	manifest_report_name(&manifest, name);
	cr_expect_str_eq(name, "app.main.1.report.json");
	str_copy(manifest.format, sizeof(manifest.format), "jsc.json");
	str_copy(manifest.name, sizeof(manifest.name), "app.main.1.jsc.json.zst");
	manifest_report_name(&manifest, name);
	cr_expect_str_eq(name, "app.main.1.report.json");
}
