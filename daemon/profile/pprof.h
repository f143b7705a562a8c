#pragma once

/*
 * Profiles for pprof (github.com/google/pprof, proto/profile.proto), not yet packed by gzip.
 *
 * The values of each stack are named after what they are: inuse_space or alloc_space in bytes, or
 * space where a file does not say which; and inuse_objects or alloc_objects where objects were
 * counted, else samples.
 */

struct buf;
struct profile;

/* 0 or the buffer's error; -ENOMEM. */
int profile_write_pprof(const struct profile *profile, struct buf *buf);
