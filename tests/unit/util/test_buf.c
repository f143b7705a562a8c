/* Byte buffer: growth, limit, sticky errors, ownership. */

#include "util/buf.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

Test(buf, grows_and_keeps_content)
{
	struct buf buf;

	buf_init(&buf, SIZE_MAX);
	cr_assert_str_eq(buf_text(&buf), "");
	for (int i = 0; i < 10000; i++)
		cr_assert_eq(buf_printf(&buf, "%05d,", i), 0);
	cr_assert_eq(buf.size, 60000);
	for (int i = 0; i < 10000; i++)
		cr_assert_eq(atoi(buf_text(&buf) + 6 * i), i);
	buf_fini(&buf);
	cr_assert_null(buf.data);
}

Test(buf, limit_is_exact_and_sticky)
{
	struct buf buf;

	buf_init(&buf, 8);
	cr_assert_eq(buf_append(&buf, "12345678", 8), 0);
	cr_assert_str_eq(buf_text(&buf), "12345678");
	cr_assert_eq(buf_append(&buf, "", 0), 0);
	cr_assert_eq(buf_puts(&buf, "9"), -E2BIG);
	cr_assert_eq(buf_puts(&buf, ""), -E2BIG, "forgets its failure");
	cr_assert_eq(buf_printf(&buf, "x"), -E2BIG);
	cr_assert_null(buf_text(&buf));
	cr_assert_eq(buf.size, 8, "a failed append leaves something");
	buf_clear(&buf);
	cr_assert_eq(buf_puts(&buf, "again"), 0);
	cr_assert_str_eq(buf_text(&buf), "again");
	buf_fini(&buf);
}

Test(buf, reserve_makes_room_and_checks_overflow)
{
	struct buf buf;
	char *before;

	buf_init(&buf, SIZE_MAX);
	cr_assert_eq(buf_puts(&buf, "x"), 0);
	cr_assert_eq(buf_reserve(&buf, 5000), 0);
	before = buf.data;
	for (int i = 0; i < 5000; i++)
		buf_append(&buf, "y", 1);
	cr_assert_eq(buf.data, before, "moved inside the reserve");
	cr_assert_eq(buf_reserve(&buf, SIZE_MAX - 1), -E2BIG);
	buf_fini(&buf);
}

Test(buf, take_hands_over)
{
	struct buf buf;
	size_t size;
	char *text;

	buf_init(&buf, 100);
	buf_append(&buf, "a\0b", 3);
	text = buf_take(&buf, &size);
	cr_assert_eq(size, 3);
	cr_assert_arr_eq(text, "a\0b\0", 4);
	free(text);
	cr_assert(buf.data == NULL && buf.size == 0 && buf.limit == 100);

	text = buf_take(&buf, NULL);
	cr_assert_str_eq(text, "", "an empty buffer is an empty text");
	free(text);

	buf_reserve(&buf, 101);
	cr_assert_null(buf_take(&buf, &size));
	cr_assert_eq(buf.error, 0, "take leaves it failed");
	buf_fini(&buf);
}
