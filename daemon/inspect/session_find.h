#pragma once

/*
 * The first half of a session: what runtime listens there, and where it can be connected to. Ends
 * with session_found() or session_fail().
 */

#include "inspect/session.h"
#include "net/http_call.h"

/* 0 or -errno, then nothing is under way. */
int find_begin(struct session *session);

/* Ask again for the list of a known runtime. */
void find_again(struct session *session);

/* GET a path of the inspector; fn gets the session. 0 or -errno. */
int find_get(struct session *session, const char *path, http_done_fn *fn);

/* ---- back to the session ---- */

/* The channels are those of the list. */
void session_found(struct session *session);
