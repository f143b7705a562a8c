#pragma once

/*
 * Profiles of pprof's (github.com/google/pprof, proto/profile.proto) read: our own, those of Go,
 * and of whatever else writes them. Not packed by gzip any more.
 *
 * Of several columns of bytes it is the one that the file calls its default, else the last, as go
 * tool pprof has it; beside it stands the number of the same objects, or of the samples. A function
 * is told by name, file and first line, not by the line that allocates; one that was inlined is a
 * call like others; what has no name is called by its address. Mappings, labels and comments are
 * left out.
 */

#include <stddef.h>

struct profile;

/*
 * 0; -EBADMSG: it is no such profile, or damaged, or the difference of two, which has less than
 * nothing; -ENODATA: nothing in it is of bytes; -E2BIG: too many calls, or too deep; -ENOMEM. fini
 * in any case.
 */
int profile_parse_pprof(struct profile *ret, const void *data, size_t size);
