/*
 * Labels of targets, isolates and spaces, escaped once per scrape. They stand end to end in one
 * buffer; since that may move while it grows, places are kept as offsets until it is complete.
 */

#include "http/prom_parts.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "watch/target.h"

/* Labels are a few per cent of a scrape. */
enum { LABEL_BYTES_MAX = EXPOSITION_MAX / 2 };

static struct label_text since(const struct buf *labels, size_t start)
{
	return (struct label_text){ (const char *)(uintptr_t)start, labels->size - start };
}

static void settle(struct label_text *text, const struct buf *labels)
{
	text->text = labels->data + (uintptr_t)text->text;
}

static void add_spaces(struct prom_rows *rows, const struct isolate *isolate, const char *target)
{
	for (uint32_t i = 0; i < isolate->last.spaces_n; i++) {
		const struct space *space = &isolate->last.spaces[i];
		size_t start = rows->labels.size;

		if (target != NULL)
			label_append(&rows->labels, start, "target", target);
		label_append(&rows->labels, start, "isolate", isolate->name);
		label_append(&rows->labels, start, "space", space->name);
		rows->spaces[rows->spaces_n++] =
			(struct space_row){ space, since(&rows->labels, start) };
	}
}

static void add_isolates(struct prom_rows *rows, const struct target *target, const char *name)
{
	list_each (at, &target->isolates) {
		const struct isolate *isolate = container_of(at, struct isolate, link);
		size_t start = rows->labels.size;

		if (name != NULL)
			label_append(&rows->labels, start, "target", name);
		label_append(&rows->labels, start, "isolate", isolate->name);
		rows->isolates[rows->isolates_n++] =
			(struct isolate_row){ target, isolate, since(&rows->labels, start) };
		add_spaces(rows, isolate, name);
	}
}

static void add_target(struct prom_rows *rows, const struct target *target, bool up)
{
	const char *name = rows->with_target ? target->spec.name : NULL;
	size_t start = rows->labels.size;

	if (name != NULL)
		label_append(&rows->labels, start, "target", name);
	rows->targets[rows->targets_n++] =
		(struct target_row){ target, since(&rows->labels, start), up };
	/* A probe says what is true now: what was true at the last success is no answer. */
	if (rows->with_target || up)
		add_isolates(rows, target, name);
}

static size_t count_spaces(const struct target *target)
{
	size_t n = 0;

	list_each (at, &target->isolates)
		n += container_of(at, struct isolate, link)->last.spaces_n;
	return n;
}

static int allocate(struct prom_rows *rows, size_t targets, size_t isolates, size_t spaces)
{
	/* One more of each: nothing allocated is no failure. */
	rows->targets = calloc(targets + 1, sizeof(*rows->targets));
	rows->isolates = calloc(isolates + 1, sizeof(*rows->isolates));
	rows->spaces = calloc(spaces + 1, sizeof(*rows->spaces));
	return rows->targets != NULL && rows->isolates != NULL && rows->spaces != NULL ? 0
										       : -ENOMEM;
}

static int settle_all(struct prom_rows *rows)
{
	if (buf_reserve(&rows->labels, 0) < 0)
		return rows->labels.error;
	for (size_t i = 0; i < rows->targets_n; i++)
		settle(&rows->targets[i].labels, &rows->labels);
	for (size_t i = 0; i < rows->isolates_n; i++)
		settle(&rows->isolates[i].labels, &rows->labels);
	for (size_t i = 0; i < rows->spaces_n; i++)
		settle(&rows->spaces[i].labels, &rows->labels);
	return 0;
}

int prom_rows_init(struct prom_rows *rows, const struct targets *targets)
{
	size_t isolates = 0, spaces = 0;

	*rows = (struct prom_rows){ .with_target = true };
	buf_init(&rows->labels, LABEL_BYTES_MAX);
	list_each (at, &targets->list) {
		const struct target *target = container_of(at, struct target, link);

		isolates += target->isolates_n;
		spaces += count_spaces(target);
	}
	if (allocate(rows, targets->count, isolates, spaces) < 0)
		return -ENOMEM;
	list_each (at, &targets->list) {
		const struct target *target = container_of(at, struct target, link);

		add_target(rows, target, target->up);
	}
	return settle_all(rows);
}

int prom_rows_init_one(struct prom_rows *rows, const struct target *target, bool up)
{
	*rows = (struct prom_rows){ .with_target = false };
	buf_init(&rows->labels, LABEL_BYTES_MAX);
	if (allocate(rows, 1, target->isolates_n, count_spaces(target)) < 0)
		return -ENOMEM;
	add_target(rows, target, up);
	return settle_all(rows);
}

void prom_rows_fini(struct prom_rows *rows)
{
	free(rows->targets);
	free(rows->isolates);
	free(rows->spaces);
	buf_fini(&rows->labels);
}
