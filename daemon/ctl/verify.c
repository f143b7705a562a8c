/*
 * verify: reads captures whole and compares them with what their manifests say. The reading is done
 * here, also of a daemon's files: gigabytes of sums are no work for a loop that watches targets.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/choose.h"
#include "ctl/command.h"
#include "ctl/show.h"
#include "ctl/tap.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/err.h"

struct finding {
	const char *result; /* "OK", "truncated", "damaged", "missing", "error" */
	struct err why;
};

static void judge(struct tap *tap, uint64_t bytes, const char *sha256, struct finding *finding)
{
	char sum[DIGEST_HEX_MAX];

	if (tap->stage.bytes < bytes) {
		finding->result = "truncated";
		err_set(&finding->why, 0, "%llu of %llu bytes",
			(unsigned long long)tap->stage.bytes, (unsigned long long)bytes);
	} else if (tap->stage.bytes > bytes) {
		finding->result = "damaged";
		err_set(&finding->why, 0, "longer than its manifest says");
	} else if (tap_sum(tap, sum) < 0) {
		finding->result = "error";
		err_set(&finding->why, 0, "no sum could be made");
	} else if (strcmp(sum, sha256) != 0) {
		finding->result = "damaged";
		err_set(&finding->why, 0, "its SHA-256 is %s", sum);
	}
}

/* CTL_OK when there is a finding; CTL_UNREACHABLE and the like end the command. */
static int check_part(struct source *source, const struct manifest *manifest, enum part part,
		      struct finding *finding)
{
	struct part_file file = source_part(manifest, part);
	struct stage drain;
	struct tap tap;
	int exit;

	drain_init(&drain);
	if (tap_init(&tap, &drain) < 0)
		return source_fail(&finding->why, CTL_FAILURE, -ENOMEM, "out of memory");
	exit = source->ops->fetch(source, manifest, part, &tap.stage, &finding->why);
	if (exit == CTL_OK) {
		judge(&tap, file.bytes, file.sha256, finding);
	} else if (exit == CTL_FAILURE) {
		finding->result = finding->why.code == -ENOENT ? "missing" : "error";
		exit = CTL_OK;
	}
	tap_fini(&tap);
	return exit;
}

static int check(struct source *source, const struct manifest *manifest, struct finding *finding)
{
	int exit = CTL_OK;

	*finding = (struct finding){ .result = "OK" };
	for (enum part part = PART_CAPTURE; part <= PART_REPORT && exit == CTL_OK; part++) {
		if (strcmp(finding->result, "OK") == 0 &&
		    source_part(manifest, part).name[0] != '\0')
			exit = check_part(source, manifest, part, finding);
	}
	return exit;
}

/* As they come: the whole spool may take minutes. */
static int tell(const struct manifest *manifest, const struct finding *finding, bool quiet)
{
	struct buf buf;
	bool ok = strcmp(finding->result, "OK") == 0;

	if (ok && quiet)
		return CTL_OK;
	buf_init(&buf, 4096);
	buf_printf(&buf, "%.8s %-9s ", manifest->id, finding->result);
	show_text(&buf, manifest->name);
	if (!ok) {
		buf_puts(&buf, ": ");
		show_text(&buf, finding->why.text);
	}
	buf_puts(&buf, "\n");
	return show_out(&buf, false);
}

static void tell_json(struct json_writer *w, const struct manifest *manifest,
		      const struct finding *finding)
{
	json_write_object(w);
	json_member_string(w, "id", manifest->id);
	json_member_string(w, "name", manifest->name);
	json_member_string(w, "result", finding->result);
	json_member_string(w, "error", finding->why.text);
	json_write_object_end(w);
}

static int check_all(struct source *source, const struct ctl_options *options,
		     const struct item_array *items, struct json_writer *w, struct err *err)
{
	bool bad = false;
	int exit = CTL_OK;

	for (size_t i = 0; exit == CTL_OK && i < items->n; i++) {
		const struct manifest *manifest = &items->items[i].manifest;
		struct finding finding;

		exit = check(source, manifest, &finding);
		if (exit != CTL_OK) {
			*err = finding.why;
			break;
		}
		bad |= strcmp(finding.result, "OK") != 0;
		if (options->json != JSON_OFF)
			tell_json(w, manifest, &finding);
		else
			exit = tell(manifest, &finding, options->quiet);
	}
	return exit == CTL_OK && bad ? CTL_FAILURE : exit;
}

int command_verify(struct source *source, const struct ctl_options *options, struct err *err)
{
	struct item_array items = { .items = NULL };
	struct json_writer w;
	struct buf json, out;
	int exit = options->args_n > 0 ? choose_each(source, options, &items, err)
				       : choose_matching(source, options, &items, err);

	buf_init(&json, SHOW_MAX_BYTES);
	json_write_init(&w, &json);
	json_write_array(&w);
	if (exit == CTL_OK)
		exit = check_all(source, options, &items, &w, err);
	json_write_array_end(&w);
	if (options->json != JSON_OFF && err->text[0] == '\0' && buf_text(&json) != NULL) {
		buf_init(&out, SHOW_MAX_BYTES);
		show_json_text(&out, buf_text(&json), options->json);
		if (show_out(&out, options->pager) != CTL_OK)
			exit = CTL_FAILURE;
	}
	buf_fini(&json);
	item_array_fini(&items);
	return exit;
}
