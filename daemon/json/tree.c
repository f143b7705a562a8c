/*
 * Small documents, by jansson
 *
 * The only file that knows jansson: a struct tree is a json_t seen from outside. What the text may
 * be is tightened and loosened where its defaults do not fit a daemon: duplicate members are errors
 * (two readers would pick different ones), depth is capped before the recursive parser sees it,
 * "\u0000" is allowed because programs print it, and integers beyond 64 bits, which JavaScript
 * writes for large doubles, make the document be read once more with all numbers as reals.
 */

#include "json/tree.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "util/err.h"

enum { NAME_MAX_BYTES = 128 };

static json_t *node_json(const struct tree *node)
{
	return (json_t *)(uintptr_t)node;
}

static const struct tree *json_node(const json_t *json)
{
	return (const struct tree *)(const void *)json;
}

/* jansson seeds its hashes at the first object unless told before; doing that races with threads.
 */
static void seed_hashes(void)
{
	json_object_seed(0);
}

/* Where a string that begins at text[at] (its quote) ends: its closing quote, or size. */
static size_t skip_string(const char *text, size_t size, size_t at)
{
	for (at++; at < size && text[at] != '"'; at++) {
		if (text[at] == '\\')
			at++;
	}
	return at < size ? at : size;
}

/* The offset of the first bracket that opens too deep a level; size when there is none. */
static size_t find_too_deep(const char *text, size_t size)
{
	size_t depth = 0;

	for (size_t at = 0; at < size; at++) {
		char c = text[at];

		if (c == '"')
			at = skip_string(text, size, at);
		else if ((c == '{' || c == '[') && ++depth > TREE_DEPTH_MAX)
			return at;
		else if ((c == '}' || c == ']') && depth > 0)
			depth--;
	}
	return size;
}

static int refuse_depth(const char *data, size_t offset, struct err *err)
{
	int line = 1, column = 1;

	for (size_t i = 0; i < offset; i++) {
		column++;
		if (data[i] == '\n') {
			line++;
			column = 1;
		}
	}
	return err_set_at(err, -EBADMSG, line, column, "nested deeper than %d levels",
			  (int)TREE_DEPTH_MAX);
}

static json_t *load(const char *data, size_t size, json_error_t *ret_error)
{
	size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
	json_t *json = json_loadb(data, size, flags, ret_error);

	if (json == NULL && json_error_code(ret_error) == json_error_numeric_overflow)
		json = json_loadb(data, size, flags | JSON_DECODE_INT_AS_REAL, ret_error);
	return json;
}

int tree_parse(const char *data, size_t size, struct tree **ret, struct err *err)
{
	static pthread_once_t seeded = PTHREAD_ONCE_INIT;
	size_t too_deep = find_too_deep(data, size);
	json_error_t error;
	json_t *json;

	pthread_once(&seeded, seed_hashes);
	if (too_deep < size)
		return refuse_depth(data, too_deep, err);
	json = load(data, size, &error);
	if (json == NULL && json_error_code(&error) == json_error_out_of_memory)
		return err_set(err, -ENOMEM, "out of memory");
	if (json == NULL)
		return err_set_at(err, -EBADMSG, error.line, error.column, "%s", error.text);
	*ret = (struct tree *)(void *)json;
	return 0;
}

void tree_free(struct tree *root)
{
	json_decref(node_json(root));
}

/* One member by a name that is not terminated. */
static json_t *member(const json_t *object, const char *name, size_t size)
{
	char key[NAME_MAX_BYTES];

	if (size >= sizeof(key))
		return NULL;
	memcpy(key, name, size);
	key[size] = '\0';
	return json_object_get(object, key);
}

static json_t *find(const struct tree *node, const char *path)
{
	json_t *json = node_json(node);

	while (json != NULL && path != NULL && *path != '\0') {
		size_t size = strcspn(path, ".");

		json = member(json, path, size);
		path += size;
		if (*path == '.')
			path++;
	}
	return json;
}

const struct tree *tree_get(const struct tree *node, const char *path)
{
	return json_node(find(node, path));
}

bool tree_is_object(const struct tree *node)
{
	return json_is_object(node_json(node));
}

bool tree_is_array(const struct tree *node)
{
	return json_is_array(node_json(node));
}

bool tree_string(const struct tree *node, const char *path, const char **ret)
{
	const json_t *json = find(node, path);

	if (!json_is_string(json))
		return false;
	*ret = json_string_value(json);
	return true;
}

bool tree_int(const struct tree *node, const char *path, int64_t *ret)
{
	const json_t *json = find(node, path);
	double real;

	if (json_is_integer(json)) {
		*ret = json_integer_value(json);
		return true;
	}
	if (!json_is_real(json))
		return false;
	real = json_real_value(json);
	if (!(real >= -0x1p63 && real < 0x1p63))
		return false;
	*ret = (int64_t)real;
	return true;
}

bool tree_uint(const struct tree *node, const char *path, uint64_t *ret)
{
	const json_t *json = find(node, path);
	double real;

	if (json_is_integer(json)) {
		if (json_integer_value(json) < 0)
			return false;
		*ret = (uint64_t)json_integer_value(json);
		return true;
	}
	if (!json_is_real(json))
		return false;
	real = json_real_value(json);
	if (!(real > -1 && real < 0x1p64))
		return false;
	*ret = (uint64_t)real;
	return true;
}

bool tree_double(const struct tree *node, const char *path, double *ret)
{
	const json_t *json = find(node, path);

	if (!json_is_number(json))
		return false;
	*ret = json_number_value(json);
	return true;
}

bool tree_bool(const struct tree *node, const char *path, bool *ret)
{
	const json_t *json = find(node, path);

	if (!json_is_boolean(json))
		return false;
	*ret = json_boolean_value(json);
	return true;
}

size_t tree_size(const struct tree *node)
{
	const json_t *json = node_json(node);

	return json_is_array(json) ? json_array_size(json) : json_object_size(json);
}

const struct tree *tree_at(const struct tree *node, size_t index)
{
	return json_node(json_array_get(node_json(node), index));
}

void *tree_first(const struct tree *node)
{
	return json_object_iter(node_json(node));
}

void *tree_next(const struct tree *node, void *it)
{
	return json_object_iter_next(node_json(node), it);
}

const char *tree_name(void *it)
{
	return json_object_iter_key(it);
}

const struct tree *tree_value(void *it)
{
	return json_node(json_object_iter_value(it));
}
