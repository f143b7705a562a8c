#pragma once

/* The Range header of RFC 9110 for one range of bytes. */

#include <stdint.h>

enum range_verdict {
	RANGE_WHOLE, /* none asked, or one we may ignore: several ranges, another unit, ill-formed
		      */
	RANGE_PART,
	RANGE_UNSATISFIABLE, /* nothing of it lies in the file: 416 */
};

struct byte_range {
	uint64_t first, size;
};

/* header NULL: whole. ret is set for RANGE_WHOLE and RANGE_PART. */
enum range_verdict range_parse(const char *header, uint64_t file_size, struct byte_range *ret);
