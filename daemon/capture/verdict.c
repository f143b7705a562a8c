/*
 * Verdicts
 *
 * What the worker says may be the work of a hostile snapshot: it is cut to size, and its numbers
 * are only shown.
 */

#include "capture/verdict.h"

#include <stdio.h>
#include <string.h>

#include "json/tree.h"
#include "spool/spool.h"
#include "util/err.h"
#include "util/log.h"
#include "util/str.h"

static bool is_compared(const struct manifest *manifest)
{
	return strcmp(manifest->kind, "snapshot") == 0 || manifest_is_tracking(manifest);
}

bool verdict_is_due(const struct manifest *manifest)
{
	return manifest->series[0] != '\0' && manifest->series_count > 1 &&
	       manifest->series_index == manifest->series_count && is_compared(manifest);
}

static bool is_earlier(const struct manifest *manifest, const struct manifest *last)
{
	return strcmp(manifest->series, last->series) == 0 &&
	       manifest->series_index < last->series_index && is_compared(manifest);
}

static int64_t apart(int64_t a, int64_t b)
{
	return a > b ? a - b : b - a;
}

/* The first, and of the others the one nearest to the middle. */
static unsigned choose(const struct spool *spool, const struct manifest *last,
		       const struct manifest *ret[VERDICT_EARLIER_MAX])
{
	const struct manifest *first = NULL, *middle = NULL;
	int64_t half = (last->series_count + 1) / 2;

	list_each (at, &spool->ready) {
		const struct manifest *manifest =
			&container_of(at, struct spool_entry, link)->manifest;

		if (is_earlier(manifest, last) &&
		    (first == NULL || manifest->series_index < first->series_index))
			first = manifest;
	}
	list_each (at, &spool->ready) {
		const struct manifest *manifest =
			&container_of(at, struct spool_entry, link)->manifest;

		if (is_earlier(manifest, last) && manifest != first &&
		    (middle == NULL ||
		     apart(manifest->series_index, half) < apart(middle->series_index, half)))
			middle = manifest;
	}
	ret[0] = first;
	ret[1] = middle;
	return first == NULL ? 0 : middle == NULL ? 1 : 2;
}

unsigned verdict_earlier(const struct spool *spool, const struct manifest *last,
			 const struct manifest *ret[VERDICT_EARLIER_MAX], struct err *why)
{
	unsigned n = choose(spool, last, ret);

	if (n == 0)
		err_set(why, 0, "the earlier snapshots of the series are not in the spool");
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(ret[i]->encrypt, "age") == 0) {
			err_set(why, 0,
				"earlier snapshots are encrypted, and the daemon has no "
				"key");
			return 0;
		}
		if (manifest_is_of_another(ret[i], last->pid, last->target_start_wall_ms)) {
			err_set(why, 0, "the snapshots of the series are of different processes");
			return 0;
		}
	}
	return n;
}

/* ---- what it came to ---- */

/* Cut between characters, without what a terminal would obey. */
static void take_text(char *dst, size_t size, const struct tree *node, const char *member)
{
	const char *text = "";
	size_t used = 0;

	tree_string(node, member, &text);
	for (size_t left = strlen(text), n; left > 0; text += n, left -= n) {
		n = str_utf8_sequence(text, left);
		if (n == 0 || used + n >= size)
			break;
		memcpy(dst + used, text, n);
		if ((unsigned char)text[0] < 0x20 || text[0] == 0x7f)
			dst[used] = '?';
		used += n;
	}
	dst[used] = '\0';
}

void verdict_none(struct manifest_verdict *ret, const char *why)
{
	*ret = (struct manifest_verdict){ .state = "none" };
	snprintf(ret->text, sizeof(ret->text), "no verdict: %.*s", (int)sizeof(ret->text) - 16,
		 why);
}

void verdict_read(const struct tree *report, struct manifest_verdict *ret)
{
	const struct tree *leaks = tree_get(report, "leaks");
	const struct tree *suspects = tree_get(leaks, "suspects");

	*ret = (struct manifest_verdict){ .objects = 0 };
	take_text(ret->state, sizeof(ret->state), leaks, "verdict");
	take_text(ret->text, sizeof(ret->text), leaks, "text");
	if (strcmp(ret->state, "leak") == 0) {
		tree_uint(leaks, "objects", &ret->objects);
		tree_uint(leaks, "bytes", &ret->bytes);
		take_text(ret->class, sizeof(ret->class), leaks, "class_name");
		take_text(ret->path, sizeof(ret->path), leaks, "path");
		take_text(ret->more, sizeof(ret->more), leaks, "more");
		take_text(ret->place, sizeof(ret->place), leaks, "place");
		if (tree_size(suspects) > 0) {
			const struct tree *first = tree_at(suspects, 0);

			take_text(ret->holder, sizeof(ret->holder), first, "holder_name");
			take_text(ret->held_as, sizeof(ret->held_as), first, "held_as");
		}
	} else if (strcmp(ret->state, "nothing") != 0 && strcmp(ret->state, "none") != 0) {
		verdict_none(ret, "the worker gave none");
	}
}

void verdict_read_arrived(const struct tree *report, struct manifest_analysis *ret)
{
	ret->arrived_objects = ret->arrived_bytes = 0;
	tree_uint(report, "arrived.count", &ret->arrived_objects);
	tree_uint(report, "arrived.self_bytes", &ret->arrived_bytes);
}

void verdict_tell(const struct manifest *manifest)
{
	const struct manifest_verdict *verdict = &manifest->analysis.verdict;
	bool leak = strcmp(verdict->state, "leak") == 0;
	const struct log_field fields[] = {
		{ "target", manifest->target },
		{ "isolate", manifest->isolate },
		{ "rule", manifest->rule[0] != '\0' ? manifest->rule : NULL },
		{ "capture_id", manifest->id },
		{ "series", manifest->series },
		{ "verdict", verdict->state },
	};

	log_event(leak ? LEVEL_WARN : LEVEL_INFO, "analysis", LOG_ID_LEAK_VERDICT, fields,
		  sizeof(fields) / sizeof(fields[0]), "of the series of %s: %s", manifest->target,
		  verdict->text);
}
