#pragma once

/*
 * A scripted inspector: the HTTP endpoints and the WebSocket of a JavaScript runtime, each
 * connection on a thread of its own. It speaks enough CDP to be found, polled and captured, and can
 * be told to misbehave. What it was told is kept for the test to look at; nothing here asserts,
 * for its threads are not the test's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_inspector;

/* How it answers takeHeapSnapshot, and how what it says travels. All zero: one whole frame each. */
struct fake_script {
	const char *snapshot; /* what the chunks carry */
	size_t snapshot_size;
	size_t chunk; /* bytes of it per chunk; 0: 1000 */
	bool escape_all; /* every character of a chunk as \uXXXX */
	bool odd_reply; /* the answer has method and params, as workerd's, and no result */
	const char *refuse; /* answer with this error instead */
	const char *before; /* a message of its own before the chunks */
	const char *middle; /* and after the first of them */
	const char
		*scripts; /* what Debugger.enable tells before its answer: messages, one a line */
	bool no_debugger; /* it has no such domain */
	bool busy; /* never begin: neither garbage nor snapshot */
	bool slow; /* begin only when it is told something more, and answer that after */
	bool mute; /* answer nothing about scripts */
	bool frozen; /* answer nothing about the heap in use */
	bool silent; /* never answer */
	bool exiting; /* and close the port, as a program does that waits for us to leave */
	bool endless; /* begin again after the last chunk, until it is told something */
	bool deaf; /* never answer HeapProfiler.disable */
	bool gone; /* close in good order after the first chunk */
	bool taken; /* the same, as a proxy does that bears one client */
	unsigned turns_away; /* so many connections first, as such a proxy does */
	unsigned pace_ms; /* wait so long after each chunk */
	bool hold; /* wait for fake_release() after the first chunk */
	const char
		*tracking; /* messages after it began to track, one a line; NULL: it refuses to */
	const char *worker; /* title of a worker thread whose isolate it is; NULL: the main one */
	bool worker_late; /* it is told after the answer to NodeWorker.enable, as Deno does */
	bool worker_ends; /* after the first chunk */
	size_t fragment; /* payload bytes per frame */
	size_t dribble; /* bytes per write(2) */
	size_t cut; /* break the connection after so many bytes of frames */
};

/* NULL when it cannot be started. The script is borrowed. */
struct fake_inspector *fake_start(const struct fake_script *script);

/* Breaks all connections and waits for its threads. */
void fake_stop(struct fake_inspector *fake);
uint16_t fake_port(const struct fake_inspector *fake);

/* The path its WebSocket has. */
extern const char fake_path[];

/* How many messages it was told that contain the text. */
unsigned fake_heard(struct fake_inspector *fake, const char *text);

/* Wait for that many of them: false after ten seconds. */
bool fake_await(struct fake_inspector *fake, const char *text, unsigned n);
void fake_release(struct fake_inspector *fake);

/* The i-th message it was told, or NULL; valid until fake_stop(). */
const char *fake_message(struct fake_inspector *fake, unsigned i);

/* Bytes of frames it has sent on all connections. */
uint64_t fake_sent(struct fake_inspector *fake);
