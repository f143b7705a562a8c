#pragma once

/*
 * Where inspectors may be: the listening sockets of processes that are known JavaScript runtimes,
 * by the file name of their program, or by what WebKit was told to do. Nobody is spoken to.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "net/address.h"
#include "net/process.h"

/* What an inspector of that program would answer (ctl/ask.h). */
enum question { ASK_VERSION, ASK_HELLO, ASK_PAGES };

struct candidate {
	int64_t pid;
	uint64_t inode;
	enum question question;
	char name[PROCESS_NAME_MAX]; /* of its script, else of its program */
	struct address bound; /* where it listens: may be all addresses */
	bool inner; /* a workerd that another runtime runs: see discover.c */
	char path[ADDRESS_PATH_MAX]; /* of its WebSocket, where it was told one; else "" */
};

struct candidates {
	struct candidate *items; /* owned */
	size_t n, capacity;
	bool more; /* than are looked at */
	/* Processes of known runtimes that were left out: */
	size_t unreadable; /* of other users */
	size_t elsewhere; /* in other network namespaces */
};

/* proc is where /proc is. 0, -ENOMEM, -errno. candidates_fini() in any case. */
int candidates_find(struct candidates *ret, const char *proc);
void candidates_fini(struct candidates *candidates);
