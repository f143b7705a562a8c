#pragma once

/* Random numbers: getrandom(2) for ids, a small generator for jitter. */

#include <stddef.h>
#include <stdint.h>

/* size bytes from the kernel; 0 or -errno. */
int rand_bytes(void *dst, size_t size);

/* n random bytes as 2n lower-case hex digits, terminated; dst holds 2n+1. */
int rand_hex(char *dst, size_t n);

/* Uniform in [0, 1); seeded from the kernel at first use. Not for secrets. Control thread only. */
double rand_unit(void);
