#pragma once

/*
 * Points in time as people write them, after systemd.time(7):
 *
 *   2026-11-25 10:00[:30[.5]]   2026-11-25   10:00[:30]   (local time, " UTC" behind it: UTC)
 *   2026-11-25T10:00:00Z   2026-11-25T10:00:00.5+01:00    (RFC 3339)
 *   now  today  yesterday  tomorrow  @1764064800
 *   -1h30m   +5min   "2 days ago"
 */

#include <stdint.h>

/* 0; -EINVAL when it is none, or lies outside of the years 1970 to 9999. */
int when_parse(const char *text, int64_t now_wall_ms, int64_t *ret_wall_ms);

/* A span as it stands in one: "1h 30min", "2 days", "90" (seconds). 0, -EINVAL. */
int when_parse_span(const char *text, uint64_t *ret_ms);
