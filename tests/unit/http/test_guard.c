#include <criterion/criterion.h>

#include "http/guard.h"

static const struct {
	const char *host, *external;
	bool allowed;
} hosts[] = {
	{ NULL, NULL, true },
	{ "localhost", NULL, true },
	{ "localhost:19229", NULL, true },
	{ "LOCALHOST:1", NULL, true },
	{ "127.0.0.1:19229", NULL, true },
	{ "10.0.0.1", NULL, true },
	{ "[::1]:19229", NULL, true },
	{ "[::1]", NULL, true },
	{ "evil.example", NULL, false },
	{ "localhost.evil.example:19229", NULL, false },
	{ "127.0.0.1.evil.example", NULL, false },
	{ "127.1", NULL, false },
	{ "", NULL, false },
	{ ":19229", NULL, false },
	{ "[::1", NULL, false },
	{ "[::1]evil", NULL, false },
	{ "[evil]", NULL, false },
	{ "localhost:99evil", NULL, false },
	{ "heap.example:19229", "https://heap.example/x", true },
	{ "heap.example", "https://heap.example:8443", true },
	{ "evil.example", "https://heap.example", false },
};

static const struct {
	const char *origin, *site, *host, *external;
	bool allowed;
} origins[] = {
	{ NULL, NULL, "localhost:1", NULL, true },
	{ "http://localhost:1", NULL, "localhost:1", NULL, true },
	{ "http://localhost:1", "same-origin", "localhost:1", NULL, true },
	{ NULL, "none", "localhost:1", NULL, true },
	{ "http://localhost:2", NULL, "localhost:1", NULL, false },
	{ "http://evil.example", NULL, "localhost:1", NULL, false },
	{ "null", NULL, "localhost:1", NULL, false },
	{ "", NULL, "localhost:1", NULL, false },
	{ "file://", NULL, "localhost:1", NULL, false },
	{ NULL, "cross-site", "localhost:1", NULL, false },
	{ NULL, "same-site", "localhost:1", NULL, false },
	{ "http://localhost:1", "cross-site", "localhost:1", NULL, false },
	{ "http://localhost:1", NULL, NULL, NULL, false },
	{ "https://heap.example", NULL, "10.0.0.1:1", "https://heap.example/x", true },
	{ "http://heap.example", NULL, "10.0.0.1:1", "https://heap.example", false },
};

Test(guard, host)
{
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		cr_expect_eq(guard_host(hosts[i].host, hosts[i].external), hosts[i].allowed,
			     "Host: %s", hosts[i].host);
}

Test(guard, origin)
{
	for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++)
		cr_expect_eq(guard_origin(origins[i].origin, origins[i].site, origins[i].host,
					  origins[i].external),
			     origins[i].allowed, "%zu Origin: %s", i, origins[i].origin);
}
