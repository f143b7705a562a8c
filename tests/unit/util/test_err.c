/* Error texts: code, place, cutting, and no object at all. */

#include "util/err.h"

#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

Test(err, set_fills_and_returns_code)
{
	struct err err = { .line = 7, .column = 9 };

	cr_assert_eq(err_set(&err, -EINVAL, "bad %s %d", "port", 70000), -EINVAL);
	cr_assert_eq(err.code, -EINVAL);
	cr_assert_str_eq(err.text, "bad port 70000");
	cr_assert(err.line == 0 && err.column == 0, "an old place stays");
}

Test(err, set_at_keeps_the_place)
{
	struct err err;

	cr_assert_eq(err_set_at(&err, 3, 12, 5, "here"), 3);
	cr_assert(err.line == 12 && err.column == 5 && err.code == 3);
	cr_assert_str_eq(err.text, "here");
}

Test(err, no_object_is_fine)
{
	cr_assert_eq(err_set(NULL, -ENOMEM, "x"), -ENOMEM);
	cr_assert_eq(err_set_at(NULL, 2, 1, 1, "x"), 2);
}

Test(err, long_text_is_cut)
{
	struct err err;
	char text[2 * ERR_TEXT_MAX];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&err, -1, "%s", text);
	cr_assert_eq(strlen(err.text), ERR_TEXT_MAX - 1);
}
