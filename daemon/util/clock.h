#pragma once

/*
 * Time. Monotonic nanoseconds for logic, wall milliseconds for people; each name says which.
 * Wall time is never compared. Tests may set both by hand (simulated time), and time since boot is
 * monotonic time then.
 */

#include <stdint.h>

#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

uint64_t clock_mono_ns(void);
int64_t clock_wall_ms(void); /* Unix epoch */
uint64_t clock_boot_ns(void); /* since boot with the time asleep, as the kernel dates processes */

/* RFC 3339 in UTC with milliseconds: 2026-01-31T23:59:59.999Z. dst is returned. */
enum { CLOCK_TEXT_MAX = 32 };
char *clock_format(char dst[CLOCK_TEXT_MAX], int64_t wall_ms);

/* Compact UTC stamp for file names: 20260131T235959Z. */
char *clock_format_stamp(char dst[CLOCK_TEXT_MAX], int64_t wall_ms);

/*
 * Which start of the machine this is, as a text of its own; within one, all processes have the same
 * monotonic time. 0, -errno where it is not told.
 */
enum { CLOCK_BOOT_MAX = 40 };
int clock_boot(char dst[CLOCK_BOOT_MAX]);

/* From now on time stands at these values until set again; clock_real() goes back. */
void clock_simulate(uint64_t mono_ns, int64_t wall_ms);
void clock_real(void);
