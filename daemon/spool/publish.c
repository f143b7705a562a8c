/*
 * Publishing
 *
 * fsync of a directory takes as long as the file system's journal does, so this is done by whoever
 * may wait, with nothing but descriptors that never change while the spool is open.
 *
 * Extended attributes say the same as the manifest to whoever finds the file alone, in a backup or
 * at the end of a mv: the names are those of the manifest's members. They are a help: a file system
 * that has none, or no room for them, is no failure.
 */

#include "spool/publish.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "spool/spool.h"
#include "util/buf.h"
#include "util/clock.h"

void publish_manifest_name(char dst[MANIFEST_NAME_MAX], const char *name)
{
	snprintf(dst, MANIFEST_NAME_MAX, "%s.json", name);
}

int publish_manifest(const struct spool *spool, const struct manifest *manifest)
{
	char name[MANIFEST_NAME_MAX];
	struct file file;
	struct buf buf;
	int r;

	publish_manifest_name(name, manifest->name);
	buf_init(&buf, MANIFEST_BYTES_MAX);
	r = manifest_write(manifest, &buf);
	if (r == 0)
		r = file_begin(&file, spool->incoming_fd, MANIFEST_BYTES_MAX);
	if (r == 0) {
		r = file_write(&file, buf.data, buf.size);
		if (r == 0)
			r = file_commit(&file, spool->ready_fd, name);
		else
			file_abort(&file);
	}
	buf_fini(&buf);
	return r;
}

static void attribute(int fd, const char *name, const char *value)
{
	char full[64];

	if (value[0] == '\0')
		return;
	snprintf(full, sizeof(full), "user.heapwatch.%s", name);
	(void)fsetxattr(fd, full, value, strlen(value), 0);
}

static void attribute_number(int fd, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	if (value != 0)
		attribute(fd, name, text);
}

static void set_attributes(int fd, const struct manifest *manifest)
{
	char started[CLOCK_TEXT_MAX];

	attribute(fd, "id", manifest->id);
	attribute(fd, "kind", manifest->kind);
	attribute(fd, "target", manifest->target);
	attribute(fd, "isolate", manifest->isolate);
	attribute(fd, "rule", manifest->rule);
	attribute(fd, "cause", manifest->cause);
	attribute_number(fd, "pid", manifest->pid);
	attribute(fd, "runtime", manifest->runtime);
	attribute(fd, "runtime_version", manifest->runtime_version);
	attribute_number(fd, "heap_used_bytes", (int64_t)manifest->heap_used_bytes);
	attribute(fd, "started", clock_format(started, manifest->started_wall_ms));
	attribute(fd, "redact", manifest->redact);
	attribute(fd, "compress", manifest->compress);
	attribute(fd, "encrypt", manifest->encrypt);
	attribute(fd, "sha256", manifest->sha256);
}

static bool take_away(const struct spool *spool, const char *name)
{
	return name[0] == '\0' || unlinkat(spool->ready_fd, name, 0) == 0 || errno == ENOENT ||
	       errno == EISDIR;
}

void publish_take_back(const struct spool *spool, const struct manifest *manifest)
{
	char name[MANIFEST_NAME_MAX];

	if (!take_away(spool, manifest->scripts_name) ||
	    !take_away(spool, manifest->analysis.report_name))
		return;
	publish_manifest_name(name, manifest->name);
	unlinkat(spool->ready_fd, name, 0);
}

/*
 * FILE_E_UNSURE is not the end: the capture's own sync may succeed. But it does not make up for it,
 * since the kernel tells of what it could not write only once.
 */
static int publish_companions(const struct spool *spool, struct file *scripts,
			      const struct manifest *manifest)
{
	int r = publish_manifest(spool, manifest), unsure = r;

	if ((r == 0 || r == FILE_E_UNSURE) && scripts != NULL)
		r = file_commit(scripts, spool->ready_fd, manifest->scripts_name);
	return r == 0 && unsure == FILE_E_UNSURE ? FILE_E_UNSURE : r;
}

int spool_publish(const struct spool *spool, struct file *file, struct file *scripts,
		  const struct manifest *manifest)
{
	bool agree = (scripts != NULL) == (manifest->scripts_name[0] != '\0');
	int r = agree ? publish_companions(spool, scripts, manifest) : -EINVAL;
	bool unsure = r == FILE_E_UNSURE;

	if (r == 0 || unsure) {
		set_attributes(file->fd, manifest);
		r = file_commit(file, spool->ready_fd, manifest->name);
		if (r == 0 && unsure)
			r = FILE_E_UNSURE;
	} else {
		file_abort(file);
		if (scripts != NULL)
			file_abort(scripts);
	}
	if (r != 0 && r != FILE_E_UNSURE && agree)
		publish_take_back(spool, manifest);
	return r;
}
