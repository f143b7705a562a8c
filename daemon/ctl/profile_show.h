#pragma once

/* Tables of profiles, for people and as JSON. Both return an enum ctl_exit. */

#include "ctl/options.h"

struct err;
struct profile;

int profile_show_top(const struct profile *profile, const struct ctl_options *options,
		     struct err *err);
int profile_show_diff(const struct profile *base, const struct profile *profile,
		      const struct ctl_options *options, struct err *err);
