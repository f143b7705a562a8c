#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "http/proven.h"

static struct proven proven;
static char key[PROVEN_KEY_MAX];

static void setup(void)
{
	cr_assert_eq(proven_init(&proven), 0);
}

static void teardown(void)
{
	proven_fini(&proven);
}

TestSuite(proven, .init = setup, .fini = teardown);

static const char *key_of(const char *name, const char *password)
{
	cr_assert_eq(proven_key(&proven, name, password, key), 0);
	return key;
}

static const char *key_of_number(int i)
{
	char name[16];

	snprintf(name, sizeof(name), "user%d", i);
	return key_of(name, "x");
}

Test(proven, what_was_added_is_known)
{
	cr_expect_not(proven_has(&proven, key_of("a", "b")));
	proven_add(&proven, key_of("a", "b"));
	cr_expect(proven_has(&proven, key_of("a", "b")));
	cr_expect_not(proven_has(&proven, key_of("a", "c")));
	cr_expect_not(proven_has(&proven, key_of("b", "b")));
	cr_expect_not(proven_has(&proven, key_of("ab", "")));
	cr_expect_not(proven_has(&proven, key_of("", "ab")));
	proven_forget(&proven);
	cr_expect_not(proven_has(&proven, key_of("a", "b")));
}

Test(proven, a_key_is_of_this_process)
{
	struct proven other;
	char theirs[PROVEN_KEY_MAX];

	cr_assert_eq(proven_init(&other), 0);
	cr_assert_eq(proven_key(&other, "a", "b", theirs), 0);
	cr_expect_str_neq(theirs, key_of("a", "b"));
	cr_expect_eq(strlen(theirs), PROVEN_KEY_MAX - 1);
}

Test(proven, the_one_that_was_not_asked_for_longest_goes)
{
	for (int i = 0; i < PROVEN_MAX; i++)
		proven_add(&proven, key_of_number(i));
	for (int i = 0; i < PROVEN_MAX; i++)
		cr_expect(i == 7 || proven_has(&proven, key_of_number(i)));
	proven_add(&proven, key_of_number(PROVEN_MAX));
	for (int i = 0; i <= PROVEN_MAX; i++)
		cr_expect_eq(proven_has(&proven, key_of_number(i)), i != 7, "%d", i);
}
