#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "http/listen.h"
#include "scene.h"
#include "util/err.h"

static int hello(struct http_exchange *exchange)
{
	return http_answer_text(exchange, 200, "hello\n");
}

static const struct route routes[] = {
	{ "GET", "/hello", hello, "" },
	{ NULL, NULL, NULL, NULL },
};

static const char *const wrong[] = {
	"",       "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "example.org:80",
	"::1:80", "[::1:80",   "[x]:80",     "unix:",       "unix:relative",   "1.2.3:80"
};

Test(listen, wrong_addresses)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct listen_socket socket;
		struct err err = { .text = "" };

		cr_expect_eq(listen_open(&socket, wrong[i], &err), -EINVAL, "%s", wrong[i]);
		cr_expect_not_null(strstr(err.text, wrong[i]));
		cr_expect_eq(socket.fd, -1);
	}
}

static const struct {
	const char *address;
	bool loopback;
} right[] = {
	{ "127.0.0.1:0", true }, { "localhost:0", true }, { "127.8.9.1:0", true },
	{ "[::1]:0", true },     { "0.0.0.0:0", false },  { ":0", false },
	{ "[::]:0", false },
};

Test(listen, right_addresses)
{
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		struct listen_socket socket;
		struct err err = { .text = "" };

		cr_assert_eq(listen_open(&socket, right[i].address, &err), 0, "%s", err.text);
		cr_expect_eq(socket.loopback, right[i].loopback, "%s", right[i].address);
		cr_expect_gt(socket.port, 0);
		listen_close(&socket);
	}
}

/* Links are of what can be reached: the port that was taken, the host's name for all addresses. */
Test(listen, what_links_begin_with)
{
	static const char *const any[] = { "0.0.0.0:0", ":0", "[::]:0" };
	char host[256] = "", url[LISTEN_NAME_MAX], expected[LISTEN_NAME_MAX + 256];
	struct listen_socket socket;
	struct err err = { .text = "" };

	cr_assert_eq(gethostname(host, sizeof(host) - 1), 0);
	for (size_t i = 0; i < sizeof(any) / sizeof(any[0]); i++) {
		cr_assert_eq(listen_open(&socket, any[i], &err), 0, "%s", err.text);
		snprintf(expected, sizeof(expected), "http://%s:%u/", host, socket.port);
		cr_expect_str_eq(listen_url(url, &socket, false), expected);
		listen_close(&socket);
	}
	cr_assert_eq(listen_open(&socket, "127.0.0.1:0", &err), 0, "%s", err.text);
	snprintf(expected, sizeof(expected), "http://127.0.0.1:%u/", socket.port);
	cr_expect_str_eq(listen_url(url, &socket, false), expected);
	snprintf(expected, sizeof(expected), "https://127.0.0.1:%u/", socket.port);
	cr_expect_str_eq(listen_url(url, &socket, true), expected);
	listen_close(&socket);
	cr_assert_eq(listen_open(&socket, "[::1]:0", &err), 0, "%s", err.text);
	snprintf(expected, sizeof(expected), "http://[::1]:%u/", socket.port);
	cr_expect_str_eq(listen_url(url, &socket, false), expected);
	listen_close(&socket);
	cr_assert_eq(listen_open(&socket, "unix:listen-url.sock", &err), -EINVAL);
	cr_expect_str_eq(listen_url(url, &socket, false), "");
}

Test(listen, busy_address)
{
	struct listen_socket first, second;
	struct err err = { .text = "" };
	char address[32];

	cr_assert_eq(listen_open(&first, "127.0.0.1:0", &err), 0);
	snprintf(address, sizeof(address), "127.0.0.1:%u", first.port);
	cr_expect_eq(listen_open(&second, address, &err), -EADDRINUSE);
	cr_expect_not_null(strstr(err.text, address));
	cr_expect(listen_is(&first, address));
	cr_expect_not(listen_is(&first, "127.0.0.1:1"));
	cr_expect_not(listen_is(&first, "[::1]:1"));
	listen_close(&first);
}

static void serve(struct server_scene *scene, char *address, const int *fds, size_t n)
{
	struct err err = { .text = "" };

	server_prepare(scene);
	scene->addresses[0] = address;
	scene->settings.listen_addresses.n = address != NULL;
	cr_assert_eq(http_server_init(&scene->server, &scene->loop, &scene->settings, routes, NULL),
		     0);
	cr_assert_eq(http_server_listen(scene->server, fds, n, &err), 0, "%s", err.text);
	scene->port = http_server_port(scene->server, 0);
}

Test(listen, unix_socket)
{
	char folder[] = "/tmp/heapwatch-test-XXXXXX", address[64], *path = address + 5;
	struct server_scene scene;
	struct client client;
	struct stat status;

	cr_assert_not_null(mkdtemp(folder));
	snprintf(address, sizeof(address), "unix:%s/http.sock", folder);
	for (int round = 0; round < 2; round++) {
		serve(&scene, address, NULL, 0);
		cr_assert_eq(stat(path, &status), 0);
		cr_expect_eq(status.st_mode & 0777, 0660);
		client_open_unix(&client, &scene.loop, path);
		/* Names in Host prove nothing there. */
		client_send(&client, "GET /hello HTTP/1.1\r\nHost: heapwatch\r\n\r\n");
		client_wait(&client, false);
		cr_expect_eq(client_status(&client), 200);
		client_close(&client);
		server_stop(&scene);
		cr_expect_neq(stat(path, &status), 0, "the socket is removed");
	}
	rmdir(folder);
}

/* A socket of a daemon that died is replaced, one of a daemon that lives is not. */
Test(listen, stale_unix_socket)
{
	char folder[] = "/tmp/heapwatch-test-XXXXXX", address[64];
	struct listen_socket first, second;
	struct err err = { .text = "" };

	cr_assert_not_null(mkdtemp(folder));
	snprintf(address, sizeof(address), "unix:%s/http.sock", folder);
	cr_assert_eq(listen_open(&first, address, &err), 0, "%s", err.text);
	cr_expect_eq(listen_open(&second, address, &err), -EADDRINUSE);
	close(first.fd);
	first.fd = -1;
	cr_expect_eq(listen_open(&second, address, &err), 0, "%s", err.text);
	listen_close(&second);
	rmdir(folder);
}

/* Socket activation: the passed socket is served, and an address it is bound to is not bound again.
 */
Test(listen, passed_socket)
{
	struct listen_socket passed;
	struct server_scene scene;
	struct client client;
	struct err err = { .text = "" };
	char address[32];

	cr_assert_eq(listen_open(&passed, "127.0.0.1:0", &err), 0);
	snprintf(address, sizeof(address), "127.0.0.1:%u", passed.port);
	serve(&scene, address, &passed.fd, 1);
	cr_expect_eq(scene.port, passed.port);
	cr_expect_eq(http_server_port(scene.server, 1), 0, "one listener");
	client_get(&client, &scene.loop, scene.port, "GET", "/hello", "");
	cr_expect_eq(client_status(&client), 200);
	client_close(&client);
	server_stop(&scene);
}

Test(listen, beyond_loopback_needs_leave)
{
	char address[] = "0.0.0.0:0";
	struct server_scene scene;
	struct err err = { .text = "" };
	struct client client;

	server_prepare(&scene);
	scene.addresses[0] = address;
	cr_assert_eq(http_server_init(&scene.server, &scene.loop, &scene.settings, routes, NULL),
		     0);
	cr_expect_eq(http_server_listen(scene.server, NULL, 0, &err), -EPERM);
	cr_expect_not_null(strstr(err.text, "allow_remote"));
	server_stop(&scene);
	server_prepare(&scene);
	scene.addresses[0] = address;
	scene.settings.allow_remote = true;
	server_start(&scene, routes, NULL);
	client_open(&client, &scene.loop, scene.port);
	/* A server for other hosts is called by names we cannot know. */
	client_send(&client, "GET /hello HTTP/1.1\r\nHost: monitor.example\r\n\r\n");
	client_wait(&client, false);
	cr_expect_eq(client_status(&client), 200);
	client_close(&client);
	server_stop(&scene);
}

Test(listen, several_addresses)
{
	struct server_scene scene;
	struct client client;
	char v6[] = "[::1]:0";

	server_prepare(&scene);
	scene.addresses[1] = scene.addresses[0];
	scene.addresses[0] = v6;
	scene.settings.listen_addresses.n = 2;
	server_start(&scene, routes, NULL);
	cr_expect_gt(http_server_port(scene.server, 0), 0);
	client_get(&client, &scene.loop, http_server_port(scene.server, 1), "GET", "/hello", "");
	cr_expect_eq(client_status(&client), 200);
	client_close(&client);
	server_stop(&scene);
}
