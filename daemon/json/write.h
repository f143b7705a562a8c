#pragma once

/* JSON writer onto a bounded buffer. It places commas and escapes; the caller keeps the nesting. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum { JSON_WRITE_DEPTH_MAX = 32 };

struct json_writer {
	struct buf *buf; /* borrowed; its sticky error is the writer's */
	uint32_t filled; /* bit per depth: something stands there already */
	unsigned depth;
	bool after_key;
};

void json_write_init(struct json_writer *w, struct buf *buf);
void json_write_object(struct json_writer *w);
void json_write_object_end(struct json_writer *w);
void json_write_array(struct json_writer *w);
void json_write_array_end(struct json_writer *w);
void json_write_key(struct json_writer *w, const char *key);

/* NULL text is written as null. Ill-formed UTF-8 bytes become U+FFFD. */
void json_write_string(struct json_writer *w, const char *text);
void json_write_span(struct json_writer *w, const char *text, size_t size);
void json_write_uint(struct json_writer *w, uint64_t value);
void json_write_int(struct json_writer *w, int64_t value);
void json_write_double(struct json_writer *w, double value); /* not finite: null */
void json_write_bool(struct json_writer *w, bool value);
void json_write_null(struct json_writer *w);

/* A whole value that is JSON already. */
void json_write_raw(struct json_writer *w, const char *json, size_t size);

/* key + value in one call, for objects. */
void json_member_string(struct json_writer *w, const char *key, const char *text);
void json_member_uint(struct json_writer *w, const char *key, uint64_t value);
void json_member_double(struct json_writer *w, const char *key, double value);
void json_member_bool(struct json_writer *w, const char *key, bool value);

/* Only the quoted and escaped string, for text built by hand (a request's parameter). */
int json_quote(struct buf *buf, const char *text, size_t size);
