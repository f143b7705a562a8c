/* Who listens at an address: real sockets of this very process, under a name of its own. */

#include "watch/listener.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/address.h"

static const char program[] = "listens-for-us";

static void name_us(void)
{
	cr_assert_eq(prctl(PR_SET_NAME, program), 0);
}

static struct address listen_at(const char *host, int *ret_fd)
{
	struct address address = { .family = strchr(host, ':') ? ADDRESS_INET6 : ADDRESS_INET };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct sockaddr_in four = { .sin_family = AF_INET };
	struct sockaddr *any = address.family == ADDRESS_INET6 ? (void *)&six : (void *)&four;
	socklen_t size = address.family == ADDRESS_INET6 ? sizeof(six) : sizeof(four);
	void *where =
		address.family == ADDRESS_INET6 ? (void *)&six.sin6_addr : (void *)&four.sin_addr;

	snprintf(address.host, sizeof(address.host), "%s", host);
	cr_assert_eq(inet_pton(any->sa_family, host, where), 1);
	*ret_fd = socket(any->sa_family, SOCK_STREAM, 0);
	cr_assert_geq(*ret_fd, 0);
	cr_assert_eq(bind(*ret_fd, any, size), 0);
	cr_assert_eq(listen(*ret_fd, 1), 0);
	cr_assert_eq(getsockname(*ret_fd, any, &size), 0);
	address.port = ntohs(any->sa_family == AF_INET6 ? six.sin6_port : four.sin_port);
	return address;
}

static void expect_us(const struct address *address)
{
	int64_t pid = 0;

	cr_expect_eq(listener_find("/proc", address, program, &pid), 0, "%s", address->host);
	cr_expect_eq(pid, getpid());
}

static void expect_nobody(const struct address *address, const char *name)
{
	int64_t pid = 0;

	cr_expect_eq(listener_find("/proc", address, name, &pid), -ESRCH, "%s", address->host);
}

Test(listener, of_the_address_itself, .init = name_us)
{
	static const char *const hosts[] = { "127.0.0.1", "127.0.0.9", "::1" };

	for (size_t i = 0; i < 3; i++) {
		int fd;
		struct address address = listen_at(hosts[i], &fd);

		expect_us(&address);
		close(fd);
		expect_nobody(&address, program);
	}
}

Test(listener, of_all_addresses, .init = name_us)
{
	int four, six;
	struct address address = listen_at("0.0.0.0", &four);

	strcpy(address.host, "127.0.0.1");
	expect_us(&address);
	address = listen_at("::", &six);
	strcpy(address.host, "127.0.0.1");
	address.family = ADDRESS_INET;
	expect_us(&address);
	close(four);
	close(six);
}

Test(listener, another_address_port_or_program_is_not_it, .init = name_us)
{
	int fd;
	struct address address = listen_at("127.0.0.1", &fd), other = address;

	expect_nobody(&address, "another");
	strcpy(other.host, "127.0.0.2");
	expect_nobody(&other, program);
	other = address;
	other.port ^= 1;
	expect_nobody(&other, program);
	close(fd);
}

/* A connection from that port is no listener. */
Test(listener, a_socket_that_only_is_bound_is_not_it, .init = name_us)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct address address = { .family = ADDRESS_INET, .host = "127.0.0.1" };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&at, size), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	address.port = ntohs(at.sin_port);
	expect_nobody(&address, program);
	close(fd);
}

Test(listener, of_a_unix_socket, .init = name_us)
{
	struct address address = { .family = ADDRESS_UNIX }, other;
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/test listener %d.sock", (int)getpid());
	strcpy(address.host, at.sun_path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	expect_nobody(&address, program);
	cr_assert_eq(listen(fd, 1), 0);
	expect_us(&address);
	expect_nobody(&address, "another");
	other = address;
	other.host[strlen(other.host) - 1] = '\0';
	expect_nobody(&other, program);
	/* A connection has the path too, and does not listen. */
	cr_assert_eq(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	close(fd);
	expect_nobody(&address, program);
	close(client);
	cr_assert_eq(unlink(at.sun_path), 0);
}

/* Whose pid is known is asked whether it is the one. */
Test(listener, is_the_process_of_that_pid)
{
	int fd;
	struct address address = listen_at("127.0.0.1", &fd);

	cr_expect(listener_is("/proc", &address, getpid()));
	cr_expect_not(listener_is("/proc", &address, getppid()));
	cr_expect_not(listener_is("/proc", &address, 1 << 30));
	close(fd);
	cr_expect_not(listener_is("/proc", &address, getpid()));
}
