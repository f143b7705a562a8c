/*
 * Bodies of OTLP, of targets made here: what stands in them, and where one ends and the next
 * begins. That they are what a collector takes is for tests/e2e/test_otlp.py.
 */

#include "otlp/encode.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/tree.h"
#include "otlp/point.h"
#include "otlp/settings.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/metric.h"
#include "watch/gc_stats.h"
#include "watch/target.h"

enum { NOW_S = 1700000000 };

static struct targets targets;
static struct item_list attributes;
static struct otlp_frame frame;
static struct buf body;
static struct otlp_cursor cursor;
static uint64_t points;

static void set_up(void)
{
	targets = (struct targets){ .isolates_max = 1000, .series_points = 16 };
	targets.windows_ns[WINDOW_FAST] = 3 * 3600 * NS_PER_S;
	targets.windows_ns[WINDOW_SLOW] = 24 * 3600 * NS_PER_S;
	link_init(&targets.list);
	attributes = (struct item_list){ 0 };
	frame = (struct otlp_frame){ .version = "1.2",
				     .host = "box",
				     .attributes = &attributes,
				     .wall_ms = NOW_S * 1000ll };
	buf_init(&body, OTLP_BODY_BYTES_MAX);
	cursor = (struct otlp_cursor){ 0 };
	clock_simulate(3600 * NS_PER_S, NOW_S * 1000ll - 5000);
}

static void remove_target(struct target *target)
{
	target_drop_isolates(target);
	link_remove(&target->link);
	target_spec_fini(&target->spec);
	free(target);
}

static void tear_down(void)
{
	list_each_safe (at, &targets.list)
		remove_target(container_of(at, struct target, link));
	buf_fini(&body);
	clock_real();
}

TestSuite(encode, .init = set_up, .fini = tear_down);

static struct target *add_target(const char *name, const char *runtime, const char *engine)
{
	struct target *target = calloc(1, sizeof(*target));

	cr_assert_not_null(target);
	target->id = ++targets.next_id;
	target->targets = &targets;
	target->spec.name = strdup(name);
	link_init(&target->link);
	link_init(&target->isolates);
	link_init(&target->missing);
	list_append(&targets.list, &target->link);
	target->up = target->identified = runtime != NULL;
	if (runtime != NULL) {
		strcpy(target->identity.runtime, runtime);
		strcpy(target->identity.engine, engine);
		strcpy(target->identity.engine_version, "9.9");
		target->identity.pid = 77;
	}
	return target;
}

static struct isolate *add_isolate(struct target *target, const char *name, uint64_t used)
{
	struct sample sample = { .mono_ns = clock_mono_ns(), .wall_ms = clock_wall_ms() };

	sample_set(&sample, SAMPLE_HEAP_USED, used);
	cr_assert_eq(target_take_sample(target, name, &sample), 0);
	return target_find_isolate(target, name);
}

/* The next body; NULL at the end. To be freed. */
static struct tree *encode(void)
{
	int r = otlp_encode(&body, &targets, &frame, &cursor, &points);
	struct tree *tree = NULL;

	if (r == OTLP_E_END)
		return NULL;
	cr_assert_eq(r, 0);
	cr_assert_eq(tree_parse(body.data, body.size, &tree, NULL), 0);
	return tree;
}

static const struct tree *resource_at(const struct tree *tree, size_t i)
{
	return tree_at(tree_get(tree, "resourceMetrics"), i);
}

/* The value of an attribute as its kind has it, a text in both cases; NULL. */
static const char *attribute(const struct tree *list, const char *name, const char *kind)
{
	for (size_t i = 0; i < tree_size(list); i++) {
		const struct tree *item = tree_at(list, i);
		const char *key = NULL, *value = NULL;

		tree_string(item, "key", &key);
		if (strcmp(key, name) == 0 && tree_string(tree_get(item, "value"), kind, &value))
			return value;
	}
	return NULL;
}

static const char *resource_text(const struct tree *resource, const char *name)
{
	return attribute(tree_get(resource, "resource.attributes"), name, "stringValue");
}

static const struct tree *metric(const struct tree *resource, const char *name)
{
	const struct tree *scope = tree_at(tree_get(resource, "scopeMetrics"), 0);
	const struct tree *list = tree_get(scope, "metrics");

	for (size_t i = 0; i < tree_size(list); i++) {
		const char *found = NULL;

		tree_string(tree_at(list, i), "name", &found);
		if (strcmp(found, name) == 0)
			return tree_at(list, i);
	}
	return NULL;
}

static const struct tree *point(const struct tree *resource, const char *name, const char *kind,
				size_t i)
{
	return tree_at(tree_get(tree_get(metric(resource, name), kind), "dataPoints"), i);
}

static void expect_text(const struct tree *node, const char *path, const char *expected)
{
	const char *text = NULL;

	cr_expect(tree_string(node, path, &text), "%s", path);
	cr_expect_str_eq(text, expected);
}

Test(encode, nothing_to_tell)
{
	cr_expect_null(encode());
	cr_expect_eq(points, 0);
	cr_expect_eq(body.size, 0);
}

Test(encode, a_target_that_is_down)
{
	const struct tree *resource;
	struct tree *tree;

	add_target("a\"b", NULL, NULL);
	tree = encode();
	cr_assert_not_null(tree);
	resource = resource_at(tree, 0);
	cr_expect_str_eq(resource_text(resource, "service.name"), "a\"b");
	cr_expect_str_eq(resource_text(resource, "service.instance.id"), "a\"b@box");
	cr_expect_null(resource_text(resource, "process.runtime.name"));
	expect_text(point(resource, "heapwatch.up", "gauge", 0), "asInt", "0");
	expect_text(point(resource, "heapwatch.up", "gauge", 0), "timeUnixNano",
		    "1700000000000000000");
	cr_expect_eq(points, 1);
	tree_free(tree);
	cr_expect_null(encode());
}

Test(encode, what_a_resource_says)
{
	struct otlp_attribute_settings given[] = { { "process.pid", "1" }, { "team", "7" } };
	struct target *target = add_target("a", "node", "v8");
	const struct tree *resource;
	struct tree *tree;

	attributes = (struct item_list){ .items = given, .n = 2, .item_size = sizeof(given[0]) };
	cr_assert_eq(labels_set(&target->spec.labels, "job", "batch"), 0);
	cr_assert_eq(labels_set(&target->spec.labels, "instance", "i1"), 0);
	tree = encode();
	resource = resource_at(tree, 0);
	cr_expect_str_eq(resource_text(resource, "service.name"), "batch");
	cr_expect_str_eq(resource_text(resource, "service.instance.id"), "i1");
	cr_expect_str_eq(resource_text(resource, "process.runtime.name"), "nodejs");
	cr_expect_str_eq(resource_text(resource, "process.runtime.description"), "v8 9.9");
	cr_expect_str_eq(resource_text(resource, "process.pid"), "1");
	cr_expect_null(
		attribute(tree_get(resource, "resource.attributes"), "process.pid", "intValue"));
	cr_expect_str_eq(resource_text(resource, "team"), "7");
	tree_free(tree);
	cr_assert_eq(labels_set(&target->spec.labels, "service", "shop"), 0);
	attributes = (struct item_list){ 0 };
	cursor = (struct otlp_cursor){ 0 };
	tree = encode();
	resource = resource_at(tree, 0);
	cr_expect_str_eq(resource_text(resource, "service.name"), "shop");
	cr_expect_str_eq(
		attribute(tree_get(resource, "resource.attributes"), "process.pid", "intValue"),
		"77");
	tree_free(tree);
}

static void add_space(struct isolate *isolate, const char *name, uint64_t used)
{
	struct space *space = &isolate->last.spaces[isolate->last.spaces_n++];

	*space = (struct space){ .size = 4 * used, .used = used, .available = 1, .physical = 2 };
	strcpy(space->name, name);
}

Test(encode, spaces_are_v8s_only)
{
	struct target *node = add_target("a", "node", "v8"), *bun = add_target("b", "bun", "jsc");
	const struct tree *told;
	struct tree *tree;

	add_space(add_isolate(node, "main", 100), "old", UINT64_MAX);
	add_space(add_isolate(node, "worker:1", 50), "new", 7);
	add_space(add_isolate(bun, "main", 20), "old", 9);
	tree = encode();
	told = resource_at(tree, 0);
	expect_text(point(told, "heapwatch.heap.used", "sum", 1), "asInt", "50");
	/* More than OTLP can say. */
	expect_text(point(told, "v8js.memory.heap.used", "sum", 0), "asInt", "9223372036854775807");
	cr_expect_str_eq(
		attribute(tree_get(point(told, "v8js.memory.heap.used", "sum", 0), "attributes"),
			  "v8js.heap.space.name", "stringValue"),
		"old_space");
	expect_text(point(told, "v8js.memory.heap.space.size", "sum", 1), "asInt", "28");
	expect_text(point(told, "v8js.memory.heap.space.available_size", "sum", 1), "asInt", "1");
	expect_text(point(told, "v8js.memory.heap.space.physical_size", "sum", 1), "asInt", "2");
	told = resource_at(tree, 1);
	cr_expect_null(metric(told, "v8js.memory.heap.used"));
	expect_text(point(told, "heapwatch.heap.used", "sum", 0), "asInt", "20");
	expect_text(point(told, "heapwatch.heap.used", "sum", 0), "timeUnixNano",
		    "1699999995000000000");
	tree_free(tree);
}

static void collect(struct target *target, enum gc_kind kind, bool is_span, uint64_t ns)
{
	const struct gc_event event = { .kind = kind,
					.is_span = is_span,
					.is_end = true,
					.duration_ns = ns,
					.has_sizes = true,
					.before_bytes = 30,
					.after_bytes = 10 };

	target_take_gc(target, "main", &event);
}

Test(encode, collections_in_the_buckets_of_the_conventions)
{
	struct target *node = add_target("a", "node", "v8"), *bun = add_target("b", "bun", "jsc");
	/* Each bound belongs to the bucket below it. */
	const uint64_t times_ms[] = { 1, 10, 11, 100, 750, 1000, 9000, 20000 };
	const char *const counts[] = { "2", "2", "2", "1", "1" };
	const struct tree *told, *buckets;
	struct tree *tree;
	double sum = 0;

	add_isolate(node, "main", 100);
	add_isolate(bun, "main", 100);
	for (size_t i = 0; i < sizeof(times_ms) / sizeof(times_ms[0]); i++)
		collect(node, GC_MAJOR, false, times_ms[i] * NS_PER_MS);
	collect(bun, GC_MINOR, true, NS_PER_MS);
	tree = encode();
	told = point(resource_at(tree, 0), "v8js.gc.duration", "histogram", 0);
	buckets = tree_get(told, "bucketCounts");
	cr_assert_eq(tree_size(buckets), 5);
	for (size_t i = 0; i < 5; i++)
		expect_text(tree_at(buckets, i), NULL, counts[i]);
	expect_text(told, "count", "8");
	cr_expect(tree_double(told, "sum", &sum));
	cr_expect_float_eq(sum, 30.872, 1e-9);
	cr_expect_str_eq(attribute(tree_get(told, "attributes"), "v8js.gc.type", "stringValue"),
			 "major");
	cr_expect_null(metric(resource_at(tree, 0), "heapwatch.gc.pause"));
	expect_text(point(resource_at(tree, 0), "heapwatch.gc.freed", "sum", 0), "asInt", "160");
	told = resource_at(tree, 1);
	cr_expect_null(metric(told, "v8js.gc.duration"));
	expect_text(point(told, "heapwatch.gc.span", "histogram", 0), "count", "1");
	tree_free(tree);
}

Test(encode, a_sum_does_not_begin_after_it_was_seen)
{
	struct target *target = add_target("a", "node", "v8");
	struct isolate *isolate = add_isolate(target, "main", 1);
	const char *text = NULL;
	struct tree *tree;

	isolate->seen_wall_ms = isolate->last.wall_ms + 1;
	tree = encode();
	cr_expect_not(tree_string(point(resource_at(tree, 0), "heapwatch.heap.used", "sum", 0),
				  "startTimeUnixNano", &text));
	tree_free(tree);
	target->identity.start_wall_ms = isolate->last.wall_ms - 1000;
	cursor = (struct otlp_cursor){ 0 };
	tree = encode();
	expect_text(point(resource_at(tree, 0), "heapwatch.heap.used", "sum", 0),
		    "startTimeUnixNano", "1699999994000000000");
	tree_free(tree);
}

Test(encode, what_is_not_finite_is_left_out)
{
	struct otlp_writer w = { 0 };

	json_write_init(&w.json, &body);
	otlp_metric_begin(&w, OTLP_HEAP_GROWTH);
	otlp_point_double(&w, &(struct otlp_point){ .wall_ms = 1 }, INFINITY);
	otlp_point_double(&w, &(struct otlp_point){ .wall_ms = 1 }, NAN);
	otlp_metric_end(&w);
	cr_expect_eq(body.size, 0);
	cr_expect_eq(w.points, 0);
}

/* Each isolate is told once, in whatever parts. */
Test(encode, many_isolates_and_targets)
{
	enum { TARGETS = 40, ISOLATES = 50 };
	uint64_t seen = 0, bodies = 0;
	struct tree *tree;

	for (int i = 0; i < TARGETS; i++) {
		char name[16];
		struct target *target;

		snprintf(name, sizeof(name), "t%d", i);
		target = add_target(name, "node", "v8");
		for (int k = 0; k < ISOLATES; k++) {
			snprintf(name, sizeof(name), "worker:%d", k);
			add_space(add_isolate(target, name, 1), "old", 5);
		}
	}
	while ((tree = encode()) != NULL) {
		bodies++;
		cr_expect_lt(body.size, OTLP_BODY_BYTES + (64 << 10));
		for (size_t i = 0; i < tree_size(tree_get(tree, "resourceMetrics")); i++)
			seen += tree_size(
				tree_get(metric(resource_at(tree, i), "heapwatch.heap.used"),
					 "sum.dataPoints"));
		tree_free(tree);
	}
	cr_expect_eq(seen, TARGETS * ISOLATES);
	cr_expect_gt(bodies, 2);
}

Test(encode, targets_that_go_on_the_way)
{
	struct target *first = add_target("a", "node", "v8"),
		      *second = add_target("b", "node", "v8");
	struct tree *tree;

	for (int k = 0; k < 2 * OTLP_ISOLATES; k++) {
		char name[16];

		snprintf(name, sizeof(name), "worker:%d", k);
		add_isolate(first, name, 1);
	}
	add_isolate(second, "main", 1);
	/* As if the body had been full within the first. */
	cursor = (struct otlp_cursor){ .target_id = first->id, .isolates = OTLP_ISOLATES };
	remove_target(first);
	tree = encode();
	cr_assert_not_null(tree);
	cr_expect_not_null(metric(resource_at(tree, 0), "heapwatch.up"));
	cr_expect_str_eq(resource_text(resource_at(tree, 0), "heapwatch.target"), "b");
	tree_free(tree);
	cr_expect_null(encode());
}

Test(encode, a_body_over_its_limit)
{
	struct target *target = add_target("a", "node", "v8");

	add_target("b", "node", "v8");
	add_isolate(target, "main", 1);
	body.limit = 300;
	cr_expect_eq(otlp_encode(&body, &targets, &frame, &cursor, &points), -E2BIG);
	cr_expect_eq(points > 0, true);
	body.limit = OTLP_BODY_BYTES_MAX;
	/* The next is not kept from its turn. */
	tree_free(encode());
	cr_expect_null(encode());
}
