/*
 * Profiles of pprof's of hostile bytes: they are read or refused.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "profile/profile.h"
#include "profile/read_pprof.h"
#include "profile_sane.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile profile;
	int r = profile_parse_pprof(&profile, data, size);

	if (r == 0)
		profile_check(&profile);
	else if (r != -EBADMSG && r != -E2BIG && r != -ENODATA)
		abort();
	profile_fini(&profile);
	return 0;
}
