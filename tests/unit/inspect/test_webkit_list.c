/*
 * The list that WebKit's server writes, byte by byte as WebKitGTK 2.50.6 and WPE 2.38.6 do, with
 * titles and addresses that would like to be rows of it.
 */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inspect/runtime.h"
#include "inspect/webkit.h"
#include "util/buf.h"

enum {
	TARGETS = 32,
	LIST_BYTES = 1 << 20,
	WEBKIT = 6, /* index of runtime_words */
};

#define HEAD                                                                                       \
	"<html><head><title>Remote inspector</title><meta http-equiv=\"Content-Type\" "            \
	"content=\"text/html; charset=utf-8\" /><style>  table { width: 100%; }</style></head>"    \
	"<body><h1>Inspectable targets</h1><div id='targetlist'>"
#define TAIL        "</div></body></html>"
#define TABLE(rows) HEAD "<table>" rows "</table>" TAIL

#define NAME "<tbody><tr><td class=\"data\"><div class=\"targetname\">"
#define URL  "</div><div class=\"targeturl\">"
#define OPEN                                                                                       \
	"</div></td><td class=\"input\"><input type=\"button\" value=\"Inspect\" onclick=\""       \
	"window.open('Main.html?ws=' + window.location.host + '/socket/"
#define CLOSE                    "', '_blank', 'location=no,menubar=no,status=no,toolbar=no');\"></td></tr></tbody>"
#define ROW_AT(title, url, path) NAME title URL url OPEN path CLOSE
#define ROW(title, path)         ROW_AT(title, "http://127.0.0.1:8080/", path)
/* A title that ends its row and begins the next. */
#define FORGED(path) "T" URL "http://x/" OPEN path CLOSE NAME "U"

static bool is_listed(const char *list, size_t size, unsigned target)
{
	char path[64];

	snprintf(path, sizeof(path), "/socket/1/%u/WebPage", target);
	return webkit_listed(&webkit_list_html, list, size, path);
}

/* The pages that a list has, of the first few numbers, as one bit each. */
static unsigned pages(const char *list)
{
	/* Nothing behind it is read. */
	size_t size = strlen(list);
	char *copy = malloc(size + 1);
	unsigned found = 0;

	cr_assert_not_null(copy);
	memcpy(copy, list, size + 1);
	for (unsigned i = 0; i < TARGETS; i++)
		found |= (unsigned)is_listed(copy, size, i) << i;
	free(copy);
	return found;
}

TestSuite(webkit_list, .timeout = 60);

Test(webkit_list, has_the_pages_of_the_browser)
{
	cr_expect_eq(pages(HEAD "<p>No targets found</p>" TAIL), 0);
	cr_expect_eq(pages(TABLE("")), 0);
	cr_expect_eq(pages(TABLE(ROW("page", "1/1/WebPage"))), 1 << 1);
	cr_expect_eq(pages(TABLE(ROW("", "1/3/WebPage") ROW("b", "1/12/WebPage"))),
		     1 << 3 | 1 << 12);
	cr_expect_eq(pages("<html><head><title>Remote inspector</title></head><body><h1>Inspectable"
			   " targets</h1><table>" ROW("a", "1/2/WebPage") "</table></body></html>"),
		     1 << 2, "as it was written before 2.38");
	cr_expect_eq(pages("<p></p>" TABLE(ROW("page", "1/1/WebPage"))), 0);
}

Test(webkit_list, has_no_other_connection_s_and_no_other_kind)
{
	cr_expect_eq(pages(TABLE(ROW("a", "7/1/WebPage") ROW("b", "1/2/JavaScript")
					 ROW("c", "1/3/ServiceWorker") ROW("d", "1/4/WebPage"))),
		     1 << 4);
	cr_expect_eq(pages(TABLE(ROW("a", "11/1/WebPage") ROW("b", "1/2/WebPages") ROW(
			     "c", "1/18446744073709551617/WebPage")
					 ROW("d", "18446744073709551617/1/WebPage") ROW(
						 "e", "1//WebPage") ROW("f", "1/-5/WebPage")
						 ROW("g", "1/ 6/WebPage") ROW("h", "1/+7/WebPage")
							 ROW("i", "1/8/"))),
		     0);
}

/* Each is what a title can be; what is not exactly as the server writes it is not its row. */
static const char *const titles[] = {
	TABLE(ROW("<tr><td>window.location.host + '/socket/1/9/WebPage'</td></tr>", "1/1/WebPage")),
	TABLE(ROW("&quot;&lt;/socket/1/9/WebPage&#39; \"' &amp; <!--", "1/1/WebPage")),
	TABLE(ROW("x" OPEN "1/9/WebPage'", "1/1/WebPage")),
	TABLE(ROW("x" OPEN "1/9/WebPage" CLOSE, "1/1/WebPage")),
	TABLE(ROW(URL OPEN "1/9/WebPage" CLOSE "x", "1/1/WebPage")),
	TABLE(ROW(ROW("x", "1/9/WebPage"), "1/1/WebPage")),
	TABLE(ROW("x" URL "y" OPEN "1/9/WebPage" CLOSE "</table>" TAIL, "1/1/WebPage")),
	TABLE(ROW("</table>" TAIL, "1/1/WebPage")),
	TABLE(ROW(HEAD "<table>", "1/1/WebPage")),
	TABLE(ROW("x" URL "y" OPEN "1/9/WebPage', '_blank');\"></td></tr></tbody>" NAME,
		  "1/1/WebPage")),
	TABLE(ROW("x" URL "y" OPEN "1/9/WebPage" CLOSE "<tbody><tr><td class=data>",
		  "1/1/WebPage")),
	TABLE(ROW(OPEN OPEN OPEN "1/9/" OPEN "1/", "1/1/WebPage")),
	/* Of an address that is not of http nearly anything may stand in the list. */
	TABLE(ROW_AT("x", "data:text/html,<b>" OPEN "1/9/WebPage" CLOSE, "1/1/WebPage")),
};

Test(webkit_list, is_not_added_to_by_a_title)
{
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		cr_expect_eq(pages(titles[i]), 1 << 1, "%zu: %#x", i, pages(titles[i]));
}

/*
 * Such a list is, byte by byte, that of two pages. It may say that there is a page of the browser
 * that is not, which the browser refuses in good order; it may not say that of another connection,
 * nor hide the page it belongs to.
 */
Test(webkit_list, of_a_page_that_writes_whole_rows_is_the_list_of_two)
{
	cr_expect_eq(pages(TABLE(ROW(FORGED("1/9/WebPage"), "1/1/WebPage"))), 1 << 1 | 1 << 9);
	cr_expect_eq(pages(TABLE(ROW(FORGED("7/9/WebPage"), "1/1/WebPage"))), 1 << 1);
	cr_expect_eq(pages(TABLE(ROW(FORGED("1/1/WebPage"), "1/1/WebPage"))), 1 << 1);
	cr_expect_eq(pages(TABLE(ROW_AT("a", "data:," OPEN "7/9/WebPage" CLOSE NAME, "1/1/WebPage")
					 ROW("b", "1/2/WebPage"))),
		     1 << 1 | 1 << 2);
}

Test(webkit_list, that_is_cut_or_goes_on_is_none)
{
	static const char whole[] = TABLE(ROW("a", "1/1/WebPage") ROW("b", "1/2/WebPage"));

	for (size_t size = 0; size < sizeof(whole) - 1; size++) {
		char *cut = malloc(size + 1); /* zero-terminated, as it is given */

		cr_assert_not_null(cut);
		memcpy(cut, whole, size);
		cut[size] = '\0';
		cr_expect_not(is_listed(cut, size, 1), "of %zu bytes", size);
		free(cut);
	}
	cr_expect_eq(pages(TABLE(ROW("a", "1/1/WebPage")) "x"), 0);
	cr_expect_eq(pages(TABLE(ROW("a", "1/1/WebPage") "x")), 0);
}

/* Of devices: each one's own proxy writes where a page is. */
Test(webkit_list, of_the_proxy_has_whole_numbers)
{
#define AT(path) "[{\"webSocketDebuggerUrl\":\"ws://localhost:9222" path "\"}]"
	static const struct {
		const char *list;
		bool found;
	} lists[] = {
		{ AT("/devtools/page/12"), true },    { AT("/devtools/page/120"), false },
		{ AT("/devtools/page/12x"), false },  { AT("/devtools/page/ 12"), false },
		{ AT("/devtools/page/+12"), false },  { AT("/devtools/page/"), false },
		{ AT("/devtools/page/12/3"), false },
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		cr_expect_eq(webkit_listed(&webkit_list_json, lists[i].list, strlen(lists[i].list),
					   "/devtools/page/12"),
			     lists[i].found, "%s", lists[i].list);
}

/* ---- time ---- */

/* A list of so many bytes, of one row in whose title the text is repeated. */
static void fill(struct buf *list, const char *text, size_t bytes)
{
	buf_init(list, bytes + 4096);
	buf_puts(list, HEAD "<table>" NAME);
	while (list->size < bytes)
		buf_puts(list, text);
	buf_puts(list, URL "http://x/" OPEN "1/1/WebPage" CLOSE "</table>" TAIL);
	cr_assert_not_null(buf_text(list));
}

/* CPU time of this thread, in nanoseconds, for one reading; the least of three. */
static double reading_ns(const char *text, size_t bytes)
{
	struct timespec before, after;
	double least = 1e18;
	struct buf list;

	fill(&list, text, bytes);
	for (int i = 0; i < 3; i++) {
		double spent;

		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
		cr_expect(is_listed(buf_text(&list), list.size, 1), "%s", text);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
		spent = (double)(after.tv_sec - before.tv_sec) * 1e9 +
			(double)(after.tv_nsec - before.tv_nsec);
		least = spent < least ? spent : least;
	}
	buf_fini(&list);
	return least;
}

/* Eight times the bytes are eight times the work; what is quadratic takes 64 times. */
Test(webkit_list, is_read_in_one_pass)
{
	static const char *const texts[] = {
		"<",
		NAME,
		OPEN,
		OPEN "1/1/",
		OPEN "1/1/WebPage" CLOSE,
		FORGED("7/1/WebPage"),
		FORGED("1/2/WebPage"),
		"window.location.host + '/socket/1/",
		"window.location.host + '/socket/1/1/WebPage'",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		double small = reading_ns(texts[i], LIST_BYTES / 8),
		       large = reading_ns(texts[i], LIST_BYTES);

		cr_expect_lt(large, 20 * small + 5e6, "%s: %.1f and %.1f ms", texts[i], small / 1e6,
			     large / 1e6);
	}
}

Test(webkit_list, of_each_runtime)
{
	static const char html[] = TABLE(ROW("a", "1/3/WebPage"));
	static const char json[] =
		"[{\"webSocketDebuggerUrl\":\"ws://localhost:9222/devtools/page/12\"}]";
	const struct runtime *webkit = runtime_of_word(WEBKIT),
			     *safari = runtime_of_word(WEBKIT + 1);

	cr_assert_str_eq(safari->name, "safari");
	cr_expect(webkit_listed(webkit->words, html, sizeof(html) - 1, "/socket/1/3/WebPage"));
	cr_expect_not(webkit_listed(webkit->words, html, sizeof(html) - 1, "/socket/1/1/WebPage"));
	cr_expect_not(webkit_listed(webkit->words, "", 0, "/socket/1/3/WebPage"));
	cr_expect(webkit_listed(safari->words, json, sizeof(json) - 1, "/devtools/page/12"));
	cr_expect_not(webkit_listed(safari->words, json, sizeof(json) - 1, "/devtools/page/1"));
}
