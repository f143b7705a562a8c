/*
 * Log
 *
 * A line is composed in a fixed buffer and leaves with one write(2): threads cannot tear each
 * other's lines, and logging that memory ran out needs none. A value that does not fit is cut with
 * "..." inside its quotes, a field that does not fit at all is left out, so that every line stays
 * parsable. Both formats escape as JSON does; text from targets (titles, error messages) cannot
 * forge a line or steer a terminal: control characters are escaped and bytes that are not UTF-8
 * become U+FFFD.
 *
 * Level, format and sink are process-wide: there is one log per process, and a handle passed
 * through every layer would say nothing.
 */

#include "util/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/str.h"

enum {
	LINE_MAX_BYTES = 4096, /* PIPE_BUF: writes up to it are atomic on a pipe too */
	MESSAGE_MAX_BYTES = 1024, /* leaves room for the fields */
	LINE_CLOSE_BYTES = 8, /* always kept: "..." + quote + brace + newline */
	ESCAPE_MAX_BYTES = 6, /* \u001f */
	READER_MS = 1000,
};

#define REST_NS (60 * NS_PER_S)

struct line {
	char text[LINE_MAX_BYTES];
	size_t size;
};

static atomic_int current_level = LEVEL_INFO;
static atomic_int current_format = LOG_LOGFMT;
static _Atomic(log_sink_fn *) current_sink;

/* Of a stderr that is full. Held while a line leaves, or the room for it might be another's. */
static pthread_mutex_t stderr_mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t rest_until_ns; /* it was waited for, and is not before */
static unsigned lost; /* lines */

static const char *const level_names[] = {
	[LEVEL_DEBUG] = "debug",
	[LEVEL_INFO] = "info",
	[LEVEL_WARN] = "warn",
	[LEVEL_ERROR] = "error",
};

static const char *const format_names[] = {
	[LOG_LOGFMT] = "logfmt",
	[LOG_JSON] = "json",
};

void log_setup(enum log_level level, enum log_format format)
{
	atomic_store(&current_level, (int)level);
	atomic_store(&current_format, (int)format);
}

void log_set_sink(log_sink_fn *sink)
{
	atomic_store(&current_sink, sink);
}

int log_enabled(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&current_level, memory_order_relaxed);
}

static size_t room(const struct line *line)
{
	size_t end = sizeof(line->text) - LINE_CLOSE_BYTES;

	return line->size < end ? end - line->size : 0;
}

static void put(struct line *line, const char *text, size_t size)
{
	memcpy(line->text + line->size, text, size);
	line->size += size;
}

/* The letter after the backslash of a short escape, or 0. */
static char short_escape(char c)
{
	switch (c) {
	case '"':
	case '\\':
		return c;
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return '\0';
	}
}

/* Not for a terminal: C0, DEL, and C1 (two bytes in UTF-8), which some terminals obey as well. */
static bool is_control(const char *text, size_t n)
{
	unsigned char byte = (unsigned char)text[0];

	return byte < 0x20 || byte == 0x7f ||
	       (n == 2 && byte == 0xc2 && (unsigned char)text[1] < 0xa0);
}

/* One character of text in its escaped form; returns how many bytes of text it took. */
static size_t put_escaped(struct line *line, const char *text, size_t size)
{
	size_t n = str_utf8_sequence(text, size);
	char letter = short_escape(text[0]);
	char escape[ESCAPE_MAX_BYTES + 1];

	if (n == 0) {
		put(line, "\xef\xbf\xbd", 3);
		return 1;
	}
	if (letter != '\0') {
		put(line, (char[]){ '\\', letter }, 2);
	} else if (is_control(text, n)) {
		snprintf(escape, sizeof(escape), "\\u%04x", (unsigned char)text[n - 1]);
		put(line, escape, ESCAPE_MAX_BYTES);
	} else {
		put(line, text, n);
	}
	return n;
}

static void put_quoted(struct line *line, const char *text)
{
	size_t size = strlen(text);

	put(line, "\"", 1);
	while (size > 0) {
		size_t n;

		if (room(line) < ESCAPE_MAX_BYTES) {
			put(line, "...", 3);
			break;
		}
		n = put_escaped(line, text, size);
		text += n;
		size -= n;
	}
	put(line, "\"", 1);
}

/* As Go's slog, which Prometheus logs with: empty values are quoted, plain words are not. */
static bool needs_quotes(const char *text)
{
	if (*text == '\0')
		return true;
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte <= ' ' || byte >= 0x7f || byte == '"' || byte == '=' || byte == '\\')
			return true;
	}
	return false;
}

static void put_logfmt(struct line *line, const char *name, const char *value)
{
	size_t name_size = strlen(name), value_size = strlen(value);

	/* A separator, '=', a quote and one character of the value, or the field is left out. */
	if (room(line) < name_size + 3 + ESCAPE_MAX_BYTES)
		return;
	if (line->size > 0)
		put(line, " ", 1);
	put(line, name, name_size);
	put(line, "=", 1);
	if (needs_quotes(value) || value_size > room(line))
		put_quoted(line, value);
	else
		put(line, value, value_size);
}

static void put_json(struct line *line, const char *name, const char *value)
{
	size_t name_size = strlen(name);

	/* A separator, two quotes, ':', a quote and one character of the value. */
	if (room(line) < name_size + 5 + ESCAPE_MAX_BYTES)
		return;
	put(line, line->size == 0 ? "{\"" : ",\"", 2);
	put(line, name, name_size);
	put(line, "\":", 2);
	put_quoted(line, value);
}

static void put_field(struct line *line, const char *name, const char *value)
{
	if (atomic_load(&current_format) == LOG_JSON)
		put_json(line, name, value);
	else
		put_logfmt(line, name, value);
}

/*
 * Whoever reads our stderr may have stopped to (a collector of logs that hangs), and whoever logs
 * has targets that wait for it: a full pipe is waited for once a minute at most, and lines are lost
 * and counted while it is full.
 */
static bool has_room(void)
{
	struct pollfd stderr_poll = { .fd = STDERR_FILENO, .events = POLLOUT };
	bool rests = clock_mono_ns() < rest_until_ns;
	int n;

	do {
		n = poll(&stderr_poll, 1, rests ? 0 : READER_MS);
	} while (n < 0 && errno == EINTR);
	if (n == 0 && !rests)
		rest_until_ns = clock_mono_ns() + REST_NS;
	return n != 0;
}

/* Did it leave? */
static bool write_line(const struct log_record *record)
{
	struct line line = { .size = 0 };
	char ts[CLOCK_TEXT_MAX];

	put_field(&line, "ts", clock_format(ts, clock_wall_ms()));
	put_field(&line, "level", level_names[record->level]);
	put_field(&line, "component", record->component);
	put_field(&line, "msg", record->message);
	for (size_t i = 0; i < record->fields_n; i++) {
		const struct log_field *field = &record->fields[i];

		if (field->name != NULL && field->value != NULL)
			put_field(&line, field->name, field->value);
	}
	if (line.text[0] == '{')
		put(&line, "}", 1);
	put(&line, "\n", 1);
	if (!has_room())
		return false;
	while (write(STDERR_FILENO, line.text, line.size) < 0) {
		if (errno != EINTR)
			return errno != EAGAIN; /* nobody is left to tell */
	}
	return true;
}

static bool tell_lost(unsigned n)
{
	char message[64];
	const struct log_record record = {
		.level = LEVEL_WARN,
		.component = "log",
		.message = message,
	};

	snprintf(message, sizeof(message), "lines lost, for nobody read them: %u", n);
	return write_line(&record);
}

static void write_stderr(const struct log_record *record)
{
	pthread_mutex_lock(&stderr_mutex);
	if (lost > 0 && tell_lost(lost))
		lost = 0;
	if (!write_line(record))
		lost++;
	pthread_mutex_unlock(&stderr_mutex);
}

void log_event(enum log_level level, const char *component, const char *message_id,
	       const struct log_field *fields, size_t n, const char *fmt, ...)
{
	char message[MESSAGE_MAX_BYTES];
	struct log_record record = {
		.level = level,
		.component = component,
		.message_id = message_id,
		.message = message,
		.fields = fields,
		.fields_n = n,
	};
	log_sink_fn *sink = atomic_load(&current_sink);
	int saved = errno, r;
	va_list args;

	if (!log_enabled(level))
		return;
	va_start(args, fmt);
	r = vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	if (r < 0)
		message[0] = '\0';
	else if ((size_t)r >= sizeof(message))
		memcpy(message + sizeof(message) - 4, "...", 4);
	if (sink != NULL)
		sink(&record);
	else
		write_stderr(&record);
	errno = saved;
}

static int parse_name(const char *text, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(text, names[i]) == 0)
			return (int)i;
	}
	return -EINVAL;
}

int log_level_parse(const char *text, enum log_level *ret)
{
	int r = parse_name(text, level_names, sizeof(level_names) / sizeof(level_names[0]));

	if (r < 0)
		return r;
	*ret = (enum log_level)r;
	return 0;
}

int log_format_parse(const char *text, enum log_format *ret)
{
	int r = parse_name(text, format_names, sizeof(format_names) / sizeof(format_names[0]));

	if (r < 0)
		return r;
	*ret = (enum log_format)r;
	return 0;
}
