#pragma once

/* Listening sockets: "host:port", "[v6]:port", ":port" (every address), "unix:/path". */

#include <stdbool.h>
#include <stdint.h>

struct err;

enum { LISTEN_PATH_MAX = 108 };

struct listen_socket {
	int fd; /* owned until given away; -1: none */
	bool loopback; /* reachable from this host only; so is a unix socket */
	bool unix_domain;
	uint16_t port;
	char path[LISTEN_PATH_MAX]; /* of a unix socket we made: unlinked by listen_close() */
};

/* Bind and listen. 0 or -errno with the address in err. */
int listen_open(struct listen_socket *ret, const char *address, struct err *err);

/* A descriptor passed by systemd that listens already. */
int listen_adopt(struct listen_socket *ret, int fd, struct err *err);

/* Does this passed socket listen at that very address already? */
bool listen_is(const struct listen_socket *socket, const char *address);

/* Where it listens, as one would write it: "127.0.0.1:19229", "[::1]:80", "unix:/path". */
enum { LISTEN_NAME_MAX = 128 };
char *listen_name(char dst[LISTEN_NAME_MAX], const struct listen_socket *socket);

/*
 * Where a browser finds it: "http://127.0.0.1:19229/", https where there is TLS, by the name of
 * this host where it is all of its addresses; "" of a unix socket.
 */
char *listen_url(char dst[LISTEN_NAME_MAX], const struct listen_socket *socket, bool tls);

/* Closes fd when it is still owned and removes the unix socket. Safe twice. */
void listen_close(struct listen_socket *socket);
