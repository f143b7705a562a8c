#pragma once

/* Times of the day, as people give them for every day: "08:00-09:00", "22:30-06:00". */

#include <stdbool.h>
#include <stdint.h>

enum { DAY_TIMES_MAX = 8, DAY_SPAN_TEXT_MAX = 16 };

struct day_span {
	uint16_t from_min, to_min; /* minutes of the local day; to before from: over midnight */
};

/* Plain values. */
struct day_times {
	struct day_span items[DAY_TIMES_MAX];
	unsigned n;
};

/* "HH:MM-HH:MM"; the end may be 24:00. -EINVAL also when it ends where it begins. */
int day_span_parse(const char *text, struct day_span *ret);
char *day_span_format(char dst[DAY_SPAN_TEXT_MAX], const struct day_span *span);

/* The first span the minute lies in, or NULL. The end is outside. */
const struct day_span *day_times_find(const struct day_times *times, unsigned minute);
bool day_times_equal(const struct day_times *a, const struct day_times *b);

/* The minute of the day where this machine stands (TZ). */
unsigned day_minute(int64_t wall_ms);
