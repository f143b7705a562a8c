/*
 * Documents
 *
 * Which reader a text gets, the limits on files, and the complaints. A complaint is made to be read
 * by a person in a terminal or a journal, and by an editor that jumps to `file:line:col`; what it
 * quotes of the file is cut and cleaned of control characters first.
 */

#include "conf/doc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/build.h"
#include "util/buf.h"
#include "util/file.h"
#include "util/str.h"

enum { PROBLEM_BYTES_MAX = 4096 };

void problems_init(struct problems *problems)
{
	*problems = (struct problems){ 0 };
}

void problems_fini(struct problems *problems)
{
	for (size_t i = 0; i < problems->n; i++)
		free(problems->items[i].text);
	free(problems->items);
	*problems = (struct problems){ 0 };
}

/* Takes text. A complaint that finds no memory is still known to have been made. */
static void problems_take(struct problems *problems, char *text)
{
	struct problem *items;

	if (text && problems->n < PROBLEMS_MAX) {
		items = reallocarray(problems->items, problems->n + 1, sizeof(*items));
		if (items) {
			problems->items = items;
			items[problems->n++].text = text;
			return;
		}
	}
	free(text);
	problems->more = true;
}

void problems_add(struct problems *problems, const char *file, int line, int column,
		  const char *path, const char *fmt, ...)
{
	struct buf buf;
	va_list args;

	if (problems->n == PROBLEMS_MAX) {
		problems->more = true;
		return;
	}
	buf_init(&buf, PROBLEM_BYTES_MAX);
	buf_puts(&buf, file);
	if (line > 0)
		buf_printf(&buf, ":%d:%d", line, column);
	buf_puts(&buf, ": ");
	if (path && path[0])
		buf_printf(&buf, "%s: ", path);
	va_start(args, fmt);
	buf_vprintf(&buf, fmt, args);
	va_end(args);
	problems_take(problems, buf_text(&buf) ? buf_take(&buf, NULL) : NULL);
	buf_fini(&buf);
}

int problems_print(const struct problems *problems, struct buf *buf)
{
	for (size_t i = 0; i < problems->n; i++)
		buf_printf(buf, "%s\n", problems->items[i].text);
	if (problems->more)
		buf_puts(buf, "and more\n");
	return buf->error;
}

char *problem_shown(char dst[SHOWN_MAX], const char *text)
{
	size_t n = 0;

	while (text[n]) {
		size_t sequence = str_utf8_sequence(text + n, strnlen(text + n, 4));

		if (n + (sequence ? sequence : 1) > SHOWN_MAX - 4) {
			strcpy(dst + n, "...");
			return dst;
		}
		if (sequence > 1)
			memcpy(dst + n, text + n, sequence);
		else
			dst[n] = sequence == 0 || text[n] < ' ' || text[n] == 0x7f ? '?' : text[n];
		n += sequence ? sequence : 1;
	}
	dst[n] = '\0';
	return dst;
}

static bool is_json(const char *text, size_t size, const char *file)
{
	size_t name = strlen(file), at = 0;

	if ((name > 5 && strcmp(file + name - 5, ".yaml") == 0) ||
	    (name > 4 && strcmp(file + name - 4, ".yml") == 0))
		return false;
	while (at < size && strchr(" \t\r\n", text[at]) && text[at])
		at++;
	return at < size && (text[at] == '{' || text[at] == '[');
}

static int read_document(struct doc *doc, const char *text, size_t size, struct problems *problems)
{
	struct build build;
	int r;

	build_init(&build, doc, problems);
	r = is_json(text, size, doc->file) ? json_read(&build, text, size)
					   : yaml_read(&build, text, size);
	if (r == 0)
		r = build_end(&build);
	build_fini(&build);
	return r;
}

int doc_parse(struct doc **ret, const char *text, size_t size, const char *file,
	      struct problems *problems)
{
	struct doc *doc;
	int r;

	if (size > DOC_SIZE_MAX) {
		problems_add(problems, file, 0, 0, NULL, "larger than 8 MiB");
		return -EINVAL;
	}
	doc = calloc(1, sizeof(*doc));
	if (!doc)
		return -ENOMEM;
	doc->file = strdup(file);
	r = doc->file ? read_document(doc, text, size, problems) : -ENOMEM;
	if (r < 0) {
		doc_free(doc);
		return r;
	}
	*ret = doc;
	return 0;
}

_Static_assert(DOC_SIZE_MAX == 8 << 20, "messages say so");

int doc_load(struct doc **ret, const char *file, struct problems *problems)
{
	char *text = NULL;
	size_t size = 0;
	int r;

	r = file_read(file, DOC_SIZE_MAX, &text, &size);
	if (r < 0) {
		if (r == -EFBIG)
			problems_add(problems, file, 0, 0, NULL, "larger than 8 MiB");
		else
			problems_add(problems, file, 0, 0, NULL, "cannot be read: %s",
				     strerrordesc_np(-r));
		return r;
	}
	r = doc_parse(ret, text, size, file, problems);
	free(text);
	return r;
}

const struct node *node_member(const struct node *table, const char *name)
{
	if (table->kind != NODE_TABLE)
		return NULL;
	for (size_t i = 0; i < table->children_n; i++) {
		if (strcmp(table->children[i].name, name) == 0)
			return &table->children[i];
	}
	return NULL;
}

bool node_is_null(const struct node *node)
{
	return node->kind == NODE_SCALAR && node->plain &&
	       (node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
		strcmp(node->text, "null") == 0);
}

/* The child that the first step of a path names, and the path after it; NULL when there is none. */
static const struct node *step(const struct node *node, const char **path)
{
	char name[96];
	size_t size, index;
	char *end;

	if (**path == '[') {
		index = strtoul(*path + 1, &end, 10);
		if (node->kind != NODE_LIST || index >= node->children_n || *end != ']')
			return NULL;
		*path = end + 1;
		return &node->children[index];
	}
	*path += **path == '.';
	size = strcspn(*path, ".[");
	if (size >= sizeof(name))
		return NULL;
	memcpy(name, *path, size);
	name[size] = '\0';
	*path += size;
	return node_member(node, name);
}

const struct node *doc_find(const struct doc *doc, const char *path)
{
	const struct node *node = &doc->root;

	while (*path) {
		const struct node *next = step(node, &path);

		if (!next)
			break;
		node = next;
	}
	return node;
}
