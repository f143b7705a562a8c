/*
 * The worker's comparison
 *
 * The last snapshot is analysed already and stays; of the others there is one at a time.
 */

#include "analyze_leaks.h"

#include <errno.h>
#include <string.h>

#include "analyze_input.h"
#include "heap/arrivals.h"
#include "heap/leaks_answer.h"
#include "heap/leaks_line.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/str.h"

/* Places that are told of, fewer where their paths are long; what all of it may take in a report.
 */
enum { SUSPECTS_TOLD = 12, SUSPECTS_FEWER = 3, LEAKS_BYTES_MAX = 512 << 10 };

/* As in the estimate of the snapshot itself: what that does not count. */
enum { UNCOUNTED_SHARE = 8 };

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static int too_much(struct err *err, uint64_t memory_bytes)
{
	char left[STR_UNIT_MAX];

	return err_set(err, -EFBIG, "comparing takes more than the %s that are left for it",
		       str_format_bytes(left, memory_bytes));
}

/* What was found out beside the answer. */
struct findings {
	bool tracked; /* wanted */
	struct heap_arrivals arrivals; /* owned */
};

/* Where ids are lost, as by a page that was left, all would seem to have come. */
static int take_arrivals(struct findings *findings, const struct leaks_answer *answer,
			 const struct heap_graph *base)
{
	findings->tracked &= answer->apart == LEAKS_SAME && answer->by == HEAP_MATCH_IDS;
	if (!findings->tracked)
		return 0;
	return heap_arrivals_init(&findings->arrivals, base, answer->last->analysis,
				  &answer->last->ids);
}

static bool is_damage(int r)
{
	return r < 0 && r != -ENOMEM && r != -EFBIG && r != -EOVERFLOW;
}

/* Of several files the one that is damaged has to be named, too. */
static int analyse(struct heap_analysis *ret, struct v8_text *text, const char *name,
		   uint64_t memory_bytes, struct err *err)
{
	struct heap_load_options load = { .threads = 1 };
	struct err why = { .text = "" };
	uint64_t expanded;
	int r = input_expand(text, memory_bytes, &expanded, &why);

	load.memory_max = less(memory_bytes, expanded);
	load.memory_max -= load.memory_max / UNCOUNTED_SHARE;
	load.memory_max += load.memory_max == 0; /* 0 would be no limit */
	r = r == 0 ? heap_analyse(ret, text, &load, &why)
		   : input_damage(text, load.memory_max, r, &why);
	return r < 0 ? err_set(err, r, "%s: %s", name != NULL ? name : "an earlier snapshot",
			       why.text)
		     : 0;
}

/* One earlier snapshot; of its text and analysis nothing is left. */
static int compare_one(struct leaks_answer *answer, struct findings *findings, struct v8_text *text,
		       const char *name, uint64_t memory_bytes, struct err *err)
{
	struct heap_analysis base = { .retained = NULL };
	struct heap_side side = { .analysis = NULL };
	int r = analyse(&base, text, name, memory_bytes, err);

	if (r == 0)
		r = heap_side_init(&side, &base);
	if (r == 0)
		r = leaks_answer_add(answer, &side, HEAP_MATCH_AUTO);
	if (r == 0)
		r = take_arrivals(findings, answer, &base.graph);
	heap_side_fini(&side);
	heap_analysis_fini(&base);
	input_fini(text);
	return r;
}

/*
 * Nothing is compared any more, but who has to mend or to remove what is damaged is told of all of
 * it.
 */
static void tell_rest(const struct leaks_input *input, unsigned first, uint64_t memory_bytes,
		      struct err *err)
{
	for (unsigned i = first; i < input->earlier_n; i++) {
		struct heap_analysis base = { .retained = NULL };
		struct err also = { .text = "" }, sofar = *err;
		int r = analyse(&base, &input->earlier[i], input->earlier_names[i], memory_bytes,
				&also);

		if (is_damage(r))
			err_set(err, err->code, "%s; %s", sofar.text, also.text);
		heap_analysis_fini(&base);
		input_fini(&input->earlier[i]);
	}
}

/* Where the program's files are known: without a list the snapshot may tell, or nobody does. */
static void read_scripts(struct places *places, const struct leaks_input *input)
{
	uint64_t expanded;
	struct err ignored;

	if (input->scripts->size > 0 &&
	    input_expand(input->scripts, input->memory_bytes, &expanded, &ignored) == 0)
		(void)scripts_parse(&places->scripts, input->scripts->data, input->scripts->size,
				    &ignored);
}

static int compare(struct leaks_answer *answer, struct findings *findings,
		   const struct leaks_input *input, struct err *err)
{
	uint64_t left =
		less(input->memory_bytes, leaks_answer_cost(answer->last->analysis->graph.nodes));
	unsigned i = 0;
	int r = 0;

	for (; i < input->earlier_n && r == 0 && answer->classes == NULL; i++)
		r = compare_one(answer, findings, &input->earlier[i], input->earlier_names[i], left,
				err);
	if (is_damage(r))
		tell_rest(input, i, left, err);
	if (r == 0)
		r = leaks_answer_find(answer);
	return r == -ENOMEM || r == -EFBIG ? too_much(err, input->memory_bytes) : r;
}

/* ---- what is written ---- */

static void write_none(struct json_writer *w, const char *why)
{
	struct buf text;

	buf_init(&text, LEAKS_BYTES_MAX);
	buf_printf(&text, "no verdict: %s", why);
	json_write_object(w);
	json_member_string(w, "verdict", leaks_verdict_name(LEAKS_VERDICT_NONE));
	json_member_string(w, "text", buf_text(&text));
	json_write_object_end(w);
	buf_fini(&text);
}

typedef int put_text_fn(struct buf *buf, const struct leaks_answer *answer);

static int member_text(struct json_writer *w, const char *name, put_text_fn *put,
		       const struct leaks_answer *answer)
{
	struct buf text;
	int r;

	buf_init(&text, LEAKS_BYTES_MAX);
	r = put(&text, answer);
	if (r == 0 && text.size > 0)
		json_member_string(w, name, buf_text(&text));
	buf_fini(&text);
	return r;
}

/* What the verdict is about, in numbers and names, for metrics and alerts. 0, -ENOMEM. */
static int write_first(struct json_writer *w, const struct leaks_answer *answer)
{
	const struct heap_suspect *first = &answer->leaks.items[0];
	int r;

	if (leaks_verdict(answer) != LEAKS_VERDICT_LEAK)
		return 0;
	json_member_uint(w, "objects", first->kind == HEAP_LEAK_OWN ? 1 : first->count);
	json_member_uint(w, "bytes", first->bytes);
	json_member_string(w, "class_name",
			   answer->last->analysis->classes.items[first->class].name);
	r = member_text(w, "path", leaks_put_path, answer);
	if (r == 0)
		r = member_text(w, "more", leaks_put_more, answer);
	if (r == 0)
		r = member_text(w, "place", leaks_put_place, answer);
	return r;
}

static int put_object(struct buf *buf, const struct leaks_answer *answer, uint64_t top)
{
	struct json_writer w;
	int r;

	json_write_init(&w, buf);
	json_write_object(&w);
	r = write_first(&w, answer);
	if (r == 0)
		r = leaks_put_members(&w, answer, top);
	json_write_object_end(&w);
	return r == 0 ? buf->error : r;
}

/* Paths to a holder may be long: then of fewer. */
static int write_answer(struct json_writer *w, const struct leaks_answer *answer)
{
	static const uint64_t tops[] = { SUSPECTS_TOLD, SUSPECTS_FEWER, 1 };
	struct buf buf;
	int r = -E2BIG;

	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]) && r == -E2BIG; i++) {
		buf_init(&buf, LEAKS_BYTES_MAX);
		r = put_object(&buf, answer, tops[i]);
		if (r == 0)
			json_write_raw(w, buf.data, buf.size);
		buf_fini(&buf);
	}
	if (r == -E2BIG)
		write_none(w, "the paths to what accumulates are too long for a report");
	return r == -E2BIG ? 0 : r;
}

int leaks_write(struct json_writer *w, struct heap_analysis *last, const struct leaks_input *input)
{
	struct places places = { .owner = NULL };
	struct leaks_answer answer = { .places = &places, .same_process = input->same_process };
	struct findings findings = { .tracked = input->tracked };
	struct heap_side side;
	struct err err = { .text = "" };
	int r;

	if (input->refused == NULL && input->earlier_n == 0)
		return 0;
	json_write_key(w, "leaks");
	if (input->refused != NULL) {
		write_none(w, input->refused);
		return 0;
	}
	r = heap_side_init(&side, last);
	answer.last = &side;
	read_scripts(&places, input);
	if (r == 0)
		r = compare(&answer, &findings, input, &err);
	else
		too_much(&err, input->memory_bytes);
	if (r == 0)
		r = write_answer(w, &answer);
	else
		write_none(w, err.text[0] != '\0' ? err.text : strerror(-r));
	if (r == 0 && findings.tracked) {
		json_write_key(w, "arrived");
		heap_arrivals_write(&findings.arrivals, &last->classes, input->top, w);
	}
	heap_arrivals_fini(&findings.arrivals);
	leaks_answer_fini(&answer);
	heap_side_fini(&side);
	places_fini(&places);
	return r == -ENOMEM && err.text[0] == '\0' ? r : 0;
}
