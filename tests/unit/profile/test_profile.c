/* Small profiles: their tables, comparisons, copies and graphs, and what damaged ones are called.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile/copy_v8.h"
#include "profile/flame.h"
#include "profile/pprof.h"
#include "profile/read_v8.h"
#include "profile/top.h"
#include "util/buf.h"

#define FRAME(name, url, line)                                                                     \
	"\"callFrame\":{\"functionName\":\"" name "\",\"scriptId\":\"7\",\"url\":\"" url           \
	"\",\"lineNumber\":" #line ",\"columnNumber\":2}"

/* main calls walk, which calls itself and make<T>; make is also called from elsewhere. */
static const char shop[] = "{\"head\":{" FRAME(
	"(root)", "",
	-1) ",\"selfSize\":0,\"id\":1,\"children\":["
	    "{" FRAME("main", "a.js",
		      0) ",\"selfSize\":10,\"id\":2,\"children\":["
			 "{" FRAME(
				 "walk", "a.js",
				 4) ",\"selfSize\":100,\"id\":3,\"children\":["
				    "{" FRAME(
					    "walk", "a.js",
					    4) ",\"selfSize\":50,\"id\":4,\"children\":["
					       "{" FRAME(
						       "make<T>", "b.js",
						       9) ",\"selfSize\":400,\"id\":5,\"children\":"
							  "[]}]}]}]},"
							  "{" FRAME(
								  "make<T>", "b.js",
								  9) ",\"selfSize\":40,\"id\":6,"
								     "\"children\":[]}]},"
								     "\"samples\":[{\"size\":400,"
								     "\"nodeId\":5,\"ordinal\":1},"
								     "{\"size\":20,\"nodeId\":6,"
								     "\"ordinal\":2},{\"size\":20,"
								     "\"nodeId\":6,\"ordinal\":3},"
								     "{\"size\":1,\"nodeId\":99,"
								     "\"ordinal\":4}]}";

static void parse(struct profile *ret, const char *text)
{
	cr_assert_eq(profile_parse(ret, text, strlen(text)), 0);
}

static const struct profile_row *row_of(const struct profile *profile,
					const struct profile_row *rows, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(profile_name(profile, rows[i].function), name) == 0)
			return &rows[i];
	cr_assert_fail("no row %s", name);
	return NULL;
}

Test(profile, a_function_that_calls_itself_counts_once)
{
	struct profile profile;
	struct profile_row *rows;
	size_t n;

	parse(&profile, shop);
	cr_assert_eq(profile_top(&profile, &rows, &n), 0);
	cr_assert_eq(n, 4);
	cr_expect_str_eq(profile_name(&profile, rows[0].function), "make<T>");
	cr_expect_eq(rows[0].self_bytes, 440);
	cr_expect_eq(rows[0].self_count, 3);
	cr_expect_eq(row_of(&profile, rows, n, "walk")->self_bytes, 150);
	cr_expect_eq(row_of(&profile, rows, n, "walk")->total_bytes, 550);
	cr_expect_eq(row_of(&profile, rows, n, "main")->total_bytes, 560);
	cr_expect_eq(row_of(&profile, rows, n, "(root)")->total_bytes, 600);
	cr_expect_eq(profile_total_bytes(&profile), 600);
	cr_expect_eq(profile.functions[rows[0].function].line, 10, "lines count from 1");
	free(rows);
	profile_fini(&profile);
}

Test(profile, merged_with_itself_everything_is_twice)
{
	struct profile profile, other;
	size_t nodes;

	parse(&profile, shop);
	parse(&other, shop);
	nodes = profile.nodes_n;
	cr_assert_eq(profile_merge(&profile, &other), 0);
	cr_expect_eq(profile.nodes_n, nodes);
	cr_expect_eq(profile_total_bytes(&profile), 1200);
	cr_expect_eq(profile_total_count(&profile), 6);
	profile_fini(&profile);
	profile_fini(&other);
}

Test(profile, a_difference_names_what_changed)
{
	static const char less[] = "{\"head\":{" FRAME(
		"(root)", "",
		-1) ",\"selfSize\":0,\"id\":1,\"children\":["
		    "{" FRAME(
			    "make<T>", "b.js",
			    9) ",\"selfSize\":1000,\"id\":2,\"children\":[]},"
			       "{" FRAME(
				       "gone", "b.js",
				       1) ",\"selfSize\":7,\"id\":3,\"children\":[]},"
					  "{" FRAME(
						  "main", "a.js",
						  0) ",\"selfSize\":10,\"id\":4,\"children\":[]}]},"
						     "\"samples\":[]}";
	struct profile base, profile, names;
	struct profile_change *rows;
	size_t n;

	parse(&base, less);
	parse(&profile, shop);
	cr_assert_eq(profile_init(&names), 0);
	cr_assert_eq(profile_diff(&base, &profile, &names, &rows, &n), 0);
	cr_assert_eq(n, 3, "main is as it was");
	cr_expect_str_eq(profile_name(&names, rows[0].function), "make<T>");
	cr_expect(rows[0].base_bytes == 1000 && rows[0].bytes == 440);
	cr_expect_str_eq(profile_name(&names, rows[1].function), "walk");
	cr_expect_str_eq(profile_name(&names, rows[2].function), "gone");
	free(rows);
	profile_fini(&base);
	profile_fini(&profile);
	profile_fini(&names);
}

/* ---- copies ---- */

struct both {
	struct profile_copy copy;
	struct profile_reader *reader;
};

static int on_event(void *owner, const struct json_event *event)
{
	struct both *both = owner;
	int r = profile_reader_event(both->reader, event);

	return r < 0 ? r : profile_copy_event(&both->copy, event);
}

Test(profile, a_copy_is_the_same_with_our_member)
{
	struct profile profile, again;
	struct json_scan scan;
	struct both both;
	char buffer[64];
	struct buf buf;

	buf_init(&buf, 65536);
	profile_copy_init(&both.copy, &buf);
	cr_assert_eq(profile_reader_new(&both.reader, &profile), 0);
	json_scan_init(&scan, buffer, sizeof(buffer), on_event, &both);
	cr_assert_eq(json_scan_feed(&scan, shop, strlen(shop)), 0);
	cr_assert_eq(json_scan_end(&scan), 0);
	cr_assert_eq(profile_reader_finish(both.reader), 0);
	profile.what = PROFILE_ALLOCATED;
	profile.interval_bytes = 512;
	profile.duration_ns = 3;
	cr_assert_eq(profile_copy_finish(&both.copy, &profile), 0);
	cr_expect_eq(strncmp(buf_text(&buf), shop, strlen(shop) - 1), 0, "%s", buf_text(&buf));
	parse(&again, buf_text(&buf));
	cr_expect_eq(again.what, PROFILE_ALLOCATED);
	cr_expect_eq(again.interval_bytes, 512);
	cr_expect_eq(again.duration_ns, 3);
	cr_expect_eq(profile_total_bytes(&again), 600);
	profile_reader_free(both.reader);
	profile_fini(&profile);
	profile_fini(&again);
	buf_fini(&buf);
}

/* ---- files for others ---- */

static unsigned count_of(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

Test(profile, a_graph_has_each_frame_and_quotes_what_xml_would_read)
{
	struct profile profile, base;
	struct buf one, two, red;

	parse(&profile, shop);
	parse(&base, shop);
	buf_init(&one, 1 << 20);
	buf_init(&two, 1 << 20);
	buf_init(&red, 1 << 20);
	cr_assert_eq(profile_write_flame(&profile, NULL, "a & b", &one), 0);
	cr_assert_eq(profile_write_flame(&base, NULL, "a & b", &two), 0);
	cr_expect_str_eq(buf_text(&one), buf_text(&two));
	cr_expect_eq(count_of(buf_text(&one), "<g>"), 6);
	cr_expect_eq(count_of(buf_text(&one), "make&lt;T>"), 4, "titles and labels");
	cr_expect_eq(count_of(buf_text(&one), "a &amp; b"), 2);
	cr_expect_eq(count_of(buf_text(&one), "<script"), 0);
	base.nodes[4].self_bytes = 0;
	cr_assert_eq(profile_write_flame(&profile, &base, NULL, &red), 0);
	cr_expect(strstr(buf_text(&red), "fill=\"#ff6464\"") != NULL, "from nothing: full red");
	buf_fini(&one);
	buf_fini(&two);
	buf_fini(&red);
	profile_fini(&profile);
	profile_fini(&base);
}

Test(profile, an_empty_profile_is_one)
{
	static const char empty[] =
		"{\"head\":{" FRAME("(root)", "", -1) ",\"selfSize\":0,\"id\":1,\"children\":[]},"
						      "\"samples\":[]}";
	struct profile profile;
	struct profile_row *rows;
	struct buf buf;
	size_t n;

	parse(&profile, empty);
	buf_init(&buf, 65536);
	cr_expect_eq(profile_write_flame(&profile, NULL, NULL, &buf), 0);
	cr_expect_eq(profile_write_pprof(&profile, &buf), 0);
	cr_expect_eq(profile_top(&profile, &rows, &n), 0);
	cr_expect_eq(n, 0);
	free(rows);
	buf_fini(&buf);
	profile_fini(&profile);
}

/* ---- damage ---- */

static int result_of(const char *text)
{
	struct profile profile;
	int r = profile_parse(&profile, text, strlen(text));

	profile_fini(&profile);
	return r;
}

Test(profile, what_is_none_is_refused)
{
	cr_expect_eq(result_of(""), -EBADMSG);
	cr_expect_eq(result_of("7"), -EBADMSG);
	cr_expect_eq(result_of("\"head\""), -EBADMSG);
	cr_expect_eq(result_of("[]"), -EBADMSG);
	cr_expect_eq(result_of("{}"), -EBADMSG);
	cr_expect_eq(result_of("{\"head\":[]}"), -EBADMSG);
	cr_expect_eq(result_of("{\"head\":{},\"head\":{}}"), -EBADMSG, "two of them");
	cr_expect_eq(result_of("{\"head\":{\"children\":[{\"children\":[],"
			       "\"callFrame\":{\"functionName\":\"f\"}}]}}"),
		     -EBADMSG, "a frame behind its children");
	cr_expect_eq(result_of("{\"head\":{\"selfSize\":9000000000000000000}}"), -EBADMSG);
	cr_expect_eq(result_of("{\"head\":{\"children\":[7,[],{\"callFrame\":7}]}}"), 0);
}

/* As deep as the scanner goes: two levels a frame. */
Test(profile, depth_is_no_recursion)
{
	enum { FRAMES = JSON_DEPTH_MAX / 2 - 2 };
	struct profile profile;
	struct buf text, svg;

	buf_init(&text, 1 << 20);
	buf_init(&svg, 1 << 20);
	buf_puts(&text, "{\"head\":{\"children\":[");
	for (int i = 0; i < FRAMES; i++)
		buf_puts(&text, "{" FRAME("f", "u", 1) ",\"selfSize\":1,\"children\":[");
	for (int i = 0; i < FRAMES; i++)
		buf_puts(&text, "]}");
	buf_puts(&text, "]}}");
	cr_assert_eq(profile_parse(&profile, text.data, text.size), 0);
	cr_expect_eq(profile_total_bytes(&profile), FRAMES);
	cr_expect_eq(profile_write_flame(&profile, NULL, NULL, &svg), 0);
	cr_expect_eq(profile_write_pprof(&profile, &svg), 0);
	buf_fini(&text);
	buf_fini(&svg);
	profile_fini(&profile);
}
