#pragma once

/* What holds of every profile that was read, whatever it was read from; aborts where it does not.
 */

struct profile;

void profile_check(struct profile *profile);
