/*
 * Verify: the files of a capture against its manifest.
 */

#include "spool/verify.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shelf.h"
#include "util/err.h"

/* Of "xxx". */
#define THREE "cd2eb0837c9b4c962c22d2ff8b5441b7b45805887f051d39bf133b583baf6860"

static struct spool spool;
static struct manifest manifest;

static void begin(void)
{
	shelf_new();
	shelf_open(&spool);
	manifest = shelf_manifest(1, 3);
	shelf_add_scripts(&manifest, 3);
	snprintf(manifest.sha256, sizeof(manifest.sha256), "%s", THREE);
	snprintf(manifest.scripts_sha256, sizeof(manifest.scripts_sha256), "%s", THREE);
	shelf_put(&spool, &manifest);
}

static void finish(void)
{
	spool_close(&spool);
	shelf_remove();
}

TestSuite(verify, .init = begin, .fini = finish);

static void expect(int result, const char *why)
{
	struct err err = { 0 };

	cr_expect_eq(verify_capture(spool.ready_fd, &manifest, &err), result, "%s", err.text);
	cr_expect_not_null(strstr(err.text, why), "'%s' is not in '%s'", why, err.text);
}

Test(verify, whole)
{
	expect(0, "");
	manifest_drop_scripts(&manifest);
	expect(0, "");
}

Test(verify, missing)
{
	shelf_delete("ready", manifest.scripts_name, "");
	expect(VERIFY_E_MISSING, ".scripts.json is missing");
	shelf_delete("ready", manifest.name, "");
	expect(VERIFY_E_MISSING, ".heapsnapshot is missing");
}

Test(verify, truncated)
{
	shelf_write("ready", manifest.name, "", "xx");
	expect(VERIFY_E_TRUNCATED, "has 2 bytes, its manifest says 3");
}

Test(verify, damaged)
{
	shelf_write("ready", manifest.name, "", "xyx");
	expect(VERIFY_E_DAMAGED, "has the sum");
	shelf_write("ready", manifest.name, "", "xxxx");
	expect(VERIFY_E_DAMAGED, "has 4 bytes");
	shelf_write("ready", manifest.name, "", "xxx");
	shelf_write("ready", manifest.scripts_name, "", "yyy");
	expect(VERIFY_E_DAMAGED, ".scripts.json has the sum");
}

Test(verify, no_regular_file)
{
	char path[FOLDER_PATH_MAX * 2];

	snprintf(path, sizeof(path), "%s/ready/%s", shelf_dir, manifest.name);
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(symlink("/etc/passwd", path), 0);
	expect(VERIFY_E_DAMAGED, "no regular file");
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(mkfifo(path, 0600), 0);
	expect(VERIFY_E_DAMAGED, "no regular file");
}

Test(verify, a_folder_that_is_gone)
{
	int fd = spool.ready_fd;

	spool.ready_fd = -1;
	expect(-EBADF, "");
	spool.ready_fd = fd;
}
