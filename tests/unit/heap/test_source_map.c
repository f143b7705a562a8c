/*
 * Source maps, written by hand with known answers.
 */

#include "heap/source_map.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "heap/vlq.h"
#include "util/err.h"

static struct source_map *parse(const char *text)
{
	struct err err = { .text = "" };
	struct source_map *map;

	cr_assert_eq(source_map_parse(&map, text, strlen(text), &err), 0, "%s", err.text);
	return map;
}

static void expect(const struct source_map *map, uint32_t line, uint32_t column, const char *source,
		   uint32_t source_line, uint32_t source_column, const char *name)
{
	struct source_place place;

	cr_assert(source_map_find(map, line, column, &place));
	cr_expect_str_eq(place.source, source);
	cr_expect_eq(place.line, source_line);
	cr_expect_eq(place.column, source_column);
	if (name == NULL)
		cr_expect_null(place.name);
	else
		cr_expect_str_eq(place.name, name);
}

Test(source_map, numbers)
{
	static const struct {
		const char *text;
		int64_t value;
	} cases[] = { { "A", 0 },   { "C", 1 },    { "D", -1 },     { "e", 15 },
		      { "gB", 16 }, { "hB", -16 }, { "2HwB", 123 }, { "+/////D", 2147483647 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *at = cases[i].text;
		int64_t value;

		cr_assert_eq(vlq_read(&at, at + strlen(at), &value), 0, "%s", cases[i].text);
		cr_expect_eq(value, cases[i].value, "%s: %ld", cases[i].text, (long)value);
	}
}

Test(source_map, what_is_no_number)
{
	static const char *const cases[] = { "", "g", "!", "ggggggggC", "ggggggE" };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *at = cases[i];
		int64_t value;

		cr_expect_lt(vlq_read(&at, at + strlen(at), &value), 0, "%s", cases[i]);
	}
}

/* Segments 0:0 -> a.ts 0:0; 0:9 -> a.ts 0:9 "x"; 2:1 -> b.ts 1:16 "yy"; nothing in line 1. */
Test(source_map, places)
{
	struct source_map *map = parse(
		"{\"version\":3,\"file\":\"out/a.js\",\"sourceRoot\":\"src\",\"sources\":[\"a.ts\","
		"\"b.ts\"],\"names\":[\"x\",\"yy\"],\"mappings\":\"AAAA,SAASA;;CCCOC\"}");
	struct source_place place;

	cr_expect_str_eq(source_map_file(map), "out/a.js");
	expect(map, 0, 0, "src/a.ts", 0, 0, NULL);
	expect(map, 0, 8, "src/a.ts", 0, 0, NULL);
	expect(map, 0, 9, "src/a.ts", 0, 9, "x");
	expect(map, 0, 5000, "src/a.ts", 0, 9, "x");
	expect(map, 2, 1, "src/b.ts", 1, 16, "yy");
	cr_expect_not(source_map_find(map, 1, 0, &place));
	cr_expect_not(source_map_find(map, 2, 0, &place), "before the first of the line");
	cr_expect_not(source_map_find(map, 3, 0, &place));
	source_map_free(map);
}

/* The second section begins at 1:10; its first line is moved by the column, its second is not. */
Test(source_map, sections)
{
	struct source_map *map = parse(
		"{\"version\":3,\"sections\":[{\"offset\":{\"line\":0,\"column\":0},\"map\":"
		"{\"version\":3,\"sources\":[\"a\"],\"names\":[],\"mappings\":\"AAAA\"}},"
		"{\"offset\":{\"line\":1,\"column\":10},\"map\":{\"version\":3,\"sources\":[\"b\"],"
		"\"names\":[\"n\"],\"mappings\":\"CAAAA;CACA\"}}]}");
	struct source_place place;

	expect(map, 0, 99, "a", 0, 0, NULL);
	expect(map, 1, 11, "b", 0, 0, "n");
	cr_expect_not(source_map_find(map, 1, 10, &place));
	expect(map, 2, 1, "b", 1, 0, NULL);
	source_map_free(map);
}

Test(source_map, a_segment_of_no_source_ends_the_one_before)
{
	struct source_map *map = parse("{\"version\":3,\"sources\":[\"a\"],\"names\":[],"
				       "\"mappings\":\"AAAA,E\"}");
	struct source_place place;

	expect(map, 0, 1, "a", 0, 0, NULL);
	cr_expect_not(source_map_find(map, 0, 2, &place));
	source_map_free(map);
}

Test(source_map, what_is_wrong_is_said)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "{\"version\":2,\"mappings\":\"\"}", "version is not 3" },
		{ "{\"version\":3}", "there are no mappings" },
		{ "{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"AAAA;AA\"}",
		  "mappings: at character 5" },
		{ "{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"ACAA\"}",
		  "mappings: at character 0" },
		{ "{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"AAAA,AAAAA\"}",
		  "mappings: at character 5" },
		{ "{\"version\":3,\"sections\":[{\"map\":{}}]}", "section 0: " },
		{ "{\"version\":3,", "near end of file" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { .text = "" };
		struct source_map *map;

		cr_expect_eq(source_map_parse(&map, cases[i].text, strlen(cases[i].text), &err),
			     -EBADMSG);
		cr_expect_null(map);
		cr_expect(strstr(err.text, cases[i].said) != NULL, "%s: %s", cases[i].text,
			  err.text);
	}
}

/* null stands for a source without a name: the place in the script says more. */
Test(source_map, a_source_without_a_name_is_none)
{
	struct source_map *map =
		parse("{\"version\":3,\"sources\":[null],\"names\":[],\"mappings\":\"AAAA\"}");
	struct source_place place;

	cr_expect_not(source_map_find(map, 0, 0, &place));
	source_map_free(map);
}

/* The root stands before each of them: a megabyte before a hundred is a hundred megabytes. */
Test(source_map, a_long_root_of_many_sources)
{
	static char text[(1 << 20) + 1000];
	struct source_map *map;
	struct err err = { .text = "" };
	char *at = text + sprintf(text, "{\"version\":3,\"sourceRoot\":\"");

	memset(at, 'r', 1 << 20);
	at += 1 << 20;
	at += sprintf(at, "\",\"mappings\":\"\",\"sources\":[\"\"");
	for (int i = 0; i < 100; i++)
		at += sprintf(at, ",\"\"");
	sprintf(at, "]}");
	cr_expect_eq(source_map_parse(&map, text, strlen(text), &err), -EFBIG);
	cr_expect_str_eq(err.text, "too many sources, or too long ones");
}

Test(source_map, a_column_beyond_all_numbers)
{
	static const char text[] =
		"{\"version\":3,\"sections\":[{\"offset\":{\"line\":0,\"column\":"
		"4294967290},\"map\":{\"version\":3,\"sources\":[\"a\"],\"names\":[],"
		"\"mappings\":\"gBAAA\"}}]}";
	struct source_map *map;
	struct err err = { .text = "" };

	cr_expect_eq(source_map_parse(&map, text, strlen(text), &err), -EBADMSG);
	cr_expect_str_eq(err.text, "section 0: mappings: at character 0 there is no segment");
}
