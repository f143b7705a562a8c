/* A capture for a person: all that its manifest knows, in the order in which one asks for it. */

#include "ctl/show.h"

#include <stdio.h>
#include <string.h>

#include "ctl/report.h"
#include "ctl/source.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/str.h"

enum { LABEL_WIDTH = 12, REPORT_BYTES_MAX = 4 << 20, BARS = 12, BAR_WIDTH = 32 };

static void label(struct buf *buf, const char *name)
{
	buf_printf(buf, "%*s: ", LABEL_WIDTH, name);
}

/* Nothing is printed for what is not known. */
static void line(struct buf *buf, const char *name, const char *text)
{
	if (text[0] == '\0')
		return;
	label(buf, name);
	show_text(buf, text);
	buf_puts(buf, "\n");
}

static void named(struct buf *buf, const char *name, const char *text, const char *detail)
{
	if (text[0] == '\0')
		return;
	label(buf, name);
	show_text(buf, text);
	if (detail[0] != '\0') {
		buf_puts(buf, " (");
		show_text(buf, detail);
		buf_puts(buf, ")");
	}
	buf_puts(buf, "\n");
}

static void print_program(struct buf *buf, const struct manifest *manifest)
{
	char time[SHOW_TIME_MAX], text[128];

	named(buf, "Target", manifest->target, manifest->isolate);
	line(buf, "Address", manifest->address);
	snprintf(text, sizeof(text), "%s %s", manifest->engine, manifest->engine_version);
	if (manifest->runtime[0] != '\0') {
		label(buf, "Runtime");
		show_text(buf, manifest->runtime);
		buf_puts(buf, " ");
		show_text(buf, manifest->runtime_version);
		if (manifest->engine[0] != '\0') {
			buf_puts(buf, " (");
			show_text(buf, text);
			buf_puts(buf, ")");
		}
		buf_puts(buf, "\n");
	}
	if (manifest->pid > 0) {
		label(buf, "PID");
		buf_printf(buf, "%lld", (long long)manifest->pid);
		if (manifest->target_start_wall_ms > 0)
			buf_printf(buf, ", started %s",
				   show_time(time, manifest->target_start_wall_ms));
		buf_puts(buf, "\n");
	}
}

static void bytes_line(struct buf *buf, const char *name, uint64_t bytes, const char *word,
		       uint64_t more)
{
	char a[STR_UNIT_MAX], b[STR_UNIT_MAX];

	if (bytes == 0)
		return;
	label(buf, name);
	buf_puts(buf, str_format_bytes(a, bytes));
	if (more > 0)
		buf_printf(buf, "%s%s", word, str_format_bytes(b, more));
	buf_puts(buf, "\n");
}

static void print_cause(struct buf *buf, const struct manifest *manifest)
{
	char time[SHOW_TIME_MAX];

	line(buf, "Page", manifest->page);
	line(buf, "Kind", manifest->kind);
	line(buf, "Time", show_time(time, manifest->started_wall_ms));
	named(buf, "Rule", manifest->rule[0] != '\0' ? manifest->rule : "none, by hand",
	      manifest->rule_step);
	line(buf, "Requested by", manifest->requested_by);
	line(buf, "Cause", manifest->cause);
	bytes_line(buf, "Heap", manifest->heap_used_bytes, " of ", manifest->heap_limit_bytes);
	bytes_line(buf, "Resident", manifest->resident_before_bytes, " before, at most ",
		   manifest->resident_peak_bytes);
	if (manifest->duration_ns > 0) {
		label(buf, "Took");
		buf_printf(buf, "%.1fs, longest pause of the program %.1fs\n",
			   (double)manifest->duration_ns / 1e9, (double)manifest->pause_ns / 1e9);
	}
}

/* The points of stretch i of BARS, added up. */
static struct timeline_point folded(const struct timeline_chart *chart, uint64_t i)
{
	struct timeline_chart part = { .n = 0 };

	for (uint64_t k = i * chart->n / BARS; k < (i + 1) * chart->n / BARS; k++)
		part.points[part.n++] = chart->points[k];
	return timeline_chart_sum(&part);
}

static void print_bar(struct buf *buf, const struct timeline_point *point, uint64_t most)
{
	char seen[STR_UNIT_MAX], live[STR_UNIT_MAX];
	int width = (int)((double)point->seen_bytes / (double)most * BAR_WIDTH + 0.5);
	int alive = (int)((double)point->live_bytes / (double)most * BAR_WIDTH + 0.5);

	buf_printf(buf, "%*s%8.1fs %10s %10s  ", LABEL_WIDTH, "", (double)point->at_ms / 1000,
		   str_format_bytes(seen, point->seen_bytes),
		   str_format_bytes(live, point->live_bytes));
	for (int i = 0; i < width; i++)
		buf_puts(buf, i < alive ? "#" : "-");
	buf_puts(buf, "\n");
}

/* What was allocated up to each time, and of that lives. */
static void print_timeline(struct buf *buf, const struct timeline_chart *chart)
{
	struct timeline_point all = timeline_chart_sum(chart);
	char seen[STR_UNIT_MAX], live[STR_UNIT_MAX];
	uint64_t most = 1;

	if (chart->n < BARS)
		return;
	for (uint64_t i = 0; i < BARS; i++)
		if (folded(chart, i).seen_bytes > most)
			most = folded(chart, i).seen_bytes;
	label(buf, "Timeline");
	buf_printf(buf, "%s allocated in %.1fs, %s of it still alive (#) at the end\n",
		   str_format_bytes(seen, all.seen_bytes), (double)all.at_ms / 1000,
		   str_format_bytes(live, all.live_bytes));
	for (uint64_t i = 0; i < BARS; i++) {
		struct timeline_point point = folded(chart, i);

		print_bar(buf, &point, most);
	}
}

static bool is_used(const char *stage)
{
	return stage[0] != '\0' && strcmp(stage, "none") != 0;
}

static void print_stages(struct buf *buf, const struct manifest *manifest)
{
	char text[128], level[40] = "";

	if (manifest->compress_level > 0)
		snprintf(level, sizeof(level), " (level %llu)",
			 (unsigned long long)manifest->compress_level);
	snprintf(text, sizeof(text), "%s%s%s%s%s%s",
		 is_used(manifest->redact) ? "redacted: " : "not redacted",
		 is_used(manifest->redact) ? manifest->redact : "",
		 is_used(manifest->compress) ? ", " : "",
		 is_used(manifest->compress) ? manifest->compress : "", level,
		 is_used(manifest->encrypt) ? ", encrypted" : "");
	line(buf, "Stages", text);
	if (manifest->redact_allow_names > 0) {
		snprintf(text, sizeof(text), "%llu names, sha256 %s",
			 (unsigned long long)manifest->redact_allow_names,
			 manifest->redact_allow_sha256);
		line(buf, "Kept", text);
	}
	line(buf, "Recipients", manifest->recipients);
}

static void print_file(struct buf *buf, const struct item *item)
{
	const struct manifest *manifest = &item->manifest;
	char text[STR_UNIT_MAX];

	named(buf, "File", manifest->name, presence_name(item->file));
	bytes_line(buf, "Size", manifest->file_bytes, " on disk, as captured ",
		   manifest->size_bytes);
	print_stages(buf, manifest);
	line(buf, "SHA256", manifest->sha256);
	if (manifest->scripts_name[0] != '\0')
		named(buf, "Scripts", manifest->scripts_name,
		      str_format_bytes(text, manifest->scripts_bytes));
	if (manifest->series_count > 1) {
		label(buf, "Series");
		buf_printf(buf, "%lld of %lld, begun by ", (long long)manifest->series_index,
			   (long long)manifest->series_count);
		show_text(buf, manifest->series);
		if (manifest->ids[0] != '\0') {
			buf_puts(buf, ", ids ");
			show_text(buf, manifest->ids);
		}
		buf_puts(buf, "\n");
	}
	named(buf, "Profile", manifest->profile, "in both formats");
	line(buf, "Source", manifest->source);
	line(buf, "Pinned", manifest->pinned != 0 ? "yes" : "no");
}

/* A daemon that has a report and does not give it is not worth failing for. */
static void print_classes(struct buf *buf, struct source *source, const struct manifest *manifest)
{
	struct err err = { .text = "" };
	struct buf text;

	buf_init(&text, REPORT_BYTES_MAX);
	if (report_fetch(source, manifest, &text, &err) == CTL_OK)
		report_show_classes(buf, &text, LABEL_WIDTH + 2);
	else
		line(buf, "", err.text);
	buf_fini(&text);
}

static void print_analysis(struct buf *buf, struct source *source, const struct manifest *manifest)
{
	const struct manifest_analysis *analysis = &manifest->analysis;
	char text[STR_UNIT_MAX];

	named(buf, "Analysis", analysis->state, analysis->reason);
	if (analysis->verdict.text[0] != '\0')
		line(buf, "Verdict", analysis->verdict.text);
	if (analysis->arrived_objects > 0) {
		label(buf, "Arrived");
		buf_printf(buf, "%llu objects, %s, since the first snapshot\n",
			   (unsigned long long)analysis->arrived_objects,
			   str_format_bytes(text, analysis->arrived_bytes));
	}
	if (analysis->report_name[0] == '\0')
		return;
	line(buf, "Report", analysis->report_name);
	if (source != NULL)
		print_classes(buf, source, manifest);
}

void show_info(struct buf *buf, struct source *source, const struct item_array *items)
{
	for (size_t i = 0; i < items->n; i++) {
		const struct manifest *manifest = &items->items[i].manifest;

		if (i > 0)
			buf_puts(buf, "\n");
		line(buf, "ID", manifest->id);
		print_program(buf, manifest);
		print_cause(buf, manifest);
		print_timeline(buf, &manifest->timeline);
		print_file(buf, &items->items[i]);
		print_analysis(buf, source, manifest);
	}
}
