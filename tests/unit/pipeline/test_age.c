/* Sealing: the header as the format has it, recipients that are none, and when what is written. */

#include "pipeline/age.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collect.h"
#include "conf/option.h"
#include "pipeline/recipe.h"
#include "util/err.h"

#define RECIPIENT "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
#define SECRET    "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"

Test(age, recipients_go_there_and_back)
{
	uint8_t key[CRYPTO_KEY_BYTES];
	char text[AGE_RECIPIENT_MAX];

	cr_assert_eq(age_recipient_parse(RECIPIENT, key, NULL), 0);
	age_recipient_format(text, key);
	cr_assert_str_eq(text, RECIPIENT);
}

Test(age, the_reason_says_what_is_wrong_with_a_recipient)
{
	static const char *const texts[][2] = {
		{ "", "begins with" },
		{ "me@example.org", "begins with" },
		{ "age1", "cut short" },
		{ "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujw", "checksum" },
		{ "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwk", "checksum" },
		{ "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73Equnujwj", "mixed" },
		{ "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj ", "character" },
		{ "AGE1ZVKYG2LQZRAA2LNJVQEJ32NKUU0UES2S82HZRYE869XEEXVN73EQUNUJWJ", "begins with" },
		{ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA", "SSH" },
		{ "age1pq1xyz", "X25519" },
		{ "age1tag1xyz", "X25519" },
		{ SECRET, "secret key" },
		{ "age-secret-key-1gfpyysjz", "secret key" },
	};
	uint8_t key[CRYPTO_KEY_BYTES];

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct err err = { 0 };

		cr_expect_eq(age_recipient_parse(texts[i][0], key, &err), -EINVAL);
		cr_expect_not_null(strstr(err.text, texts[i][1]), "%s: %s", texts[i][0], err.text);
		cr_expect_null(strcasestr(err.text, "gfpyy"), "a secret is never repeated");
	}
}

Test(age, recipients_that_only_look_like_one)
{
	static const uint8_t zero[CRYPTO_KEY_BYTES];
	char text[AGE_RECIPIENT_MAX];
	uint8_t key[CRYPTO_KEY_BYTES];
	struct err err;

	age_recipient_format(text, zero);
	cr_assert_eq(age_recipient_parse(text, key, &err), -EINVAL);
	cr_assert_not_null(strstr(err.text, "low order"), "%s", err.text);
	/* A plugin's: its name stands in the prefix. */
	cr_assert_eq(age_recipient_parse("age1yubikey1qqqqqqqq", key, &err), -EINVAL);
}

/* The stage on n recipients, or what refuses them. */
static int seal_new(struct stage **ret, unsigned n, struct stage *next, struct err *err)
{
	struct text_list list = { 0 };
	int r;

	for (unsigned i = 0; i < n; i++)
		cr_assert_eq(text_list_add(&list, RECIPIENT), 0);
	r = age_seal_new(ret, &list, next, err);
	text_list_fini(&list);
	return r;
}

Test(age, the_number_of_recipients_is_bounded)
{
	struct collect end;
	struct stage *stage;
	struct err err;

	collect_init(&end);
	cr_assert_eq(seal_new(&stage, 0, &end.stage, &err), -EINVAL);
	cr_assert_eq(seal_new(&stage, RECIPIENTS_MAX + 1, &end.stage, &err), -EINVAL);
	cr_assert_not_null(strstr(err.text, "21"), "%s", err.text);
	cr_assert_eq(seal_new(&stage, RECIPIENTS_MAX, &end.stage, &err), 0);
	cr_assert_eq(feed(stage, "x", 1, 1), 0);
	stage->ops->free(stage);
	collect_fini(&end);
}

Test(age, a_bad_recipient_is_named_by_its_place)
{
	struct text_list list = { 0 };
	struct stage *stage;
	struct err err;

	cr_assert_eq(text_list_add(&list, RECIPIENT), 0);
	cr_assert_eq(text_list_add(&list, SECRET), 0);
	cr_assert_eq(age_seal_new(&stage, &list, NULL, &err), -EINVAL);
	cr_assert_not_null(strstr(err.text, "recipient 2: "), "%s", err.text);
	text_list_fini(&list);
}

Test(age, nothing_is_written_before_the_first_byte)
{
	struct collect end;
	struct stage *stage;

	collect_init(&end);
	cr_assert_eq(seal_new(&stage, 1, &end.stage, NULL), 0);
	cr_assert_eq(end.puts, 0);
	cr_assert_eq(stage_put(stage, "x", 1), 0);
	cr_assert_eq(memcmp(end.data.data, "age-encryption.org/v1\n-> X25519 ", 32), 0);
	cr_assert_eq(end.data.size, 22 + 98 + 48 + 16, "a header, a nonce and no plain text");
	stage->ops->free(stage);
	collect_fini(&end);
}

/* How many chunks, and of which size, is what makes the files of others. */
Test(age, sizes)
{
	static const size_t plain[] = { 0, 1, 65535, 65536, 65537, 131072, 131073 };
	static const size_t chunks[] = { 1, 1, 1, 1, 2, 2, 3 };
	char *data = noise(131073);

	for (unsigned i = 0; i < 7; i++) {
		struct collect end;
		struct stage *stage;

		collect_init(&end);
		cr_assert_eq(seal_new(&stage, 2, &end.stage, NULL), 0);
		cr_assert_eq(feed(stage, data, plain[i], 10000), 0);
		cr_assert_eq(end.data.size, 22 + 2 * 98 + 48 + 16 + plain[i] + 16 * chunks[i]);
		cr_assert_eq(end.puts, 1 + chunks[i]);
		stage->ops->free(stage);
		collect_fini(&end);
	}
	free(data);
}

Test(age, no_two_files_are_alike)
{
	struct collect ends[2];

	for (unsigned i = 0; i < 2; i++) {
		struct stage *stage;

		collect_init(&ends[i]);
		cr_assert_eq(seal_new(&stage, 1, &ends[i].stage, NULL), 0);
		cr_assert_eq(feed(stage, "the same", 8, 8), 0);
		stage->ops->free(stage);
	}
	cr_assert_eq(ends[0].data.size, ends[1].data.size);
	cr_assert_neq(memcmp(ends[0].data.data + 32, ends[1].data.data + 32, 43), 0, "share");
	cr_assert_neq(memcmp(ends[0].data.data + 168, ends[1].data.data + 168, 16), 0, "nonce");
	cr_assert_neq(memcmp(ends[0].data.data + 184, ends[1].data.data + 184, 8), 0, "text");
	collect_fini(&ends[0]);
	collect_fini(&ends[1]);
}

Test(age, a_failure_of_the_next_stage_comes_through)
{
	char *data = noise(200000);

	for (unsigned at = 1; at <= 5; at++) {
		struct collect end;
		struct stage *stage;

		collect_init(&end);
		end.fail_at = at;
		end.result = at % 2 ? -EIO : 1;
		cr_assert_eq(seal_new(&stage, 1, &end.stage, NULL), 0);
		cr_assert_eq(feed(stage, data, 200000, 4096), end.result);
		cr_assert_eq(end.finished, 0);
		stage->ops->free(stage);
		collect_fini(&end);
	}
	free(data);
}

Test(age, nonces_count_and_tell_the_last)
{
	static const uint8_t wanted[] = { 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 1 };
	uint8_t nonce[CRYPTO_NONCE_BYTES];

	age_chunk_nonce(nonce, 0x0102030405060708, true);
	cr_assert_arr_eq(nonce, wanted, sizeof(nonce));
}
