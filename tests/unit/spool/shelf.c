/*
 * A spool filled by hand
 */

#include "shelf.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"

char shelf_dir[FOLDER_PATH_MAX / 2];

void shelf_new(void)
{
	log_setup(LEVEL_ERROR, LOG_LOGFMT);
	folder_new(shelf_dir);
}

void shelf_remove(void)
{
	folder_remove(shelf_dir);
}

void shelf_open(struct spool *spool)
{
	static const struct spool_settings no_limits;

	cr_assert_eq(spool_open(spool, shelf_dir, &no_limits), 0);
}

struct manifest shelf_manifest(unsigned i, uint64_t bytes)
{
	struct manifest manifest = {
		.kind = "snapshot",
		.isolate = "main",
		.compress = "none",
		.encrypt = "none",
		.started_wall_ms = 1769903999000 + 1000 * (int64_t)i,
		.finished_wall_ms = 1769903999500 + 1000 * (int64_t)i,
		.size_bytes = bytes,
		.file_bytes = bytes,
		.sha256 = SHELF_SUM,
	};

	snprintf(manifest.id, sizeof(manifest.id), "%032x", i);
	snprintf(manifest.target, sizeof(manifest.target), "t%u", i);
	manifest_set_name(&manifest, false);
	manifest_drop_scripts(&manifest);
	return manifest;
}

void shelf_add_scripts(struct manifest *manifest, uint64_t bytes)
{
	manifest_set_name(manifest, false);
	manifest->scripts_bytes = bytes;
	snprintf(manifest->scripts_sha256, sizeof(manifest->scripts_sha256), "%s", SHELF_SUM);
}

static void fill(struct file *file, const struct spool *spool, uint64_t bytes)
{
	cr_assert_eq(file_begin(file, spool->incoming_fd, 1 << 20), 0);
	for (uint64_t i = 0; i < bytes; i++)
		cr_assert_eq(file_write(file, "x", 1), 0);
}

struct spool_entry *shelf_put(struct spool *spool, const struct manifest *manifest)
{
	struct spool_entry *entry = calloc(1, sizeof(*entry));
	bool more = manifest->scripts_name[0] != '\0';
	struct file file, scripts;

	cr_assert_not_null(entry);
	fill(&file, spool, manifest->file_bytes);
	if (more)
		fill(&scripts, spool, manifest->scripts_bytes);
	cr_assert(spool_claim(spool, manifest_disk_bytes(manifest), 0));
	cr_assert_eq(spool_publish(spool, &file, more ? &scripts : NULL, manifest), 0);
	entry->manifest = *manifest;
	spool_add(spool, entry);
	return entry;
}

static void path_in(char dst[FOLDER_PATH_MAX], const char *folder, const char *name,
		    const char *end)
{
	snprintf(dst, FOLDER_PATH_MAX, "%.20s/%.230s%.20s", folder, name, end);
}

bool shelf_has(const char *folder, const char *name, const char *end)
{
	char path[FOLDER_PATH_MAX];

	path_in(path, folder, name, end);
	return folder_exists(shelf_dir, path);
}

void shelf_write(const char *folder, const char *name, const char *end, const char *content)
{
	char path[FOLDER_PATH_MAX];

	path_in(path, folder, name, end);
	folder_write(shelf_dir, path, content, strlen(content));
}

void shelf_delete(const char *folder, const char *name, const char *end)
{
	char path[FOLDER_PATH_MAX], whole[FOLDER_PATH_MAX * 2];

	path_in(path, folder, name, end);
	snprintf(whole, sizeof(whole), "%s/%s", shelf_dir, path);
	cr_assert_eq(unlink(whole), 0, "%s", whole);
}
