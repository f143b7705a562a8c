/*
 * The families of verdicts on series of snapshots. They are in the manifests of the spool: of each
 * target that is there now the newest, and of each of its isolates, so that there are no more than
 * targets and isolates.
 */

#include "http/prom_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/view.h"
#include "spool/spool.h"
#include "util/map.h"
#include "watch/target.h"

enum { LABELS_BYTES_MAX = 4096 };

struct isolate_key {
	char text[sizeof(((struct manifest *)NULL)->target) +
		  sizeof(((struct manifest *)NULL)->isolate) + 1];
};

struct verdicts {
	const struct manifest **items; /* owned; the manifests are the spool's */
	struct isolate_key *keys; /* owned, of the items */
	size_t n;
	struct map targets, isolates; /* those that have one */
};

static void verdicts_fini(struct verdicts *verdicts)
{
	map_fini(&verdicts->targets);
	map_fini(&verdicts->isolates);
	free(verdicts->items);
	free(verdicts->keys);
}

/* Isolates come and go: of one that is gone only what is the newest of its target counts. */
static bool counts(const struct verdicts *verdicts, const struct http_view *view,
		   const struct manifest *manifest)
{
	const struct target *target = targets_find_name(view->targets, manifest->target);

	return target != NULL && (map_get(&verdicts->targets, manifest->target) == NULL ||
				  target_find_isolate(target, manifest->isolate) != NULL);
}

/* From the newest to the oldest. 0, -ENOMEM. */
static int take(struct verdicts *verdicts, const struct http_view *view,
		const struct manifest *manifest)
{
	struct isolate_key *key = &verdicts->keys[verdicts->n];
	void *value = (void *)(uintptr_t)manifest;
	int r;

	snprintf(key->text, sizeof(key->text), "%s\n%s", manifest->target, manifest->isolate);
	if (!counts(verdicts, view, manifest) || map_get(&verdicts->isolates, key->text) != NULL)
		return 0;
	r = map_put(&verdicts->isolates, key->text, value);
	if (r == 0 && map_get(&verdicts->targets, manifest->target) == NULL)
		r = map_put(&verdicts->targets, manifest->target, value);
	if (r == 0)
		verdicts->items[verdicts->n++] = manifest;
	return r;
}

/* 0, -ENOMEM; fini in any case. */
static int gather(struct verdicts *ret, const struct http_view *view)
{
	const struct spool *spool = view->spool;
	int r = 0;

	*ret = (struct verdicts){ .items = calloc(spool->files + 1, sizeof(*ret->items)),
				  .keys = calloc(spool->files + 1, sizeof(*ret->keys)) };
	map_init(&ret->targets);
	map_init(&ret->isolates);
	if (ret->items == NULL || ret->keys == NULL)
		return -ENOMEM;
	for (const struct link *at = spool->ready.prev; at != &spool->ready && r == 0;
	     at = at->prev) {
		const struct manifest *manifest =
			&container_of(at, const struct spool_entry, link)->manifest;

		if (manifest->analysis.verdict.state[0] != '\0' && ret->n < spool->files)
			r = take(ret, view, manifest);
	}
	return r;
}

static void sample(struct exposition_writer *w, const struct manifest *manifest, double value)
{
	struct buf labels;

	buf_init(&labels, LABELS_BYTES_MAX);
	label_append(&labels, 0, "target", manifest->target);
	label_append(&labels, 0, "isolate", manifest->isolate);
	label_append(&labels, 0, "rule", manifest->rule);
	if (labels.error == 0)
		sample_double(w, (struct label_text){ labels.data, labels.size }, NULL, value);
	buf_fini(&labels);
}

static void sample_info(struct exposition_writer *w, const struct manifest *manifest)
{
	const struct manifest_verdict *verdict = &manifest->analysis.verdict;
	struct buf labels;

	buf_init(&labels, LABELS_BYTES_MAX);
	label_append(&labels, 0, "target", manifest->target);
	label_append(&labels, 0, "isolate", manifest->isolate);
	label_append(&labels, 0, "rule", manifest->rule);
	label_append(&labels, 0, "class", verdict->class);
	label_append(&labels, 0, "holder", verdict->holder);
	label_append(&labels, 0, "held_as", verdict->held_as);
	label_append(&labels, 0, "place", verdict->place);
	if (labels.error == 0)
		sample_uint(w, (struct label_text){ labels.data, labels.size }, NULL, 1);
	buf_fini(&labels);
}

static bool is(const struct manifest *manifest, const char *state)
{
	return strcmp(manifest->analysis.verdict.state, state) == 0;
}

/* Of "none" nothing is known in numbers. */
static void write_known(struct exposition_writer *w, const struct verdicts *verdicts,
			enum metric_id id)
{
	exposition_family(w, id);
	for (size_t i = 0; i < verdicts->n; i++) {
		const struct manifest_verdict *verdict = &verdicts->items[i]->analysis.verdict;

		if (!is(verdicts->items[i], "none"))
			sample(w, verdicts->items[i],
			       (double)(id == METRIC_VERDICT_BYTES ? verdict->bytes
								   : verdict->objects));
	}
}

void prom_write_verdicts(struct exposition_writer *w, const struct http_view *view)
{
	struct verdicts verdicts;

	if (gather(&verdicts, view) < 0) {
		w->buf->error = -ENOMEM;
		verdicts_fini(&verdicts);
		return;
	}
	exposition_family(w, METRIC_VERDICT);
	for (size_t i = 0; i < verdicts.n; i++)
		sample(w, verdicts.items[i],
		       is(verdicts.items[i], "leak")      ? 1
		       : is(verdicts.items[i], "nothing") ? 0
							  : -1);
	write_known(w, &verdicts, METRIC_VERDICT_OBJECTS);
	write_known(w, &verdicts, METRIC_VERDICT_BYTES);
	exposition_family(w, METRIC_VERDICT_INFO);
	for (size_t i = 0; i < verdicts.n; i++) {
		if (is(verdicts.items[i], "leak"))
			sample_info(w, verdicts.items[i]);
	}
	verdicts_fini(&verdicts);
}
