/*
 * Error texts
 *
 * Filling an error never allocates, so that running out of memory can be reported like anything
 * else; a text that does not fit is cut.
 */

#include "util/err.h"

#include <stdarg.h>
#include <stdio.h>

static void __attribute__((format(printf, 3, 0)))
err_fill(struct err *err, int code, const char *fmt, va_list args)
{
	err->code = code;
	if (vsnprintf(err->text, sizeof(err->text), fmt, args) < 0)
		err->text[0] = '\0';
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list args;

	if (err == NULL)
		return code;
	err->line = err->column = 0;
	va_start(args, fmt);
	err_fill(err, code, fmt, args);
	va_end(args);
	return code;
}

int err_set_at(struct err *err, int code, int line, int column, const char *fmt, ...)
{
	va_list args;

	if (err == NULL)
		return code;
	err->line = line;
	err->column = column;
	va_start(args, fmt);
	err_fill(err, code, fmt, args);
	va_end(args);
	return code;
}
