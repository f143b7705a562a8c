/* What lies in a range and what does not, to the bit; and what is no range. */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "net/cidr.h"
#include "util/err.h"

static const struct {
	const char *range, *address;
	bool in;
} cases[] = {
	{ "127.0.0.0/8", "127.0.0.1:1", true },
	{ "127.0.0.0/8", "127.255.255.255:1", true },
	{ "127.0.0.0/8", "126.255.255.255:1", false },
	{ "127.0.0.0/8", "128.0.0.0:1", false },
	{ "127.0.0.0/8", "[::ffff:127.0.0.1]:1", true },
	{ "127.0.0.0/8", "[::ffff:10.0.0.1]:1", false },
	{ "127.0.0.0/8", "[::7f00:1]:1", false },
	{ "127.0.0.0/8", "[7f00::]:1", false },
	{ "127.0.0.0/8", "unix:/run/a", false },
	{ "10.16.0.0/13", "10.23.255.255:1", true },
	{ "10.16.0.0/13", "10.24.0.0:1", false },
	{ "10.16.0.0/13", "10.15.255.255:1", false },
	{ "192.0.2.7", "192.0.2.7:1", true },
	{ "192.0.2.7", "192.0.2.6:1", false },
	{ "192.0.2.6/31", "192.0.2.7:1", true },
	{ "192.0.2.6/31", "192.0.2.8:1", false },
	{ "0.0.0.0/0", "203.0.113.9:1", true },
	{ "0.0.0.0/0", "[2001:db8::1]:1", false },
	{ "::1", "[::1]:1", true },
	{ "::1", "[::2]:1", false },
	{ "::1", "127.0.0.1:1", false },
	{ "fd00::/8", "[fdff::1]:1", true },
	{ "fd00::/8", "[fe00::1]:1", false },
	{ "2001:db8:0:8000::/49", "[2001:db8:0:ffff::1]:1", true },
	{ "2001:db8:0:8000::/49", "[2001:db8:0:7fff::1]:1", false },
	{ "::/0", "[2001:db8::1]:1", true },
	{ "::/0", "127.0.0.1:1", false },
	{ "::/0", "[::ffff:127.0.0.1]:1", false },
	{ "::ffff:10.0.0.1", "10.0.0.1:1", true },
	{ "unix", "unix:/run/a", true },
	{ "unix", "127.0.0.1:1", false },
};

Test(cidr, what_is_in)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct address address;
		struct err err = { 0 };
		struct cidr cidr;

		cr_assert_eq(cidr_parse(&cidr, cases[i].range, &err), 0, "%s", err.text);
		cr_assert_eq(address_parse(&address, cases[i].address, &err), 0, "%s", err.text);
		cr_expect_eq(cidr_has(&cidr, &address), cases[i].in, "%s in %s", cases[i].address,
			     cases[i].range);
	}
}

Test(cidr, what_is_none)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "", "not a range" },
		{ "localhost", "not a range" },
		{ "10.0.0.0/", "up to 32" },
		{ "10.0.0.0/33", "up to 32" },
		{ "10.0.0.0/-1", "up to 32" },
		{ "10.0.0.0/8x", "up to 32" },
		{ "10.0.0/8", "not a range" },
		{ "10.0.0.1/8", "beyond its prefix" },
		{ "10.0.0.128/24", "beyond its prefix" },
		{ "10.16.0.0/11", "beyond its prefix" },
		{ "fd00::/129", "up to 128" },
		{ "fd00::1/8", "beyond its prefix" },
		{ "[::1]", "not a range" },
		{ "unix:/run/a", "not a range" },
		{ "/8", "not a range" },
	};
	char large[300];
	struct cidr cidr;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct err err = { 0 };

		cr_expect_eq(cidr_parse(&cidr, bad[i].text, &err), -EINVAL, "%s", bad[i].text);
		cr_expect(strstr(err.text, bad[i].says) != NULL, "%s: %s", bad[i].text, err.text);
	}
	memset(large, '1', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	cr_expect_eq(cidr_parse(&cidr, large, NULL), -EINVAL);
}
