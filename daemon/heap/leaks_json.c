/*
 * What `leaks` found, for programs (docs/ANALYSIS.md)
 */

#include "heap/leaks_answer.h"

#include "heap/leaks_line.h"
#include "heap/leaks_words.h"
#include "heap/path_json.h"
#include "json/write.h"
#include "util/top.h"

static const char *const kinds[] = {
	[HEAP_LEAK_MANY] = "many",   [HEAP_LEAK_CHAIN] = "chain",         [HEAP_LEAK_OWN] = "own",
	[HEAP_LEAK_ROOTS] = "roots", [HEAP_LEAK_UNREACHED] = "unreached",
};

static void json_text(struct json_writer *w, const char *name, const struct buf *text)
{
	json_member_string(w, name, text->size > 0 ? text->data : NULL);
}

static int json_suspect(struct json_writer *w, const struct leaks_answer *answer,
			const struct heap_suspect *suspect)
{
	const struct heap_analysis *analysis = answer->last->analysis;
	const struct heap_class *classes = analysis->classes.items;
	const struct leaks_words *words;
	int r = leaks_words_get(answer, suspect, &words);

	if (r == 0) {
		json_write_object(w);
		json_member_string(w, "class", classes[suspect->class].key);
		json_text(w, "function", &words->function);
		json_text(w, "place", &words->place);
		json_text(w, "made_in", &words->made_in);
		json_member_uint(w, "count", suspect->count);
		json_member_uint(w, "others", suspect->others);
		json_member_bool(w, "chain", suspect->kind == HEAP_LEAK_CHAIN);
		json_member_string(w, "kind", kinds[suspect->kind]);
		json_member_uint(w, "bytes", suspect->bytes);
		json_member_uint(w, "last_bytes", suspect->last_bytes);
		json_member_double(w, "share", leaks_share(answer, suspect));
		json_member_uint(w, "example", heap_id(&analysis->graph, suspect->example));
		json_member_uint(w, "holder", heap_id(&analysis->graph, suspect->holder));
		json_member_string(w, "holder_class",
				   classes[analysis->classes.of[suspect->holder]].key);
		json_text(w, "holder_name", &words->holder);
		json_text(w, "held_as", &words->held_as);
		json_text(w, "held_at", &words->held_at);
		json_text(w, "may_be_held_by", &words->may_hold);
		path_put_json(w, analysis, answer->places, "dominators", &words->paths[0]);
		path_put_json(w, analysis, answer->places, "shortest_path", &words->paths[1]);
		json_write_object_end(w);
	}
	return r;
}

static void json_classes(struct json_writer *w, const struct leaks_answer *answer, uint64_t top)
{
	json_write_key(w, "classes");
	json_write_array(w);
	for (size_t i = 0; i < top_of(answer->classes_n, top); i++) {
		const struct heap_class_growth *row = &answer->classes[i];

		json_write_object(w);
		json_member_string(w, "key", row->key);
		json_member_string(w, "name", row->name);
		json_member_uint(w, "count", row->count[1]);
		json_member_uint(w, "count_before", row->count[0]);
		json_member_uint(w, "self_bytes", row->bytes[1]);
		json_member_uint(w, "self_bytes_before", row->bytes[0]);
		json_write_object_end(w);
	}
	json_write_array_end(w);
}

static void json_matching(struct json_writer *w, const struct leaks_answer *answer)
{
	static const char *const names[] = { "auto", "ids", "paths" };
	bool apart = answer->apart != LEAKS_SAME;

	json_member_string(w, "matched_by", apart ? "classes" : names[answer->by]);
	json_member_uint(w, "ids_in_both", answer->agreement.both);
	json_member_uint(w, "ids_equal", answer->agreement.equal);
	json_member_string(w, "note", leaks_note(answer));
}

static int json_verdict(struct json_writer *w, const struct leaks_answer *answer)
{
	struct buf line;
	int r;

	buf_init(&line, SIZE_MAX / 2);
	r = leaks_put_line(&line, answer);
	if (r == 0) {
		json_member_string(w, "verdict", leaks_verdict_name(leaks_verdict(answer)));
		json_member_string(w, "text", buf_text(&line));
	}
	buf_fini(&line);
	return r;
}

int leaks_put_members(struct json_writer *w, const struct leaks_answer *answer, uint64_t top)
{
	int r = json_verdict(w, answer);

	json_matching(w, answer);
	json_member_uint(w, "growth_bytes", answer->leaks.growth);
	json_member_uint(w, "threshold_bytes", answer->leaks.threshold);
	json_write_key(w, "suspects");
	json_write_array(w);
	for (size_t i = 0; i < top_of(answer->leaks.n, top) && r == 0; i++)
		r = json_suspect(w, answer, &answer->leaks.items[i]);
	json_write_array_end(w);
	json_classes(w, answer, top);
	return r;
}
