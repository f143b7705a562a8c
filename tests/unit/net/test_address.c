/* What people write, what it means, and what is refused with words that help. */

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "net/address.h"
#include "util/err.h"

static const struct {
	const char *text;
	enum address_family family;
	const char *host;
	uint16_t port;
	const char *formatted, *host_header;
	bool local;
} good[] = {
	{ "127.0.0.1:9229", ADDRESS_INET, "127.0.0.1", 9229, "127.0.0.1:9229", "127.0.0.1:9229",
	  true },
	{ "9229", ADDRESS_INET, "127.0.0.1", 9229, "127.0.0.1:9229", "127.0.0.1:9229", true },
	{ "localhost:65535", ADDRESS_INET, "127.0.0.1", 65535, "127.0.0.1:65535", "127.0.0.1:65535",
	  true },
	{ "10.1.2.3:1", ADDRESS_INET, "10.1.2.3", 1, "10.1.2.3:1", "10.1.2.3:1", false },
	{ "127.9.9.9:80", ADDRESS_INET, "127.9.9.9", 80, "127.9.9.9:80", "127.9.9.9:80", true },
	{ "[::1]:9229", ADDRESS_INET6, "::1", 9229, "[::1]:9229", "[::1]:9229", true },
	{ "[0:0::01]:9229", ADDRESS_INET6, "::1", 9229, "[::1]:9229", "[::1]:9229", true },
	{ "[::ffff:127.0.0.1]:9", ADDRESS_INET6, "::ffff:127.0.0.1", 9, "[::ffff:127.0.0.1]:9",
	  "[::ffff:127.0.0.1]:9", true },
	{ "[FD00::A]:9", ADDRESS_INET6, "fd00::a", 9, "[fd00::a]:9", "[fd00::a]:9", false },
	{ "ws://127.0.0.1:9229", ADDRESS_INET, "127.0.0.1", 9229, "127.0.0.1:9229",
	  "127.0.0.1:9229", true },
	{ "http://[::1]:9229/", ADDRESS_INET6, "::1", 9229, "[::1]:9229", "[::1]:9229", true },
	{ "ws://127.0.0.1:6499/1a2b?c", ADDRESS_INET, "127.0.0.1", 6499, "127.0.0.1:6499/1a2b?c",
	  "127.0.0.1:6499", true },
	{ "[::1]:6499/a", ADDRESS_INET6, "::1", 6499, "[::1]:6499/a", "[::1]:6499", true },
	{ "wss://10.1.2.3:9443", ADDRESS_INET, "10.1.2.3", 9443, "wss://10.1.2.3:9443",
	  "10.1.2.3:9443", false },
	{ "https://[::1]:9443/a", ADDRESS_INET6, "::1", 9443, "wss://[::1]:9443/a", "[::1]:9443",
	  true },
	{ "unix:/run/a.sock", ADDRESS_UNIX, "/run/a.sock", 0, "unix:/run/a.sock", "localhost",
	  true },
};

Test(address, right_ones)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		char text[ADDRESS_TEXT_MAX];
		struct err err = { 0 };
		struct address a;

		cr_assert_eq(address_parse(&a, good[i].text, &err), 0, "%s: %s", good[i].text,
			     err.text);
		cr_expect_eq(a.family, good[i].family, "%s", good[i].text);
		cr_expect_str_eq(a.host, good[i].host);
		cr_expect_eq(a.port, good[i].port);
		cr_expect_str_eq(address_format(text, &a), good[i].formatted);
		cr_expect_str_eq(address_host_header(text, &a), good[i].host_header);
		cr_expect_eq(address_is_local(&a), good[i].local, "%s", good[i].text);
	}
}

static const struct {
	const char *text, *says;
} bad[] = {
	{ "", "not an address" },
	{ "127.0.0.1", "not an address" },
	{ "localhost", "not an address" },
	{ "127.0.0.1:", "not a port" },
	{ "127.0.0.1:0", "not a port" },
	{ "127.0.0.1:65536", "not a port" },
	{ "127.0.0.1:-1", "not a port" },
	{ "127.0.0.1:9229x", "not a port" },
	{ "0", "not a port" },
	{ "example.com:9229", "numeric" },
	{ "localhost.:9229", "numeric" },
	{ "1.2.3:9229", "numeric" },
	{ ":9229", "numeric" },
	{ "::1:9229", "brackets: [::1]:9229" },
	{ "[::1]", "example: [::1]:9229" },
	{ "[::1", "example: [::1]:9229" },
	{ "[127.0.0.1]:9", "IPv6" },
	{ "[::1%lo]:9", "numeric" },
	{ "ftp://127.0.0.1:9229", "only ws://" },
	{ "ws://127.0.0.1:9229/0e 1f", "no path of a WebSocket" },
	{ "127.0.0.1:9229/\r\nHost: a", "no path of a WebSocket" },
	{ "unix:run/a.sock", "absolute" },
	{ "unix:", "absolute" },
};

Test(address, wrong_ones)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct address a = { .port = 7 };
		struct err err = { 0 };

		cr_expect_eq(address_parse(&a, bad[i].text, &err), -EINVAL, "%s", bad[i].text);
		cr_expect(strstr(err.text, bad[i].says), "%s: %s", bad[i].text, err.text);
		cr_expect_eq(a.port, 7, "left alone on failure");
		cr_expect_eq(address_parse(&a, bad[i].text, NULL), -EINVAL);
	}
}

Test(address, longest_unix_path)
{
	char text[256] = "unix:/";
	struct address a;

	memset(text + 6, 'x', ADDRESS_HOST_MAX - 2);
	cr_assert_eq(address_parse(&a, text, NULL), 0);
	cr_assert_eq(strlen(a.host), ADDRESS_HOST_MAX - 1);
	text[6 + ADDRESS_HOST_MAX - 2] = 'x';
	cr_assert_eq(address_parse(&a, text, NULL), -EINVAL);
	memset(text, '1', sizeof(text) - 1);
	cr_assert_eq(address_parse(&a, text, NULL), -EINVAL);
}

Test(address, equality)
{
	struct address a, b;

	cr_assert_eq(address_parse(&a, "[::0:1]:9", NULL), 0);
	cr_assert_eq(address_parse(&b, "ws://[::1]:9/", NULL), 0);
	cr_assert(address_equal(&a, &b));
	b.port = 10;
	cr_assert_not(address_equal(&a, &b));
	cr_assert_eq(address_parse(&b, "unix:/::1", NULL), 0);
	cr_assert_not(address_equal(&a, &b));
}

Test(address, one_host_by_several_addresses)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{ "127.0.0.1:1", "127.0.0.1:2", true },
		{ "127.0.0.1:1", "[::1]:2", true },
		{ "127.0.0.1:1", "[::ffff:127.0.0.1]:2", true },
		{ "unix:/a", "unix:/b", true },
		{ "unix:/a", "[::1]:2", true },
		{ "127.0.0.1:1", "127.0.0.2:1", false },
		{ "unix:/192.0.2.1", "192.0.2.1:1", false },
		{ "192.0.2.1:1", "192.0.2.1:2", true },
		{ "192.0.2.1:1", "192.0.2.2:1", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct address a, b;

		cr_assert_eq(address_parse(&a, cases[i].a, NULL), 0);
		cr_assert_eq(address_parse(&b, cases[i].b, NULL), 0);
		cr_expect_eq(address_same_host(&a, &b), cases[i].same, "%s %s", cases[i].a,
			     cases[i].b);
		cr_expect_eq(address_same_host(&b, &a), cases[i].same, "%s %s", cases[i].a,
			     cases[i].b);
	}
}

static bool is_ours(const char *text)
{
	struct address address;

	cr_assert_eq(address_parse(&address, text, NULL), 0, "%s", text);
	return address_is_ours(&address);
}

Test(address, ours_are_those_of_our_own_interfaces)
{
	static const char *const ours[] = { "127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1",
					    "unix:/a", "0.0.0.0:1" };
	static const char *const others[] = { "127.0.0.2:1", "198.51.100.7:1", "[2001:db8::7]:1" };
	struct ifaddrs *all;
	unsigned seen = 0;

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		cr_expect(is_ours(ours[i]), "%s", ours[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		cr_expect_not(is_ours(others[i]), "%s", others[i]);
	cr_assert_eq(getifaddrs(&all), 0);
	for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
		char host[INET_ADDRSTRLEN], text[80];

		if (one->ifa_addr == NULL || one->ifa_addr->sa_family != AF_INET)
			continue;
		inet_ntop(AF_INET, &((struct sockaddr_in *)one->ifa_addr)->sin_addr, host,
			  sizeof(host));
		snprintf(text, sizeof(text), "%s:9229", host);
		cr_expect(is_ours(text), "%s", text);
		snprintf(text, sizeof(text), "[::ffff:%s]:9229", host);
		cr_expect(is_ours(text), "%s", text);
		seen++;
	}
	freeifaddrs(all);
	cr_expect_gt(seen, 0);
}

Test(address, the_path_tells_two_apart)
{
	struct address a, b;

	cr_assert_eq(address_parse(&a, "ws://127.0.0.1:6499/a", NULL), 0);
	cr_assert_eq(address_parse(&b, "127.0.0.1:6499/a", NULL), 0);
	cr_assert(address_equal(&a, &b));
	cr_assert_eq(address_parse(&b, "127.0.0.1:6499/b", NULL), 0);
	cr_assert_not(address_equal(&a, &b));
}

Test(address, all_of_the_host)
{
	static const struct {
		const char *text;
		bool any;
	} cases[] = {
		{ "0.0.0.0:9229", true }, { "[::]:9229", true },      { "127.0.0.1:9229", false },
		{ "[::1]:9229", false },  { "unix:/0.0.0.0", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct address address;

		cr_assert_eq(address_parse(&address, cases[i].text, NULL), 0, "%s", cases[i].text);
		cr_expect_eq(address_is_any(&address), cases[i].any, "%s", cases[i].text);
		cr_expect(!cases[i].any || !address_is_local(&address), "%s", cases[i].text);
	}
}

Test(address, to_the_kernel_and_back)
{
	static const char *const texts[] = { "127.0.0.1:9229", "[2001:db8::7]:1", "unix:/run/x" };
	struct sockaddr_storage sa;
	struct address address;
	char text[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cr_assert_eq(address_parse(&address, texts[i], NULL), 0, "%s", texts[i]);
		cr_assert_gt(address_to_sockaddr(&address, &sa), 0);
		memset(&address, 0xff, sizeof(address));
		cr_expect(address_from_sockaddr(&address, &sa));
		cr_expect_str_eq(address_format(text, &address), texts[i]);
	}
	sa = (struct sockaddr_storage){ .ss_family = AF_UNIX };
	cr_expect_not(address_from_sockaddr(&address, &sa));
	sa = (struct sockaddr_storage){ .ss_family = AF_NETLINK };
	cr_expect_not(address_from_sockaddr(&address, &sa));
}
