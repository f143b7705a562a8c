/* The vectors of RFC 3174 7.3 and the sizes around a block's edge. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "net/sha1.h"

static void expect(const void *data, size_t size, const char *hex)
{
	char text[2 * SHA1_SIZE + 1];
	uint8_t digest[SHA1_SIZE];

	sha1(digest, data, size);
	for (size_t i = 0; i < SHA1_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	cr_assert_str_eq(text, hex, "%zu bytes: %s", size, text);
}

Test(sha1, vectors_of_rfc_3174)
{
	static char a[1000000], digits[64 * 10];

	memset(a, 'a', sizeof(a));
	for (size_t i = 0; i < sizeof(digits); i++)
		digits[i] = (char)('0' + i % 8);
	expect("abc", 3, "a9993e364706816aba3e25717850c26c9cd0d89d");
	expect("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
	       "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
	expect(a, sizeof(a), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
	expect(digits, sizeof(digits), "dea356a2cddd90c7a7ecedc5ebb563934f460452");
	expect("", 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

/* Values of sha1sum(1). The length no longer fits the last block from 56 bytes on. */
Test(sha1, edges_of_a_block)
{
	char a[64];

	memset(a, 'a', sizeof(a));
	expect(a, 55, "c1c8bbdc22796e28c0e15163d20899b65621d65a");
	expect(a, 56, "c2db330f6083854c99d4b5bfb6e8f29f201be699");
	expect(a, 63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5");
	expect(a, 64, "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}
