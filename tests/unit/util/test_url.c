/* URLs lose what may be a secret in them, and nothing else. */

#include "util/url.h"

#include <criterion/criterion.h>
#include <string.h>

static void expect(const char *text, bool whole, const char *left)
{
	char dst[200];
	size_t n = url_strip(dst, text, strlen(text), whole);

	cr_assert_leq(n, strlen(text));
	cr_assert(n == strlen(left) && memcmp(dst, left, n) == 0, "%s: %.*s", text, (int)n, dst);
}

Test(url, secrets_go)
{
	expect("https://me:pw@h:1/p@q?a#b", false, "https://h:1/p@q");
	expect("https://h/p#b?a", false, "https://h/p");
	expect("https://a@b@c", false, "https://c");
	expect("Object / https://h/p?q", false, "Object / https://h/p");
	expect("https://a/ wss://u@b/?c", false, "https://a/ wss://b/");
	expect("file:///a.js?token=1", true, "file:///a.js");
	expect("a.js?token=1", true, "a.js");
	expect("/a.js#token", true, "/a.js");
	expect("file:///a.js%3Ftoken=1", true, "file:///a.js");
	expect("file:///a.js%3ftoken", false, "file:///a.js");
	expect("file:///a.js%23token", true, "file:///a.js");
	expect("data:text/javascript,secret", false, "data:");
	expect("x data:secret", true, "x data:");
}

Test(url, all_else_stays)
{
	expect("", true, "");
	expect("what?", false, "what?");
	expect("#private", false, "#private");
	expect("blob:nodedata:1", false, "blob:nodedata:1");
	expect("node:fs", true, "node:fs");
	expect("/a b/c.js", true, "/a b/c.js");
	expect("file:///a%20b%2/c%3", true, "file:///a%20b%2/c%3");
	expect("50%3F", false, "50%3F");
	expect("://", true, "://");
}

Test(url, path)
{
	cr_expect_str_eq(url_path("ws://127.0.0.1:9229/a/b?c"), "/a/b?c");
	cr_expect_str_eq(url_path("ws:///devtools/browser/1"), "/devtools/browser/1");
	cr_expect_null(url_path("ws://127.0.0.1:9229"));
	cr_expect_null(url_path("/a/b"));
	cr_expect_null(url_path(""));
}
