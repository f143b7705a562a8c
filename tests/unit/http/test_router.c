#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "http/route.h"
#include "http/router.h"

static int handle(struct http_exchange *exchange)
{
	(void)exchange;
	return 0;
}

static const struct route routes[] = {
	{ "GET", "/", handle, "" },
	{ "GET", "/metrics", handle, "" },
	{ "POST", "/-/reload", handle, "" },
	{ "PUT", "/-/reload", handle, "" },
	{ "GET", "/t/:name", handle, "" },
	{ "GET", "/t/:name/c/:id", handle, "" },
	{ "DELETE", "/t/:name/c/:id", handle, "" },
	{ NULL, NULL, NULL, NULL },
};

static const struct {
	const char *method, *path;
	enum route_verdict verdict;
	const char *pattern, *first, *second, *allow;
} cases[] = {
	{ "GET", "/", ROUTE_FOUND, "/", NULL, NULL, "" },
	{ "HEAD", "/metrics", ROUTE_FOUND, "/metrics", NULL, NULL, "" },
	{ "PUT", "/-/reload", ROUTE_FOUND, "/-/reload", NULL, NULL, "POST" },
	{ "GET", "/-/reload", ROUTE_METHOD, "/-/reload", NULL, NULL, "POST, PUT" },
	{ "HEAD", "/-/reload", ROUTE_METHOD, "/-/reload", NULL, NULL, "POST, PUT" },
	{ "POST", "/metrics", ROUTE_METHOD, "/metrics", NULL, NULL, "GET, HEAD" },
	{ "get", "/metrics", ROUTE_METHOD, "/metrics", NULL, NULL, "GET, HEAD" },
	{ "GET", "/metrics/", ROUTE_NONE, NULL, NULL, NULL, "" },
	{ "GET", "/metric", ROUTE_NONE, NULL, NULL, NULL, "" },
	{ "GET", "/metricsx", ROUTE_NONE, NULL, NULL, NULL, "" },
	{ "GET", "", ROUTE_NONE, NULL, NULL, NULL, "" },
	{ "GET", "//", ROUTE_NONE, NULL, NULL, NULL, "" },
	{ "GET", "/t/a", ROUTE_FOUND, "/t/:name", "a", NULL, "" },
	{ "GET", "/t/", ROUTE_NONE, NULL, NULL, NULL, "" },
	{ "GET", "/t/unix:%2Frun%2Fx", ROUTE_FOUND, "/t/:name", "unix:/run/x", NULL, "" },
	{ "GET", "/t/%3cscript%3E", ROUTE_FOUND, "/t/:name", "<script>", NULL, "" },
	{ "GET", "/t/a+b", ROUTE_FOUND, "/t/:name", "a+b", NULL, "" },
	{ "GET", "/t/a/c/7", ROUTE_FOUND, "/t/:name/c/:id", "a", "7", "" },
	{ "DELETE", "/t/a/c/7", ROUTE_FOUND, "/t/:name/c/:id", "a", "7", "GET, HEAD" },
	{ "POST", "/t/a/c/7", ROUTE_METHOD, "/t/:name/c/:id", NULL, NULL, "GET, HEAD, DELETE" },
	{ "GET", "/t/a/c/", ROUTE_NONE, NULL, NULL, NULL, "" },
	{ "GET", "/t/%2", ROUTE_ENCODING, "/t/:name", NULL, NULL, "" },
	{ "GET", "/t/%zz", ROUTE_ENCODING, "/t/:name", NULL, NULL, "" },
	{ "GET", "/t/a%00b", ROUTE_ENCODING, "/t/:name", NULL, NULL, "" },
};

static void expect_param(const char *got, const char *wanted, const char *path)
{
	if (wanted == NULL)
		return;
	cr_assert_not_null(got, "%s: no parameter", path);
	cr_expect_str_eq(got, wanted, "%s: parameter %s", path, got);
}

Test(router, table)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *path = strdup(cases[i].path);
		struct route_match match;
		enum route_verdict verdict = router_match(routes, cases[i].method, path, &match);

		cr_expect_eq(verdict, cases[i].verdict, "%s: verdict %d", cases[i].path, verdict);
		cr_expect_str_eq(match.allow, cases[i].allow, "%s: allow %s", cases[i].path,
				 match.allow);
		cr_expect_eq(match.route == NULL, cases[i].pattern == NULL);
		if (match.route != NULL && cases[i].pattern != NULL)
			cr_expect_str_eq(match.route->pattern, cases[i].pattern);
		expect_param(match.params[0], cases[i].first, cases[i].path);
		expect_param(match.params[1], cases[i].second, cases[i].path);
		free(path);
	}
}

/* Every row of the real table is reached by its own pattern, and has a help text. */
Test(router, real_table)
{
	size_t n = 0;

	for (const struct route *route = http_routes; route->pattern != NULL; route++, n++) {
		char *path = strdup(route->pattern);
		struct route_match match;

		cr_expect_eq(router_match(http_routes, route->method, path, &match), ROUTE_FOUND,
			     "%s %s", route->method, route->pattern);
		cr_expect_eq(match.route, route, "%s %s goes to %s", route->method, route->pattern,
			     match.route != NULL ? match.route->pattern : "nothing");
		cr_expect_gt(strlen(route->help), 5);
		free(path);
	}
	cr_expect_geq(n, 20);
}
