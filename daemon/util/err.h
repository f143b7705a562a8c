#pragma once

/*
 * Errors
 *
 * A function that can fail returns int: 0 is success, a negative errno is a failure that nobody on
 * the way handles, a positive value is a condition the function documents and its caller must
 * handle (SPOOL_E_FULL). Only what a person will read carries text: configuration, rules, requests.
 */

enum { ERR_TEXT_MAX = 384 };

struct err {
	int code; /* negative errno, or the positive condition of the function that set it */
	int line, column; /* from 1; 0 when there is no source */
	char text[ERR_TEXT_MAX];
};

/* Fill *err (may be NULL) and return code, so that a caller writes `return err_set(...)`. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set(), with the place in the source the text is about. */
int err_set_at(struct err *err, int code, int line, int column, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
