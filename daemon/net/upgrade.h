#pragma once

/* The HTTP upgrade to WebSocket, client side (RFC 6455 4.1), pure: texts in, texts out. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

enum {
	UPGRADE_PATH_MAX = 1024,
	UPGRADE_REQUEST_MAX = 8192, /* the longest there is */
	UPGRADE_KEY_MAX = 25, /* 16 random bytes in base64 */
	UPGRADE_ACCEPT_MAX = 29, /* a SHA-1 in base64 */
};

/*
 * A header of ours beyond RFC 6455. Bun keeps a program alive while a client is connected unless
 * this says that it should not; nobody else knows it.
 */
#define UPGRADE_HEADER_NAME  "Ref-Event-Loop:"
#define UPGRADE_HEADER_VALUE "0"

/* An absolute path of visible ASCII: nothing in it can end the request line. */
bool upgrade_path_valid(const char *path);

char *upgrade_key(char dst[UPGRADE_KEY_MAX], const uint8_t nonce[16]);

/*
 * The whole request, appended. host is the Host header's value; token is one word (net/access.h),
 * NULL: none. buf->error.
 */
int upgrade_request(struct buf *buf, const char *path, const char *host, const char *key,
		    const char *token);

/* What the server must answer to a key. */
char *upgrade_accept(char dst[UPGRADE_ACCEPT_MAX], const char *key);

/* Check the server's whole head, up to and with the empty line. 0 or -EPROTO with text in err. */
int upgrade_check(const char *head, size_t size, const char *key, struct err *err);
