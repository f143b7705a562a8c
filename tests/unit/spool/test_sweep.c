/*
 * What a start makes of captures with a list of scripts: every state that a crash between two steps
 * of publishing or removing can leave, and damage by others.
 */

#include "spool/sweep.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shelf.h"
#include "util/err.h"

static struct spool spool;
static struct manifest one, other;

static struct manifest with_scripts(unsigned i)
{
	struct manifest manifest = shelf_manifest(i, 10);

	snprintf(manifest.compress, sizeof(manifest.compress), "zstd");
	snprintf(manifest.encrypt, sizeof(manifest.encrypt), "age");
	shelf_add_scripts(&manifest, 5);
	return manifest;
}

/* Two captures; one is the subject, the other must never suffer. */
static void begin(void)
{
	shelf_new();
	shelf_open(&spool);
	one = with_scripts(1);
	other = with_scripts(2);
	shelf_put(&spool, &one);
	shelf_put(&spool, &other);
	spool_close(&spool);
}

static void finish(void)
{
	shelf_remove();
}

TestSuite(sweep, .init = begin, .fini = finish);

/* Starts; `captures` are listed, so many names are in ready/ and corrupt/. */
static void start(uint64_t captures, unsigned ready, unsigned corrupt)
{
	shelf_open(&spool);
	cr_expect_eq(spool.files, captures);
	cr_expect_eq(spool.claimed, spool.bytes);
	cr_expect_eq(spool.reclaimable, spool.bytes);
	cr_expect_eq(folder_count(shelf_dir, "ready"), ready);
	cr_expect_eq(folder_count(shelf_dir, "corrupt"), corrupt);
	cr_expect_eq(folder_count(shelf_dir, "incoming"), 0);
	cr_assert_not_null(spool_find(&spool, other.id));
	cr_expect(shelf_has("ready", other.name, ""));
	cr_expect(shelf_has("ready", other.name, ".json"));
	cr_expect(shelf_has("ready", other.scripts_name, ""));
	spool_close(&spool);
}

Test(sweep, nothing_to_do)
{
	start(2, 6, 0);
	start(2, 6, 0);
}

/* Its name ends as that of a manifest does. */
Test(sweep, a_snapshot_of_jsc)
{
	struct manifest jsc = shelf_manifest(3, 10);

	shelf_open(&spool);
	snprintf(jsc.format, sizeof(jsc.format), "jsc.json");
	manifest_set_name(&jsc, false);
	manifest_drop_scripts(&jsc);
	shelf_put(&spool, &jsc);
	spool_close(&spool);
	start(3, 8, 0);
	shelf_delete("ready", jsc.name, ".json");
	start(2, 6, 1);
	cr_expect(shelf_has("corrupt", jsc.name, ""));
}

/* A crash after the manifest, or after the manifest and the scripts, of a publication; or after the
 * capture, or the capture and the scripts, of a removal. */
Test(sweep, companions_without_capture)
{
	shelf_delete("ready", one.name, "");
	start(1, 3, 0);
}

Test(sweep, manifest_alone)
{
	shelf_delete("ready", one.name, "");
	shelf_delete("ready", one.scripts_name, "");
	start(1, 3, 0);
}

/* A list of scripts is worth nothing without its capture. */
Test(sweep, scripts_alone)
{
	shelf_delete("ready", one.name, "");
	shelf_delete("ready", one.name, ".json");
	start(1, 3, 0);
}

Test(sweep, no_manifest)
{
	shelf_delete("ready", one.name, ".json");
	start(1, 3, 2);
	cr_expect(shelf_has("corrupt", one.name, ""));
	cr_expect(shelf_has("corrupt", one.scripts_name, ""));
}

Test(sweep, damaged_manifest)
{
	shelf_write("ready", one.name, ".json", "{");
	start(1, 3, 3);
}

Test(sweep, capture_cut_short)
{
	shelf_write("ready", one.name, "", "xxx");
	start(1, 3, 3);
	cr_expect(shelf_has("corrupt", one.name, ".json"));
	cr_expect(shelf_has("corrupt", one.scripts_name, ""));
}

/* The capture is listed without the list, and its manifest says so from then on. */
static void expect_without_scripts(void)
{
	shelf_open(&spool);
	cr_assert_not_null(spool_find(&spool, one.id));
	cr_expect_str_eq(spool_find(&spool, one.id)->manifest.scripts_name, "");
	cr_expect_eq(spool_find(&spool, one.id)->manifest.scripts_bytes, 0);
	cr_expect_eq(spool.bytes, 10 + 15);
	spool_close(&spool);
}

Test(sweep, scripts_missing)
{
	shelf_delete("ready", one.scripts_name, "");
	start(2, 5, 0);
	expect_without_scripts();
	start(2, 5, 0);
}

Test(sweep, scripts_of_another_size)
{
	shelf_write("ready", one.scripts_name, "", "xxxxxx");
	start(2, 5, 1);
	cr_expect(shelf_has("corrupt", one.scripts_name, ""));
	expect_without_scripts();
}

Test(sweep, scripts_are_no_file)
{
	char path[FOLDER_PATH_MAX * 2];

	shelf_delete("ready", one.scripts_name, "");
	snprintf(path, sizeof(path), "%s/ready/%s", shelf_dir, one.scripts_name);
	cr_assert_eq(symlink(other.name, path), 0);
	start(2, 5, 1);
	expect_without_scripts();
}

/* A manifest may not make the sweep delete what belongs to another capture, or is no such list. */
Test(sweep, a_manifest_that_names_the_scripts_of_another)
{
	char path[FOLDER_PATH_MAX], *text, *at;

	shelf_delete("ready", one.name, "");
	snprintf(path, sizeof(path), "ready/%.200s.json", one.name);
	text = folder_read(shelf_dir, path, NULL);
	cr_assert_not_null(text);
	at = strstr(text, one.scripts_name);
	cr_assert_not_null(at);
	memcpy(at, other.scripts_name, strlen(other.scripts_name));
	folder_write(shelf_dir, path, text, strlen(text));
	free(text);
	start(1, 3, 0);
}

Test(sweep, diagnostics_and_profiles)
{
	static const char *const kinds[] = { "diagnostics", "profile" };
	static const char *const endings[] = { ".diagnostics.json", ".heapprofile" };

	shelf_open(&spool);
	for (unsigned i = 0; i < 2; i++) {
		struct manifest manifest = shelf_manifest(10 + i, 4);

		snprintf(manifest.kind, sizeof(manifest.kind), "%s", kinds[i]);
		manifest_set_name(&manifest, false);
		cr_expect_str_eq(manifest.scripts_name, "");
		cr_expect_str_eq(manifest.name + strlen(manifest.name) - strlen(endings[i]),
				 endings[i]);
		shelf_put(&spool, &manifest);
	}
	cr_expect_eq(spool.diagnostics, 1);
	spool_close(&spool);
	shelf_open(&spool);
	cr_expect_eq(spool.files, 4);
	cr_expect_eq(spool.diagnostics, 1);
	cr_expect_eq(spool.reclaimable, spool.bytes - 4);
	cr_expect_eq(folder_count(shelf_dir, "corrupt"), 0);
	cr_expect_eq(folder_count(shelf_dir, "ready"), 10);
	spool_close(&spool);
}

Test(sweep, pinned_ones_are_counted)
{
	shelf_open(&spool);
	cr_assert_eq(spool_pin(&spool, one.id, true), 0);
	spool_close(&spool);
	shelf_open(&spool);
	cr_expect_eq(spool.pinned, 1);
	cr_expect_eq(spool.reclaimable, 15);
	cr_expect_eq(spool_find(&spool, one.id)->manifest.pinned, 1);
	spool_close(&spool);
}

/* As they came, not as they began. */
Test(sweep, order)
{
	struct manifest late = shelf_manifest(9, 4);
	const struct spool_entry *newest;

	late.started_wall_ms = 1;
	manifest_set_name(&late, false);
	manifest_drop_scripts(&late);
	shelf_open(&spool);
	shelf_put(&spool, &late);
	spool_close(&spool);
	shelf_open(&spool);
	newest = spool_newest(&spool, false);
	cr_assert_not_null(newest);
	cr_expect_str_eq(newest->manifest.id, late.id);
	cr_expect_null(spool_newest(&spool, true));
	spool_close(&spool);
}
