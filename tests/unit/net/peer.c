/*
 * The scripted server. Its sockets block with a time-out, so that a script reads like a dialogue.
 */

#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/upgrade.h"

static void die(const char *what)
{
	perror(what);
	abort();
}

static socklen_t to_sockaddr(struct sockaddr_storage *sa, const struct address *address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)sa;
	struct sockaddr_un *un = (struct sockaddr_un *)sa;

	*sa = (struct sockaddr_storage){ 0 };
	if (address->family == ADDRESS_UNIX) {
		un->sun_family = AF_UNIX;
		snprintf(un->sun_path, sizeof(un->sun_path), "%s", address->host);
		return sizeof(*un);
	}
	if (address->family == ADDRESS_INET6) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(address->port);
		inet_pton(AF_INET6, address->host, &v6->sin6_addr);
		return sizeof(*v6);
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons(address->port);
	inet_pton(AF_INET, address->host, &v4->sin_addr);
	return sizeof(*v4);
}

static int listen_on(struct address *address, int backlog)
{
	struct sockaddr_storage sa;
	socklen_t size = to_sockaddr(&sa, address);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, size) < 0 || listen(fd, backlog) < 0)
		die("listen");
	size = sizeof(sa);
	if (getsockname(fd, (struct sockaddr *)&sa, &size) < 0)
		die("getsockname");
	if (address->family != ADDRESS_UNIX)
		/* At the same place in both families. */
		address->port = ntohs(((struct sockaddr_in *)&sa)->sin_port);
	return fd;
}

static void set_timeouts(int fd)
{
	struct timeval tv = { .tv_sec = PEER_PATIENCE_S };

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
		die("setsockopt");
}

static void *serve(void *arg)
{
	struct server *server = arg;

	for (;;) {
		struct peer *peer;
		int fd = accept(server->fd, NULL, NULL);

		if (fd < 0)
			return NULL;
		__atomic_add_fetch(&server->connections, 1, __ATOMIC_SEQ_CST);
		set_timeouts(fd);
		peer = calloc(1, sizeof(*peer));
		if (!peer)
			die("calloc");
		peer->fd = fd;
		peer->arg = server->arg;
		server->script(peer);
		close(peer->fd);
		free(peer);
	}
}

void server_start(struct server *server, const struct address *address, peer_script *script,
		  void *arg)
{
	*server = (struct server){ .script = script, .arg = arg };
	if (address)
		server->address = *address;
	else
		server->address = (struct address){ ADDRESS_INET, "127.0.0.1", 0 };
	server->fd = listen_on(&server->address, 128);
	if (pthread_create(&server->thread, NULL, serve, server) != 0)
		die("pthread_create");
}

int server_stop(struct server *server)
{
	shutdown(server->fd, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->fd);
	if (server->address.family == ADDRESS_UNIX)
		unlink(server->address.host);
	return server->connections;
}

bool peer_read_head(struct peer *peer)
{
	size_t size = 0;

	while (size < sizeof(peer->head) - 1) {
		if (recv(peer->fd, peer->head + size, 1, 0) != 1)
			return false;
		size++;
		peer->head[size] = '\0';
		if (size >= 4 && strcmp(peer->head + size - 4, "\r\n\r\n") == 0)
			return true;
	}
	return false;
}

char *peer_header(struct peer *peer, const char *name, char *dst, size_t size)
{
	char start[128];
	const char *at;

	snprintf(start, sizeof(start), "\r\n%s:", name);
	at = strcasestr(peer->head, start);
	if (!at)
		return NULL;
	at += strlen(start);
	at += strspn(at, " ");
	snprintf(dst, size, "%.*s", (int)strcspn(at, "\r"), at);
	return dst;
}

bool peer_upgrade(struct peer *peer)
{
	char key[128], accept[UPGRADE_ACCEPT_MAX], answer[256];

	if (!peer_read_head(peer) || !peer_header(peer, "Sec-WebSocket-Key", key, UPGRADE_KEY_MAX))
		return false;
	snprintf(answer, sizeof(answer),
		 "HTTP/1.1 101 Switching Protocols\r\n"
		 "Upgrade: websocket\r\n"
		 "Connection: Upgrade\r\n"
		 "Sec-WebSocket-Accept: %s\r\n"
		 "\r\n",
		 upgrade_accept(accept, key));
	return peer_puts(peer, answer);
}

bool peer_write(struct peer *peer, const void *data, size_t size)
{
	const char *p = data;

	while (size > 0) {
		ssize_t n = send(peer->fd, p, size, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p += n;
		size -= (size_t)n;
	}
	return true;
}

bool peer_puts(struct peer *peer, const char *text)
{
	return peer_write(peer, text, strlen(text));
}

bool peer_frame(struct peer *peer, unsigned first, const void *data, size_t size)
{
	unsigned char head[10] = { (unsigned char)first };
	size_t n = 2;

	if (size < 126) {
		head[1] = (unsigned char)size;
	} else if (size < 65536) {
		head[1] = 126;
		head[2] = (unsigned char)(size >> 8);
		head[3] = (unsigned char)size;
		n = 4;
	} else {
		head[1] = 127;
		for (size_t i = 0; i < 8; i++)
			head[9 - i] = (unsigned char)((uint64_t)size >> (8 * i));
		n = 10;
	}
	return peer_write(peer, head, n) && peer_write(peer, data, size);
}

static bool read_exactly(struct peer *peer, void *dst, size_t size)
{
	return size == 0 || recv(peer->fd, dst, size, MSG_WAITALL) == (ssize_t)size;
}

int peer_read_frame(struct peer *peer, char *dst, size_t size, size_t *ret_size)
{
	unsigned char head[2], more[8], mask[4];
	size_t n;

	if (!read_exactly(peer, head, 2) || !(head[1] & 0x80))
		return -1;
	n = head[1] & 0x7f;
	if (n >= 126) {
		size_t bytes = n == 126 ? 2 : 8;

		if (!read_exactly(peer, more, bytes))
			return -1;
		n = 0;
		for (size_t i = 0; i < bytes; i++)
			n = n << 8 | more[i];
	}
	if (n >= size || !read_exactly(peer, mask, 4) || !read_exactly(peer, dst, n))
		return -1;
	for (size_t i = 0; i < n; i++)
		dst[i] = (char)((unsigned char)dst[i] ^ mask[i & 3]);
	dst[n] = '\0';
	if (ret_size)
		*ret_size = n;
	return head[0];
}

bool peer_wait_end(struct peer *peer)
{
	char scratch[4096];
	ssize_t n;

	do {
		n = recv(peer->fd, scratch, sizeof(scratch), 0);
	} while (n > 0);
	return n == 0 || errno == ECONNRESET;
}

void peer_reset(struct peer *peer)
{
	struct linger linger = { .l_onoff = 1 };

	if (setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0)
		die("setsockopt");
}

static void fill(struct blackhole *hole)
{
	struct sockaddr_storage sa;
	socklen_t size;

	hole->fds[0] = listen_on(&hole->address, 0);
	size = to_sockaddr(&sa, &hole->address);
	for (int i = 1; i < 8; i++) {
		hole->fds[i] = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (hole->fds[i] < 0)
			die("socket");
		if (connect(hole->fds[i], (struct sockaddr *)&sa, size) < 0 &&
		    errno != EINPROGRESS && errno != EAGAIN)
			die("connect");
	}
}

void blackhole_open(struct blackhole *hole)
{
	hole->address = (struct address){ ADDRESS_INET, "127.0.0.1", 0 };
	fill(hole);
}

void blackhole_open_unix(struct blackhole *hole, const char *path)
{
	hole->address = (struct address){ .family = ADDRESS_UNIX };
	snprintf(hole->address.host, sizeof(hole->address.host), "%s", path);
	fill(hole);
}

void blackhole_close(struct blackhole *hole)
{
	for (int i = 0; i < 8; i++)
		close(hole->fds[i]);
	if (hole->address.family == ADDRESS_UNIX)
		unlink(hole->address.host);
}
