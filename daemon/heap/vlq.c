/*
 * Numbers of source maps
 */

#include "heap/vlq.h"

#include <errno.h>

#include "util/base64.h"

enum { BITS = 5, MORE = 1 << BITS, BITS_MAX = 32 };

int vlq_read(const char **at, const char *end, int64_t *ret)
{
	uint64_t value = 0;
	unsigned shift = 0;

	for (; *at < end && shift <= BITS_MAX; shift += BITS) {
		int digit = base64_digit(**at);

		if (digit < 0)
			return -EBADMSG;
		(*at)++;
		value |= (uint64_t)(digit & (MORE - 1)) << shift;
		if ((digit & MORE) == 0) {
			*ret = value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
			return value >> 1 <= INT32_MAX ? 0 : -EBADMSG;
		}
	}
	return -EBADMSG;
}
