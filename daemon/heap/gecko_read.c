/*
 * Gecko's core dump, message by message
 */

#include "heap/gecko_read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "heap/gecko_text.h"
#include "util/err.h"
#include "util/protobuf.h"

/* Numbers of fields. A text has two: itself, and where it was before. */
enum { METADATA_TIME = 1 };
enum {
	NODE_ID = 1,
	NODE_TYPE = 2,
	NODE_TYPE_REF = 3,
	NODE_SIZE = 4,
	NODE_EDGE = 5,
	NODE_STACK = 6,
	NODE_CLASS = 7,
	NODE_CLASS_REF = 8,
	NODE_COARSE = 9,
	NODE_SCRIPT = 10,
	NODE_SCRIPT_REF = 11,
	NODE_DESCRIBED = 12,
	NODE_DESCRIBED_REF = 13,
};
enum { EDGE_TO = 1, EDGE_NAME = 2, EDGE_NAME_REF = 3 };
enum { FRAME_DATA = 1, FRAME_REF = 2 };
enum {
	DATA_ID = 1,
	DATA_PARENT = 2,
	DATA_LINE = 3,
	DATA_COLUMN = 4,
	DATA_SOURCE = 5,
	DATA_SOURCE_REF = 6,
	DATA_FUNCTION = 7,
	DATA_FUNCTION_REF = 8,
};

enum { FIRST_N = 1024, COARSE_MAX = GECKO_DOM };

void gecko_reader_init(struct gecko_reader *reader, const struct v8_text *text, struct err *err)
{
	*reader = (struct gecko_reader){ .text = text, .err = err };
}

uint64_t gecko_reader_cost(const struct gecko_reader *reader)
{
	const struct gecko_texts *wide = &reader->wide, *narrow = &reader->narrow;

	return heap_names_cost((uint64_t)wide->n + narrow->n, wide->bytes + narrow->bytes) +
	       ((uint64_t)wide->capacity + narrow->capacity) * sizeof(*wide->items);
}

void gecko_reader_fini(struct gecko_reader *reader)
{
	free(reader->wide.items);
	free(reader->narrow.items);
	free(reader->node.edges);
	free(reader->node.frames);
	reader->wide.items = reader->narrow.items = NULL;
	reader->node.edges = NULL;
	reader->node.frames = NULL;
}

static int wrong(const struct gecko_reader *reader, const unsigned char *at, const char *what)
{
	return err_set(reader->err, -EBADMSG, "node %" PRIu64 ", near byte %" PRIu64 ": %s",
		       reader->message, (uint64_t)((const char *)at - reader->text->data), what);
}

static int no_memory(const struct gecko_reader *reader)
{
	return err_set(reader->err, -ENOMEM, "out of memory");
}

/* ---- texts ---- */

/* A text appears: it gets the next number. On a second walk it is there already. */
static int appear(struct gecko_reader *reader, struct gecko_texts *texts,
		  const struct pb_field *field, uint32_t *ret)
{
	if (field->wire != PB_BYTES)
		return wrong(reader, field->data, "a text is of another kind");
	if (texts->next == texts->n) {
		if (texts->n == texts->capacity) {
			uint32_t capacity = texts->capacity > 0 ? texts->capacity * 2 : FIRST_N;
			struct gecko_text *items =
				reallocarray(texts->items, capacity, sizeof(*items));

			if (items == NULL)
				return no_memory(reader);
			texts->items = items;
			texts->capacity = capacity;
		}
		texts->items[texts->n] = (struct gecko_text){ field->data, field->size };
		texts->bytes += texts == &reader->wide
					? gecko_wide_bytes(&texts->items[texts->n])
					: gecko_narrow_bytes(&texts->items[texts->n]);
		texts->n++;
	}
	*ret = texts->next++;
	return 0;
}

static int refer(const struct gecko_reader *reader, const struct gecko_texts *texts,
		 const struct pb_field *field, uint32_t *ret)
{
	if (field->wire != PB_VARINT || field->value >= texts->next)
		return wrong(reader, field->data, "a text is referred to that was not there yet");
	*ret = (uint32_t)field->value;
	return 0;
}

static int take_number(const struct gecko_reader *reader, const struct pb_field *field,
		       uint64_t *ret)
{
	if (field->wire != PB_VARINT)
		return wrong(reader, field->data, "a number is of another kind");
	*ret = field->value;
	return 0;
}

/* ---- parts of a node ---- */

static int next_field(const struct gecko_reader *reader, struct pb *pb, struct pb_field *field)
{
	int r = pb_next(pb, field);

	return r < 0 ? wrong(reader, pb->at, "a field is damaged") : r;
}

static int push_edge(struct gecko_reader *reader, const struct gecko_edge *edge)
{
	struct gecko_node *node = &reader->node;

	if (node->edges_n == node->edges_capacity) {
		uint32_t capacity = node->edges_capacity > 0 ? node->edges_capacity * 2 : FIRST_N;
		struct gecko_edge *edges = reallocarray(node->edges, capacity, sizeof(*edges));

		if (edges == NULL)
			return no_memory(reader);
		node->edges = edges;
		node->edges_capacity = capacity;
	}
	node->edges[node->edges_n++] = *edge;
	return 0;
}

static int read_edge(struct gecko_reader *reader, const struct pb_field *message)
{
	struct gecko_edge edge = { .name = GECKO_NO_TEXT };
	struct pb pb = { message->data, message->data + message->size };
	struct pb_field field;
	bool has_to = false;
	int r = 0, more;

	if (message->wire != PB_BYTES)
		return wrong(reader, message->data, "an edge is no message");
	while (r == 0 && (more = next_field(reader, &pb, &field)) != 0) {
		if (more < 0)
			return more;
		has_to |= field.number == EDGE_TO;
		if (field.number == EDGE_TO)
			r = take_number(reader, &field, &edge.to);
		else if (field.number == EDGE_NAME)
			r = appear(reader, &reader->wide, &field, &edge.name);
		else if (field.number == EDGE_NAME_REF)
			r = refer(reader, &reader->wide, &field, &edge.name);
	}
	if (r == 0 && !has_to)
		return wrong(reader, message->data, "an edge leads nowhere");
	return r == 0 ? push_edge(reader, &edge) : r;
}

/* ---- stacks ---- */

static int push_frame(struct gecko_reader *reader, const struct gecko_frame *frame)
{
	struct gecko_node *node = &reader->node;

	if (node->frames_n == node->frames_capacity) {
		uint32_t capacity = node->frames_capacity > 0 ? node->frames_capacity * 2 : 64;
		struct gecko_frame *frames = reallocarray(node->frames, capacity, sizeof(*frames));

		if (frames == NULL)
			return no_memory(reader);
		node->frames = frames;
		node->frames_capacity = capacity;
	}
	node->frames[node->frames_n++] = *frame;
	return 0;
}

static int take_position(const struct gecko_reader *reader, const struct pb_field *field,
			 uint32_t *ret)
{
	if (field->wire != PB_VARINT || field->value > UINT32_MAX)
		return wrong(reader, field->data, "a position in a script is none");
	*ret = (uint32_t)field->value;
	return 0;
}

static int take_text(struct gecko_reader *reader, const struct pb_field *field, uint64_t appears,
		     uint32_t *ret)
{
	if (field->number == 0)
		return 0;
	return field->number == appears ? appear(reader, &reader->wide, field, ret)
					: refer(reader, &reader->wide, field, ret);
}

/* Its texts have numbers. The parent, which stands before them, gets its numbers after them. */
static int read_frame_data(struct gecko_reader *reader, const struct pb_field *message,
			   struct gecko_frame *frame, struct pb_field *ret_parent)
{
	struct pb pb = { message->data, message->data + message->size };
	struct pb_field field, source = { .number = 0 }, function = { .number = 0 };
	int r = 0, more;

	if (message->wire != PB_BYTES)
		return wrong(reader, message->data, "a frame is no message");
	while (r == 0 && (more = next_field(reader, &pb, &field)) != 0) {
		if (more < 0)
			return more;
		if (field.number == DATA_ID)
			r = take_number(reader, &field, &frame->id);
		else if (field.number == DATA_PARENT)
			*ret_parent = field;
		else if (field.number == DATA_LINE)
			r = take_position(reader, &field, &frame->line);
		else if (field.number == DATA_COLUMN)
			r = take_position(reader, &field, &frame->column);
		else if (field.number == DATA_SOURCE || field.number == DATA_SOURCE_REF)
			source = field;
		else if (field.number == DATA_FUNCTION || field.number == DATA_FUNCTION_REF)
			function = field;
	}
	r = r == 0 ? take_text(reader, &source, DATA_SOURCE, &frame->source) : r;
	return r == 0 ? take_text(reader, &function, DATA_FUNCTION, &frame->function) : r;
}

static int read_frame(struct gecko_reader *reader, const struct pb_field *message,
		      struct pb_field *ret_parent)
{
	struct gecko_frame frame = { .source = GECKO_NO_TEXT, .function = GECKO_NO_TEXT };
	struct pb pb = { message->data, message->data + message->size };
	struct pb_field field;
	bool is_told = false;
	int r = 0, more;

	if (message->wire != PB_BYTES)
		return wrong(reader, message->data, "a frame is no message");
	while (r == 0 && (more = next_field(reader, &pb, &field)) != 0) {
		if (more < 0)
			return more;
		if (is_told && (field.number == FRAME_DATA || field.number == FRAME_REF))
			return wrong(reader, field.data, "a frame is two");
		is_told |= field.number == FRAME_DATA || field.number == FRAME_REF;
		frame.is_known |= field.number == FRAME_REF;
		if (field.number == FRAME_DATA)
			r = read_frame_data(reader, &field, &frame, ret_parent);
		else if (field.number == FRAME_REF)
			r = take_number(reader, &field, &frame.id);
	}
	if (r == 0 && !is_told)
		return wrong(reader, message->data, "a frame is empty");
	return r == 0 ? push_frame(reader, &frame) : r;
}

/* From the youngest frame to the oldest: each is inside of the one it has called. */
static int read_stack(struct gecko_reader *reader, const struct pb_field *message)
{
	struct pb_field frame = *message;
	int r = 0;

	if (reader->node.frames_n > 0)
		return wrong(reader, message->data, "it has two stacks");
	reader->traced = true;
	while (r == 0 && frame.number != 0) {
		struct pb_field parent = { .number = 0 };

		if (reader->node.frames_n == GECKO_FRAMES_MAX)
			return wrong(reader, frame.data, "a stack has too many frames");
		r = read_frame(reader, &frame, &parent);
		frame = parent;
	}
	return r;
}

static int read_field(struct gecko_reader *reader, const struct pb_field *field)
{
	struct gecko_node *node = &reader->node;

	switch (field->number) {
	case NODE_ID:
		return take_number(reader, field, &node->id);
	case NODE_TYPE:
		return appear(reader, &reader->wide, field, &node->type);
	case NODE_TYPE_REF:
		return refer(reader, &reader->wide, field, &node->type);
	case NODE_SIZE:
		return take_number(reader, field, &node->size);
	case NODE_EDGE:
		return read_edge(reader, field);
	case NODE_STACK:
		return read_stack(reader, field);
	case NODE_CLASS:
		return appear(reader, &reader->narrow, field, &node->class);
	case NODE_CLASS_REF:
		return refer(reader, &reader->narrow, field, &node->class);
	case NODE_COARSE:
		return take_number(reader, field, &node->coarse);
	case NODE_SCRIPT:
		return appear(reader, &reader->narrow, field, &node->script);
	case NODE_SCRIPT_REF:
		return refer(reader, &reader->narrow, field, &node->script);
	case NODE_DESCRIBED:
		return appear(reader, &reader->wide, field, &node->described);
	case NODE_DESCRIBED_REF:
		return refer(reader, &reader->wide, field, &node->described);
	default:
		return 0;
	}
}

/* ---- messages ---- */

/* 1: *ret is the next one; 0: the file ends behind the last one. */
static int next_message(struct gecko_reader *reader, struct pb *ret)
{
	const unsigned char *first = (const unsigned char *)reader->text->data;
	struct pb rest = { first + reader->at, first + reader->text->size };
	uint64_t size;

	if (rest.at == rest.end)
		return 0;
	if (pb_varint(&rest, &size) < 0) {
		if (rest.end - rest.at >= PB_VARINT_MAX)
			return wrong(reader, rest.at, "no length of a message");
		size = UINT64_MAX;
	}
	if (size > (uint64_t)(rest.end - rest.at))
		return err_set(reader->err, -ENODATA,
			       "the file ends at byte %" PRIu64 ", inside of node %" PRIu64
			       ": it is cut short",
			       reader->text->size, reader->message);
	*ret = (struct pb){ rest.at, rest.at + size };
	reader->at = (uint64_t)(ret->end - first);
	return 1;
}

int gecko_rewind(struct gecko_reader *reader)
{
	struct pb_field field;
	struct pb pb;
	int r;

	reader->at = reader->message = 0;
	reader->wide.next = reader->narrow.next = 0;
	r = next_message(reader, &pb);
	if (r == 0)
		return err_set(reader->err, -ENODATA,
			       "the file is empty: it ends at byte 0, before its first section");
	while (r > 0) {
		r = next_field(reader, &pb, &field);
		if (r > 0 && field.number == METADATA_TIME && field.wire != PB_VARINT)
			return wrong(reader, field.data, "the time is no number");
	}
	return r;
}

int gecko_count(struct gecko_reader *reader, uint64_t *ret)
{
	struct pb pb;
	int more, r = gecko_rewind(reader);

	*ret = 0;
	if (r < 0)
		return r;
	for (;; ++*ret) {
		reader->message = *ret + 1;
		more = next_message(reader, &pb);
		if (more <= 0)
			return more;
	}
}

int gecko_next(struct gecko_reader *reader)
{
	struct gecko_node *node = &reader->node;
	struct pb_field field;
	bool has_id = false;
	struct pb pb;
	int r, more;

	reader->message++;
	r = next_message(reader, &pb);
	if (r <= 0)
		return r;
	node->id = node->size = 0;
	node->coarse = GECKO_OTHER;
	node->type = node->described = node->class = node->script = GECKO_NO_TEXT;
	node->edges_n = node->frames_n = 0;
	while ((more = next_field(reader, &pb, &field)) > 0) {
		has_id |= field.number == NODE_ID;
		r = read_field(reader, &field);
		if (r < 0)
			return r;
	}
	if (more < 0)
		return more;
	if (!has_id)
		return wrong(reader, pb.end, "it has no id");
	if (node->coarse > COARSE_MAX)
		node->coarse = GECKO_OTHER;
	return 1;
}
