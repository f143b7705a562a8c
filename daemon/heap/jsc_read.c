/*
 * The sections of a JSC heap snapshot
 */

#include "heap/jsc_read.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "heap/numbers.h"
#include "util/err.h"

enum {
	INSPECTOR_FIELDS = 4,
	DEBUGGING_FIELDS = 7,
	EDGE_FIELDS = 4,
	ROOT_FIELDS = 3,
	VERSION_MIN = 2,
	VERSION_MAX = 3,
	PIECE = 1 << 20,
};

/* ---- rows ---- */

void jsc_reader_init(struct jsc_reader *reader, const struct jsc_file *file,
		     const struct jsc_section *section, const char *name, struct err *err)
{
	*reader = (struct jsc_reader){ .err = err, .left = section->values };
	reader->walk.text = file->text;
	reader->walk.at = section->at + 1;
	strcpy(reader->walk.section, name);
}

static void blanks(struct v8_walk *walk)
{
	const char *data = walk->text->data;

	while (walk->at < walk->text->size && (data[walk->at] == ' ' || data[walk->at] == '\n' ||
					       data[walk->at] == '\r' || data[walk->at] == '\t'))
		walk->at++;
}

/* Past what is behind a value: the last one ends its array. */
static int end_value(struct jsc_reader *reader)
{
	struct v8_walk *walk = &reader->walk;

	blanks(walk);
	reader->left--;
	if (walk->at >= walk->text->size ||
	    walk->text->data[walk->at] != (reader->left > 0 ? ',' : ']'))
		return v8_walk_unexpected(walk, reader->err, reader->left > 0 ? "','" : "']'");
	walk->at++;
	return 0;
}

int jsc_read_number(struct jsc_reader *reader, uint64_t *ret)
{
	struct v8_walk *walk = &reader->walk;
	int r;

	if (reader->left == 0)
		return v8_walk_unexpected(walk, reader->err, "a number");
	blanks(walk);
	r = v8_walk_number(walk, ret, reader->err);
	return r < 0 ? r : end_value(reader);
}

int jsc_read_numbers(struct jsc_reader *reader, uint64_t *ret, unsigned n)
{
	int r = 0;

	for (unsigned i = 0; i < n && r == 0; i++)
		r = jsc_read_number(reader, &ret[i]);
	return r;
}

int jsc_read_text(struct jsc_reader *reader, const char **ret, size_t *ret_size)
{
	struct v8_walk *walk = &reader->walk;
	uint64_t first;
	int r;

	if (reader->left == 0)
		return v8_walk_unexpected(walk, reader->err, "a text");
	blanks(walk);
	first = walk->at + 1;
	r = v8_walk_string(walk, reader->err);
	if (r < 0)
		return r;
	*ret = walk->text->data + first;
	*ret_size = (size_t)(walk->at - 1 - first);
	return end_value(reader);
}

/* ---- where sections are ---- */

/* Values are counted by what separates them; that they are what they have to be is seen later. */
static int pass_array(struct v8_walk *walk, struct jsc_section *section, struct err *err)
{
	const struct v8_text *text = walk->text;
	struct number_scan scan = { .numbers = 0 };
	uint64_t texts = 0, values;
	int r;

	if (text->data[walk->at] != '[')
		return v8_walk_unexpected(walk, err, "an array");
	if (section->at != 0)
		return v8_walk_twice(walk, err);
	section->at = walk->at++;
	while (walk->at < text->size && text->data[walk->at] != ']') {
		uint64_t left = text->size - walk->at;
		size_t n = number_scan(&scan, text->data + walk->at,
				       left < PIECE ? (size_t)left : PIECE);

		walk->at += n;
		if (walk->at >= text->size || n == PIECE || text->data[walk->at] == ']')
			continue;
		scan.numbers += scan.in_number;
		scan.in_number = false;
		if (text->data[walk->at] != '"')
			return v8_walk_unexpected(walk, err, "a number, a text or the end");
		texts++;
		r = v8_walk_string(walk, err);
		if (r < 0)
			return r;
	}
	if (walk->at >= text->size)
		return v8_walk_unexpected(walk, err, "']'");
	values = scan.numbers + scan.in_number + texts;
	if (scan.commas != (values > 0 ? values - 1 : 0))
		return err_set(err, -EBADMSG,
			       "section \"%s\", up to byte %" PRIu64 ": %" PRIu64
			       " values with %" PRIu64 " commas",
			       walk->section, walk->at, values, scan.commas);
	section->values = values;
	section->bytes = ++walk->at - section->at;
	return 0;
}

static int read_version(struct v8_walk *walk, struct err *err)
{
	char digit = walk->text->data[walk->at];
	uint64_t first = walk->at;
	int r = v8_walk_skip(walk, err);

	if (r == 0 &&
	    (walk->at != first + 1 || digit < '0' + VERSION_MIN || digit > '0' + VERSION_MAX))
		return err_set(err, -EBADMSG,
			       "section \"version\", byte %" PRIu64
			       ": versions %d and %d of JSC's snapshots can be read",
			       first, VERSION_MIN, VERSION_MAX);
	return r;
}

static int read_type(struct jsc_file *file, struct v8_walk *walk, struct err *err)
{
	static const char inspector[] = "\"Inspector\"", debugging[] = "\"GCDebugging\"";
	uint64_t first = walk->at, size;
	const char *type = walk->text->data + first;
	int r = v8_walk_string(walk, err);

	size = walk->at - first;
	if (r < 0)
		return r;
	if (size == strlen(inspector) && memcmp(type, inspector, size) == 0)
		file->node_fields = INSPECTOR_FIELDS;
	else if (size == strlen(debugging) && memcmp(type, debugging, size) == 0)
		file->node_fields = DEBUGGING_FIELDS;
	else
		return err_set(err, -EBADMSG,
			       "section \"type\", byte %" PRIu64
			       ": neither Inspector nor GCDebugging",
			       first);
	file->debugging = file->node_fields == DEBUGGING_FIELDS;
	return 0;
}

static int read_section(struct jsc_file *file, struct v8_walk *walk, struct err *err)
{
	const struct {
		const char *name;
		struct jsc_section *section;
	} sections[] = {
		{ "nodes", &file->nodes },          { "nodeClassNames", &file->class_names },
		{ "edges", &file->edges },          { "edgeTypes", &file->edge_types },
		{ "edgeNames", &file->edge_names }, { "roots", &file->roots },
		{ "labels", &file->labels },
	};

	if (v8_walk_is(walk, "version"))
		return read_version(walk, err);
	if (v8_walk_is(walk, "type"))
		return read_type(file, walk, err);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		if (v8_walk_is(walk, sections[i].name))
			return pass_array(walk, sections[i].section, err);
	}
	return v8_walk_skip(walk, err);
}

static int check_rows(const struct jsc_file *file, const char *name,
		      const struct jsc_section *section, unsigned fields, bool needed,
		      struct err *err)
{
	if (section->at == 0 && needed)
		return v8_walk_missing(file->text, name, err);
	if (section->values % fields != 0)
		return err_set(err, -EBADMSG,
			       "section \"%s\", byte %" PRIu64 ": %" PRIu64
			       " values are no rows of %u",
			       name, section->at, section->values, fields);
	return 0;
}

static int check(const struct jsc_file *file, struct err *err)
{
	int r = 0;

	if (file->node_fields == 0)
		return v8_walk_missing(file->text, "type", err);
	r = check_rows(file, "nodes", &file->nodes, file->node_fields, true, err);
	r = r == 0 ? check_rows(file, "nodeClassNames", &file->class_names, 1, true, err) : r;
	r = r == 0 ? check_rows(file, "edges", &file->edges, EDGE_FIELDS, true, err) : r;
	r = r == 0 ? check_rows(file, "edgeTypes", &file->edge_types, 1, true, err) : r;
	r = r == 0 ? check_rows(file, "edgeNames", &file->edge_names, 1, true, err) : r;
	r = r == 0 ? check_rows(file, "roots", &file->roots, ROOT_FIELDS, file->debugging, err) : r;
	r = r == 0 ? check_rows(file, "labels", &file->labels, 1, file->debugging, err) : r;
	return r;
}

int jsc_file_read(struct jsc_file *ret, const struct v8_text *text, struct err *err)
{
	struct v8_walk walk = { .text = text, .section = "version" };
	int r, more = 1;

	*ret = (struct jsc_file){ .text = text };
	if (text->size == 0)
		return err_set(err, -ENODATA,
			       "the file is empty: it ends at byte 0, before its first section");
	blanks(&walk);
	if (walk.at >= text->size || text->data[walk.at] != '{')
		return v8_walk_unexpected(&walk, err, "'{'");
	for (walk.at++; more > 0; more = v8_walk_more(&walk, err)) {
		r = v8_walk_key(&walk, err);
		if (r == 0)
			r = read_section(ret, &walk, err);
		if (r < 0)
			return r;
	}
	r = more < 0 ? more : v8_walk_end(&walk, err);
	return r < 0 ? r : check(ret, err);
}
