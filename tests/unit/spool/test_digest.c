/*
 * SHA-256 against the examples of FIPS 180-4, fed in pieces.
 */

#include "spool/digest.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void expect_sum(const char *text, size_t times, const char *sum)
{
	struct digest *digest = NULL;
	char hex[DIGEST_HEX_MAX];

	cr_assert_eq(digest_new(&digest), 0);
	for (size_t i = 0; i < times; i++)
		digest_update(digest, text, strlen(text));
	cr_assert_eq(digest_final(digest, hex), 0);
	cr_expect_str_eq(hex, sum);
	digest_free(digest);
}

Test(digest, examples)
{
	expect_sum("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	expect_sum("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	expect_sum("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
		   "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	expect_sum("aaaaaaaaaa", 100000,
		   "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	digest_free(NULL);
}
