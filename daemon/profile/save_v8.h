#pragma once

/* Profiles that did not come from V8, as V8 would have written them, with our own member. */

struct buf;
struct profile;

/*
 * A .heapprofile (profile/read_v8.h). Each function with bytes of its own is one sample, which has
 * their `count` besides. 0 or the buffer's error.
 */
int profile_save_v8(const struct profile *profile, struct buf *buf);

/* Only our member, `"heapwatchd":{...}`. As above. */
int profile_save_member(const struct profile *profile, struct buf *buf);
