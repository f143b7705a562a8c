/* Mistakes in the settings: names twice, and secrets where somebody else would hear them. */

#include "otlp/check.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "otlp/settings.h"
#include "util/err.h"

enum { HEADERS_MAX = 16, ATTRIBUTES_MAX = 64, OPTION_PATH_MAX = 64 };

struct checking {
	notify_complain_fn *complain;
	const void *owner;
};

static void __attribute__((format(printf, 5, 6)))
complain_item(const struct checking *checking, const char *list, size_t i, const char *option,
	      const char *fmt, ...)
{
	char path[OPTION_PATH_MAX], text[ERR_TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	snprintf(path, sizeof(path), "otlp.%s[%zu]%s", list, i, option);
	checking->complain(checking->owner, path, text);
}

static void check_too_many(const struct checking *checking, const char *path, size_t n, size_t max)
{
	char text[ERR_TEXT_MAX];

	if (n <= max)
		return;
	snprintf(text, sizeof(text), "%zu are too many (at most %zu)", n, max);
	checking->complain(checking->owner, path, text);
}

/* Is there one of that name before it? Names of headers are the same in whatever case. */
static void check_headers(const struct checking *checking, const struct otlp_settings *settings)
{
	const struct otlp_header_settings *items = settings->headers.items;
	const struct endpoint_settings *access = &settings->access;
	bool let_in = access->authorization.credentials_file != NULL ||
		      access->basic_auth.username != NULL;

	check_too_many(checking, "otlp.headers", settings->headers.n, HEADERS_MAX);
	for (size_t i = 0; i < settings->headers.n; i++) {
		if ((items[i].value != NULL) == (items[i].value_file != NULL))
			complain_item(checking, "headers", i, "",
				      "value or value_file, one of them");
		if (let_in && strcasecmp(items[i].name, "Authorization") == 0)
			complain_item(checking, "headers", i, ".name",
				      "authorization or basic_auth say that already");
		for (size_t j = 0; j < i; j++) {
			if (strcasecmp(items[i].name, items[j].name) != 0)
				continue;
			complain_item(checking, "headers", i, ".name", "%.64s is named twice",
				      items[i].name);
			break;
		}
	}
}

static void check_attributes(const struct checking *checking, const struct otlp_settings *settings)
{
	const struct otlp_attribute_settings *items = settings->resource_attributes.items;
	size_t n = settings->resource_attributes.n;

	check_too_many(checking, "otlp.resource_attributes", n, ATTRIBUTES_MAX);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < i; j++) {
			if (strcmp(items[i].name, items[j].name) != 0)
				continue;
			complain_item(checking, "resource_attributes", i, ".name",
				      "%.64s is named twice", items[i].name);
			break;
		}
	}
}

static bool has_secret(const struct otlp_settings *settings)
{
	const struct otlp_header_settings *items = settings->headers.items;

	for (size_t i = 0; i < settings->headers.n; i++) {
		if (items[i].value_file != NULL)
			return true;
	}
	return false;
}

void otlp_check(const struct otlp_settings *settings, notify_complain_fn *complain,
		const void *owner)
{
	const struct checking checking = { .complain = complain, .owner = owner };

	check_headers(&checking, settings);
	check_attributes(&checking, settings);
	if (settings->endpoint != NULL)
		endpoint_check(&settings->access, settings->endpoint, has_secret(settings), "otlp",
			       complain, owner);
}

int otlp_each_path(struct otlp_settings *settings, int (*fn)(const char *folder, char **path),
		   const char *folder)
{
	struct otlp_header_settings *items = settings->headers.items;
	int r = endpoint_each_path(&settings->access, fn, folder);

	for (size_t i = 0; i < settings->headers.n && r == 0; i++)
		r = fn(folder, &items[i].value_file);
	return r;
}
