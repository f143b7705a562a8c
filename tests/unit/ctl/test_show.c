#include "ctl/show.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/source.h"
#include "json/tree.h"
#include "util/buf.h"

static struct item items[] = {
	{ .manifest = { .id = "3fa9c0ffee0000000000000000000001",
			.name = "api.main.x.heapsnapshot",
			.kind = "snapshot",
			.target = "api",
			.isolate = "main",
			.rule = "Leak",
			.started_wall_ms = 1795600800000,
			.heap_used_bytes = 3 << 20,
			.file_bytes = 1536,
			.pause_ns = 1250000000 },
	  .file = PRESENCE_PRESENT },
	{ .manifest = { .id = "4000000000000000000000000000000f",
			.name = "evil",
			.kind = "diagnostics",
			.target = "a\033[31m\nb\302\233\377\303\244",
			.isolate = "worker:1" },
	  .file = PRESENCE_ENCRYPTED },
};
static const struct item_array both = { items, 2, 2 };

static struct buf out;

static void setup(void)
{
	setenv("TZ", "UTC", 1);
	buf_init(&out, 1 << 20);
}

static void teardown(void)
{
	buf_fini(&out);
}

TestSuite(show, .init = setup, .fini = teardown);

Test(show, table)
{
	show_table(&out, &both, true);
	cr_expect_str_eq(
		buf_text(&out),
		"TIME                        TARGET      ISOLATE  KIND        RULE FILE         "
		"SIZE  HEAP PAUSE ID\n"
		"Wed 2026-11-25 10:00:00 UTC api         main     snapshot    Leak present   1.5 "
		"KiB 3 MiB  1.2s 3fa9c0ff\n"
		"-                           a?[31m?b??\303\244 worker:1 diagnostics -    "
		"encrypted      "
		" -     -     - 40000000\n",
		"%s", buf_text(&out));
}

Test(show, table_without_legend)
{
	const struct item_array one = { items, 1, 1 };

	show_table(&out, &one, false);
	cr_expect_str_eq(buf_text(&out), "Wed 2026-11-25 10:00:00 UTC api main snapshot Leak "
					 "present 1.5 KiB 3 MiB 1.2s 3fa9c0ff\n");
}

Test(show, info_has_no_control_characters)
{
	show_info(&out, NULL, &both);
	for (const char *at = buf_text(&out); *at != '\0'; at++)
		cr_expect(*at == '\n' || (unsigned char)*at >= ' ', "a byte %d", *at);
	cr_expect_not_null(strstr(buf_text(&out), "Target: api (main)\n"));
	cr_expect_not_null(strstr(buf_text(&out), "Rule: none, by hand\n"));
	cr_expect_not_null(strstr(buf_text(&out), "File: api.main.x.heapsnapshot (present)\n"));
}

static void expect_same_manifests(enum json_mode mode)
{
	struct tree *tree = NULL;
	const char *text = "";
	uint64_t bytes = 0;

	buf_clear(&out);
	show_json(&out, &both, mode);
	cr_assert_eq(tree_parse(buf_text(&out), out.size, &tree, NULL), 0, "%s", buf_text(&out));
	cr_assert_eq(tree_size(tree), 2);
	cr_expect(tree_string(tree_at(tree, 0), "rule", &text));
	cr_expect_str_eq(text, "Leak");
	cr_expect(tree_uint(tree_at(tree, 0), "file_bytes", &bytes));
	cr_expect_eq(bytes, 1536);
	cr_expect(tree_string(tree_at(tree, 1), "file", &text));
	cr_expect_str_eq(text, "encrypted");
	tree_free(tree);
}

Test(show, json)
{
	expect_same_manifests(JSON_SHORT);
	cr_expect_eq(strcspn(buf_text(&out), "\n"), out.size - 1, "one line");
	expect_same_manifests(JSON_PRETTY);
	cr_expect_gt(strlen(strchr(buf_text(&out), '\n')), 100);
}

Test(show, pretty)
{
	show_json_text(&out, "{\"a\":[],\"b\":{\"c\":\"x,{\\\"}:\",\"d\":[1,2]},\"e\":{}}",
		       JSON_PRETTY);
	cr_expect_str_eq(buf_text(&out),
			 "{\n\t\"a\": [],\n\t\"b\": {\n\t\t\"c\": "
			 "\"x,{\\\"}:\",\n\t\t\"d\": [\n\t\t\t1,\n\t\t\t2\n\t\t]\n\t},"
			 "\n\t\"e\": {}\n}\n");
}

Test(show, nothing_is_an_empty_array)
{
	const struct item_array none = { NULL, 0, 0 };

	show_json(&out, &none, JSON_PRETTY);
	cr_expect_str_eq(buf_text(&out), "[]\n");
}
