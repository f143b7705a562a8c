#pragma once

/* A profile of V8's (.heapprofile) or of pprof's (.pb, .pb.gz unpacked), known by how it begins. */

#include <stddef.h>

struct profile;

/* As profile_parse() and profile_parse_pprof(); fini in any case. */
int profile_read(struct profile *ret, const char *text, size_t size);

/* What they answer, for people: "it is no profile ...". Not of -ENOMEM. */
const char *profile_read_error(int r);
