/* Values by name: each reads its own field, and only when it is there. */

#include "watch/value.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include "watch/target.h"

static struct target target;
static struct isolate isolate;

static void reset(void)
{
	memset(&target, 0, sizeof(target));
	memset(&isolate, 0, sizeof(isolate));
}

TestSuite(value, .init = reset);

static bool read_named(const char *name, double *ret)
{
	int index = value_find(name);

	cr_assert_geq(index, 0, "%s", name);
	return value_read(index, &target, &isolate, ret);
}

static void expect(const char *name, double expected)
{
	double value = -1;

	cr_expect(read_named(name, &value), "%s is absent", name);
	cr_expect_eq(value, expected, "%s is %g", name, value);
}

static void expect_absent(const char *name)
{
	double value = -1;

	cr_expect_not(read_named(name, &value), "%s is there", name);
	cr_expect_eq(value, -1);
}

Test(value, names)
{
	int n = 0;

	for (const struct value_desc *desc; (desc = value_at(n)) != NULL; n++) {
		cr_expect_eq(value_find(desc->name), n);
		for (const char *at = desc->name; *at != '\0'; at++)
			cr_expect(islower((unsigned char)*at) || *at == '_', "%s", desc->name);
	}
	cr_assert_gt(n, 0);
	cr_assert_null(value_at(-1));
	cr_assert_eq(value_find("heap"), -1);
	cr_assert_eq(value_find(""), -1);
}

Test(value, out_of_the_table)
{
	double value = -1;

	cr_assert_not(value_read(-1, &target, &isolate, &value));
	cr_assert_not(value_read(1000, &target, &isolate, &value));
}

Test(value, fields_of_the_sample)
{
	static const struct {
		const char *name;
		enum sample_field field;
	} fields[] = {
		{ "heap_used", SAMPLE_HEAP_USED },
		{ "heap_size", SAMPLE_HEAP_SIZE },
		{ "heap_limit", SAMPLE_HEAP_LIMIT },
		{ "external_memory", SAMPLE_EXTERNAL },
		{ "array_buffers", SAMPLE_ARRAY_BUFFERS },
		{ "embedder_heap_used", SAMPLE_EMBEDDER_USED },
		{ "malloced_memory", SAMPLE_MALLOCED },
		{ "native_contexts", SAMPLE_NATIVE_CONTEXTS },
		{ "detached_contexts", SAMPLE_DETACHED_CONTEXTS },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		expect_absent(fields[i].name);
		sample_set(&isolate.last, fields[i].field, 100 + i);
		expect(fields[i].name, 100 + (double)i);
		cr_expect_not(value_at(value_find(fields[i].name))->of_target);
	}
	/* Zero is a value. */
	sample_set(&isolate.last, SAMPLE_DETACHED_CONTEXTS, 0);
	expect("detached_contexts", 0);
}

Test(value, round_trip)
{
	expect_absent("inspector_round_trip");
	isolate.last.round_trip_ns = 1500000;
	expect("inspector_round_trip", 0.0015);
	cr_assert_eq(value_at(value_find("inspector_round_trip"))->unit, VALUE_SECONDS);
}

Test(value, of_the_process)
{
	static const char *const names[] = { "process_resident_memory", "process_virtual_memory",
					     "cgroup_memory_usage", "cgroup_memory_limit" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		cr_expect(value_at(value_find(names[i]))->of_target);
		cr_expect_eq(value_at(value_find(names[i]))->unit, VALUE_BYTES);
		expect_absent(names[i]);
	}
	target.process = (struct process_stats){
		.present = true,
		.resident_bytes = 1,
		.virtual_bytes = 2,
		.cgroup.usage_bytes = 3,
		.cgroup.limit_bytes = 4,
	};
	expect("process_resident_memory", 1);
	expect("process_virtual_memory", 2);
	expect_absent("cgroup_memory_usage");
	expect_absent("cgroup_memory_limit");
	target.process.cgroup.has_usage = true;
	expect("cgroup_memory_usage", 3);
	expect_absent("cgroup_memory_limit");
	target.process.cgroup.has_limit = true;
	expect("cgroup_memory_limit", 4);
	/* Gone, whatever is left in the struct. */
	target.process.present = false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		expect_absent(names[i]);
}

Test(value, resident_memory_in_the_runtime_s_own_words)
{
	target.rss_bytes = 77;
	expect("process_resident_memory", 77);
	target.process.present = true;
	target.process.resident_bytes = 88;
	expect("process_resident_memory", 88);
}
