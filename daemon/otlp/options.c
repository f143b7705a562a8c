/*
 * Options of OTLP. Defaults are those of OpenTelemetry's SDKs where they have them: a minute
 * between two exports, 10 s for each.
 */

#include "otlp/settings.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "util/clock.h"
#include "util/err.h"
#include "watch/settings.h"

#define HOUR_NS (3600 * NS_PER_S)

/* Characters of a field name (RFC 9110, 5.6.2). */
static const char name_characters[] = "!#$%&'*+-.^_`|~0123456789"
				      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/* What the request itself says. */
static const char *const own_headers[] = {
	"Accept",         "Connection",        "Content-Encoding",
	"Content-Length", "Content-Type",      "Expect",
	"Host",           "Transfer-Encoding", NULL
};

static int check_header_name(const void *value, struct err *err)
{
	const char *text = *(char *const *)value;

	if (text[strspn(text, name_characters)] != '\0')
		return err_set(err, -EINVAL, "'%.64s' is no name of a header", text);
	for (size_t i = 0; own_headers[i] != NULL; i++) {
		if (strcasecmp(text, own_headers[i]) == 0)
			return err_set(err, -EINVAL, "%s is not for you to set", own_headers[i]);
	}
	return 0;
}

#define HEADER(member) offsetof(struct otlp_header_settings, member)

static const struct option_desc header_options[] = {
	{ .name = "name",
	  .type = OPTION_TEXT,
	  .flags = OPTION_REQUIRED,
	  .offset = HEADER(name),
	  .check = check_header_name,
	  .help = "The header, as X-Scope-OrgID." },
	{ .name = "value",
	  .type = OPTION_TEXT,
	  .offset = HEADER(value),
	  .help = "What it says, when that is no secret." },
	{ .name = "value_file",
	  .type = OPTION_TEXT,
	  .offset = HEADER(value_file),
	  .help = "A file with the value, one line, read at each request. Beyond loopback only by "
		  "https." },
	{ 0 },
};

#define ATTRIBUTE(member) offsetof(struct otlp_attribute_settings, member)

static const struct option_desc attribute_options[] = {
	{ .name = "name",
	  .type = OPTION_TEXT,
	  .flags = OPTION_REQUIRED,
	  .offset = ATTRIBUTE(name),
	  .help = "The attribute, as deployment.environment.name." },
	{ .name = "value",
	  .type = OPTION_TEXT,
	  .flags = OPTION_REQUIRED,
	  .offset = ATTRIBUTE(value),
	  .help = "Its value, a text." },
	{ 0 },
};

static const char *const compression_names[] = {
	[OTLP_PLAIN] = "none",
	[OTLP_GZIP] = "gzip",
	NULL,
};

#define OTLP(member) offsetof(struct otlp_settings, member)

const struct option_desc otlp_options[] = {
	{ .name = "endpoint",
	  .type = OPTION_TEXT,
	  .offset = OTLP(endpoint),
	  .check = url_check,
	  .help = "Where to POST, as http://127.0.0.1:4318 or with a path; without one, "
		  "/v1/metrics is added. Without this option nothing is pushed." },
	{ .name = "interval",
	  .type = OPTION_TIME,
	  .offset = OTLP(interval_ns),
	  .min = NS_PER_S,
	  .max = HOUR_NS,
	  .def = "1m",
	  .help = "How often all targets are exported. What could not be delivered until then is "
		  "dropped, for what comes then is newer." },
	{ .name = "compression",
	  .type = OPTION_ENUM,
	  .offset = OTLP(compression),
	  .choices = compression_names,
	  .def = "none",
	  .help = "How bodies are packed. With `gzip` they are a small part of the size; every "
		  "collector takes it, by the specification." },
	{ .name = "headers",
	  .type = OPTION_LIST,
	  .offset = OTLP(headers),
	  .table = header_options,
	  .item_size = sizeof(struct otlp_header_settings),
	  .help = "Further headers of each request." },
	{ .name = "resource_attributes",
	  .type = OPTION_LIST,
	  .offset = OTLP(resource_attributes),
	  .table = attribute_options,
	  .item_size = sizeof(struct otlp_attribute_settings),
	  .help = "Attributes of each resource, besides those that METRICS.md names; they win over "
		  "those." },
	{ .name = "access",
	  .type = OPTION_INCLUDE,
	  .offset = OTLP(access),
	  .table = endpoint_options },
	{ 0 },
};
