/*
 * Byte ranges
 *
 * `bytes=A-B`, `bytes=A-`, `bytes=-LAST`. A header that is ill-formed is ignored and the whole file
 * sent, as the RFC says; only a well-formed range outside of the file is refused. Several ranges in
 * one request would need multipart bodies: they are ignored as well, which every client must bear.
 */

#include "http/range.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <strings.h>

/* Digits at *at, moved past them. Values over 2^63 stick there: they lie behind every file. */
static bool read_number(const char **at, uint64_t *ret)
{
	uint64_t value = 0;
	const char *p = *at;

	if (!isdigit((unsigned char)*p))
		return false;
	for (; isdigit((unsigned char)*p); p++) {
		if (value > (INT64_MAX - 9) / 10)
			value = INT64_MAX;
		else
			value = value * 10 + (uint64_t)(*p - '0');
	}
	*at = p;
	*ret = value;
	return true;
}

static enum range_verdict suffix(const char *at, uint64_t file_size, struct byte_range *ret)
{
	uint64_t last;

	if (!read_number(&at, &last) || *at != '\0')
		return RANGE_WHOLE;
	if (last == 0 || file_size == 0)
		return RANGE_UNSATISFIABLE;
	if (last > file_size)
		last = file_size;
	*ret = (struct byte_range){ .first = file_size - last, .size = last };
	return RANGE_PART;
}

enum range_verdict range_parse(const char *header, uint64_t file_size, struct byte_range *ret)
{
	uint64_t first, last = INT64_MAX;
	const char *at = header;

	*ret = (struct byte_range){ .first = 0, .size = file_size };
	if (at == NULL || strncasecmp(at, "bytes=", 6) != 0)
		return RANGE_WHOLE;
	at += 6;
	if (*at == '-')
		return suffix(at + 1, file_size, ret);
	if (!read_number(&at, &first) || *at++ != '-')
		return RANGE_WHOLE;
	if (*at != '\0' && (!read_number(&at, &last) || *at != '\0' || last < first))
		return RANGE_WHOLE;
	if (first >= file_size)
		return RANGE_UNSATISFIABLE;
	if (last >= file_size)
		last = file_size - 1;
	*ret = (struct byte_range){ .first = first, .size = last - first + 1 };
	return RANGE_PART;
}
