#pragma once

/*
 * Writer: where the bytes of a capture under way go. They gather into large blocks, are summed as
 * they pass, and the disk is kept busy behind them. Lives on a capture thread; of the spool it
 * touches the descriptors and the account of space only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "spool/digest.h"
#include "util/file.h"

struct spool;

struct writer_limits {
	uint64_t file_max_bytes;
	uint64_t max_use_bytes; /* of the spool; 0: no limit */
	uint64_t keep_free_bytes; /* on the file system */
};

struct writer {
	struct spool *spool; /* borrowed */
	struct writer_limits limits;
	struct file file;
	struct digest *digest; /* owned */
	char *buffer; /* owned */
	size_t used;
	uint64_t claimed; /* of the spool's space */
	const char *full; /* after FILE_E_FULL: which limit it was */
};

/* 0, FILE_E_FULL, -errno. */
int writer_open(struct writer *writer, struct spool *spool, const struct writer_limits *limits);

/* 0; FILE_E_FULL when a limit is reached or the disk is full; -errno. */
int writer_put(struct writer *writer, const void *data, size_t size);

/*
 * All is written: sync, and the sum. writer->file is then to be published, its bytes stay claimed;
 * writer_fini() still frees the rest. 0, FILE_E_FULL, -errno.
 */
int writer_finish(struct writer *writer, char sha256[DIGEST_HEX_MAX]);

/* The bytes are the spool's now: writer_fini() gives nothing back. */
void writer_keep(struct writer *writer);

/* Deletes what was not published. Safe on a zeroed one, and twice. */
void writer_fini(struct writer *writer);
