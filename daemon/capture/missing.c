/*
 * What state.c and guard.c do not have yet: weak, so that the linker prefers the real ones.
 */

#include "capture/guard.h"
#include "capture/state.h"

#define WEAK __attribute__((weak))

WEAK int state_open(struct captures *captures, int dir_fd)
{
	(void)captures;
	(void)dir_fd;
	return 0;
}

WEAK void state_close(struct captures *captures)
{
	(void)captures;
}

WEAK int state_text(struct captures *captures, char **ret, size_t *ret_size, uint64_t *ret_serial)
{
	(void)captures;
	(void)ret;
	(void)ret_size;
	(void)ret_serial;
	return 0;
}

WEAK int state_write(struct state_file *file, const char *text, size_t size, uint64_t serial)
{
	(void)file;
	(void)text;
	(void)size;
	(void)serial;
	return 0;
}

WEAK void state_set_open(struct captures *captures, const char *target, bool on)
{
	(void)captures;
	(void)target;
	(void)on;
}

WEAK bool state_take_open(struct captures *captures, const char *target)
{
	(void)captures;
	(void)target;
	return false;
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
