#pragma once

/*
 * 64 bytes at once
 *
 * What both steps of heap/numbers.h ask of a block: a bit per byte. What the compiler may use is
 * known when this is compiled (SSE2), what else the machine has when it runs (AVX2): functions that
 * are always in line are compiled for both.
 */

#include <stdbool.h>
#include <stdint.h>

#if defined(__SSE2__) && !defined(HEAP_NUMBERS_PORTABLE)
#include <emmintrin.h>
#define WITH_SSE2 1
#else
#define WITH_SSE2 0
#endif

#if defined(__x86_64__) && !defined(HEAP_NUMBERS_PORTABLE) && !defined(HEAP_NUMBERS_NARROW)
#include <immintrin.h>
#define WITH_AVX2 1
#define FOR_AVX2  __attribute__((target("avx2,bmi,popcnt")))
#else
#define WITH_AVX2 0
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { BLOCK = 64 };

#if WITH_SSE2

ALWAYS_INLINE uint64_t gather(const __m128i m[4])
{
	uint64_t bits = 0;

	for (int i = 0; i < 4; i++)
		bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(m[i]) << (16 * i);
	return bits;
}

ALWAYS_INLINE uint64_t digits_of(const char *block)
{
	const __m128i zero = _mm_set1_epi8('0'), nine = _mm_set1_epi8(9);
	__m128i m[4];

	for (int i = 0; i < 4; i++) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)(block + 16 * i));

		x = _mm_sub_epi8(x, zero);
		m[i] = _mm_cmpeq_epi8(_mm_min_epu8(x, nine), x);
	}
	return gather(m);
}

ALWAYS_INLINE uint64_t equal_to(const char *block, char c)
{
	const __m128i wanted = _mm_set1_epi8(c);
	__m128i m[4];

	for (int i = 0; i < 4; i++)
		m[i] = _mm_cmpeq_epi8(
			_mm_loadu_si128((const __m128i *)(const void *)(block + 16 * i)), wanted);
	return gather(m);
}

#else

ALWAYS_INLINE uint64_t digits_of(const char *block)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < BLOCK; i++)
		bits |= (uint64_t)((unsigned char)(block[i] - '0') <= 9) << i;
	return bits;
}

ALWAYS_INLINE uint64_t equal_to(const char *block, char c)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < BLOCK; i++)
		bits |= (uint64_t)(block[i] == c) << i;
	return bits;
}

#endif

/* FOR_AVX2 may be called. */
static inline bool has_avx2(void)
{
#if WITH_AVX2
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
	       __builtin_cpu_supports("popcnt");
#else
	return false;
#endif
}
