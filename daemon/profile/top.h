#pragma once

/* Tables of functions: what each allocated itself, and with all that it calls. */

#include <stddef.h>
#include <stdint.h>

struct profile;

struct profile_row {
	uint32_t function;
	uint64_t self_bytes, self_count;
	uint64_t total_bytes; /* once where a function calls itself */
};

/* Those with bytes, most of its own first, then by total and name. Freed by the caller. 0, -ENOMEM.
 */
int profile_top(const struct profile *profile, struct profile_row **ret, size_t *ret_n);

struct profile_change {
	uint32_t function; /* in `names` */
	uint64_t base_bytes, bytes; /* of its own */
	uint64_t base_count, count;
};

/*
 * The functions of both, the largest change of bytes first, grown before shrunk; those without a
 * change are left out. names is empty but for its root before, and has their functions after; rows
 * are freed by the caller. 0, -ENOMEM, -E2BIG.
 */
int profile_diff(const struct profile *base, const struct profile *profile, struct profile *names,
		 struct profile_change **ret, size_t *ret_n);
