#pragma once

/* SHA-1 (RFC 3174), for the handshake of WebSocket, which is the one thing it is still good for. */

#include <stddef.h>
#include <stdint.h>

enum { SHA1_SIZE = 20 };

void sha1(uint8_t dst[SHA1_SIZE], const void *data, size_t size);
