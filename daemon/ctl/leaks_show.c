/*
 * What `leaks` found, for people
 *
 * The short answer first: a sentence for each place. Then a table, then why each place is there:
 * its dominators, which name the holder, and a shortest path.
 */

#include "ctl/leaks_show.h"

#include <inttypes.h>
#include <stdio.h>

#include "ctl/class_rows.h"
#include "ctl/grid.h"
#include "ctl/paths.h"
#include "ctl/show.h"
#include "heap/leaks_words.h"
#include "util/str.h"
#include "util/top.h"

static void put_matching(struct buf *buf, const struct leaks_answer *answer)
{
	const struct heap_agreement *ids = &answer->agreement;
	double percent = ids->both > 0 ? 100.0 * (double)ids->equal / (double)ids->both : 0;
	const char *note = leaks_note(answer);

	if (answer->by == HEAP_MATCH_IDS)
		buf_printf(buf,
			   "Objects are the same by id: of %" PRIu64
			   " ids in both snapshots, %.1f %% are of one object.\n",
			   ids->both, percent);
	if (note != NULL)
		buf_printf(buf, "%s\n", note);
	if (answer->by == HEAP_MATCH_PATHS && ids->both > 0)
		buf_printf(buf,
			   "Of %" PRIu64 " ids in both %.1f %% agree, and most of them in %" PRIu32
			   " of %" PRIu32 " classes.\n",
			   ids->both, percent, ids->lasting, ids->classes);
	if (answer->pasts_n < HEAP_PASTS_MAX)
		buf_puts(buf, "With two snapshots, what only warms up is not told from a leak; a "
			      "third one would tell.\n");
}

/* "1600 more Session (/srv/app.js:12)" */
static void put_what(struct buf *buf, const struct leaks_answer *answer,
		     const struct heap_suspect *suspect, const struct leaks_words *words)
{
	if (suspect->kind != HEAP_LEAK_OWN)
		buf_printf(buf, "%" PRIu64 " more ", suspect->count);
	show_text(buf, leaks_class_name(answer, suspect->class));
	if (suspect->kind == HEAP_LEAK_OWN)
		buf_printf(buf, " @%" PRIu64,
			   heap_id(&answer->last->analysis->graph, suspect->holder));
	if (words->function.size > 0) {
		buf_puts(buf, " ");
		show_text(buf, words->function.data);
	}
	if (words->made_in.size > 0) {
		buf_puts(buf, " made in '");
		show_text(buf, words->made_in.data);
		buf_puts(buf, "'");
	}
	if (words->place.size > 0) {
		buf_puts(buf, " (");
		show_text(buf, words->place.data);
		buf_puts(buf, ")");
	}
}

static void put_where(struct buf *buf, const struct leaks_answer *answer,
		      const struct heap_suspect *suspect, const struct leaks_words *words)
{
	if (suspect->kind == HEAP_LEAK_UNREACHED) {
		buf_puts(buf, ", held by what the snapshot does not tell");
		if (words->may_hold.size > 0) {
			buf_puts(buf, ", for which only ");
			show_text(buf, words->may_hold.data);
			buf_puts(buf, " has room");
		}
		return;
	}
	if (suspect->kind == HEAP_LEAK_ROOTS) {
		buf_puts(buf, " held by the engine itself, as '");
		show_text(buf, words->holder.size > 0 ? words->holder.data : "a root");
		buf_puts(buf, "'");
		return;
	}
	if (suspect->kind != HEAP_LEAK_OWN) {
		buf_printf(buf, "%s in ",
			   suspect->kind == HEAP_LEAK_CHAIN ? ", one holding the next," : "");
		show_text(buf, words->holder.size > 0 ? words->holder.data : "");
		buf_printf(buf, " @%" PRIu64,
			   heap_id(&answer->last->analysis->graph, suspect->holder));
	}
	if (words->held_as.size > 0) {
		buf_puts(buf, ", held as '");
		show_text(buf, words->held_as.data);
		buf_puts(buf, "'");
	}
	if (suspect->kind == HEAP_LEAK_OWN)
		buf_puts(buf, ", is larger itself");
}

static int put_sentence(struct buf *buf, const struct leaks_answer *answer, size_t i)
{
	const struct heap_suspect *suspect = &answer->leaks.items[i];
	char text[STR_UNIT_MAX];
	const struct leaks_words *words;
	int r = leaks_words_get(answer, suspect, &words);

	if (r == 0) {
		buf_printf(buf, "%zu. ", i + 1);
		put_what(buf, answer, suspect, words);
		put_where(buf, answer, suspect, words);
		buf_printf(buf, ": %s, %.0f %% of the growth.\n",
			   str_format_bytes(text, suspect->bytes),
			   100 * leaks_share(answer, suspect));
	}
	return r;
}

static int put_row(struct grid *grid, const struct leaks_answer *answer,
		   const struct heap_suspect *suspect)
{
	const struct leaks_words *words;
	char percent[STR_UNIT_MAX];
	int r = leaks_words_get(answer, suspect, &words);

	snprintf(percent, sizeof(percent), "%.1f %%", 100 * leaks_share(answer, suspect));
	r = r == 0 ? grid_put_bytes(grid, (double)suspect->bytes) : r;
	r = r == 0 ? grid_put(grid, percent) : r;
	r = r == 0 ? grid_put_bytes(grid, (double)suspect->last_bytes) : r;
	r = r == 0 ? grid_put_count(grid, suspect->count) : r;
	r = r == 0 ? grid_put(grid, leaks_class_name(answer, suspect->class)) : r;
	r = r == 0 ? grid_put(grid, words->holder.size > 0 ? words->holder.data : "-") : r;
	r = r == 0 ? grid_put(grid, words->held_as.size > 0 ? words->held_as.data : "-") : r;
	return r;
}

static int put_table(struct buf *buf, const struct leaks_answer *answer, size_t n, bool legend)
{
	static const struct grid_column columns[] = {
		{ "BYTES", true },  { "GROWTH", true },  { "LAST STEP", true }, { "COUNT", true },
		{ "CLASS", false }, { "HOLDER", false }, { "HELD AS", false },
	};
	struct grid grid = { columns, sizeof(columns) / sizeof(columns[0]), NULL, 0, 0 };
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = put_row(&grid, answer, &answer->leaks.items[i]);
	if (r == 0)
		grid_print(&grid, buf, legend);
	grid_fini(&grid);
	return r;
}

static int put_why(struct buf *buf, const struct leaks_answer *answer, size_t i)
{
	const struct heap_analysis *analysis = answer->last->analysis;
	const struct heap_suspect *suspect = &answer->leaks.items[i];
	const struct leaks_words *words;
	int r;

	if (suspect->kind == HEAP_LEAK_UNREACHED)
		return 0;
	r = leaks_words_get(answer, suspect, &words);
	if (r == 0) {
		buf_printf(buf, "\n%zu. ", i + 1);
		step_put_node(buf, analysis, answer->places, suspect->holder);
		buf_puts(buf, "\nheld by:\n");
		path_put(buf, analysis, answer->places, &words->paths[0]);
		buf_puts(buf, "shortest path:\n");
		path_put(buf, analysis, answer->places, &words->paths[1]);
	}
	return r;
}

static void put_verdict(struct buf *buf, const struct leaks_answer *answer)
{
	char growth[STR_UNIT_MAX];

	str_format_bytes(growth, answer->leaks.growth);
	if (answer->leaks.n == 0)
		buf_printf(buf, "Nothing accumulates. The heap grew by %s.\n", growth);
	else
		buf_printf(buf, "Memory accumulates in %zu place%s. The heap grew by %s.\n",
			   answer->leaks.n, answer->leaks.n > 1 ? "s" : "", growth);
}

int leaks_put_text(struct buf *buf, const struct leaks_answer *answer, uint64_t top, bool legend)
{
	size_t n = top_of(answer->leaks.n, top);
	int r = 0;

	if (answer->apart != LEAKS_SAME) {
		buf_printf(buf, "%s\n\n", leaks_why_apart(answer));
		return class_rows_put(buf, answer->classes, top_of(answer->classes_n, top), legend);
	}
	put_verdict(buf, answer);
	for (size_t i = 0; i < n && r == 0; i++)
		r = put_sentence(buf, answer, i);
	put_matching(buf, answer);
	if (n > 0 && r == 0) {
		buf_puts(buf, "\n");
		r = put_table(buf, answer, n, legend);
	}
	for (size_t i = 0; i < n && r == 0; i++)
		r = put_why(buf, answer, i);
	return r == 0 ? buf->error : r;
}
