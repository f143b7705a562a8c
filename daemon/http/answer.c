/*
 * Answers
 *
 * Texts are compressed when the client takes that, files are sent as they lie on the disk, whole or
 * the one range that was asked for.
 */

#include "http/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/connection.h"
#include "http/negotiate.h"
#include "http/range.h"
#include "http/request.h"
#include "pipeline/gzip.h"
#include "util/str.h"

/* Smaller answers fit one packet anyway. */
enum { GZIP_MIN_BYTES = 1024 };

static bool compressible(const char *content_type)
{
	return str_has_prefix(content_type, "text/") ||
	       str_has_prefix(content_type, "application/json") ||
	       str_has_prefix(content_type, "application/openmetrics-text");
}

/* 0, or -errno when it could not be told what the body is now. */
static int compress(struct http_connection *c, const char *content_type, struct buf *body)
{
	int r;

	if (!compressible(content_type))
		return 0;
	r = http_set_header(&c->exchange, "Vary", "Accept, Accept-Encoding");
	if (r < 0 || body->size < GZIP_MIN_BYTES ||
	    !negotiate_gzip(http_header(&c->exchange, "Accept-Encoding")))
		return r;
	return gzip_pack(body) == 0 ? http_set_header(&c->exchange, "Content-Encoding", "gzip") : 0;
}

int http_answer(struct http_exchange *exchange, int status, const char *content_type,
		struct buf *body)
{
	struct http_connection *c = exchange->connection;
	size_t size;
	char *data;
	int r = body->error;

	if (c->status != 0)
		r = -EALREADY;
	if (r == 0)
		r = http_set_header(exchange, "Content-Type", content_type);
	if (r == 0)
		r = compress(c, content_type, body);
	if (r < 0) {
		buf_fini(body);
		return r;
	}
	data = buf_take(body, &size);
	if (data == NULL)
		return -ENOMEM;
	return server_send(c, status, data, size);
}

int http_answer_text(struct http_exchange *exchange, int status, const char *text)
{
	struct buf body;

	buf_init(&body, SIZE_MAX);
	buf_puts(&body, text);
	return http_answer(exchange, status, "text/plain; charset=utf-8", &body);
}

/* attachment; filename="plain"; a name is ours, but what it is made of is not. */
static int set_disposition(struct http_exchange *exchange, const char *name)
{
	char value[300];
	size_t used = (size_t)snprintf(value, sizeof(value), "attachment; filename=\"");

	for (; *name != '\0' && used < sizeof(value) - 2; name++) {
		unsigned char byte = (unsigned char)*name;
		bool plain = byte > ' ' && byte < 0x7f && strchr("\"\\/%", byte) == NULL;

		value[used++] = plain ? (char)byte : '_';
	}
	value[used++] = '"';
	value[used] = '\0';
	return http_set_header(exchange, "Content-Disposition", value);
}

static enum range_verdict wanted_range(const struct http_connection *c, uint64_t size,
				       struct byte_range *ret)
{
	const char *condition = http_header(&c->exchange, "If-Range"),
		   *tag = request_answer_header(c, "ETag");
	bool holds = condition == NULL || (tag != NULL && strcmp(condition, tag) == 0);

	return range_parse(holds ? http_header(&c->exchange, "Range") : NULL, size, ret);
}

/* fd is taken. */
static int answer_part(struct http_connection *c, int fd, uint64_t file_size)
{
	struct byte_range range;
	enum range_verdict verdict = wanted_range(c, file_size, &range);
	char text[80];
	int r = 0;

	if (verdict == RANGE_UNSATISFIABLE) {
		snprintf(text, sizeof(text), "bytes */%llu", (unsigned long long)file_size);
		http_set_header(&c->exchange, "Content-Range", text);
		close(fd);
		return http_answer_error(&c->exchange, 416, NULL, "range outside of the file");
	}
	if (verdict == RANGE_PART) {
		snprintf(text, sizeof(text), "bytes %llu-%llu/%llu",
			 (unsigned long long)range.first,
			 (unsigned long long)(range.first + range.size - 1),
			 (unsigned long long)file_size);
		r = http_set_header(&c->exchange, "Content-Range", text);
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	return server_send_file(c, verdict == RANGE_PART ? 206 : 200, fd, range.first, range.size);
}

int http_answer_stream(struct http_exchange *exchange, const char *content_type, const char *name,
		       uint64_t about, http_read_fn *read, void (*free)(void *owner), void *owner)
{
	int r = exchange->connection->status != 0 ? -EINVAL : 0;

	if (r == 0)
		r = set_disposition(exchange, name);
	if (r == 0)
		r = http_set_header(exchange, "Content-Type", content_type);
	if (r < 0) {
		free(owner);
		return r;
	}
	return server_send_stream(exchange->connection, about, read, free, owner);
}

int http_answer_file(struct http_exchange *exchange, int fd, const char *content_type,
		     const char *name)
{
	struct http_connection *c = exchange->connection;
	struct stat status;
	int r = 0;

	if (fstat(fd, &status) < 0)
		r = -errno;
	else if (!S_ISREG(status.st_mode) || c->status != 0)
		r = -EINVAL;
	if (r == 0)
		r = set_disposition(exchange, name);
	if (r == 0)
		r = http_set_header(exchange, "Content-Type", content_type);
	if (r == 0)
		r = http_set_header(exchange, "Accept-Ranges", "bytes");
	if (r < 0) {
		close(fd);
		return r;
	}
	return answer_part(c, fd, (uint64_t)status.st_size);
}
