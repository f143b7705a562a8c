/*
 * YAML, by libyaml
 *
 * The only file that knows libyaml. Its events become nodes; what YAML can do beyond a
 * configuration's needs is refused with a reason: tags, keys that are no words, a second document.
 * Anchors work, and an alias to something that is not finished yet (itself) does not exist.
 *
 * libyaml's own complaints are made for people who know the scanner; those that common slips cause
 * (a tab, a missing indent, an unquoted colon) are said in other words.
 */

#include "conf/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { ANCHORS_MAX = 256 };

struct anchor {
	char *name; /* the document's */
	struct node node;
	size_t nodes;
	bool done;
};

struct reader {
	struct build *build;
	yaml_parser_t parser;
	const char *text;
	size_t size;
	struct anchor *anchors; /* owned, ANCHORS_MAX */
	size_t anchors_n;
	size_t open[DOC_DEPTH_MAX]; /* anchor (index + 1) of each open list or table, or 0 */
	unsigned depth, documents;
};

static struct build_mark mark_of(const yaml_mark_t *mark)
{
	return (struct build_mark){ (int)mark->line + 1, (int)mark->column + 1 };
}

static int refuse(struct reader *reader, struct build_mark mark, const char *text)
{
	problems_add(reader->build->problems, reader->build->doc->file, mark.line, mark.column,
		     NULL, "%s", text);
	return -EINVAL;
}

/* ---- libyaml's complaints ---- */

/* Where a byte stands. Columns count characters, as libyaml's do. */
static struct build_mark mark_at(const struct reader *reader, size_t offset)
{
	struct build_mark mark = { 1, 1 };

	for (size_t i = 0; i < offset && i < reader->size; i++) {
		if (reader->text[i] == '\n')
			mark = (struct build_mark){ mark.line + 1, 1 };
		else if (((unsigned char)reader->text[i] & 0xc0) != 0x80)
			mark.column++;
	}
	return mark;
}

static int refuse_bytes(struct reader *reader)
{
	size_t offset = reader->parser.problem_offset;
	struct build_mark mark = mark_at(reader, offset);

	if (reader->parser.problem_value == 0)
		return refuse(reader, mark, "a NUL character: is this a text file?");
	if (strcmp(reader->parser.problem, "control characters are not allowed") == 0)
		return refuse(reader, mark, "control characters are not allowed");
	return refuse(reader, mark, "this is not UTF-8");
}

/* What libyaml says, and what most likely caused it. */
static const struct {
	const char *problem, *said;
} slips[] = {
	{ "mapping values are not allowed in this context",
	  "a ':' is not allowed here (is the indentation as meant? does a text with ': ' want "
	  "quotes?)" },
	{ "did not find expected key",
	  "expected a key here (is the indentation as meant? is a quote or bracket left open?)" },
	{ "did not find expected '-' indicator",
	  "expected a '-' here (is the indentation as meant?)" },
	{ "could not find expected ':'", "expected a ':' after the key" },
	{ "block sequence entries are not allowed in this context",
	  "a list may not begin here (put '-' on a line of its own)" },
	{ "did not find expected node content", "expected a value here (is a bracket left open?)" },
	{ "did not find expected ',' or ']'",
	  "expected ',' or ']' here (is a bracket left open?)" },
	{ "did not find expected ',' or '}'",
	  "expected ',' or '}' here (is a bracket left open?)" },
	{ "found unexpected end of stream", "the file ends inside a quoted text" },
};

static bool tab_at(const struct reader *reader, const yaml_mark_t *mark)
{
	return mark->index < reader->size && reader->text[mark->index] == '\t';
}

static int refuse_syntax(struct reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;
	struct build_mark mark = mark_of(&parser->problem_mark);
	const char *problem = parser->problem ? parser->problem : "not understood";

	if (strcmp(problem, "found character that cannot start any token") == 0) {
		if (tab_at(reader, &parser->problem_mark))
			return refuse(reader, mark, "a tab may not indent (use spaces)");
		return refuse(reader, mark, "a value may not begin with this character (quote it)");
	}
	for (size_t i = 0; i < sizeof(slips) / sizeof(slips[0]); i++) {
		if (strcmp(problem, slips[i].problem) == 0)
			return refuse(reader, mark, slips[i].said);
	}
	problems_add(reader->build->problems, reader->build->doc->file, mark.line, mark.column,
		     NULL, "%s%s%s", problem, parser->context ? " " : "",
		     parser->context ? parser->context : "");
	return -EINVAL;
}

static int parser_failed(struct reader *reader)
{
	switch (reader->parser.error) {
	case YAML_MEMORY_ERROR:
		return -ENOMEM;
	case YAML_READER_ERROR:
		return refuse_bytes(reader);
	default:
		return refuse_syntax(reader);
	}
}

/* ---- anchors ---- */

static int anchor_add(struct reader *reader, const yaml_char_t *name, struct build_mark mark,
		      size_t *ret)
{
	const char *text = (const char *)name;
	struct anchor *anchor;

	*ret = 0;
	if (!name)
		return 0;
	if (reader->anchors_n == ANCHORS_MAX)
		return refuse(reader, mark, "more than 256 anchors");
	anchor = &reader->anchors[reader->anchors_n];
	*anchor = (struct anchor){ .name = doc_keep(reader->build->doc, text, strlen(text)) };
	if (!anchor->name)
		return -ENOMEM;
	*ret = ++reader->anchors_n;
	return 0;
}

_Static_assert(ANCHORS_MAX == 256, "a message says so");

static void anchor_done(struct reader *reader, size_t number, size_t nodes)
{
	if (number == 0)
		return;
	reader->anchors[number - 1].node = *build_last(reader->build);
	reader->anchors[number - 1].nodes = nodes;
	reader->anchors[number - 1].done = true;
}

static int on_alias(struct reader *reader, const yaml_event_t *event)
{
	const char *name = (const char *)event->data.alias.anchor;
	struct build_mark mark = mark_of(&event->start_mark);
	char shown[SHOWN_MAX];

	if (build_wants_key(reader->build))
		return refuse(reader, mark, "an alias cannot be a key");
	for (size_t i = reader->anchors_n; i-- > 0;) {
		struct anchor *anchor = &reader->anchors[i];

		if (anchor->done && strcmp(anchor->name, name) == 0)
			return build_repeat(reader->build, &anchor->node, anchor->nodes);
	}
	problem_shown(shown, name);
	problems_add(reader->build->problems, reader->build->doc->file, mark.line, mark.column,
		     NULL, "alias *%s stands for nothing (no value above is marked &%s)", shown,
		     shown);
	return -EINVAL;
}

/* ---- events ---- */

static int on_scalar(struct reader *reader, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t size = event->data.scalar.length, anchor;
	struct build_mark mark = mark_of(&event->start_mark);
	int r;

	if (event->data.scalar.tag)
		return refuse(reader, mark, "tags (!...) are not supported");
	if (build_wants_key(reader->build))
		return build_key(reader->build, text, size, mark);
	r = anchor_add(reader, event->data.scalar.anchor, mark, &anchor);
	if (r < 0)
		return r;
	r = build_scalar(reader->build, text, size,
			 event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE, mark);
	if (r == 0)
		anchor_done(reader, anchor, 1);
	return r;
}

static int on_open(struct reader *reader, const yaml_event_t *event)
{
	bool list = event->type == YAML_SEQUENCE_START_EVENT;
	const yaml_char_t *name =
		list ? event->data.sequence_start.anchor : event->data.mapping_start.anchor;
	const yaml_char_t *tag =
		list ? event->data.sequence_start.tag : event->data.mapping_start.tag;
	struct build_mark mark = mark_of(&event->start_mark);
	size_t anchor;
	int r;

	if (tag)
		return refuse(reader, mark, "tags (!...) are not supported");
	r = build_open(reader->build, list ? NODE_LIST : NODE_TABLE, mark);
	if (r == 0)
		r = anchor_add(reader, name, mark, &anchor);
	if (r == 0)
		reader->open[reader->depth++] = anchor;
	return r;
}

static int on_close(struct reader *reader)
{
	size_t nodes;
	int r = build_close(reader->build, &nodes);

	if (r == 0)
		anchor_done(reader, reader->open[--reader->depth], nodes);
	return r;
}

static int on_event(struct reader *reader, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (reader->documents++ == 0)
			return 0;
		return refuse(reader, mark_of(&event->start_mark),
			      "a second document begins here (a file holds one)");
	case YAML_ALIAS_EVENT:
		return on_alias(reader, event);
	case YAML_SCALAR_EVENT:
		return on_scalar(reader, event);
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		return on_open(reader, event);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_close(reader);
	default:
		return 0;
	}
}

static int read_events(struct reader *reader)
{
	bool over = false;

	while (!over) {
		yaml_event_t event;
		int r;

		if (!yaml_parser_parse(&reader->parser, &event))
			return parser_failed(reader);
		over = event.type == YAML_STREAM_END_EVENT;
		r = on_event(reader, &event);
		yaml_event_delete(&event);
		if (r < 0)
			return r;
	}
	return 0;
}

int yaml_read(struct build *build, const char *text, size_t size)
{
	struct reader reader = { .build = build, .text = text, .size = size };
	int r = -ENOMEM;

	reader.anchors = calloc(ANCHORS_MAX, sizeof(*reader.anchors));
	if (!reader.anchors)
		return -ENOMEM;
	if (yaml_parser_initialize(&reader.parser)) {
		yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
		yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, size);
		r = read_events(&reader);
		yaml_parser_delete(&reader.parser);
	}
	free(reader.anchors);
	return r;
}
