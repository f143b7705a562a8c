/* Small profiles: their tables, comparisons, copies and graphs, and what damaged ones are called.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/tree.h"
#include "json/write.h"
#include "profile/copy_v8.h"
#include "profile/flame.h"
#include "profile/pprof.h"
#include "profile/read_v8.h"
#include "profile/report.h"
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
	cr_expect_eq(count_of(buf_text(&one), "make&lt;T&gt;"), 4, "titles and labels");
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

/* ---- reports ---- */

static void write_report(const struct profile *profile, size_t top, size_t calls, struct buf *buf)
{
	struct json_writer w;

	buf_init(buf, 1 << 20);
	json_write_init(&w, buf);
	json_write_object(&w);
	cr_assert_eq(profile_report_write(profile, top, calls, &w), 0);
	json_write_object_end(&w);
	cr_assert_eq(buf->error, 0);
}

static int read_report(struct profile *ret, const char *text, size_t size)
{
	struct tree *tree;
	int r;

	cr_assert_eq(tree_parse(text, size, &tree, NULL), 0, "%.*s", (int)size, text);
	r = profile_report_read(ret, tree);
	tree_free(tree);
	return r;
}

static void draw(const struct profile *profile, struct buf *buf)
{
	buf_init(buf, 1 << 20);
	cr_assert_eq(profile_write_flame(profile, NULL, "shop", buf), 0);
}

Test(report, gives_the_same_flame_graph)
{
	struct profile profile, read;
	struct buf text, one, other;

	parse(&profile, shop);
	profile.what = PROFILE_LIVE;
	profile.interval_bytes = 1024;
	profile.duration_ns = 1500000000;
	write_report(&profile, 1, PROFILE_REPORT_CALLS, &text);
	cr_assert_eq(read_report(&read, text.data, text.size), 0);
	draw(&profile, &one);
	draw(&read, &other);
	cr_expect_str_eq(buf_text(&one), buf_text(&other));
	buf_fini(&text);
	buf_fini(&one);
	buf_fini(&other);
	profile_fini(&profile);
	profile_fini(&read);
}

/* Of six calls the least, that of make from outside of main, has no room. */
Test(report, what_is_too_small_keeps_its_bytes)
{
	struct profile profile, read;
	struct profile_row *rows;
	struct buf text;
	size_t n;

	parse(&profile, shop);
	write_report(&profile, 0, 5, &text);
	cr_assert_eq(read_report(&read, text.data, text.size), 0);
	cr_expect_eq(profile_total_bytes(&read), profile_total_bytes(&profile));
	cr_assert_eq(profile_top(&read, &rows, &n), 0);
	cr_expect_eq(row_of(&read, rows, n, "(smaller calls)")->self_bytes, 40);
	cr_expect_eq(row_of(&read, rows, n, "make<T>")->self_bytes, 400);
	cr_expect_eq(row_of(&read, rows, n, "main")->total_bytes, 560);
	free(rows);
	buf_fini(&text);
	profile_fini(&profile);
	profile_fini(&read);
}

Test(report, of_nothing)
{
	struct profile profile, read;
	struct buf text;

	cr_assert_eq(profile_init(&profile), 0);
	write_report(&profile, 10, 10, &text);
	cr_assert_eq(read_report(&read, text.data, text.size), 0);
	cr_expect_eq(profile_total_bytes(&read), 0);
	buf_fini(&text);
	profile_fini(&profile);
	profile_fini(&read);
}

#define FACTS                                                                                      \
	"\"what\":\"live\",\"counted\":\"samples\",\"interval_bytes\":1,"                          \
	"\"duration_seconds\":1"
#define FUNCTIONS "\"functions\":[{\"function\":\"f\",\"url\":\"\",\"line\":-7,\"column\":1e99}]"

static const char *const bad_reports[] = {
	"{}",
	"[]",
	"{" FACTS "}",
	"{" FACTS "," FUNCTIONS "}",
	"{" FACTS ",\"functions\":[1],\"calls\":[]}",
	"{" FACTS "," FUNCTIONS ",\"calls\":[[0,0,1]]}", /* its own parent */
	"{" FACTS "," FUNCTIONS ",\"calls\":[[null,0,1],[null,0,1]]}", /* a second root */
	"{" FACTS "," FUNCTIONS ",\"calls\":[[null,0,1],[1,0,1]]}",
	"{" FACTS "," FUNCTIONS ",\"calls\":[[null,0,1],[4294967296,0,1]]}",
	"{" FACTS "," FUNCTIONS ",\"calls\":[[null,1,1]]}",
	"{" FACTS "," FUNCTIONS ",\"calls\":[[null,0,-1]]}",
	"{" FACTS "," FUNCTIONS ",\"calls\":[[null,0,281474976710657]]}",
	"{" FACTS "," FUNCTIONS ",\"calls\":[7]}",
};

Test(report, may_be_anything)
{
	static const char good[] = "{" FACTS "," FUNCTIONS ",\"calls\":[[null,0,1],[0,0,1]]}";
	struct profile profile;

	cr_expect_eq(read_report(&profile, good, strlen(good)), 0);
	profile_fini(&profile);
	for (size_t i = 0; i < sizeof(bad_reports) / sizeof(bad_reports[0]); i++) {
		cr_expect_eq(read_report(&profile, bad_reports[i], strlen(bad_reports[i])),
			     -EBADMSG, "%s", bad_reports[i]);
		profile_fini(&profile);
	}
}

/* ---- where the frames of a graph are ---- */

enum { GRAPH_WIDTH = 1200, GRAPH_ROW = 17, GRAPH_FRAMES = 6 };

struct rect {
	const char *name; /* in the graph's text, up to a space */
	double x, width;
	int y;
};

static void read_rects(struct buf *svg, struct rect rects[GRAPH_FRAMES])
{
	const char *at = buf_text(svg);

	for (size_t i = 0; i < GRAPH_FRAMES; i++) {
		at = strstr(at, "<g><title>");
		cr_assert_not_null(at, "%zu frames", i);
		rects[i].name = at + strlen("<g><title>");
		at = strstr(at, "<rect ");
		cr_assert_eq(sscanf(at, "<rect x=\"%lf\" y=\"%d\" width=\"%lf\"", &rects[i].x,
				    &rects[i].y, &rects[i].width),
			     3);
	}
}

/* Which of the rectangles: of one function that calls itself, or is called from two, the nth. */
static const struct rect *rect_of(const struct rect rects[GRAPH_FRAMES], const char *name, int nth)
{
	for (size_t i = 0; i < GRAPH_FRAMES; i++)
		if (strncmp(rects[i].name, name, strlen(name)) == 0 && nth-- == 0)
			return &rects[i];
	cr_assert_fail("no frame %s", name);
	return NULL;
}

/* Two decimals are written. */
static bool alike(double a, double b)
{
	return a - b < 0.011 && b - a < 0.011;
}

/* x is where the callee begins: the one of most bytes first, the others next to it. */
static void expect_call(const struct rect *caller, const struct rect *callee, double x)
{
	cr_expect_eq(callee->y, caller->y + GRAPH_ROW, "%.8s: one row below", callee->name);
	cr_expect(alike(callee->x, x), "%.8s at %.2f, not %.2f", callee->name, callee->x, x);
	cr_expect_geq(callee->x, caller->x - 0.011);
	cr_expect_leq(callee->x + callee->width, caller->x + caller->width + 0.011,
		      "%.8s reaches beyond its caller", callee->name);
}

Test(flame, frames_are_as_wide_as_their_bytes_below_their_callers)
{
	static const struct {
		const char *name;
		int nth;
		unsigned bytes; /* with what it calls */
	} sums[] = { { "(root)", 0, 600 }, { "main", 0, 560 }, { "walk", 0, 550 },
		     { "walk", 1, 450 },   { "make", 0, 40 },  { "make", 1, 400 } };
	const struct rect *root, *main_, *walk, *again;
	struct rect rects[GRAPH_FRAMES];
	struct profile profile;
	struct buf svg;

	parse(&profile, shop);
	draw(&profile, &svg);
	read_rects(&svg, rects);
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		const struct rect *rect = rect_of(rects, sums[i].name, sums[i].nth);

		cr_expect(alike(rect->width, GRAPH_WIDTH * sums[i].bytes / 600.0),
			  "%s is %.2f wide", sums[i].name, rect->width);
	}
	root = rect_of(rects, "(root)", 0);
	main_ = rect_of(rects, "main", 0);
	walk = rect_of(rects, "walk", 0);
	again = rect_of(rects, "walk", 1);
	cr_expect_eq(root->x, 0);
	expect_call(root, main_, 0);
	expect_call(root, rect_of(rects, "make", 0), main_->width);
	expect_call(main_, walk, 0);
	expect_call(walk, again, 0);
	expect_call(again, rect_of(rects, "make", 1), 0);
	buf_fini(&svg);
	profile_fini(&profile);
}
