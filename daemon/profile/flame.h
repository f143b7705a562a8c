#pragma once

/*
 * Flame graphs: a profile as one SVG that needs nothing else, no script and no style sheet from
 * elsewhere. The widest is the root at the top, what it calls hangs below, as wide as its bytes.
 * Each frame has its name, bytes and share as its title. Equal profiles give equal bytes.
 */

struct buf;
struct profile;

/*
 * title is what it is of; NULL: only what the profile says. With a base (may be NULL) the colours
 * tell the change from it: red where there is more now, blue where there is less. 0, the buffer's
 * error, -ENOMEM.
 */
int profile_write_flame(const struct profile *profile, const struct profile *base,
			const char *title, struct buf *buf);
