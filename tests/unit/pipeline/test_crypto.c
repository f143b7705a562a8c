/* Primitives: the vectors of their RFCs. */

#include "pipeline/crypto.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void from_hex(uint8_t *dst, const char *hex)
{
	for (size_t i = 0; i < strlen(hex) / 2; i++) {
		unsigned value;

		cr_assert_eq(sscanf(hex + 2 * i, "%2x", &value), 1);
		dst[i] = (uint8_t)value;
	}
}

static void expect_hex(const uint8_t *data, const char *hex)
{
	uint8_t wanted[256];

	from_hex(wanted, hex);
	cr_expect_arr_eq(data, wanted, strlen(hex) / 2);
}

static void setup(void)
{
	cr_assert_eq(crypto_setup(), 0);
	cr_assert_eq(crypto_setup(), 0, "again is fine");
}

TestSuite(crypto, .init = setup);

/* RFC 7748, 6.1 */
Test(crypto, x25519)
{
	uint8_t alice[32], bob[32], alice_public[32], bob_public[32], share[32];

	from_hex(alice, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
	from_hex(bob, "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
	crypto_public_key(alice_public, alice);
	crypto_public_key(bob_public, bob);
	expect_hex(alice_public,
		   "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
	expect_hex(bob_public, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
	cr_assert_eq(crypto_share(share, alice, bob_public), 0);
	expect_hex(share, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
	cr_assert_eq(crypto_share(share, bob, alice_public), 0);
	expect_hex(share, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
}

Test(crypto, points_of_low_order_share_nothing)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	uint8_t secret[32], point[32], share[32];

	crypto_random(secret, sizeof(secret));
	for (unsigned i = 0; i < 3; i++) {
		from_hex(point, points[i]);
		cr_expect_eq(crypto_share(share, secret, point), -EINVAL);
	}
}

/* RFC 5869, A.1 and A.3 (no salt, no info), the first 32 bytes. */
Test(crypto, hkdf)
{
	uint8_t key[22], salt[13], out[32];

	memset(key, 0x0b, sizeof(key));
	for (unsigned i = 0; i < sizeof(salt); i++)
		salt[i] = (uint8_t)i;
	crypto_hkdf(out, salt, sizeof(salt), key, sizeof(key),
		    "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9");
	expect_hex(out, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
	crypto_hkdf(out, NULL, 0, key, sizeof(key), "");
	expect_hex(out, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
}

/* RFC 8439, 2.8.2, without its additional data: the cipher text is the same, the tag is not. */
Test(crypto, chacha20_poly1305)
{
	static const char text[] = "Ladies and Gentlemen of the class of '99: If I could offer you "
				   "only one tip for the future, sunscreen would be it.";
	uint8_t key[32], nonce[12], data[sizeof(text) - 1 + 16], copy[sizeof(data)];
	size_t size = sizeof(text) - 1;

	from_hex(key, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
	from_hex(nonce, "070000004041424344454647");
	memcpy(data, text, size);
	crypto_seal(data, data, size, nonce, key);
	expect_hex(data, "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
			 "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
			 "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
			 "3ff4def08e4b7a9de576d26586cec64b61166a23a4681fd59456aea1d29f82477216");
	for (size_t i = 0; i < sizeof(data); i++) {
		memcpy(copy, data, sizeof(data));
		copy[i] ^= 1;
		cr_assert_eq(crypto_open(copy, copy, sizeof(copy), nonce, key), -EBADMSG);
	}
	cr_assert_eq(crypto_open(data, data, sizeof(data), nonce, key), 0);
	cr_assert_arr_eq(data, text, size);
}
