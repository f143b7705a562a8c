/*
 * What series_state.c and guard.c do not have yet.
 */

#include "capture/guard.h"
#include "capture/series.h"
#include "json/write.h"

#define WEAK __attribute__((weak))

WEAK void series_write(const struct captures *captures, struct json_writer *w)
{
	(void)captures;
	json_write_array(w);
	json_write_array_end(w);
}

WEAK int series_read(struct captures *captures, const struct tree *array)
{
	(void)captures;
	(void)array;
	return 0;
}

WEAK enum capture_refusal guard_judge_again(const struct captures *captures,
					    const struct target *target,
					    const struct capture *capture, struct err *err)
{
	(void)captures;
	(void)target;
	(void)capture;
	(void)err;
	return REFUSAL_NONE;
}
