/*
 * Building a document
 *
 * Nodes and texts live in chunks that belong to the document, so that freeing it is one walk over
 * the chunks however hostile the text was. The children of an open list or table gather in an array
 * that grows; when it is closed they move into the chunks for good.
 *
 * An alias repeats a finished value: its children are shared, not copied, and yet count in full
 * against the limit, since whoever walks the document meets them as often as they are used.
 */

#include "conf/build.h"
#include "util/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 32 << 10 };

struct doc_chunk {
	struct doc_chunk *next;
	size_t size, used;
	_Alignas(max_align_t) char data[];
};

static void *keep_bytes(struct doc *doc, size_t size)
{
	size_t aligned = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
	struct doc_chunk *chunk = doc->memory;
	void *ret;

	if (!chunk || chunk->size - chunk->used < aligned) {
		size_t room = aligned > CHUNK_BYTES ? aligned : CHUNK_BYTES;

		chunk = malloc(sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		chunk->next = doc->memory;
		chunk->size = room;
		chunk->used = 0;
		doc->memory = chunk;
	}
	ret = chunk->data + chunk->used;
	chunk->used += aligned;
	return ret;
}

char *doc_keep(struct doc *doc, const char *text, size_t size)
{
	char *copy = keep_bytes(doc, size + 1);

	if (!copy)
		return NULL;
	if (size > 0)
		memcpy(copy, text, size);
	copy[size] = '\0';
	return copy;
}

void doc_free(struct doc *doc)
{
	if (!doc)
		return;
	while (doc->memory) {
		struct doc_chunk *next = doc->memory->next;

		free(doc->memory);
		doc->memory = next;
	}
	free(doc->file);
	free(doc);
}

void build_init(struct build *build, struct doc *doc, struct problems *problems)
{
	*build = (struct build){ .doc = doc, .problems = problems };
	build->frames[0].node.kind = NODE_LIST;
}

void build_fini(struct build *build)
{
	for (unsigned i = 0; i <= build->depth; i++)
		free(build->frames[i].items);
	build->frames[0].items = NULL;
	build->depth = 0;
}

static int refuse(struct build *build, struct build_mark mark, const char *text)
{
	problems_add(build->problems, build->doc->file, mark.line, mark.column, NULL, "%s", text);
	return -EINVAL;
}

static struct build_frame *top(struct build *build)
{
	return &build->frames[build->depth];
}

bool build_wants_key(const struct build *build)
{
	const struct build_frame *frame = &build->frames[build->depth];

	return frame->node.kind == NODE_TABLE && !frame->key;
}

const struct node *build_last(const struct build *build)
{
	const struct build_frame *frame = &build->frames[build->depth];

	return &frame->items[frame->n - 1];
}

/* Count values that come at mark. */
static int count(struct build *build, size_t nodes, struct build_mark mark)
{
	if (nodes > DOC_NODES_MAX - build->nodes)
		return refuse(build, mark,
			      "more than 250000 values (an alias counts for all it stands for)");
	build->nodes += nodes;
	return 0;
}

_Static_assert(DOC_NODES_MAX == 250000, "a message says so");

/* A finished value becomes the next child of the innermost frame. */
static int add(struct build *build, const struct node *node)
{
	struct build_frame *frame = top(build);
	struct node *items =
		array_room(frame->items, frame->n, &frame->capacity, 8, sizeof(*items));
	struct node *item;

	if (!items)
		return -ENOMEM;
	frame->items = items;
	item = &items[frame->n++];
	*item = *node;
	item->name = frame->key;
	item->name_line = frame->key_mark.line;
	item->name_column = frame->key_mark.column;
	frame->key = NULL;
	return 0;
}

int build_open(struct build *build, enum node_kind kind, struct build_mark mark)
{
	struct build_frame *frame;
	size_t before = build->nodes;
	int r;

	if (build_wants_key(build))
		return refuse(build, mark, "a key must be a word, not a list or a table");
	if (build->depth == DOC_DEPTH_MAX)
		return refuse(build, mark, "nested deeper than 32 levels");
	r = count(build, 1, mark);
	if (r < 0)
		return r;
	frame = &build->frames[++build->depth];
	*frame = (struct build_frame){ .nodes_before = before };
	frame->node = (struct node){ .kind = kind, .line = mark.line, .column = mark.column };
	return 0;
}

_Static_assert(DOC_DEPTH_MAX == 32, "a message says so");

int build_key(struct build *build, const char *text, size_t size, struct build_mark mark)
{
	struct build_frame *frame = top(build);

	if (size > 0 && memchr(text, '\0', size))
		return refuse(build, mark, "a key may not contain a NUL character");
	frame->key = doc_keep(build->doc, text, size);
	frame->key_mark = mark;
	return frame->key ? 0 : -ENOMEM;
}

int build_scalar(struct build *build, const char *text, size_t size, bool plain,
		 struct build_mark mark)
{
	struct node node = {
		.kind = NODE_SCALAR, .line = mark.line, .column = mark.column, .plain = plain
	};
	int r;

	if (size > 0 && memchr(text, '\0', size))
		return refuse(build, mark, "a value may not contain a NUL character");
	r = count(build, 1, mark);
	if (r < 0)
		return r;
	node.text = doc_keep(build->doc, text, size);
	return node.text ? add(build, &node) : -ENOMEM;
}

int build_repeat(struct build *build, const struct node *node, size_t nodes)
{
	int r = count(build, nodes, (struct build_mark){ node->line, node->column });

	return r < 0 ? r : add(build, node);
}

int build_close(struct build *build, size_t *ret_nodes)
{
	struct build_frame *frame = top(build);
	struct node node = frame->node;

	if (frame->n > 0) {
		size_t size = frame->n * sizeof(*frame->items);

		node.children = keep_bytes(build->doc, size);
		if (!node.children)
			return -ENOMEM;
		memcpy(node.children, frame->items, size);
		node.children_n = frame->n;
	}
	free(frame->items);
	frame->items = NULL;
	build->depth--;
	if (ret_nodes)
		*ret_nodes = build->nodes - frame->nodes_before;
	return add(build, &node);
}

int build_end(struct build *build)
{
	if (build->frames[0].n == 0) {
		int r = build_scalar(build, "", 0, true, (struct build_mark){ 1, 1 });

		if (r < 0)
			return r;
	}
	build->doc->root = build->frames[0].items[0];
	return 0;
}
