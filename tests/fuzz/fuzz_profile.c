/*
 * Profiles of V8's of hostile bytes: they are read or refused.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "profile/read_v8.h"
#include "profile_sane.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile profile;
	int r = profile_parse(&profile, (const char *)data, size);

	if (r == 0)
		profile_check(&profile);
	else if (r != -EBADMSG && r != -E2BIG)
		abort();
	profile_fini(&profile);
	return 0;
}
