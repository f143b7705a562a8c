#pragma once

/*
 * age v1, the half that opens, as a stage: whoever has an identity gets the plain bytes back. The
 * daemon does not link it (docs/adr/0007): a daemon that is taken over opens no old capture.
 *
 * Every chunk is authenticated before its bytes go on. That none is missing at the end is known
 * only when stage_finish() gives 0: until then what came out may be a part, and after a failure it
 * is to be thrown away.
 */

#include "ctl/identity.h"

struct err;
struct stage;

/*
 * identities is borrowed for as long as the stage lives. 0, -ENOMEM, -ENOSYS; -EINVAL when there is
 * no identity.
 *
 * stage_put() and stage_finish() give, besides what stages give: -ENOKEY when none of the
 * identities opens the file; -EBADMSG when it is not age, malformed, damaged, forged or cut short.
 * The stage's error says which.
 */
int unseal_new(struct stage **ret, const struct identities *identities, struct stage *next,
	       struct err *err);
