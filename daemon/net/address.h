#pragma once

/*
 * Where an inspector listens. Written as host:port, [v6]:port, a bare port (loopback),
 * ws://host:port/path, http://host:port, unix:/path, and wss:// or https:// for TLS. The host must
 * be numeric or "localhost" for inspectors: their DNS-rebinding guard refuses names, and a resolver
 * must never block the loop. The path is that of a WebSocket which cannot be discovered (Bun's);
 * where it can, none is needed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct access;
struct err;
struct sockaddr_storage;

enum address_family { ADDRESS_INET, ADDRESS_INET6, ADDRESS_UNIX };

enum { ADDRESS_HOST_MAX = 108, ADDRESS_PATH_MAX = 128, ADDRESS_TEXT_MAX = 256 };

struct address {
	enum address_family family;
	char host[ADDRESS_HOST_MAX]; /* numeric, without brackets; or the path of a unix socket */
	uint16_t port;
	char path[ADDRESS_PATH_MAX]; /* "/path"; "" for none */
	bool is_tls;
	/* How to be let in (net/access.h); NULL: nothing special. Not parsed, not compared; whoever
	 * keeps the address says who holds it. */
	struct access *access;
};

int address_parse(struct address *address, const char *text, struct err *err);

/* "127.0.0.1:9229", "[::1]:9229/path", "wss://10.0.0.1:9229", "unix:/path". */
char *address_format(char dst[ADDRESS_TEXT_MAX], const struct address *address);

/* What an inspector takes as Host header: without the path, "localhost" for a unix socket. */
char *address_host_header(char dst[ADDRESS_TEXT_MAX], const struct address *address);

bool address_equal(const struct address *a, const struct address *b);

/*
 * Are they on one host, as far as addresses tell? A unix socket is on ours, as 127.0.0.1 and ::1
 * are; other addresses of loopback may lead elsewhere, through tunnels.
 */
bool address_same_host(const struct address *a, const struct address *b);

/*
 * Is the host ours, as the kernel's routes are now? 127.0.0.1, ::1, unix sockets and the addresses
 * of our own interfaces are. Sends nothing. False also when the kernel does not tell.
 */
bool address_is_ours(const struct address *address);

/* A loopback address or a unix socket. */
bool address_is_local(const struct address *address);

/* Not an address but all of the host: 0.0.0.0, ::. */
bool address_is_any(const struct address *address);

/* Where connect(2) goes. Its size; 0 when the host is not numeric. */
size_t address_to_sockaddr(const struct address *address, struct sockaddr_storage *dst);

/* The way back. False when it is of another family, or a unix socket without a path. */
bool address_from_sockaddr(struct address *address, const struct sockaddr_storage *from);
