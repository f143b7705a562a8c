#pragma once

/* Command lines without secrets. A part of procfs.c. */

#include <stddef.h>

/*
 * args: NUL-separated, as /proc/PID/cmdline has them. The program, its script and what sets its
 * memory and its inspector stay; of other options only the name, and all else is ***. dst is
 * terminated; what does not fit is left out.
 */
void command_describe(const char *args, size_t size, char *dst, size_t dst_size);
