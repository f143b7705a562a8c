#pragma once

/*
 * Which thread of which process runs what of a browser, out of the events of a trace of the
 * category disabled-by-default-devtools.timeline that a page's session asked for (observed on
 * Chromium 156; Chrome DevTools reads the same). The ids are those of targets. Processes are named
 * as the browser sees them, threads as their process does: in a sandbox its main thread is 1.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tree;

/* Does it tell which thread is a renderer's main one? It runs all the frames of its process. */
bool trace_main_thread(const struct tree *event, int64_t *ret_pid, int64_t *ret_tid);

/* Does it tell which thread a worker is? *ret_target is borrowed from the event. */
bool trace_worker(const struct tree *event, const char **ret_target, int64_t *ret_pid,
		  int64_t *ret_tid);

/* How many frames of the page it tells of; 0 of any other event. */
size_t trace_frames(const struct tree *event);

/*
 * One of them, which process it is in. A frame is told several times when documents that it showed
 * before are kept: the first is what it shows now. False when it is in none, for it crashed.
 */
bool trace_frame(const struct tree *event, size_t i, const char **ret_target, int64_t *ret_pid);
