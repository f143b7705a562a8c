/*
 * Lists of pages
 *
 * WebKit's server writes a page of HTML in which the titles and addresses of pages stand as they
 * are: a page can have a title that looks like a row of the list. And its browser crashes when a
 * WebSocket asks for a connection it does not have (/socket/7/1/WebPage). So only those of
 * connection 1 are believed, which is the browser's own and there as long as it is: of that, a
 * target that does not exist is refused in good order.
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
static const char html_row[] = "window.location.host + '/socket/1/";

bool webkit_is_list(const char *list, size_t size)
{
	return size >= sizeof(html_begin) - 1 &&
	       memcmp(list, html_begin, sizeof(html_begin) - 1) == 0;
}

static int each_of_html(const char *list, size_t size, page_fn *fn, void *owner)
{
	const char *at = list, *end = list + size;
	int r = 0;

	if (!webkit_is_list(list, size))
		return -EPROTO;
	while (r == 0 && (at = memmem(at, (size_t)(end - at), html_row, sizeof(html_row) - 1))) {
		char isolate[32], path[64];
		unsigned target;
		int used = 0;

		at += sizeof(html_row) - 1;
		/* The list is zero-terminated, and a title has no zero in it. */
		if (sscanf(at, "%8u/WebPage'%n", &target, &used) != 1 || used == 0)
			continue;
		snprintf(isolate, sizeof(isolate), "page:%u", target);
		snprintf(path, sizeof(path), "/socket/1/%u/WebPage", target);
		r = fn(owner, isolate, path);
	}
	return r;
}

static int each_of_array(const struct tree *list, page_fn *fn, void *owner)
{
	static const char prefix[] = "/devtools/page/";
	int r = 0;

	for (size_t i = 0; r == 0 && i < tree_size(list); i++) {
		const char *url = NULL, *path;
		char isolate[32], own[64];
		unsigned page;

		if (tree_get(tree_at(list, i), "deviceId") != NULL)
			return -ENOENT;
		if (!tree_string(tree_at(list, i), "webSocketDebuggerUrl", &url))
			continue;
		path = strstr(url, prefix);
		if (path == NULL || sscanf(path + sizeof(prefix) - 1, "%8u", &page) != 1)
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
