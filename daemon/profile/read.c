/*
 * A profile of either kind
 *
 * JSON begins with a brace, which in a protobuf would begin a group, which pprof has none of. White
 * space before it may be the key of a field too, but is none that a brace stands behind.
 */

#include "profile/read.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "profile/read_pprof.h"
#include "profile/read_v8.h"

static bool is_json(const char *text, size_t size)
{
	size_t i = 0;

	while (i < size && text[i] != '\0' && strchr(" \t\r\n", text[i]) != NULL)
		i++;
	return i < size && text[i] == '{';
}

int profile_read(struct profile *ret, const char *text, size_t size)
{
	return is_json(text, size) ? profile_parse(ret, text, size)
				   : profile_parse_pprof(ret, text, size);
}

const char *profile_read_error(int r)
{
	if (r == -ENODATA)
		return "it is a profile of something else than memory: nothing in it is of bytes";
	if (r == -E2BIG)
		return "it has more calls, or deeper ones, than are looked at";
	return "it is no profile of V8's (.heapprofile) or pprof's (.pb.gz), or it is damaged";
}
