/* Headers of requests. A secret is in memory for as long as its request is being made. */

#include "otlp/headers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/secret.h"
#include "otlp/settings.h"
#include "util/err.h"

static int make_line(const struct otlp_header_settings *header, char **ret, struct err *err)
{
	char *secret = NULL;
	int r = header->value_file != NULL ? secret_read(header->value_file, &secret, err) : 0;

	if (r < 0)
		return r;
	if (asprintf(ret, "%s: %s", header->name, secret != NULL ? secret : header->value) < 0) {
		*ret = NULL;
		r = err_set(err, -ENOMEM, "out of memory");
	}
	secret_free(secret);
	return r;
}

int otlp_header_lines(const struct item_list *settings, const char *encoding, char ***ret,
		      struct err *err)
{
	const struct otlp_header_settings *items = settings->items;
	char **lines = calloc(settings->n + 2, sizeof(*lines));
	int r = lines != NULL ? 0 : err_set(err, -ENOMEM, "out of memory");

	for (size_t i = 0; i < settings->n && r == 0; i++)
		r = make_line(&items[i], &lines[i], err);
	if (r == 0 && encoding != NULL &&
	    asprintf(&lines[settings->n], "Content-Encoding: %s", encoding) < 0) {
		lines[settings->n] = NULL;
		r = err_set(err, -ENOMEM, "out of memory");
	}
	if (r < 0) {
		otlp_header_lines_free(lines);
		lines = NULL;
	}
	*ret = lines;
	return r;
}

void otlp_header_lines_free(char **lines)
{
	for (size_t i = 0; lines != NULL && lines[i] != NULL; i++)
		secret_free(lines[i]);
	free(lines);
}
