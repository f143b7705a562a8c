/*
 * The reference of the differential tests: jansson reads the document, its tree is written in the
 * canonical text of events.h.
 */

#include "by_jansson.h"

#include <jansson.h>
#include <string.h>

#include "json/write.h"
#include "util/buf.h"

static void put_node(struct buf *buf, json_t *node);

static void put_object(struct buf *buf, json_t *object)
{
	buf_puts(buf, "{");
	for (void *it = json_object_iter(object); it != NULL;
	     it = json_object_iter_next(object, it)) {
		json_quote(buf, json_object_iter_key(it), strlen(json_object_iter_key(it)));
		buf_puts(buf, ":");
		put_node(buf, json_object_iter_value(it));
	}
	buf_puts(buf, "},");
}

static void put_array(struct buf *buf, json_t *array)
{
	buf_puts(buf, "[");
	for (size_t i = 0; i < json_array_size(array); i++)
		put_node(buf, json_array_get(array, i));
	buf_puts(buf, "],");
}

static void put_node(struct buf *buf, json_t *node)
{
	if (json_is_object(node)) {
		put_object(buf, node);
	} else if (json_is_array(node)) {
		put_array(buf, node);
	} else if (json_is_string(node)) {
		json_quote(buf, json_string_value(node), json_string_length(node));
		buf_puts(buf, ",");
	} else if (json_is_integer(node)) {
		buf_printf(buf, "%lld,", (long long)json_integer_value(node));
	} else if (json_is_real(node)) {
		buf_printf(buf, "%.17g,", json_real_value(node));
	} else if (json_is_boolean(node)) {
		buf_puts(buf, json_is_true(node) ? "true," : "false,");
	} else {
		buf_puts(buf, "null,");
	}
}

static enum by_jansson judge(const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_invalid_utf8:
	case json_error_numeric_overflow:
	case json_error_null_byte_in_key:
	case json_error_duplicate_key:
	case json_error_stack_overflow:
	case json_error_out_of_memory:
		return BY_JANSSON_UNABLE;
	default:
		/* Its words for a lone surrogate. */
		return strncmp(error->text, "invalid Unicode", 15) == 0 ? BY_JANSSON_UNABLE
									: BY_JANSSON_BAD;
	}
}

enum by_jansson by_jansson(const char *data, size_t size, struct buf *canonical)
{
	size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES;
	json_error_t error;
	json_t *root;

	/* No document has one, but jansson drops a NUL that follows a number. */
	if (memchr(data, '\0', size) != NULL)
		return BY_JANSSON_BAD;
	root = json_loadb(data, size, flags, &error);
	if (root == NULL)
		return judge(&error);
	put_node(canonical, root);
	json_decref(root);
	return BY_JANSSON_GOOD;
}
