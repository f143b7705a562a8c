/*
 * Random numbers
 *
 * Ids and temporary names come from getrandom(2). Jitter only has to differ between daemons that
 * started together, so it is SplitMix64 (Steele, Lea, Flood 2014): one word of state, no calls
 * into the kernel.
 */

#include "util/rand.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/random.h>

#include "util/clock.h"

int rand_bytes(void *dst, size_t size)
{
	unsigned char *at = dst;

	while (size > 0) {
		ssize_t n = getrandom(at, size, 0);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

int rand_hex(char *dst, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char *raw = (unsigned char *)dst + n;
	int r;

	/* The bytes lie in the upper half; digits are written from below and never overtake them.
	 */
	r = rand_bytes(raw, n);
	if (r < 0) {
		dst[0] = '\0';
		return r;
	}
	for (size_t i = 0; i < n; i++) {
		unsigned char byte = raw[i];

		dst[2 * i] = digits[byte >> 4];
		dst[2 * i + 1] = digits[byte & 0xf];
	}
	dst[2 * n] = '\0';
	return 0;
}

double rand_unit(void)
{
	static bool seeded;
	static uint64_t state;
	uint64_t z;

	if (!seeded) {
		if (rand_bytes(&state, sizeof(state)) < 0)
			state = clock_mono_ns();
		seeded = true;
	}
	z = state += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return (double)(z >> 11) * 0x1p-53; /* 53 bits: all a double holds below one */
}
