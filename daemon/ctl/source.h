#pragma once

/*
 * Where captures come from: the daemon over HTTP, or the folder of the spool itself (-D), which
 * works with the daemon stopped. What fails is an enum ctl_exit, the reason in err; err->code is
 * -ENOENT when a capture or its file is not there.
 */

#include "ctl/options.h"
#include "spool/manifest.h"
#include "spool/select.h"

struct err;
struct source;
struct stage;

struct item {
	struct manifest manifest;
	enum presence file;
};

struct item_array {
	struct item *items; /* owned */
	size_t n, capacity;
};

/* NULL on -ENOMEM; else the new last item, zeroed. */
struct item *item_array_add(struct item_array *array);
void item_array_fini(struct item_array *array);

enum part { PART_CAPTURE, PART_SCRIPTS, PART_REPORT };

/* What the manifest says of a part; name "": there is none. */
struct part_file {
	const char *name, *sha256; /* borrowed */
	uint64_t bytes;
};

struct part_file source_part(const struct manifest *manifest, enum part part);

/* What a forced collection of garbage has come to. */
struct gc_result {
	char isolate[64];
	bool has_before, has_after; /* freed_bytes are known when both are */
	uint64_t before_bytes, after_bytes, freed_bytes;
	double seconds;
};

/* How far a capture is. */
struct capture_look {
	bool done; /* it is in the spool */
	/* It is the first of a tracking, or of the two files of a profile in both formats. */
	bool has_second;
	char second[CAPTURE_ID_MAX]; /* the id of the other; "": it has not begun, or is gone */
};

struct source_ops {
	/* All captures, in any order. */
	int (*list)(struct source *source, struct item_array *ret, struct err *err);

	/* Put the bytes as they are on the disk into a stage; finishing it is the caller's. */
	int (*fetch)(struct source *source, const struct manifest *manifest, enum part part,
		     struct stage *to, struct err *err);
	int (*remove)(struct source *source, const char *id, struct err *err);
	int (*pin)(struct source *source, const char *id, bool pinned, struct err *err);
	int (*vacuum)(struct source *source, const struct vacuum_wish *wish, uint64_t *ret_files,
		      uint64_t *ret_bytes, struct err *err);
	/*
	 * Ask for a capture: payload is the JSON body of the API. NULL: it cannot, as without a
	 * daemon, which look then is too.
	 */
	int (*capture)(struct source *source, const char *target, const char *payload,
		       char ret_id[CAPTURE_ID_MAX], struct err *err);
	/* What a profile that runs has so far, as a capture of its own. NULL: as capture. */
	int (*peek)(struct source *source, const char *id, char ret_id[CAPTURE_ID_MAX],
		    struct err *err);
	/* Where it is; CTL_FAILURE also when it came to nothing. */
	int (*look)(struct source *source, const char *id, struct capture_look *ret,
		    struct err *err);
	/* isolate NULL: the main one. */
	int (*collect)(struct source *source, const char *target, const char *isolate,
		       struct gc_result *ret, struct err *err);
	void (*free)(struct source *source);
};

struct source {
	const struct source_ops *ops;
};

/* By the options. CTL_OK, or an exit with the reason in err. */
int source_open(struct source **ret, const struct ctl_options *options, struct err *err);
void source_free(struct source *source); /* NULL is fine */

/* The options are borrowed for as long as it is open. */
int source_http_open(struct source **ret, const struct ctl_options *options, struct err *err);
int source_directory_open(struct source **ret, const char *path, struct err *err);

/* Fill err (may be NULL) and return the exit. */
int source_fail(struct err *err, int exit, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
