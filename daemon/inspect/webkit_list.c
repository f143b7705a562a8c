/*
 * Lists of pages
 *
 * WebKit's server writes a page of HTML in which the titles and addresses of pages stand as they
 * are. And its browser crashes when a WebSocket asks for a connection it does not have
 * (/socket/7/1/WebPage). So only those of connection 1 are believed, which is the browser's own and
 * there as long as it is: of that, a target that does not exist is refused in good order.
 *
 * Believed is the end of a row as the server writes it, byte by byte, with behind it what the
 * server writes there: the next row, or the end of the list. So each page that the server lists is
 * found, whatever is in titles. What is found besides was written into a title by somebody who
 * means it: such a list is, byte by byte, that of one page more, and nothing in it says otherwise.
 * WebKit cuts titles after 1000 characters, which has room for three.
 *
 * ios-webkit-debug-proxy writes JSON, the list of one device at a port of its own, and answers 404
 * for a page it does not have.
 */

#include "inspect/webkit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/runtime.h"
#include "inspect/session.h"
#include "json/tree.h"
#include "util/err.h"
#include "util/str.h"

const enum webkit_list webkit_list_html = WEBKIT_LIST_HTML;
const enum webkit_list webkit_list_json = WEBKIT_LIST_JSON;

/* Called for each page; not 0 ends the walk and is its result. */
typedef int page_fn(void *owner, const char *isolate, const char *path);

static const char html_begin[] = "<html><head><title>Remote inspector</title>";
static const char html_end[] = "</body></html>";

/* Of a row behind its address: what is before the number of the target, and what is after it. */
static const char row_open[] =
	"</div></td><td class=\"input\"><input type=\"button\" value=\"Inspect\" onclick=\""
	"window.open('Main.html?ws=' + window.location.host + '/socket/1/";
static const char row_close[] =
	"/WebPage', '_blank', 'location=no,menubar=no,status=no,toolbar=no');\"></td></tr></tbody>";

/* What follows a row: another one; the end of the list, of WebKit 2.38 and newer, and of older. */
static const char row_begin[] = "<tbody><tr><td class=\"data\"><div class=\"targetname\">";
static const char rows_end[] = "</table></div></body></html>";
static const char rows_end_older[] = "</table></body></html>";

static bool begins(const char *at, const char *end, const char *text, size_t size)
{
	return (size_t)(end - at) >= size && memcmp(at, text, size) == 0;
}

static bool is_all(const char *at, const char *end, const char *text, size_t size)
{
	return (size_t)(end - at) == size && memcmp(at, text, size) == 0;
}

/* The first place of the text, or NULL. */
static const char *find(const char *at, const char *end, const char *text, size_t size)
{
	while ((at = memchr(at, text[0], (size_t)(end - at))) != NULL) {
		if (begins(at, end, text, size))
			break;
		at++;
	}
	return at;
}

/* Behind a number of up to eight digits; NULL: there is none. */
static const char *read_number(const char *at, const char *end, unsigned *ret)
{
	enum { DIGITS_MAX = 8 };
	const char *first = at;

	*ret = 0;
	for (; at < end && *at >= '0' && *at <= '9'; at++) {
		if (at - first == DIGITS_MAX)
			return NULL;
		*ret = *ret * 10 + (unsigned)(*at - '0');
	}
	return at > first ? at : NULL;
}

/* From behind row_open to behind the row; NULL: it is none that the server can have written. */
static const char *read_row(const char *at, const char *end, unsigned *ret_target)
{
	at = read_number(at, end, ret_target);
	if (at == NULL || !begins(at, end, row_close, sizeof(row_close) - 1))
		return NULL;
	at += sizeof(row_close) - 1;
	return begins(at, end, row_begin, sizeof(row_begin) - 1) ||
			       is_all(at, end, rows_end, sizeof(rows_end) - 1) ||
			       is_all(at, end, rows_end_older, sizeof(rows_end_older) - 1)
		       ? at
		       : NULL;
}

bool webkit_is_list(const char *list, size_t size)
{
	return begins(list, list + size, html_begin, sizeof(html_begin) - 1);
}

static bool is_whole(const char *list, size_t size)
{
	const size_t end = sizeof(html_end) - 1;

	return webkit_is_list(list, size) && size >= end &&
	       memcmp(list + size - end, html_end, end) == 0;
}

static int each_of_html(const char *list, size_t size, page_fn *fn, void *owner)
{
	const char *at = list, *end = list + size;
	int r = 0;

	if (!is_whole(list, size))
		return -EPROTO;
	while (r == 0 && (at = find(at, end, row_open, sizeof(row_open) - 1)) != NULL) {
		char isolate[32], path[64];
		const char *behind;
		unsigned target;

		at += sizeof(row_open) - 1;
		behind = read_row(at, end, &target);
		if (behind == NULL)
			continue;
		at = behind;
		snprintf(isolate, sizeof(isolate), "page:%u", target);
		snprintf(path, sizeof(path), "/socket/1/%u/WebPage", target);
		r = fn(owner, isolate, path);
	}
	return r;
}

/* The number in the path of the address, which is the whole rest of it. */
static bool read_page(const char *url, const char *prefix, unsigned *ret)
{
	const char *path = strstr(url, prefix), *end;

	if (path == NULL)
		return false;
	path += strlen(prefix);
	end = path + strlen(path);
	return read_number(path, end, ret) == end;
}

static int each_of_array(const struct tree *list, page_fn *fn, void *owner)
{
	static const char prefix[] = "/devtools/page/";
	int r = 0;

	for (size_t i = 0; r == 0 && i < tree_size(list); i++) {
		const char *url = NULL;
		char isolate[32], own[64];
		unsigned page;

		if (tree_get(tree_at(list, i), "deviceId") != NULL)
			return -ENOENT;
		if (!tree_string(tree_at(list, i), "webSocketDebuggerUrl", &url))
			continue;
		if (!read_page(url, prefix, &page))
			return -EPROTO;
		snprintf(isolate, sizeof(isolate), "page:%u", page);
		snprintf(own, sizeof(own), "%s%u", prefix, page);
		r = fn(owner, isolate, own);
	}
	return r;
}

static int each_of_json(const char *list, size_t size, page_fn *fn, void *owner)
{
	struct tree *tree;
	int r;

	if (tree_parse(list, size, &tree, NULL) < 0)
		return -EPROTO;
	r = tree_is_array(tree) ? each_of_array(tree, fn, owner) : -EPROTO;
	tree_free(tree);
	return r;
}

static int each(const void *words, const char *list, size_t size, page_fn *fn, void *owner)
{
	const enum webkit_list *kind = words;

	return *kind == WEBKIT_LIST_HTML ? each_of_html(list, size, fn, owner)
					 : each_of_json(list, size, fn, owner);
}

static int offer(void *owner, const char *isolate, const char *path)
{
	return session_offer(owner, isolate, path);
}

int webkit_found(struct session *session, const char *list, size_t size, struct err *err)
{
	int r = each(session->runtime->words, list, size, offer, session);

	if (r == -ENOENT)
		err_set(err, r,
			"it lists devices, not pages: give the address of one of them, as it "
			"stands "
			"there (localhost:9222)");
	return r;
}

enum { FOUND = 1 };

static int compare(void *owner, const char *isolate, const char *path)
{
	(void)isolate;
	return strcmp(owner, path) == 0 ? FOUND : 0;
}

bool webkit_listed(const void *words, const char *list, size_t size, const char *path)
{
	char copy[256];

	return str_copy(copy, sizeof(copy), path) &&
	       each(words, list, size, compare, copy) == FOUND;
}
