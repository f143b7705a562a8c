#pragma once

/*
 * A scripted server: a thread that accepts one connection after the other and runs a script on
 * each. Scripts do not assert (they are not on the test's thread); they leave what they saw in
 * their argument, to be looked at after server_stop(). All their reads and writes have a deadline.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/address.h"

enum { PEER_HEAD_MAX = 8192, PEER_PATIENCE_S = 20 };

struct peer {
	int fd;
	void *arg;
	char head[PEER_HEAD_MAX]; /* of the request, terminated */
};

typedef void peer_script(struct peer *peer);

struct server {
	struct address address;
	int fd;
	peer_script *script;
	void *arg;
	int connections; /* atomic */
	pthread_t thread;
};

/* Listens on 127.0.0.1, or where *address (of a numeric host and port 0, or a unix path) says. */
void server_start(struct server *server, const struct address *address, peer_script *script,
		  void *arg);

/* Waits for the script under way; returns how many connections there were. */
int server_stop(struct server *server);

/* Read the request's head. false at the end of the connection. */
bool peer_read_head(struct peer *peer);

/* The value of a header of the request, or NULL. */
char *peer_header(struct peer *peer, const char *name, char *dst, size_t size);

/* Read the head and answer with a right upgrade. */
bool peer_upgrade(struct peer *peer);

bool peer_write(struct peer *peer, const void *data, size_t size);
bool peer_puts(struct peer *peer, const char *text);

/* One unmasked frame; first is its first byte as it is: 0x81 is a whole text. */
bool peer_frame(struct peer *peer, unsigned first, const void *data, size_t size);

/* Read one masked frame, unmask it into dst (terminated). Its first byte, or -1 at the end or when
 * the frame is not masked. */
int peer_read_frame(struct peer *peer, char *dst, size_t size, size_t *ret_size);

/* Reads until the client closes; false when it does not. */
bool peer_wait_end(struct peer *peer);

/* The next close() of the connection is a RST. */
void peer_reset(struct peer *peer);

/* A listener whose queue is full: what connects to it gets no answer at all. */
struct blackhole {
	struct address address;
	int fds[8];
};

void blackhole_open(struct blackhole *hole);
void blackhole_open_unix(struct blackhole *hole, const char *path);
void blackhole_close(struct blackhole *hole);
