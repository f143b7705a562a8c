/* Random numbers: shape, range, and that two are not the same. */

#include "util/rand.h"

#include <string.h>

#include <criterion/criterion.h>

Test(rand, hex_is_hex)
{
	char text[2 * 40 + 1 + 1];

	for (size_t n = 0; n <= 40; n++) {
		memset(text, 'Z', sizeof(text));
		cr_assert_eq(rand_hex(text, n), 0);
		cr_assert_eq(strspn(text, "0123456789abcdef"), 2 * n);
		cr_assert_eq(text[2 * n], '\0');
		cr_assert_eq(text[2 * n + 1], 'Z', "wrote past its end");
	}
}

Test(rand, every_digit_turns_up)
{
	int seen[256] = { 0 };
	char text[2 * 512 + 1];

	cr_assert_eq(rand_hex(text, 512), 0);
	for (size_t i = 0; i < 2 * 512; i++)
		seen[(unsigned char)text[i]]++;
	for (const char *digit = "0123456789abcdef"; *digit != '\0'; digit++)
		cr_assert_gt(seen[(unsigned char)*digit], 0, "never a %c in 1024", *digit);
}

Test(rand, bytes_differ)
{
	unsigned char a[32] = { 0 }, b[32] = { 0 };

	cr_assert_eq(rand_bytes(a, sizeof(a)), 0);
	cr_assert_eq(rand_bytes(b, sizeof(b)), 0);
	cr_assert_neq(memcmp(a, b, sizeof(a)), 0);
	cr_assert_eq(rand_bytes(NULL, 0), 0);
}

Test(rand, unit_covers_its_range)
{
	int buckets[10] = { 0 };

	for (int i = 0; i < 10000; i++) {
		double value = rand_unit();

		cr_assert(value >= 0 && value < 1, "%g", value);
		buckets[(int)(value * 10)]++;
	}
	/* 1000 each, deviation 30: seven of them either way does not happen by chance. */
	for (int i = 0; i < 10; i++)
		cr_assert(buckets[i] > 790 && buckets[i] < 1210, "bucket %d: %d", i, buckets[i]);
}
