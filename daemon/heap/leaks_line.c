/*
 * A verdict in one line
 */

#include "heap/leaks_line.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "heap/leaks_words.h"
#include "util/buf.h"
#include "util/str.h"

/* Bytes of a name, or of a path from its end; names and their bytes on a way through the heap. */
enum { NAME_SHOWN_MAX = 60, PLACE_SHOWN_MAX = 80, WAY_NAMES_MAX = 12, WAY_SHOWN_MAX = 200 };

/* How many of the places behind the first are told. */
enum { MORE_MAX = 2 };

enum leaks_verdict leaks_verdict(const struct leaks_answer *answer)
{
	if (answer->apart != LEAKS_SAME)
		return LEAKS_VERDICT_NONE;
	return answer->leaks.n > 0 ? LEAKS_VERDICT_LEAK : LEAKS_VERDICT_NOTHING;
}

const char *leaks_verdict_name(enum leaks_verdict verdict)
{
	static const char *const names[] = {
		[LEAKS_VERDICT_NONE] = "none",
		[LEAKS_VERDICT_NOTHING] = "nothing",
		[LEAKS_VERDICT_LEAK] = "leak",
	};

	return names[verdict];
}

static void put_char(struct buf *buf, const char *text, size_t n)
{
	if (n == 0 || (unsigned char)text[0] < 0x20 || text[0] == 0x7f)
		buf_puts(buf, "?");
	else
		buf_append(buf, text, n);
}

/* So much of a text, without control characters. */
static void put_name(struct buf *buf, const char *text)
{
	size_t left = strlen(text), used = 0;

	while (left > 0 && used < NAME_SHOWN_MAX) {
		size_t n = str_utf8_sequence(text, left), step = n > 0 ? n : 1;

		put_char(buf, text, n);
		text += step;
		used += step;
		left -= step;
	}
	if (left > 0)
		buf_puts(buf, "...");
}

/* The end of a path says where it is, so the beginning goes. */
static void put_place(struct buf *buf, const char *place)
{
	size_t size = strlen(place);
	const char *at = size > PLACE_SHOWN_MAX ? place + size - PLACE_SHOWN_MAX : place;
	const char *slash = at != place ? strchr(at, '/') : NULL;

	if (slash != NULL)
		at = slash;
	while (at != place && (*at & 0xc0) == 0x80)
		at++;
	if (at != place)
		buf_puts(buf, "...");
	for (size_t left = strlen(at); left > 0;) {
		size_t n = str_utf8_sequence(at, left), step = n > 0 ? n : 1;

		put_char(buf, at, n);
		at += step;
		left -= step;
	}
}

/* "12,034" */
static void put_count(struct buf *buf, uint64_t count)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%" PRIu64, count);

	for (int i = 0; i < n; i++)
		buf_printf(buf, "%s%c", i > 0 && (n - i) % 3 == 0 ? "," : "", digits[i]);
}

static void put_quoted(struct buf *buf, const char *before, const struct buf *text)
{
	if (text->size == 0)
		return;
	buf_puts(buf, before);
	buf_puts(buf, " \"");
	put_name(buf, text->data);
	buf_puts(buf, "\"");
}

static void put_what(struct buf *buf, const struct leaks_answer *answer,
		     const struct heap_suspect *suspect, const struct leaks_words *words)
{
	char bytes[STR_UNIT_MAX];

	if (suspect->kind != HEAP_LEAK_OWN) {
		buf_puts(buf, "+");
		put_count(buf, suspect->count);
		buf_puts(buf, " ");
	}
	put_name(buf, leaks_class_name(answer, suspect->class));
	if (words->function.size > 0) {
		buf_puts(buf, " ");
		put_name(buf, words->function.data);
	}
	put_quoted(buf, " made in", &words->made_in);
	if (suspect->kind == HEAP_LEAK_CHAIN)
		buf_puts(buf, ", each holding the next");
	buf_printf(buf, suspect->kind == HEAP_LEAK_OWN ? ", %s larger by itself" : " (%s)",
		   str_format_bytes(bytes, suspect->bytes));
}

/* NULL: it is not known. */
static const char *place_of(const struct leaks_words *words)
{
	const struct buf *place = words->held_at.size > 0 ? &words->held_at : &words->place;

	return place->size > 0 ? place->data : NULL;
}

static void put_where(struct buf *buf, const struct heap_suspect *suspect,
		      const struct leaks_words *words)
{
	if (suspect->kind == HEAP_LEAK_UNREACHED) {
		buf_puts(buf, " held by what the snapshot does not tell");
		if (words->may_hold.size > 0) {
			buf_puts(buf, ", as ");
			put_name(buf, words->may_hold.data);
			buf_puts(buf, " may");
		}
	} else if (suspect->kind == HEAP_LEAK_ROOTS) {
		buf_puts(buf, " held by the engine");
		put_quoted(buf, " as", &words->holder);
	} else {
		if (suspect->kind != HEAP_LEAK_OWN) {
			buf_puts(buf, " held by ");
			put_name(buf, words->holder.size > 0 ? words->holder.data : "");
		}
		put_quoted(buf, suspect->kind == HEAP_LEAK_OWN ? ", held as" : "", &words->held_as);
	}
	if (place_of(words) != NULL) {
		buf_puts(buf, " in ");
		put_place(buf, place_of(words));
	}
}

/* Of so many bytes in the step before, in the last one less than one in so many came. */
enum { SLOWING = 2 };

/* No shape tells a leak from a cache that has yet to fill; what there is to doubt it by is said. */
static void put_doubt(struct buf *buf, const struct leaks_answer *answer,
		      const struct heap_suspect *suspect)
{
	uint64_t before = suspect->bytes - suspect->last_bytes;
	char bytes[STR_UNIT_MAX];

	if (answer->pasts_n < HEAP_PASTS_MAX)
		buf_puts(buf, " (of two snapshots: what only warms up looks the same)");
	else if (suspect->last_bytes < before / SLOWING)
		buf_printf(buf, " (slowing, as what warms up does: %s of it in the last step)",
			   str_format_bytes(bytes, suspect->last_bytes));
}

static int put_leak(struct buf *buf, const struct leaks_answer *answer)
{
	const struct heap_suspect *suspect = &answer->leaks.items[0];
	const struct leaks_words *words;
	int r = leaks_words_get(answer, suspect, &words);

	if (r == 0) {
		put_what(buf, answer, suspect, words);
		put_where(buf, suspect, words);
		if (answer->leaks.n > 1)
			buf_printf(buf, "; %zu more place%s", answer->leaks.n - 1,
				   answer->leaks.n > 2 ? "s" : "");
		put_doubt(buf, answer, suspect);
	}
	return r;
}

int leaks_put_line(struct buf *buf, const struct leaks_answer *answer)
{
	char growth[STR_UNIT_MAX];
	int r = 0;

	switch (leaks_verdict(answer)) {
	case LEAKS_VERDICT_LEAK:
		r = put_leak(buf, answer);
		break;
	case LEAKS_VERDICT_NOTHING:
		buf_printf(buf, "nothing accumulates (the heap grew by %s)",
			   str_format_bytes(growth, answer->leaks.growth));
		break;
	case LEAKS_VERDICT_NONE:
		buf_puts(buf, answer->apart == LEAKS_OTHER_PROGRAM
				      ? "no verdict: most objects of one snapshot are not found in "
					"the other"
				      : "no verdict: only classes were compared");
		break;
	}
	return r == 0 ? buf->error : r;
}

/* ---- what the line has no room for ---- */

/* The name of an edge, and how often it is gone along in a row; returns its bytes. */
static size_t put_step(struct buf *buf, const struct heap_graph *graph,
		       const struct heap_step *step)
{
	size_t before = buf->size;
	struct buf name;

	buf_init(&name, SIZE_MAX / 2);
	if (step->edge != UINT32_MAX)
		heap_edge_name(graph, step->edge, &name);
	put_name(buf, name.size > 0 && buf_text(&name) != NULL ? name.data : "?");
	if (step->times > 1)
		buf_printf(buf, " x%" PRIu32, step->times);
	if (name.error != 0)
		buf->error = name.error;
	buf_fini(&name);
	return buf->size - before;
}

/* How many steps up from the holder there is room for. */
static size_t steps_shown(const struct heap_graph *graph, const struct heap_path *path)
{
	size_t n = 0, used = 0;
	struct buf text;

	buf_init(&text, SIZE_MAX / 2);
	while (n + 1 < path->n && n < WAY_NAMES_MAX) {
		used += put_step(&text, graph, &path->steps[n + 1]);
		if (used > WAY_SHOWN_MAX)
			break;
		n++;
	}
	buf_fini(&text);
	return n;
}

int leaks_put_path(struct buf *buf, const struct leaks_answer *answer)
{
	const struct heap_graph *graph = &answer->last->analysis->graph;
	const struct leaks_words *words;
	int r;

	if (leaks_verdict(answer) != LEAKS_VERDICT_LEAK)
		return 0;
	r = leaks_words_get(answer, &answer->leaks.items[0], &words);
	if (r == 0) {
		const struct heap_path *way = &words->paths[1];
		size_t n = steps_shown(graph, way);

		if (n + 1 < way->n)
			buf_puts(buf, "... > ");
		for (size_t i = n; i > 0; i--) {
			put_step(buf, graph, &way->steps[i]);
			buf_puts(buf, i > 1 ? " > " : "");
		}
	}
	return r == 0 ? buf->error : r;
}

int leaks_put_more(struct buf *buf, const struct leaks_answer *answer)
{
	int r = 0;

	for (size_t i = 1; i < answer->leaks.n && i <= MORE_MAX && r == 0; i++) {
		const struct heap_suspect *suspect = &answer->leaks.items[i];
		const struct leaks_words *words;

		r = leaks_words_get(answer, suspect, &words);
		if (r == 0) {
			buf_puts(buf, i > 1 ? "; " : "");
			put_what(buf, answer, suspect, words);
			put_where(buf, suspect, words);
		}
	}
	return r == 0 ? buf->error : r;
}

int leaks_put_place(struct buf *buf, const struct leaks_answer *answer)
{
	const struct leaks_words *words;
	int r;

	if (leaks_verdict(answer) != LEAKS_VERDICT_LEAK)
		return 0;
	r = leaks_words_get(answer, &answer->leaks.items[0], &words);
	if (r == 0 && place_of(words) != NULL)
		put_place(buf, place_of(words));
	return r == 0 ? buf->error : r;
}
