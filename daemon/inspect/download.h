#pragma once

/*
 * Downloads: the capture half of a dialect, run to its end on a capture thread. A blocking wire
 * brings frames, the JSON scanner turns them into events, the dialect picks the pieces of the
 * snapshot and hands them to the sink as they come. Memory is constant whatever the size.
 */

#include "net/address.h"
#include "net/wire.h"
#include "util/err.h"
#include "json/scan.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dialect;

enum download_result {
	DOWNLOAD_E_REFUSED = 1, /* the runtime answered with an error */
	DOWNLOAD_E_EXITING = 2, /* the program wants to exit; we left */
	DOWNLOAD_E_LOST = 3, /* the connection ended before the end of the snapshot */
};

struct download_request {
	const struct dialect *dialect;
	struct address address;
	char path[256]; /* of the WebSocket */
	char isolate[64]; /* "main", "worker:3" */
	uint64_t connect_ns;
	uint64_t idle_ns; /* longest silence */
	uint64_t total_ns;
	int cancel_fd; /* readable: give up */

	/* Takes the bytes of the snapshot in order. Not 0 ends the download with that result. */
	int (*sink)(void *owner, const char *data, size_t size);
	/* The target said how far it is (0..1); may be NULL. */
	void (*progress)(void *owner, double share);
	void *owner;
};

struct download_stats {
	uint64_t bytes; /* of the snapshot */
	uint64_t wire_bytes;
	uint64_t duration_ns; /* connect to last words */
	uint64_t first_byte_ns; /* request to the first byte */
};

/* 0; a download_result; -ETIMEDOUT, -ECANCELED, -EPROTO, the sink's own. Text in err. */
int download_run(const struct download_request *request, struct download_stats *stats,
		 struct err *err);

/* ---- for dialects ---- */

struct download {
	const struct download_request *request;
	struct download_stats *stats;
	struct err *err;
	struct wire wire;
	struct json_scan scan;
	char *scan_buffer; /* owned */
	void *state; /* owned, dialect->download_size bytes */
	int32_t next_id;
	uint64_t started_ns;
	bool done; /* the dialect has seen the end of the snapshot */
};

int download_ask(struct download *download, const char *method, const char *params,
		 int32_t *ret_id);
int download_piece(struct download *download, const char *data, size_t size);
