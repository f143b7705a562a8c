#include "ctl/choose.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/err.h"

/* A source of four captures, in no order. */

static int list(struct source *source, struct item_array *ret, struct err *err)
{
	static const struct {
		const char *id, *target, *rule;
		int64_t started;
	} all[] = {
		{ "bbbb0000000000000000000000000000", "api-2", "Leak", 3000 },
		{ "aaaa0000000000000000000000000000", "api-1", "Leak", 1000 },
		{ "aaaa1000000000000000000000000000", "api-1", "", 4000 },
		{ "cccc0000000000000000000000000000", "web", "Limit", 2000 },
	};

	(void)source;
	(void)err;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct item *item = item_array_add(ret);

		cr_assert_not_null(item);
		item->manifest.started_wall_ms = all[i].started;
		snprintf(item->manifest.id, sizeof(item->manifest.id), "%s", all[i].id);
		snprintf(item->manifest.target, sizeof(item->manifest.target), "%s", all[i].target);
		snprintf(item->manifest.rule, sizeof(item->manifest.rule), "%s", all[i].rule);
		snprintf(item->manifest.name, sizeof(item->manifest.name), "%.4s.%lld.heapsnapshot",
			 all[i].id, (long long)all[i].started);
	}
	return CTL_OK;
}

static const struct source_ops ops = { .list = list };
static struct source source = { &ops };
static struct ctl_options options;
static struct err err;
static char *args[4];

static void give(const char *first, const char *second, const char *third)
{
	args[0] = (char *)(uintptr_t)first;
	args[1] = (char *)(uintptr_t)second;
	args[2] = (char *)(uintptr_t)third;
	options.args = args;
	options.args_n = first == NULL ? 0 : second == NULL ? 1 : third == NULL ? 2 : 3;
}

/* The times of what was chosen, in order: "1000 2000". */
static const char *chosen(void)
{
	static char text[128];
	struct item_array items = { .items = NULL };
	size_t used = 0;

	text[0] = '\0';
	if (choose_matching(&source, &options, &items, &err) != CTL_OK)
		snprintf(text, sizeof(text), "exit");
	for (size_t i = 0; i < items.n; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%lld",
					 i > 0 ? " " : "",
					 (long long)items.items[i].manifest.started_wall_ms);
	item_array_fini(&items);
	return text;
}

Test(choose, oldest_first)
{
	cr_expect_str_eq(chosen(), "1000 2000 3000 4000");
	options.reverse = true;
	cr_expect_str_eq(chosen(), "4000 3000 2000 1000");
}

Test(choose, the_newest_of_them)
{
	options.count = 2;
	cr_expect_str_eq(chosen(), "3000 4000");
	options.reverse = true;
	cr_expect_str_eq(chosen(), "4000 3000");
	options.count = 9;
	cr_expect_str_eq(chosen(), "4000 3000 2000 1000");
}

Test(choose, patterns_of_one_key_add_up_and_others_must_hold_too)
{
	give("api-*", NULL, NULL);
	cr_expect_str_eq(chosen(), "1000 3000 4000");
	give("api-1", "web", NULL);
	cr_expect_str_eq(chosen(), "1000 2000 4000");
	give("api-*", "rule=Leak", NULL);
	cr_expect_str_eq(chosen(), "1000 3000");
	give("api-1", "rule=Leak", "rule=Limit");
	cr_expect_str_eq(chosen(), "1000");
	give("rule=", NULL, NULL);
	cr_expect_str_eq(chosen(), "4000");
	give("aaaa1", NULL, NULL);
	cr_expect_str_eq(chosen(), "4000", "an id will do as well");
}

Test(choose, times)
{
	options.since_ms = 2000;
	options.until_ms = 3000;
	cr_expect_str_eq(chosen(), "2000 3000");
}

Test(choose, nothing_is_a_failure_and_no_member_a_mistake)
{
	struct item_array items = { .items = NULL };

	give("nobody", NULL, NULL);
	cr_expect_eq(choose_matching(&source, &options, &items, &err), CTL_FAILURE);
	cr_expect_eq(err.code, -ENOENT);
	item_array_fini(&items);
	give("nosuch=x", NULL, NULL);
	cr_expect_eq(choose_matching(&source, &options, &items, &err), CTL_USAGE);
	item_array_fini(&items);
}

static int each(const char *expected)
{
	struct item_array items = { .items = NULL };
	int exit = choose_each(&source, &options, &items, &err);

	if (exit == CTL_OK)
		cr_expect_str_eq(items.items[0].manifest.id, expected);
	item_array_fini(&items);
	return exit;
}

Test(choose, by_name)
{
	give("aaaa1", NULL, NULL);
	cr_expect_eq(each("aaaa1000000000000000000000000000"), CTL_OK);
	give("aaaa0000000000000000000000000000", NULL, NULL);
	cr_expect_eq(each("aaaa0000000000000000000000000000"), CTL_OK);
	give("bbbb.3000.heapsnapshot", NULL, NULL);
	cr_expect_eq(each("bbbb0000000000000000000000000000"), CTL_OK);
	give("aaaa", NULL, NULL);
	cr_expect_eq(each(""), CTL_FAILURE, "two begin so");
	cr_expect_not_null(strstr(err.text, "2 captures"), "%s", err.text);
	give("dddd", NULL, NULL);
	cr_expect_eq(each(""), CTL_FAILURE);
	give("bbbb", "dddd", NULL);
	cr_expect_eq(each(""), CTL_FAILURE, "one that is none spoils all");
}
