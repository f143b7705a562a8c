/*
 * What `diff` found, for people and for programs
 *
 * Which objects came and went is only said where their ids last.
 */

#include "ctl/diff_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/class_rows.h"
#include "ctl/grid.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/str.h"

void diff_answer_fini(struct diff_answer *answer)
{
	free(answer->rows);
	heap_class_growth_free(answer->classes, answer->classes_n);
	*answer = (struct diff_answer){ .rows = NULL };
}

static bool is_by_lasting_ids(const struct diff_answer *answer)
{
	return answer->by == DIFF_IDS && !answer->addresses && heap_ids_last(&answer->agreement);
}

/* What has to be known beside the rows; NULL: nothing. */
static const char *note_of(const struct diff_answer *answer)
{
	static const char *const reasons[] = {
		[DIFF_IDS] = "Compared by id as asked for, though ids do not last between the "
			     "snapshots: what came and went was partly numbered anew.",
		[DIFF_ASKED] = "As asked for, objects are not compared, only classes.",
		[DIFF_OTHER_PROCESS] = "The snapshots are of different processes: ids are not "
				       "comparable, only classes are.",
		[DIFF_ADDRESSES] = "There are no ids in them, only addresses, which may be other "
				   "objects' by now: only classes are compared.",
		[DIFF_ANEW] = "Ids were given anew between the snapshots, or they are of different "
			      "programs: only classes are compared.",
	};

	if (answer->by == DIFF_IDS && answer->addresses)
		return "Compared by address as asked for: they may be other objects' by now, of "
		       "which nothing is told.";
	if (is_by_lasting_ids(answer))
		return answer->untold ? HEAP_IDS_UNTOLD : NULL;
	return reasons[answer->by];
}

/* ---- for programs ---- */

static void json_known(struct json_writer *w, const char *name, bool known, uint64_t value)
{
	if (known)
		json_member_uint(w, name, value);
	else
		json_member_string(w, name, NULL);
}

static void json_matching(struct json_writer *w, const struct diff_answer *answer)
{
	const struct heap_agreement *ids = &answer->agreement;

	json_member_string(w, "matched_by", answer->by == DIFF_IDS ? "ids" : "classes");
	json_known(w, "ids_in_both", answer->has_agreement, ids->both);
	json_known(w, "ids_equal", answer->has_agreement, ids->equal);
	json_member_string(w, "note", note_of(answer));
}

/* Rows have the same members however they came about: null is what is not known. */
static void json_row(struct json_writer *w, const struct heap_difference *row, bool by_ids)
{
	json_write_object(w);
	json_member_string(w, "key", row->key);
	json_member_string(w, "name", row->name);
	json_known(w, "added", by_ids, row->added);
	json_known(w, "removed", by_ids, row->removed);
	json_known(w, "added_bytes", by_ids, row->added_bytes);
	json_known(w, "removed_bytes", by_ids, row->removed_bytes);
	json_member_uint(w, "count", row->count[1]);
	json_member_uint(w, "count_before", row->count[0]);
	json_member_uint(w, "self_bytes", row->bytes[1]);
	json_member_uint(w, "self_bytes_before", row->bytes[0]);
	json_write_object_end(w);
}

static void json_rows(struct json_writer *w, const struct diff_answer *answer)
{
	json_write_key(w, "classes");
	json_write_array(w);
	for (size_t i = 0; i < answer->rows_n; i++)
		json_row(w, &answer->rows[i], true);
	for (size_t i = 0; i < answer->classes_n; i++) {
		const struct heap_class_growth *row = &answer->classes[i];
		const struct heap_difference same = {
			.key = row->key,
			.name = row->name,
			.count = { row->count[0], row->count[1] },
			.bytes = { row->bytes[0], row->bytes[1] },
		};

		json_row(w, &same, false);
	}
	json_write_array_end(w);
}

static void json_grown(struct json_writer *w, const struct diff_answer *answer)
{
	static const char *const names[] = { NULL, "ids", "paths" };

	json_member_string(w, "collections_matched_by", names[answer->grown_by]);
	if (answer->grown_by == DIFF_GROWN_UNKNOWN) {
		json_member_string(w, "collections", NULL);
		return;
	}
	json_write_key(w, "collections");
	json_write_array(w);
	for (size_t i = 0; i < answer->grown_n; i++) {
		const struct heap_collection_growth *item = &answer->grown[i];

		json_write_object(w);
		json_member_uint(w, "id", item->now->id);
		json_member_string(w, "class", answer->grown_classes->items[item->now->class].key);
		json_member_uint(w, "entries", item->now->entries);
		json_member_uint(w, "entries_before", item->before);
		json_write_object_end(w);
	}
	json_write_array_end(w);
}

void diff_put_json(struct buf *buf, const struct diff_answer *answer)
{
	struct json_writer w;

	json_write_init(&w, buf);
	json_write_object(&w);
	json_matching(&w, answer);
	json_rows(&w, answer);
	if (answer->wants_collections)
		json_grown(&w, answer);
	json_write_object_end(&w);
}

/* ---- for people ---- */

static void put_matching(struct buf *buf, const struct diff_answer *answer)
{
	const struct heap_agreement *ids = &answer->agreement;
	double percent = ids->both > 0 ? 100.0 * (double)ids->equal / (double)ids->both : 0;
	const char *note = note_of(answer);

	if (is_by_lasting_ids(answer))
		buf_printf(buf,
			   "Objects are the same by id: of %" PRIu64
			   " ids in both snapshots, %.1f %% are of one object.\n",
			   ids->both, percent);
	if (note != NULL)
		buf_printf(buf, "%s\n", note);
	if (!is_by_lasting_ids(answer) && answer->has_agreement)
		buf_printf(buf,
			   "Of %" PRIu64 " ids in both, %.1f %% agree, and most of them in %" PRIu32
			   " of %" PRIu32 " classes.\n",
			   ids->both, percent, ids->lasting, ids->classes);
	buf_puts(buf, "\n");
}

static int put_row(struct grid *grid, const struct heap_difference *row)
{
	double growth = (double)row->added_bytes - (double)row->removed_bytes;
	int r = grid_put_bytes(grid, growth);

	r = r == 0 ? grid_put_count(grid, row->added) : r;
	r = r == 0 ? grid_put_count(grid, row->removed) : r;
	r = r == 0 ? grid_put_bytes(grid, (double)row->added_bytes) : r;
	r = r == 0 ? grid_put_bytes(grid, (double)row->removed_bytes) : r;
	return r == 0 ? grid_put(grid, row->name) : r;
}

static int put_table(struct buf *buf, const struct diff_answer *answer, bool legend)
{
	static const struct grid_column columns[] = {
		{ "GROWTH", true },    { "ADDED", true }, { "REMOVED", true },
		{ "ALLOCATED", true }, { "FREED", true }, { "CLASS", false },
	};
	struct grid grid = { columns, sizeof(columns) / sizeof(columns[0]), NULL, 0, 0 };
	int r = 0;

	for (size_t i = 0; i < answer->rows_n && r == 0; i++)
		r = put_row(&grid, &answer->rows[i]);
	if (r == 0)
		grid_print(&grid, buf, legend);
	grid_fini(&grid);
	return r;
}

static int put_collection(struct grid *grid, const struct diff_answer *answer,
			  const struct heap_collection_growth *item)
{
	char id[STR_UNIT_MAX];
	int r;

	snprintf(id, sizeof(id), "@%" PRIu64, item->now->id);
	r = grid_put_count(grid, item->now->entries - item->before);
	r = r == 0 ? grid_put_count(grid, item->now->entries) : r;
	r = r == 0 ? grid_put_count(grid, item->before) : r;
	r = r == 0 ? grid_put(grid, id) : r;
	return r == 0 ? grid_put(grid, answer->grown_classes->items[item->now->class].name) : r;
}

static int put_grown(struct buf *buf, const struct diff_answer *answer, bool legend)
{
	static const struct grid_column columns[] = {
		{ "MORE", true }, { "ENTRIES", true }, { "BEFORE", true },
		{ "ID", true },   { "CLASS", false },
	};
	struct grid grid = { columns, sizeof(columns) / sizeof(columns[0]), NULL, 0, 0 };
	int r = 0;

	if (answer->grown_n > 0)
		buf_printf(buf, "\ncollections that have more entries%s:\n",
			   answer->grown_by == DIFF_GROWN_PATHS
				   ? ", the same by their named paths from the root"
				   : "");
	for (size_t i = 0; i < answer->grown_n && r == 0; i++)
		r = put_collection(&grid, answer, &answer->grown[i]);
	if (r == 0 && answer->grown_n > 0)
		grid_print(&grid, buf, legend);
	grid_fini(&grid);
	return r;
}

int diff_put_text(struct buf *buf, const struct diff_answer *answer, bool legend)
{
	int r;

	put_matching(buf, answer);
	r = answer->by == DIFF_IDS
		    ? put_table(buf, answer, legend)
		    : class_rows_put(buf, answer->classes, answer->classes_n, legend);
	if (answer->wants_collections && answer->grown_by == DIFF_GROWN_UNKNOWN)
		buf_puts(buf, "\nWhich collections have more entries is not known either.\n");
	else if (answer->wants_collections && r == 0)
		r = put_grown(buf, answer, legend);
	return r == 0 ? buf->error : r;
}
