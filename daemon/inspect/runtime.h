#pragma once

/*
 * Runtimes: what is known of each kind of program that has an inspector, as data. How it is
 * recognised, which dialect it speaks, how it wants to be watched (docs/RUNTIMES.md has the
 * reasons). To add one, add a line to the table and, when it speaks a protocol of its own, a
 * dialect.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dialect;
struct identity;
struct tree;

/* What a snapshot of it is written in. */
enum snapshot_format { SNAPSHOT_V8, SNAPSHOT_JSC, SNAPSHOT_GECKO };

/* What may be wished of a runtime that not each of them can give. */
enum ability {
	ABILITY_WORKERS, /* isolates of worker threads */
	ABILITY_REDACT_ALL, /* a snapshot whose names can be replaced */
	ABILITY_SAMPLING, /* a profile of what is allocated, by samples */
	ABILITY_CONTINUOUS, /* such profiles all the time */
	ABILITY_TIMELINE, /* what is allocated over a while, by time */
	ABILITY_TIMELINE_STACKS, /* or by stack */
	ABILITY_TRACKING, /* two snapshots of one connection, whose ids last */
	ABILITY_EXACT_IDS, /* one object, one id, in all snapshots of a series */
	ABILITY_GC_EVENTS, /* to be told of its collections of garbage */
	ABILITIES,
};

struct runtime {
	const char *name; /* the `runtime` label and the word in the configuration */
	const char *engine; /* the `engine` label */
	const struct dialect *dialect;
	const void *words; /* what its dialect says to it alone; of the dialect's own type */

	/* What it is started with, so that its inspector is on loopback only, for people; NULL:
	 * --inspect with an address, as most are. */
	const char *loopback;

	/* What its process is called, where that is the way to its pid; NULL where it tells it. */
	const char *program;

	/* Its isolates are in processes that come and go: the pid that is told is of none of them.
	 */
	bool apart;

	/* What the processes of its pages are called, as the kernel cuts it, where one may end
	 * without a word (watch/pages.h); NULL-terminated. NULL: none does. */
	const char *const *page_programs;

	/* How it is found: by /json/version, or by an answer to list_path that its dialect knows,
	 * or, with neither, by what it says first on a connection. */
	bool versioned;
	const char
		*list_path; /* GET for what can be connected to; NULL: there is nothing to list */

	bool many; /* several connections, which come and go: the list is asked again at each poll
		    */
	bool per_poll; /* `connection: auto` leaves after each poll */
	/* It may die of what it says to a client that has just gone: nobody leaves while an answer
	 * is owed (inspect/parting.h). */
	bool parts;
	/* It may die of a client that is gone in the midst of a snapshot: see inspect/abandoned.h.
	 */
	bool brittle;
	/* A second client disturbs the first: nobody polls while a capture is connected. */
	bool alone;
	/* A second client takes the channel from the first: whose it is taken from leaves it for
	 * ever longer whiles, or two would take it from each other for ever. */
	bool yields;
	/* What the peer says as it ends the first's; NULL: nothing, and any end may be that. */
	const char *yields_to;
	/* What a client has switched on stays on when it leaves: a proxy has the connection to the
	 * program, and keeps it. */
	bool lingers;
	/* A new connection is neither spoken on nor left for so long; 0: it may be at once. */
	uint64_t quiet_ns;
	/* Why a worker may never answer though its loop turns; NULL: there is no such reason. */
	const char *mute_worker_why;

	enum snapshot_format format;
	/* A snapshot of a heap of more bytes than these does harm; 0: no limit. */
	uint64_t heap_max;
	const char *heap_max_why;
	/* The same of those of a tracking, where these take another way; 0: they do not. */
	uint64_t tracking_max;
	const char *tracking_max_why;

	/* A sampling profile that lasts longer does harm; 0: no limit but the option's. */
	uint64_t sampling_max_ns;
	const char *sampling_max_why;

	/* Why a forced collection has not begun in time; NULL: its event loop is blocked. */
	const char *collects_late;

	const char *cannot[ABILITIES]; /* why; NULL: it can */
};

extern const struct runtime *const runtime_all[]; /* NULL-terminated */

/* Words of the configuration, NULL-terminated: "auto", then the names of runtime_all in order. */
extern const char *const runtime_words[];

/* By index in runtime_words; NULL for "auto". */
const struct runtime *runtime_of_word(int word);

/* Of that name; NULL. */
const struct runtime *runtime_named(const char *name);

enum { RUNTIME_TITLE_MAX = 32 };

/*
 * Name and version for people: "bun 1.4.5"; the name alone where the version is "", for WebKit and
 * workerd do not tell theirs. Returns dst.
 */
char *runtime_title(char dst[RUNTIME_TITLE_MAX], const struct runtime *runtime,
		    const char *version);

/* The largest heap in bytes a snapshot may be taken of, and why; 0: there is no limit. */
uint64_t runtime_heap_max(const struct runtime *runtime, bool tracking, const char **ret_why);

/*
 * What people should know of an inspector that is none of these, by its `Browser`: to be said after
 * "is not supported". "" where there is nothing.
 */
const char *runtime_hint(const char *browser);

/*
 * The runtime whose /json/version this is, or NULL. Runtime, engine and their versions, as far as
 * it says, go to identity.
 */
const struct runtime *runtime_of_version(const struct tree *version, struct identity *identity);
