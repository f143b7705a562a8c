/*
 * Profiles of pprof's: ours come back as they were, those of others are read as they are meant, and
 * what is damaged is called so wherever it is.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/pprof.h"
#include "profile/pprof_fields.h"
#include "profile/profile.h"
#include "profile/read.h"
#include "profile/read_pprof.h"
#include "profile/top.h"
#include "util/buf.h"

/* ---- a file, field by field ---- */

static void put_varint(struct buf *buf, uint64_t value)
{
	for (; value > 0x7f; value >>= 7)
		buf_append(buf, &(unsigned char){ (unsigned char)(value | 0x80) }, 1);
	buf_append(buf, &(unsigned char){ (unsigned char)value }, 1);
}

static void number(struct buf *buf, unsigned field, uint64_t value)
{
	put_varint(buf, field << 3);
	put_varint(buf, value);
}

static void bytes(struct buf *buf, unsigned field, const void *data, size_t size)
{
	put_varint(buf, field << 3 | 2);
	put_varint(buf, size);
	buf_append(buf, data, size);
}

/* A message of n numbers, their fields first. */
static void message(struct buf *buf, unsigned field, size_t n, const uint64_t pairs[][2])
{
	struct buf inner;

	buf_init(&inner, 1 << 20);
	for (size_t i = 0; i < n; i++)
		number(&inner, (unsigned)pairs[i][0], pairs[i][1]);
	bytes(buf, field, inner.data, inner.size);
	buf_fini(&inner);
}

#define MESSAGE(buf, field, ...)                                                                   \
	message((buf), (field), sizeof((const uint64_t[][2]){ __VA_ARGS__ }) / 16,                 \
		(const uint64_t[][2]){ __VA_ARGS__ })

static void texts(struct buf *buf, const char *const *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes(buf, PROFILE_STRING_TABLE, all[i], strlen(all[i]));
}

/* As Go's: four columns, what samples refer to behind them, and a function inlined into another. */
enum {
	T_EMPTY,
	T_ALLOC_OBJECTS,
	T_COUNT,
	T_ALLOC_SPACE,
	T_BYTES,
	T_INUSE_OBJECTS,
	T_INUSE_SPACE,
	T_MAIN,
	T_MAIN_GO,
	T_GROW,
	T_GROW_GO,
	T_MAKE,
	T_SPACE,
	T_NANOSECONDS,
	T_CPU,
};
static const char *const go_texts[] = {
	"",        "alloc_objects", "count",       "alloc_space",
	"bytes",   "inuse_objects", "inuse_space", "main.main",
	"main.go", "main.grow",     "grow.go",     "main.make",
	"space",   "nanoseconds",   "cpu",
};

static void put_columns(struct buf *buf)
{
	MESSAGE(buf, PROFILE_SAMPLE_TYPE, { 1, T_ALLOC_OBJECTS }, { 2, T_COUNT });
	MESSAGE(buf, PROFILE_SAMPLE_TYPE, { 1, T_ALLOC_SPACE }, { 2, T_BYTES });
	MESSAGE(buf, PROFILE_SAMPLE_TYPE, { 1, T_INUSE_OBJECTS }, { 2, T_COUNT });
	MESSAGE(buf, PROFILE_SAMPLE_TYPE, { 1, T_INUSE_SPACE }, { 2, T_BYTES });
}

/* A location with two lines: what was inlined stands first. */
static void put_inlined(struct buf *buf, uint64_t id)
{
	struct buf location;

	buf_init(&location, 1 << 10);
	number(&location, LOCATION_ID, id);
	MESSAGE(&location, LOCATION_LINE, { LINE_FUNCTION_ID, 33 }, { LINE_LINE, 4 });
	MESSAGE(&location, LOCATION_LINE, { LINE_FUNCTION_ID, 22 }, { LINE_LINE, 40 });
	bytes(buf, PROFILE_LOCATION, location.data, location.size);
	buf_fini(&location);
}

static void put_tables(struct buf *buf)
{
	struct buf location;

	buf_init(&location, 1 << 10);
	number(&location, LOCATION_ID, 9);
	MESSAGE(&location, LOCATION_LINE, { LINE_FUNCTION_ID, 11 }, { LINE_LINE, 17 });
	bytes(buf, PROFILE_LOCATION, location.data, location.size);
	put_inlined(buf, 7);
	MESSAGE(buf, PROFILE_LOCATION, { LOCATION_ID, 8 }, { LOCATION_ADDRESS, 0x4a3b2c });
	MESSAGE(buf, PROFILE_FUNCTION, { FUNCTION_ID, 33 }, { FUNCTION_NAME, T_MAKE },
		{ FUNCTION_FILENAME, T_GROW_GO });
	MESSAGE(buf, PROFILE_FUNCTION, { FUNCTION_ID, 11 }, { FUNCTION_NAME, T_MAIN },
		{ FUNCTION_FILENAME, T_MAIN_GO }, { FUNCTION_START_LINE, 12 });
	MESSAGE(buf, PROFILE_FUNCTION, { FUNCTION_ID, 22 }, { FUNCTION_NAME, T_GROW },
		{ FUNCTION_FILENAME, T_GROW_GO });
	texts(buf, go_texts, sizeof(go_texts) / sizeof(go_texts[0]));
	buf_fini(&location);
}

/* One sample with its numbers packed, one without. */
static void put_samples(struct buf *buf)
{
	static const unsigned char packed[] = { 10, 2, 7, 9, 18, 4, 100, 90, 50, 40 };

	bytes(buf, PROFILE_SAMPLE, packed, sizeof(packed));
	MESSAGE(buf, PROFILE_SAMPLE, { 1, 8 }, { 1, 9 }, { 2, 3 }, { 2, 30 }, { 2, 2 }, { 2, 20 });
}

static void put_go(struct buf *buf, uint64_t default_type)
{
	buf_init(buf, 1 << 20);
	put_columns(buf);
	put_samples(buf);
	put_tables(buf);
	number(buf, PROFILE_TIME_NANOS, 1700000000123456789);
	number(buf, PROFILE_DURATION_NANOS, 5000000000);
	MESSAGE(buf, PROFILE_PERIOD_TYPE, { 1, T_SPACE }, { 2, T_BYTES });
	number(buf, PROFILE_PERIOD, 524288);
	if (default_type != 0)
		number(buf, PROFILE_DEFAULT_SAMPLE_TYPE, default_type);
}

static const struct profile_node *node_of(const struct profile *profile, const char *name)
{
	for (size_t i = 0; i < profile->nodes_n; i++)
		if (strcmp(profile_name(profile, profile->nodes[i].function), name) == 0)
			return &profile->nodes[i];
	cr_assert_fail("no call of %s", name);
	return NULL;
}

static const char *parent_of(const struct profile *profile, const char *name)
{
	return profile_name(profile, profile->nodes[node_of(profile, name)->parent].function);
}

TestSuite(read_pprof, .timeout = 60);

Test(read_pprof, of_go)
{
	struct profile profile;
	struct buf buf;

	put_go(&buf, T_INUSE_SPACE);
	cr_assert_eq(profile_read(&profile, buf.data, buf.size), 0);
	cr_expect_eq(profile.what, PROFILE_LIVE);
	cr_expect(profile.has_objects);
	cr_expect_eq(profile.interval_bytes, 524288);
	cr_expect_eq(profile.started_wall_ms, 1700000000123);
	cr_expect_eq(profile.duration_ns, 5000000000);
	cr_expect_eq(profile_total_bytes(&profile), 60);
	cr_expect_eq(profile_total_count(&profile), 52);
	/* What was inlined is a call of what it was inlined into. */
	cr_expect_eq(node_of(&profile, "main.make")->self_bytes, 40);
	cr_expect_eq(node_of(&profile, "main.make")->self_count, 50);
	cr_expect_str_eq(parent_of(&profile, "main.make"), "main.grow");
	cr_expect_str_eq(parent_of(&profile, "main.grow"), "main.main");
	cr_expect_str_eq(parent_of(&profile, "main.main"), "(root)");
	cr_expect_str_eq(parent_of(&profile, "0x4a3b2c"), "main.main");
	cr_expect_eq(node_of(&profile, "0x4a3b2c")->self_bytes, 20);
	cr_expect_eq(profile.functions[node_of(&profile, "main.main")->function].line, 12,
		     "where it begins, not where it allocates");
	cr_expect_str_eq(profile_url(&profile, node_of(&profile, "main.make")->function),
			 "grow.go");
	profile_fini(&profile);
	buf_fini(&buf);
}

Test(read_pprof, by_default_it_is_the_last_of_bytes)
{
	struct profile profile;
	struct buf buf;

	put_go(&buf, 0);
	cr_assert_eq(profile_read(&profile, buf.data, buf.size), 0);
	cr_expect_eq(profile.what, PROFILE_LIVE);
	cr_expect_eq(profile_total_bytes(&profile), 60);
	profile_fini(&profile);
	buf_fini(&buf);
	put_go(&buf, T_ALLOC_SPACE);
	cr_assert_eq(profile_read(&profile, buf.data, buf.size), 0);
	cr_expect_eq(profile.what, PROFILE_ALLOCATED);
	cr_expect_eq(profile_total_bytes(&profile), 120);
	cr_expect_eq(profile_total_count(&profile), 103);
	profile_fini(&profile);
	buf_fini(&buf);
}

Test(read_pprof, what_is_not_of_bytes_is_called_so)
{
	struct profile profile;
	struct buf buf;

	buf_init(&buf, 1 << 20);
	MESSAGE(&buf, PROFILE_SAMPLE_TYPE, { 1, T_CPU }, { 2, T_NANOSECONDS });
	put_tables(&buf);
	cr_expect_eq(profile_read(&profile, buf.data, buf.size), -ENODATA);
	cr_expect_not_null(strstr(profile_read_error(-ENODATA), "nothing in it is of bytes"));
	profile_fini(&profile);
	buf_fini(&buf);
}

/* ---- ours ---- */

static uint32_t call(struct profile *profile, uint32_t parent, const char *name, const char *url,
		     int32_t line, int32_t column, uint64_t self_bytes, uint64_t self_count)
{
	uint32_t function, node;

	cr_assert_eq(profile_function(profile, name, strlen(name), url, strlen(url), line, column,
				      &function),
		     0);
	cr_assert_eq(profile_node(profile, parent, function, &node), 0);
	profile->nodes[node].self_bytes += self_bytes;
	profile->nodes[node].self_count += self_count;
	return node;
}

/* With a call of its own, one without a name, two functions in one line, and bytes of the root's.
 */
static void fill(struct profile *profile)
{
	uint32_t node;

	cr_assert_eq(profile_init(profile), 0);
	profile->nodes[0].self_bytes = 5;
	profile->nodes[0].self_count = 1;
	node = call(profile, 0, "main", "a.js", 1, 3, 10, 2);
	node = call(profile, node, "walk", "a.js", 5, 9, 100, 3);
	node = call(profile, node, "walk", "a.js", 5, 9, 50, 1);
	call(profile, node, "", "a.js", 7, 1, 400, 4);
	call(profile, 0, "f", "min.js", 1, 100, 1 << 20, 7);
	call(profile, 0, "f", "min.js", 1, 200, 1 << 21, 8);
	call(profile, 0, "\xd1\x84", "", 0, 0, 1, 1);
}

static void expect_same(const struct profile *one, const struct profile *two)
{
	struct profile_change *changes;
	struct profile names;
	size_t n;

	cr_assert_eq(profile_init(&names), 0);
	cr_assert_eq(profile_diff(one, two, &names, &changes, &n), 0);
	cr_expect_eq(n, 0, "%zu functions differ", n);
	cr_expect_eq(one->nodes_n, two->nodes_n);
	cr_expect_eq(profile_total_bytes(one), profile_total_bytes(two));
	cr_expect_eq(profile_total_count(one), profile_total_count(two));
	cr_expect_eq(one->what, two->what);
	cr_expect_eq(one->has_objects, two->has_objects);
	cr_expect_eq(one->interval_bytes, two->interval_bytes);
	cr_expect_eq(one->started_wall_ms, two->started_wall_ms);
	cr_expect_eq(one->duration_ns, two->duration_ns);
	free(changes);
	profile_fini(&names);
}

static void check_round(struct profile *profile)
{
	struct profile read;
	struct buf buf;

	buf_init(&buf, 64 << 20);
	cr_assert_eq(profile_write_pprof(profile, &buf), 0);
	cr_assert_eq(profile_read(&read, buf.data, buf.size), 0);
	expect_same(profile, &read);
	profile_fini(&read);
	buf_fini(&buf);
}

Test(read_pprof, ours_come_back_as_they_were)
{
	struct profile profile;

	fill(&profile);
	check_round(&profile);
	profile.what = PROFILE_LIVE;
	profile.interval_bytes = 32768;
	profile.started_wall_ms = 1700000000000;
	profile.duration_ns = 60000000000;
	check_round(&profile);
	profile.what = PROFILE_ALLOCATED;
	profile.has_objects = true;
	check_round(&profile);
	profile.what = PROFILE_UNKNOWN;
	check_round(&profile);
	profile_fini(&profile);
}

Test(read_pprof, of_nothing)
{
	struct profile profile;

	cr_assert_eq(profile_init(&profile), 0);
	check_round(&profile);
	profile_fini(&profile);
}

static int read_chain(uint32_t calls)
{
	struct profile profile, read;
	uint32_t node = 0;
	struct buf buf;
	int r;

	cr_assert_eq(profile_init(&profile), 0);
	for (uint32_t i = 0; i < calls; i++)
		node = call(&profile, node, "again", "a.js", 1, 1, i + 1 == calls, 0);
	buf_init(&buf, 64 << 20);
	cr_assert_eq(profile_write_pprof(&profile, &buf), 0);
	r = profile_read(&read, buf.data, buf.size);
	profile_fini(&read);
	profile_fini(&profile);
	buf_fini(&buf);
	return r;
}

Test(read_pprof, as_deep_as_may_be)
{
	cr_expect_eq(read_chain(PPROF_STACK_MAX), 0);
	cr_expect_eq(read_chain(PPROF_STACK_MAX + 1), -E2BIG);
}

/* ---- damaged ones ---- */

static int read_exactly(const char *data, size_t size)
{
	struct profile profile;
	char *exact = malloc(size > 0 ? size : 1); /* so that a sanitizer sees one byte too far */
	int r;

	cr_assert_not_null(exact);
	memcpy(exact, data, size);
	r = profile_parse_pprof(&profile, exact, size);
	profile_fini(&profile);
	free(exact);
	return r;
}

Test(read_pprof, cut_anywhere)
{
	struct buf buf;

	put_go(&buf, T_INUSE_SPACE);
	cr_assert_eq(read_exactly(buf.data, buf.size), 0);
	for (size_t size = 0; size < buf.size; size++) {
		int r = read_exactly(buf.data, size);

		cr_expect(r == 0 || r == -EBADMSG || r == -ENODATA, "%zu: %d", size, r);
	}
	cr_expect_eq(read_exactly(buf.data, 0), -EBADMSG);
	buf_fini(&buf);
}

Test(read_pprof, with_any_byte_another)
{
	struct buf buf;

	put_go(&buf, T_INUSE_SPACE);
	for (size_t i = 0; i < buf.size; i++) {
		char was = buf.data[i];

		for (int bit = 0; bit < 8; bit++) {
			int r;

			buf.data[i] = (char)(was ^ (1 << bit));
			r = read_exactly(buf.data, buf.size);
			cr_expect(r == 0 || r == -EBADMSG || r == -ENODATA || r == -E2BIG,
				  "%zu: %d", i, r);
		}
		buf.data[i] = was;
	}
	buf_fini(&buf);
}

static const struct {
	const char *name;
	uint64_t pairs[6][2]; /* of the one sample, after the columns and before the tables */
} bad_samples[] = {
	{ "no such location", { { 1, 1 }, { 1, 9 }, { 2, 1 }, { 2, 1 }, { 2, 1 }, { 2, 1 } } },
	{ "a value below nothing",
	  { { 1, 9 }, { 1, 9 }, { 2, 1 }, { 2, 1 }, { 2, 1 }, { 2, UINT64_MAX } } },
	{ "a value that cannot be",
	  { { 1, 9 }, { 1, 9 }, { 2, 1 }, { 2, 1 }, { 2, 1ull << 42 }, { 2, 1 } } },
	{ "a value too few", { { 1, 9 }, { 1, 9 }, { 1, 9 }, { 2, 1 }, { 2, 1 }, { 2, 1 } } },
	{ "a value too many", { { 1, 9 }, { 2, 1 }, { 2, 1 }, { 2, 1 }, { 2, 1 }, { 2, 1 } } },
};

Test(read_pprof, samples_that_make_no_sense)
{
	for (size_t i = 0; i < sizeof(bad_samples) / sizeof(bad_samples[0]); i++) {
		struct buf buf;

		buf_init(&buf, 1 << 20);
		put_columns(&buf);
		put_samples(&buf);
		put_tables(&buf);
		cr_assert_eq(read_exactly(buf.data, buf.size), 0);
		message(&buf, PROFILE_SAMPLE, 6, bad_samples[i].pairs);
		cr_expect_eq(read_exactly(buf.data, buf.size), -EBADMSG, "%s", bad_samples[i].name);
		buf_fini(&buf);
	}
}

/* A function with a text that is not there, or none of that number. */
Test(read_pprof, functions_that_make_no_sense)
{
	static const uint64_t functions[][2] = { { 11, 99 }, { 12, T_MAIN } };

	for (size_t i = 0; i < 2; i++) {
		struct buf buf, location;

		buf_init(&buf, 1 << 20);
		buf_init(&location, 1 << 10);
		MESSAGE(&buf, PROFILE_SAMPLE_TYPE, { 1, T_SPACE }, { 2, T_BYTES });
		MESSAGE(&buf, PROFILE_SAMPLE, { 1, 9 }, { 2, 1 });
		number(&location, LOCATION_ID, 9);
		MESSAGE(&location, LOCATION_LINE, { LINE_FUNCTION_ID, 11 });
		bytes(&buf, PROFILE_LOCATION, location.data, location.size);
		MESSAGE(&buf, PROFILE_FUNCTION, { FUNCTION_ID, functions[i][0] },
			{ FUNCTION_NAME, functions[i][1] });
		texts(&buf, go_texts, sizeof(go_texts) / sizeof(go_texts[0]));
		cr_expect_eq(read_exactly(buf.data, buf.size), -EBADMSG);
		buf_fini(&location);
		buf_fini(&buf);
	}
}

/* Each of few bytes names a location of many calls: what is done is bounded, not the file's size.
 */
Test(read_pprof, a_location_with_too_many_calls)
{
	struct buf buf, location;

	buf_init(&buf, 1 << 20);
	buf_init(&location, 1 << 20);
	MESSAGE(&buf, PROFILE_SAMPLE_TYPE, { 1, T_SPACE }, { 2, T_BYTES });
	MESSAGE(&buf, PROFILE_SAMPLE, { 1, 9 }, { 2, 1 });
	number(&location, LOCATION_ID, 9);
	for (int i = 0; i <= PPROF_STACK_MAX; i++)
		MESSAGE(&location, LOCATION_LINE, { LINE_FUNCTION_ID, 11 });
	bytes(&buf, PROFILE_LOCATION, location.data, location.size);
	put_tables(&buf);
	cr_expect_eq(read_exactly(buf.data, buf.size), -E2BIG);
	buf_fini(&location);
	buf_fini(&buf);
}

Test(read_pprof, json_is_known_by_its_brace)
{
	static const char *const none[] = { "", " ", "{}", "[]", "{\"head\":1}", "null", "\x7f" };
	static const char small[] = " \n\t{\"head\":{\"callFrame\":{\"functionName\":\"f\"},"
				    "\"selfSize\":7,\"id\":1,\"children\":[]},\"samples\":[]}";
	struct profile profile;

	cr_assert_eq(profile_read(&profile, small, strlen(small)), 0);
	cr_expect_eq(profile_total_bytes(&profile), 7);
	profile_fini(&profile);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		cr_expect_eq(profile_read(&profile, none[i], strlen(none[i])), -EBADMSG, "%s",
			     none[i]);
		profile_fini(&profile);
	}
}
