/*
 * Manifests
 *
 * One table lists the members: writing walks it, reading walks it, so that the two cannot differ. A
 * manifest outlives the daemon that wrote it, hence what is read is checked as the work of a
 * stranger: an older or newer daemon, or a person with an editor.
 */

#include "spool/manifest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json/tree.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"

enum { MANIFEST_VERSION = 1 };
enum { NAME_TARGET_MAX = 80, NAME_ISOLATE_MAX = 32 };

enum member_type { MEMBER_TEXT, MEMBER_INT, MEMBER_UINT, MEMBER_NUMBER };

#define MEMBER(type, name)                                                                         \
	{                                                                                          \
#name, type, offsetof(struct manifest, name), sizeof(((struct manifest *)0)->name) \
	}

#define MEMBER_OF(type, name, part)                                                                \
	{                                                                                          \
		name, type, offsetof(struct manifest, part), sizeof(((struct manifest *)0)->part)  \
	}

static const struct {
	const char *name;
	enum member_type type;
	size_t offset, size;
} members[] = {
	MEMBER(MEMBER_TEXT, id),
	MEMBER(MEMBER_TEXT, name),
	MEMBER(MEMBER_TEXT, kind),
	MEMBER(MEMBER_TEXT, format),
	MEMBER(MEMBER_TEXT, target),
	MEMBER(MEMBER_TEXT, isolate),
	MEMBER(MEMBER_TEXT, address),
	MEMBER(MEMBER_TEXT, page),
	MEMBER(MEMBER_TEXT, runtime),
	MEMBER(MEMBER_TEXT, runtime_version),
	MEMBER(MEMBER_TEXT, engine),
	MEMBER(MEMBER_TEXT, engine_version),
	MEMBER(MEMBER_INT, pid),
	MEMBER(MEMBER_INT, target_start_wall_ms),
	MEMBER(MEMBER_TEXT, rule),
	MEMBER_OF(MEMBER_TEXT, "step", rule_step),
	MEMBER(MEMBER_TEXT, requested_by),
	MEMBER(MEMBER_TEXT, cause),
	MEMBER(MEMBER_NUMBER, cause_value),
	MEMBER(MEMBER_UINT, heap_used_bytes),
	MEMBER(MEMBER_UINT, heap_limit_bytes),
	MEMBER(MEMBER_UINT, resident_before_bytes),
	MEMBER(MEMBER_UINT, resident_peak_bytes),
	MEMBER(MEMBER_INT, started_wall_ms),
	MEMBER(MEMBER_INT, finished_wall_ms),
	MEMBER(MEMBER_UINT, duration_ns),
	MEMBER(MEMBER_UINT, pause_ns),
	MEMBER(MEMBER_UINT, received_bytes),
	MEMBER(MEMBER_UINT, size_bytes),
	MEMBER(MEMBER_UINT, redacted_bytes),
	MEMBER(MEMBER_UINT, compressed_bytes),
	MEMBER(MEMBER_UINT, file_bytes),
	MEMBER(MEMBER_TEXT, sha256),
	MEMBER(MEMBER_TEXT, redact),
	MEMBER(MEMBER_UINT, redact_allow_names),
	MEMBER(MEMBER_TEXT, redact_allow_sha256),
	MEMBER(MEMBER_TEXT, compress),
	MEMBER(MEMBER_UINT, compress_level),
	MEMBER(MEMBER_TEXT, encrypt),
	MEMBER(MEMBER_TEXT, recipients),
	MEMBER(MEMBER_TEXT, scripts_name),
	MEMBER(MEMBER_UINT, scripts_bytes),
	MEMBER(MEMBER_TEXT, scripts_sha256),
	MEMBER_OF(MEMBER_TEXT, "analysis_state", analysis.state),
	MEMBER_OF(MEMBER_TEXT, "analysis_reason", analysis.reason),
	MEMBER_OF(MEMBER_INT, "analysis_attempts", analysis.attempts),
	MEMBER_OF(MEMBER_TEXT, "report_name", analysis.report_name),
	MEMBER_OF(MEMBER_UINT, "report_bytes", analysis.report_bytes),
	MEMBER_OF(MEMBER_TEXT, "report_sha256", analysis.report_sha256),
	MEMBER_OF(MEMBER_TEXT, "verdict", analysis.verdict.state),
	MEMBER_OF(MEMBER_TEXT, "verdict_text", analysis.verdict.text),
	MEMBER_OF(MEMBER_UINT, "verdict_objects", analysis.verdict.objects),
	MEMBER_OF(MEMBER_UINT, "verdict_bytes", analysis.verdict.bytes),
	MEMBER_OF(MEMBER_TEXT, "verdict_class", analysis.verdict.class),
	MEMBER_OF(MEMBER_TEXT, "verdict_holder", analysis.verdict.holder),
	MEMBER_OF(MEMBER_TEXT, "verdict_held_as", analysis.verdict.held_as),
	MEMBER_OF(MEMBER_TEXT, "verdict_path", analysis.verdict.path),
	MEMBER_OF(MEMBER_TEXT, "verdict_more", analysis.verdict.more),
	MEMBER_OF(MEMBER_TEXT, "verdict_place", analysis.verdict.place),
	MEMBER_OF(MEMBER_UINT, "arrived_objects", analysis.arrived_objects),
	MEMBER_OF(MEMBER_UINT, "arrived_bytes", analysis.arrived_bytes),
	MEMBER(MEMBER_TEXT, series),
	MEMBER(MEMBER_INT, series_index),
	MEMBER(MEMBER_INT, series_count),
	MEMBER(MEMBER_TEXT, ids),
	MEMBER(MEMBER_TEXT, profile),
	MEMBER(MEMBER_INT, continuous),
	MEMBER(MEMBER_INT, pinned),
	MEMBER(MEMBER_TEXT, source),
	MEMBER(MEMBER_INT, source_mtime_ms),
};

enum { MEMBERS = sizeof(members) / sizeof(members[0]) };

static void write_member(struct json_writer *w, enum member_type type, const void *value)
{
	switch (type) {
	case MEMBER_TEXT:
		json_write_string(w, value);
		break;
	case MEMBER_INT:
		json_write_int(w, *(const int64_t *)value);
		break;
	case MEMBER_UINT:
		json_write_uint(w, *(const uint64_t *)value);
		break;
	case MEMBER_NUMBER:
		json_write_double(w, *(const double *)value);
		break;
	}
}

void manifest_write_members(const struct manifest *manifest, struct json_writer *w)
{
	json_member_uint(w, "version", MANIFEST_VERSION);
	for (size_t i = 0; i < MEMBERS; i++) {
		json_write_key(w, members[i].name);
		write_member(w, members[i].type, (const char *)manifest + members[i].offset);
	}
	timeline_chart_write(&manifest->timeline, w);
}

int manifest_write(const struct manifest *manifest, struct buf *buf)
{
	struct json_writer w;

	json_write_init(&w, buf);
	json_write_object(&w);
	manifest_write_members(manifest, &w);
	json_write_object_end(&w);
	return buf_puts(buf, "\n");
}

bool manifest_format(const struct manifest *manifest, const char *member, char *dst, size_t size)
{
	const void *value;
	size_t i = 0;

	while (i < MEMBERS && strcmp(members[i].name, member) != 0)
		i++;
	if (i == MEMBERS)
		return false;
	value = (const char *)manifest + members[i].offset;
	switch (members[i].type) {
	case MEMBER_TEXT:
		str_copy(dst, size, value);
		break;
	case MEMBER_INT:
		snprintf(dst, size, "%lld", (long long)*(const int64_t *)value);
		break;
	case MEMBER_UINT:
		snprintf(dst, size, "%llu", (unsigned long long)*(const uint64_t *)value);
		break;
	case MEMBER_NUMBER:
		snprintf(dst, size, "%.15g", *(const double *)value);
		break;
	}
	return true;
}

/* Cut at the border of a character, so that what is written again is what was read. */
static void copy_text(char *dst, size_t size, const char *text)
{
	size_t used = 0, left = strlen(text);

	while (left > 0) {
		size_t n = str_utf8_sequence(text + used, left);

		if (n == 0 || used + n >= size)
			break;
		used += n;
		left -= n;
	}
	memcpy(dst, text, used);
	dst[used] = '\0';
}

/* What is absent stays zero: an older daemon did not know it. */
static void read_member(const struct tree *root, size_t i, struct manifest *manifest)
{
	void *value = (char *)manifest + members[i].offset;
	const char *text;

	switch (members[i].type) {
	case MEMBER_TEXT:
		if (tree_string(root, members[i].name, &text))
			copy_text(value, members[i].size, text);
		break;
	case MEMBER_INT:
		tree_int(root, members[i].name, value);
		break;
	case MEMBER_UINT:
		tree_uint(root, members[i].name, value);
		break;
	case MEMBER_NUMBER:
		tree_double(root, members[i].name, value);
		break;
	}
}

static bool is_hex(const char *text, size_t size)
{
	return strlen(text) == size && strspn(text, "0123456789abcdef") == size;
}

static int check_scripts(const struct manifest *manifest, struct err *err)
{
	if (manifest->scripts_name[0] == '\0') {
		if (manifest->scripts_bytes != 0)
			return err_set(err, -EBADMSG, "scripts_bytes without scripts_name");
		return 0;
	}
	if (strchr(manifest->scripts_name, '/') != NULL ||
	    strcmp(manifest->scripts_name, manifest->name) == 0)
		return err_set(err, -EBADMSG, "scripts_name is no file name of its own");
	if (!is_hex(manifest->scripts_sha256, sizeof(manifest->scripts_sha256) - 1))
		return err_set(err, -EBADMSG, "scripts_sha256 is not 64 hex digits");
	return 0;
}

static int check_report(const struct manifest *manifest, struct err *err)
{
	const struct manifest_analysis *analysis = &manifest->analysis;

	if (analysis->report_name[0] == '\0') {
		if (analysis->report_bytes != 0)
			return err_set(err, -EBADMSG, "report_bytes without report_name");
		return 0;
	}
	if (strchr(analysis->report_name, '/') != NULL ||
	    strcmp(analysis->report_name, manifest->name) == 0 ||
	    strcmp(analysis->report_name, manifest->scripts_name) == 0)
		return err_set(err, -EBADMSG, "report_name is no file name of its own");
	if (!is_hex(analysis->report_sha256, sizeof(analysis->report_sha256) - 1))
		return err_set(err, -EBADMSG, "report_sha256 is not 64 hex digits");
	return 0;
}

static int check(const struct tree *root, const struct manifest *manifest, struct err *err)
{
	uint64_t n;

	if (!tree_uint(root, "version", &n) || n != MANIFEST_VERSION)
		return err_set(err, -EBADMSG, "it is of another version");
	if (!is_hex(manifest->id, CAPTURE_ID_MAX - 1))
		return err_set(err, -EBADMSG, "id is not 32 hex digits");
	if (manifest->name[0] == '\0' || strchr(manifest->name, '/') != NULL)
		return err_set(err, -EBADMSG, "name is no file name");
	if (!tree_uint(root, "file_bytes", &n))
		return err_set(err, -EBADMSG, "file_bytes is missing");
	if (!is_hex(manifest->sha256, sizeof(manifest->sha256) - 1))
		return err_set(err, -EBADMSG, "sha256 is not 64 hex digits");
	return check_scripts(manifest, err) < 0 ? -EBADMSG : check_report(manifest, err);
}

int manifest_from_tree(const struct tree *root, struct manifest *ret, struct err *err)
{
	struct manifest manifest = { 0 };
	int r;

	for (size_t i = 0; i < MEMBERS; i++)
		read_member(root, i, &manifest);
	timeline_chart_read(tree_get(root, "timeline"), &manifest.timeline);
	r = check(root, &manifest, err);
	if (r == 0)
		*ret = manifest;
	return r;
}

int manifest_read(const char *data, size_t size, struct manifest *ret, struct err *err)
{
	struct tree *root;
	int r;

	r = tree_parse(data, size, &root, err);
	if (r < 0)
		return r;
	r = manifest_from_tree(root, ret, err);
	tree_free(root);
	return r;
}

/* The text with '_' for every byte that has no place in a file name. */
static void sanitise(char *dst, size_t size, const char *text)
{
	size_t n = 0;

	for (; text[n] != '\0' && n + 1 < size; n++) {
		char c = text[n];
		bool fine = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			    (c >= '0' && c <= '9') || c == '_' || (n > 0 && (c == '.' || c == '-'));

		dst[n] = fine ? c : '_';
	}
	if (n == 0)
		dst[n++] = '_';
	dst[n] = '\0';
}

static const char *ending(const struct manifest *manifest)
{
	if (strcmp(manifest->kind, "diagnostics") == 0)
		return "diagnostics.json";
	if (manifest->format[0] != '\0')
		return manifest->format;
	return strcmp(manifest->kind, "profile") == 0 ? "heapprofile" : "heapsnapshot";
}

void manifest_set_name(struct manifest *manifest, bool with_id)
{
	char target[NAME_TARGET_MAX + 1], isolate[NAME_ISOLATE_MAX + 1], stamp[CLOCK_TEXT_MAX];
	char stem[SPOOL_NAME_MAX], suffix[16];

	sanitise(target, sizeof(target), manifest->target);
	sanitise(isolate, sizeof(isolate), manifest->isolate);
	clock_format_stamp(stamp, manifest->started_wall_ms);
	snprintf(stem, sizeof(stem), "%s.%s.%s.%llu%s%s", target, isolate, stamp,
		 (unsigned long long)manifest->heap_used_bytes, with_id ? "." : "",
		 with_id ? manifest->id : "");
	snprintf(suffix, sizeof(suffix), "%s%s",
		 strcmp(manifest->compress, "zstd") == 0 ? ".zst" : "",
		 strcmp(manifest->encrypt, "age") == 0 ? ".age" : "");
	snprintf(manifest->name, sizeof(manifest->name), "%.190s.%s%s", stem, ending(manifest),
		 suffix);
	manifest->scripts_name[0] = '\0';
	if (manifest_is_heap(manifest))
		snprintf(manifest->scripts_name, sizeof(manifest->scripts_name),
			 "%.190s.scripts.json%s", stem, suffix);
}

static bool ends_with(const char *text, size_t size, const char *end)
{
	size_t n = strlen(end);

	return size > n && strncmp(text + size - n, end, n) == 0;
}

void manifest_report_name(const struct manifest *manifest, char dst[SPOOL_NAME_MAX])
{
	size_t size = strlen(manifest->name);

	if (ends_with(manifest->name, size, ".age"))
		size -= 4;
	if (ends_with(manifest->name, size, ".zst"))
		size -= 4;
	if (ends_with(manifest->name, size, ending(manifest)))
		size -= strlen(ending(manifest)) + 1;
	snprintf(dst, SPOOL_NAME_MAX, "%.*s.report.json", size > 200 ? 200 : (int)size,
		 manifest->name);
}

bool manifest_can_have_report(const struct manifest *manifest)
{
	if (strcmp(manifest->kind, "sampling") != 0)
		return manifest_is_heap(manifest);
	return strcmp(manifest->format, "heapprofile") == 0 || manifest->profile[0] == '\0';
}

bool manifest_clashes(const struct manifest *a, const struct manifest *b)
{
	char a_report[SPOOL_NAME_MAX], b_report[SPOOL_NAME_MAX];

	if (strcmp(a->name, b->name) == 0)
		return true;
	if (!manifest_can_have_report(a) || !manifest_can_have_report(b))
		return false;
	manifest_report_name(a, a_report);
	manifest_report_name(b, b_report);
	return strcmp(a_report, b_report) == 0;
}

bool manifest_is_of_another(const struct manifest *manifest, int64_t pid, int64_t start_wall_ms)
{
	return manifest->pid > 0 && pid > 0 &&
	       (manifest->pid != pid || manifest->target_start_wall_ms != start_wall_ms);
}

bool manifest_is_tracking(const struct manifest *manifest)
{
	return strcmp(manifest->kind, "tracking") == 0;
}

bool manifest_is_heap(const struct manifest *manifest)
{
	return strcmp(manifest->kind, "snapshot") == 0 || strcmp(manifest->kind, "timeline") == 0 ||
	       manifest_is_tracking(manifest);
}

bool manifest_is_diagnostics(const struct manifest *manifest)
{
	return strcmp(manifest->kind, "diagnostics") == 0;
}

bool manifest_is_apart(const struct manifest *manifest)
{
	return manifest_is_diagnostics(manifest) || manifest->continuous != 0;
}

uint64_t manifest_disk_bytes(const struct manifest *manifest)
{
	return manifest->file_bytes + manifest->scripts_bytes + manifest->analysis.report_bytes;
}

void manifest_drop_scripts(struct manifest *manifest)
{
	memset(manifest->scripts_name, 0, sizeof(manifest->scripts_name));
	memset(manifest->scripts_sha256, 0, sizeof(manifest->scripts_sha256));
	manifest->scripts_bytes = 0;
}
