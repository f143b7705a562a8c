#pragma once

/* Verify: is a capture on the disk what its manifest says? */

struct err;
struct manifest;

enum verify_result {
	VERIFY_E_MISSING = 1, /* there is no such file */
	VERIFY_E_TRUNCATED = 2, /* shorter than the manifest says */
	VERIFY_E_DAMAGED = 3, /* other bytes */
};

/* Reads file, scripts and report whole. 0, a verify_result with the reason in err, -errno. */
int verify_capture(int ready_fd, const struct manifest *manifest, struct err *err);
