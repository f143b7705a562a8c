/*
 * Options of who is told. Names and words are Prometheus' where it has them: an entry of
 * `alerting.alertmanagers` may be copied from prometheus.yml.
 */

#include "notify/settings.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"

#define MINUTE_NS (60 * NS_PER_S)
#define HOUR_NS   (60 * MINUTE_NS)

/* Each is a queue and a connection. */
enum { TARGETS_MAX = 16 };

const char *const scheme_words[] = { "http", "https", NULL };
static const char *const api_versions[] = { "v2", NULL };

/* HOST:PORT, the host a name, an address or [IPv6]; no path, no user. */
static int check_target(const void *value, struct err *err)
{
	const char *text = *(char *const *)value, *colon = strrchr(text, ':');
	uint64_t port;

	if (colon == NULL || colon == text || strpbrk(text, "/@?# \t") != NULL)
		return err_set(err, -EINVAL, "'%.128s' is not HOST:PORT", text);
	if (str_parse_uint(colon + 1, &port) < 0 || port == 0 || port > 65535)
		return err_set(err, -EINVAL, "'%.128s' has no port", text);
	if (memchr(text, ':', (size_t)(colon - text)) != NULL && text[0] != '[')
		return err_set(err, -EINVAL, "'%.128s': an IPv6 address stands in brackets", text);
	return 0;
}

static int check_prefix(const void *value, struct err *err)
{
	const char *text = *(char *const *)value;

	if (text[0] != '/' || strpbrk(text, "?# \t\r\n") != NULL)
		return err_set(err, -EINVAL, "'%.64s' is no path", text);
	return 0;
}

#define BASIC(member) offsetof(struct basic_auth_settings, member)

static const struct option_desc basic_auth_options[] = {
	{ .name = "username", .type = OPTION_TEXT, .offset = BASIC(username), .help = "The user." },
	{ .name = "password_file",
	  .type = OPTION_TEXT,
	  .offset = BASIC(password_file),
	  .help = "A file with the password, read at each request." },
	{ 0 },
};

#define ENDPOINT(member) offsetof(struct endpoint_settings, member)

const struct option_desc endpoint_options[] = {
	{ .name = "tls_config",
	  .type = OPTION_TABLE,
	  .offset = ENDPOINT(tls),
	  .table = tls_options,
	  .help = "How https is spoken. The files are read at each request." },
	{ .name = "authorization",
	  .type = OPTION_TABLE,
	  .offset = ENDPOINT(authorization),
	  .table = authorization_options,
	  .help = "A token to send. Beyond loopback only by https." },
	{ .name = "basic_auth",
	  .type = OPTION_TABLE,
	  .offset = ENDPOINT(basic_auth),
	  .table = basic_auth_options,
	  .help = "Name and password instead of a token. Beyond loopback only by https." },
	{ .name = "timeout",
	  .type = OPTION_TIME,
	  .offset = ENDPOINT(timeout_ns),
	  .min = 100 * NS_PER_MS,
	  .max = 10 * MINUTE_NS,
	  .def = "10s",
	  .help = "How long a request may take, with the resolving of the name." },
	{ 0 },
};

static const struct option_desc static_config_options[] = {
	{ .name = "targets",
	  .type = OPTION_TEXT_LIST,
	  .flags = OPTION_REQUIRED,
	  .offset = offsetof(struct static_config_settings, targets),
	  .max = TARGETS_MAX,
	  .check = check_target,
	  .help = "HOST:PORT of each Alertmanager. Of a cluster name all peers, never a balancer "
		  "before them: each is sent every alert, and they tell each other what was "
		  "notified." },
	{ 0 },
};

#define ALERTMANAGER(member) offsetof(struct alertmanager_settings, member)

static const struct option_desc alertmanager_options[] = {
	{ .name = "static_configs",
	  .type = OPTION_LIST,
	  .offset = ALERTMANAGER(static_configs),
	  .table = static_config_options,
	  .item_size = sizeof(struct static_config_settings),
	  .help = "Where they are." },
	{ .name = "scheme",
	  .type = OPTION_ENUM,
	  .offset = ALERTMANAGER(scheme),
	  .choices = scheme_words,
	  .def = "http",
	  .help = "How they are spoken to." },
	{ .name = "path_prefix",
	  .type = OPTION_TEXT,
	  .offset = ALERTMANAGER(path_prefix),
	  .def = "/",
	  .check = check_prefix,
	  .help = "What stands before /api/v2/alerts." },
	{ .name = "api_version",
	  .type = OPTION_ENUM,
	  .offset = ALERTMANAGER(api_version),
	  .choices = api_versions,
	  .def = "v2",
	  .help = "The only one there is since Alertmanager 0.27." },
	{ .name = "endpoint",
	  .type = OPTION_INCLUDE,
	  .offset = ALERTMANAGER(endpoint),
	  .table = endpoint_options },
	{ 0 },
};

#define WEBHOOK(member) offsetof(struct webhook_settings, member)

static const struct option_desc webhook_options[] = {
	{ .name = "url",
	  .type = OPTION_TEXT,
	  .flags = OPTION_REQUIRED,
	  .offset = WEBHOOK(url),
	  .check = url_check,
	  .help = "Where to POST each alert that begins to fire or is resolved, as JSON in the "
		  "shape of Alertmanager's webhook (version 4), one alert a request. Any 2xx takes "
		  "it; 400, 413 and 422 refuse it for good; it is tried again after anything else, "
		  "for an hour at most, also after a restart. What was under way when the daemon "
		  "ended may come twice, with the same X-Heapwatch-Delivery." },
	{ .name = "secret_file",
	  .type = OPTION_TEXT,
	  .offset = WEBHOOK(secret_file),
	  .help = "A file with a secret, read at each request. Then there is a header "
		  "X-Heapwatch-Timestamp with Unix seconds, and X-Heapwatch-Signature: "
		  "sha256=HEX with the HMAC-SHA-256 of the timestamp, a dot and the body." },
	{ .name = "send_resolved",
	  .type = OPTION_BOOL,
	  .offset = WEBHOOK(send_resolved),
	  .def = "true",
	  .help = "Whether it is told that an alert is resolved." },
	{ .name = "endpoint",
	  .type = OPTION_INCLUDE,
	  .offset = WEBHOOK(endpoint),
	  .table = endpoint_options },
	{ 0 },
};

#define ALERTING(member) offsetof(struct alerting_settings, member)

const struct option_desc alerting_options[] = {
	{ .name = "alertmanagers",
	  .type = OPTION_LIST,
	  .offset = ALERTING(alertmanagers),
	  .table = alertmanager_options,
	  .item_size = sizeof(struct alertmanager_settings),
	  .help = "Prometheus' Alertmanagers, in the words of prometheus.yml." },
	{ .name = "webhooks",
	  .type = OPTION_LIST,
	  .offset = ALERTING(webhooks),
	  .table = webhook_options,
	  .item_size = sizeof(struct webhook_settings),
	  .help = "Receivers of our own, for where there is no Alertmanager." },
	{ .name = "external_labels",
	  .type = OPTION_LABELS,
	  .offset = ALERTING(external_labels),
	  .help = "Labels of each alert that is sent, unless it has a label of that name." },
	{ .name = "resend_delay",
	  .type = OPTION_TIME,
	  .offset = ALERTING(resend_delay_ns),
	  .min = NS_PER_S,
	  .max = HOUR_NS,
	  .def = "1m",
	  .help = "How often an alert that fires is sent again to Alertmanager, and one that is "
		  "resolved, for 15 minutes. Alertmanager takes it for resolved when it has not "
		  "come for four times as long (or four times the interval of its group, when that "
		  "is longer)." },
	{ .name = "queue_capacity",
	  .type = OPTION_UINT,
	  .offset = ALERTING(queue_capacity),
	  .min = 1,
	  .max = 100000,
	  .def = "10000",
	  .help = "Alerts that wait for one receiver; the oldest are dropped." },
	{ 0 },
};
