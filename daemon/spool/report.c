/*
 * Reports beside captures
 */

#include "spool/report.h"

#include <errno.h>
#include <unistd.h>

#include "spool/digest.h"
#include "spool/publish.h"
#include "spool/spool.h"
#include "util/file.h"
#include "util/log.h"
#include "util/str.h"

static int sum(const char *text, size_t size, char dst[DIGEST_HEX_MAX])
{
	struct digest *digest;
	int r = digest_new(&digest);

	if (r < 0)
		return r;
	digest_update(digest, text, size);
	r = digest_final(digest, dst);
	digest_free(digest);
	return r;
}

int report_write(const struct spool *spool, const struct manifest *manifest, const char *text,
		 size_t size, struct manifest_analysis *analysis)
{
	char name[SPOOL_NAME_MAX];
	struct file file;
	int r = sum(text, size, analysis->report_sha256);

	manifest_report_name(manifest, name);
	if (r == 0)
		r = file_begin(&file, spool->incoming_fd, size);
	if (r != 0)
		return r;
	r = file_write(&file, text, size);
	if (r == 0)
		r = file_commit(&file, spool->ready_fd, name);
	else
		file_abort(&file);
	if (r != 0 && r != FILE_E_UNSURE)
		return r;
	/* No sync after this one makes up for it: the kernel tells of what it could not write once.
	 */
	if (r == FILE_E_UNSURE)
		log_warn("spool", "%s: its report may be lost if the power fails now",
			 manifest->name);
	str_copy(analysis->report_name, sizeof(analysis->report_name), name);
	analysis->report_bytes = size;
	return 0;
}

void report_take_back(const struct spool *spool, const struct manifest_analysis *analysis)
{
	if (analysis->report_name[0] != '\0')
		unlinkat(spool->ready_fd, analysis->report_name, 0);
}

int report_note(struct spool *spool, const char *id, const struct manifest_analysis *analysis)
{
	struct manifest changed;
	const struct spool_entry *entry = spool_find(spool, id);
	int r;

	if (entry == NULL)
		return -ENOENT;
	changed = entry->manifest;
	changed.analysis = *analysis;
	r = publish_manifest(spool, &changed);
	if (r == FILE_E_UNSURE) {
		log_warn("spool",
			 "%s: what its analysis came to may be lost if the power fails now",
			 changed.name);
		r = 0;
	}
	if (r == 0)
		spool_replace(spool, id, &changed);
	return r;
}
