/* Redaction of Gecko's snapshots: what is cut from addresses and names, that all else stays as it
 * is, and what is no such snapshot. */

#include "pipeline/redact_gecko.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collect.h"
#include "pipeline/stage.h"
#include "util/buf.h"

static struct collect sink;
static char error[STAGE_ERROR_MAX];

static int run(const struct buf *file, size_t step)
{
	struct stage *stage;
	int r;

	collect_fini(&sink);
	collect_init(&sink);
	cr_assert_eq(redact_gecko_new(&stage, &sink.stage), 0);
	r = feed(stage, file->data, file->size, step);
	memcpy(error, stage->error, sizeof(error));
	stage->ops->free(stage);
	return r;
}

/* ---- messages, as Gecko writes them ---- */

enum { NODE_TYPE = 2, NODE_EDGE = 5, NODE_STACK = 6, NODE_CLASS = 7, NODE_SCRIPT = 10 };
enum { EDGE_NAME = 2, FRAME_DATA = 1, DATA_PARENT = 2, DATA_SOURCE = 5, DATA_FUNCTION = 7 };

static void put_varint(struct buf *buf, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		buf_append(buf, (char[]){ (char)(value | 0x80) }, 1);
	buf_append(buf, (char[]){ (char)value }, 1);
}

static void put_number(struct buf *buf, unsigned field, uint64_t value)
{
	put_varint(buf, field << 3);
	put_varint(buf, value);
}

static void put_bytes(struct buf *buf, unsigned field, const void *data, size_t size)
{
	put_varint(buf, field << 3 | 2);
	put_varint(buf, size);
	buf_append(buf, data, size);
}

static void put_narrow(struct buf *buf, unsigned field, const char *text)
{
	put_bytes(buf, field, text, strlen(text));
}

/* "~" is half of a pair, "^" a letter beyond ASCII. */
static void put_wide(struct buf *buf, unsigned field, const char *text)
{
	struct buf wide;

	buf_init(&wide, SIZE_MAX);
	for (; *text != '\0'; text++) {
		unsigned unit = *text == '~' ? 0xd83d : *text == '^' ? 0x00e9 : (unsigned)*text;

		buf_append(&wide, (char[]){ (char)(unit & 0xff), (char)(unit >> 8) }, 2);
	}
	put_bytes(buf, field, wide.data, wide.size);
	buf_fini(&wide);
}

/* inner is used up. */
static void put_message(struct buf *buf, unsigned field, struct buf *inner)
{
	put_bytes(buf, field, inner->data, inner->size);
	buf_fini(inner);
}

static void put_node(struct buf *file, struct buf *node)
{
	put_varint(file, node->size);
	buf_append(file, node->data, node->size);
	buf_fini(node);
}

static void file_init(struct buf *file)
{
	struct buf head;

	buf_init(file, SIZE_MAX);
	buf_init(&head, SIZE_MAX);
	put_number(&head, 1, 1769903999000000);
	/* No text of ours, whatever it looks like. */
	put_narrow(&head, NODE_SCRIPT, "http://host/?kept");
	put_node(file, &head);
}

/* A frame that was called by another, of which it says so first. */
static void put_stack(struct buf *node, const char *source, const char *function,
		      const char *caller)
{
	struct buf parent, parent_data, frame, data;

	buf_init(&parent_data, SIZE_MAX);
	put_number(&parent_data, 1, 1);
	put_wide(&parent_data, DATA_SOURCE, caller);
	buf_init(&parent, SIZE_MAX);
	put_message(&parent, FRAME_DATA, &parent_data);
	buf_init(&data, SIZE_MAX);
	put_number(&data, 1, 2);
	put_message(&data, DATA_PARENT, &parent);
	put_wide(&data, DATA_SOURCE, source);
	put_wide(&data, DATA_FUNCTION, function);
	buf_init(&frame, SIZE_MAX);
	put_message(&frame, FRAME_DATA, &data);
	put_message(node, NODE_STACK, &frame);
}

static void put_edge(struct buf *node, uint64_t to, const char *name)
{
	struct buf edge;

	buf_init(&edge, SIZE_MAX);
	put_number(&edge, 1, to);
	put_wide(&edge, EDGE_NAME, name);
	put_message(node, NODE_EDGE, &edge);
}

struct texts {
	const char *script, *source, *caller, *function, *edge, *class;
};

static void make(struct buf *file, const struct texts *texts)
{
	struct buf node;

	file_init(file);
	buf_init(&node, SIZE_MAX);
	put_number(&node, 1, UINT64_MAX);
	put_wide(&node, NODE_TYPE, "js::BaseScript");
	put_edge(&node, 383779326264, texts->edge);
	put_edge(&node, 1, "objectElements[4711]");
	put_stack(&node, texts->source, texts->function, texts->caller);
	put_narrow(&node, NODE_CLASS, texts->class);
	put_narrow(&node, NODE_SCRIPT, texts->script);
	put_number(&node, 9, 2);
	put_node(file, &node);
	buf_init(&node, SIZE_MAX); /* an empty one, and one more */
	put_node(file, &node);
	buf_init(&node, SIZE_MAX);
	put_narrow(&node, NODE_SCRIPT, texts->script);
	put_node(file, &node);
	cr_assert_eq(file->error, 0);
}

static void expect(const struct texts *from, const struct texts *to)
{
	struct buf file, wanted;

	make(&file, from);
	make(&wanted, to);
	for (size_t step = 1; step < 70; step++) {
		cr_assert_eq(run(&file, step), 0, "%s", error);
		cr_assert_eq(sink.data.size, wanted.size);
		cr_expect_arr_eq(sink.data.data, wanted.data, wanted.size, "in pieces of %zu",
				 step);
	}
	collect_fini(&sink);
	buf_fini(&wanted);
	buf_fini(&file);
}

Test(redact_gecko, addresses_are_cut_and_filled_up)
{
	expect(&(struct texts){ "https://host/a.js?token=x line 3 > eval", "http://u:p@host/b.js#y",
				"/srv/c.js?secret", "f", "https://host/?key=k", "Object" },
	       &(struct texts){ "https://host/a.js######################", "http://host/b.js######",
				"/srv/c.js#######", "f", "https://host/######", "Object" });
	expect(&(struct texts){ "data:text/javascript,secret", "data:,x", "", "data:,x", "data:,x",
				"" },
	       &(struct texts){ "data:######################", "data:##", "", "data:##", "data:##",
				"" });
}

Test(redact_gecko, what_is_no_address_stays)
{
	struct texts texts = { "self-hosted", "resource://devtools/shared/x.js",
			       "node:~^/?",   "what/is?this#",
			       "is it?",      "Some#Class?" };
	struct texts wanted = texts;

	texts.caller = wanted.caller = "caf^/~~/x.js";
	expect(&texts, &wanted);
	texts.caller = "http://caf^/~^?~^";
	wanted.caller = "http://caf^/~^###";
	expect(&texts, &wanted);
}

static void expect_long(size_t size, bool is_whole)
{
	struct buf file, node;
	char *text = malloc(size + 1);

	cr_assert_not_null(text);
	memset(text, 'a', size);
	text[size] = '\0';
	memcpy(text, "http://", 7);
	for (int wide = 0; wide <= 1; wide++) {
		size_t limit = wide ? size * 2 : size;

		file_init(&file);
		buf_init(&node, SIZE_MAX);
		if (wide)
			put_edge(&node, 1, text);
		else
			put_narrow(&node, NODE_SCRIPT, text);
		put_node(&file, &node);
		for (size_t step = 1000; step < 70000; step += 12345) {
			cr_assert_eq(run(&file, step), 0, "%s", error);
			cr_assert_eq(sink.data.size, file.size);
			cr_expect_eq(memmem(sink.data.data, sink.data.size, "a", 1) != NULL,
				     is_whole && limit <= REDACT_GECKO_TEXT_MAX);
			cr_expect_eq(sink.data.data[sink.data.size - 1], wide       ? '\0'
									 : is_whole ? 'a'
										    : '#');
		}
		buf_fini(&file);
	}
	collect_fini(&sink);
	free(text);
}

Test(redact_gecko, of_what_is_too_long_nothing_stays)
{
	expect_long(REDACT_GECKO_TEXT_MAX, true);
	expect_long(REDACT_GECKO_TEXT_MAX + 1, false);
	expect_long(5 * REDACT_GECKO_TEXT_MAX + 7, false);
}

Test(redact_gecko, of_half_a_unit_nothing_stays)
{
	struct buf file, node;

	file_init(&file);
	buf_init(&node, SIZE_MAX);
	put_bytes(&node, NODE_TYPE, "s\0e\0c", 5);
	put_node(&file, &node);
	cr_assert_eq(run(&file, 7), 0);
	cr_expect_arr_eq(sink.data.data + sink.data.size - 5, "#\0#\0#", 5);
	collect_fini(&sink);
	buf_fini(&file);
}

Test(redact_gecko, one_that_is_cut_is_none)
{
	struct texts texts = { "a", "b", "c", "d", "e", "f" };
	unsigned whole = 0;
	struct buf file;

	make(&file, &texts);
	for (size_t n = 0, size = file.size; n < size; n++) {
		file.size = n;
		whole += run(&file, 5) == 0;
	}
	cr_expect_eq(whole, 3, "only between messages");
	collect_fini(&sink);
	buf_fini(&file);
}

static void expect_refused(const char *bytes, size_t size, const char *why)
{
	struct buf file;

	file_init(&file);
	buf_append(&file, bytes, size);
	cr_expect_eq(run(&file, 3), -EBADMSG);
	cr_expect_not_null(strstr(error, why), "%s", error);
	collect_fini(&sink);
	buf_fini(&file);
}

Test(redact_gecko, what_is_not_as_gecko_writes_it)
{
	expect_refused("\x02\x12\x01x", 4, "longer than its message");
	expect_refused("\x01\x08\x01", 3, "longer than its message");
	expect_refused("\x03\x2a\x02\x12\x01x", 6, "longer than its message");
	expect_refused("\x02\x00\x01", 3, "no number");
	expect_refused("\x02\x0b\x01", 3, "no known kind");
	expect_refused("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, "too long");
	expect_refused("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "too long");
}

/* Longer than anything, and each in another: nobody has to send them whole. */
Test(redact_gecko, the_depth_has_a_limit)
{
	enum { LENGTH = 1 << 30 };
	struct buf file;
	int r;

	file_init(&file);
	put_varint(&file, LENGTH);
	put_varint(&file, NODE_STACK << 3 | 2);
	put_varint(&file, LENGTH - 100);
	for (unsigned i = 0; i < REDACT_GECKO_DEPTH_MAX; i++) {
		put_varint(&file, i % 2 == 0 ? FRAME_DATA << 3 | 2 : DATA_PARENT << 3 | 2);
		put_varint(&file, LENGTH - 1000 - 20 * i);
	}
	r = run(&file, 4096);
	cr_expect_eq(r, -EBADMSG);
	cr_expect_not_null(strstr(error, "nested too deep"), "%s", error);
	collect_fini(&sink);
	buf_fini(&file);
}
