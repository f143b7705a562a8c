/*
 * Mistakes in the settings of receivers. The one that matters: a token or a password goes nowhere
 * in clear but to where nobody else listens.
 */

#include "notify/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "net/address.h"
#include "notify/settings.h"
#include "util/err.h"
#include "util/map.h"
#include "util/str.h"

enum { RECEIVERS_MAX = 64, PATH_MAX_BYTES = 64, URL_MAX_BYTES = 512 };

struct checking {
	notify_complain_fn *complain;
	const void *owner;
	struct map seen; /* URLs, of `texts` */
	struct text_list texts;
	size_t n;
};

static void __attribute__((format(printf, 3, 4)))
complain(const struct checking *checking, const char *path, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	checking->complain(checking->owner, path, text);
}

/* Does nobody but this host hear what is sent there? */
static bool url_is_local(const char *url)
{
	const char *host = strstr(url, "://");
	char text[ADDRESS_TEXT_MAX];
	struct address address;

	host = host != NULL ? host + 3 : url;
	snprintf(text, sizeof(text) - 4, "%.*s", (int)strcspn(host, "/?#"), host);
	if (text[0] == '\0')
		return false;
	if (strrchr(text, ':') == NULL || text[strlen(text) - 1] == ']')
		strcat(text, ":80");
	return address_parse(&address, text, NULL) == 0 && address_is_local(&address);
}

static bool wants_tls(const struct tls_settings *tls)
{
	return tls->ca_file || tls->cert_file || tls->key_file || tls->server_name ||
	       tls->insecure_skip_verify;
}

void endpoint_check(const struct endpoint_settings *endpoint, const char *url, bool has_secret,
		    const char *path, notify_complain_fn *complain_fn, const void *owner)
{
	const struct checking checking = { .complain = complain_fn, .owner = owner };
	bool is_tls = str_has_prefix(url, "https://");
	bool token = endpoint->authorization.credentials_file != NULL;
	bool basic = endpoint->basic_auth.username != NULL;
	char part[PATH_MAX_BYTES + 16];

	snprintf(part, sizeof(part), "%s.tls_config", path);
	if (!is_tls && wants_tls(&endpoint->tls))
		complain(&checking, part, "%.128s is not https", url);
	if (endpoint->tls.key_file && !endpoint->tls.cert_file)
		complain(&checking, part, "key_file without cert_file");
	snprintf(part, sizeof(part), "%s.basic_auth", path);
	if (!basic && endpoint->basic_auth.password_file != NULL)
		complain(&checking, part, "password_file without username");
	if (basic && token)
		complain(&checking, part, "basic_auth and authorization exclude each other");
	if ((basic || token || has_secret) && !is_tls && !url_is_local(url))
		complain(&checking, path, "the %s would be sent in clear: use https",
			 token   ? "token"
			 : basic ? "password"
				 : "secret header");
}

/* A receiver's name in metrics and logs is its URL. */
static void check_receiver(struct checking *checking, const char *path, const char *url,
			   const struct endpoint_settings *endpoint)
{
	endpoint_check(endpoint, url, false, path, checking->complain, checking->owner);
	checking->n++;
	if (text_list_add(&checking->texts, url) < 0)
		return;
	if (map_put(&checking->seen, checking->texts.items[checking->texts.n - 1], checking) ==
	    -EEXIST)
		complain(checking, path, "%.128s is named twice", url);
}

static void check_alertmanager(struct checking *checking, const char *path,
			       const struct alertmanager_settings *one)
{
	const struct static_config_settings *configs = one->static_configs.items;
	char url[URL_MAX_BYTES];
	size_t before = checking->n;

	for (size_t c = 0; c < one->static_configs.n; c++) {
		for (size_t t = 0; t < configs[c].targets.n; t++) {
			snprintf(url, sizeof(url), "%s://%s%s", scheme_words[one->scheme],
				 configs[c].targets.items[t], one->path_prefix);
			check_receiver(checking, path, url, &one->endpoint);
		}
	}
	if (checking->n == before)
		complain(checking, path, "there is no target in static_configs");
}

void notify_check(const struct alerting_settings *alerting, notify_complain_fn *complain_fn,
		  const void *owner)
{
	const struct alertmanager_settings *alertmanagers = alerting->alertmanagers.items;
	const struct webhook_settings *webhooks = alerting->webhooks.items;
	struct checking checking = { .complain = complain_fn, .owner = owner };
	char path[PATH_MAX_BYTES];

	map_init(&checking.seen);
	for (size_t i = 0; i < alerting->alertmanagers.n; i++) {
		snprintf(path, sizeof(path), "alerting.alertmanagers[%zu]", i);
		check_alertmanager(&checking, path, &alertmanagers[i]);
	}
	for (size_t i = 0; i < alerting->webhooks.n; i++) {
		snprintf(path, sizeof(path), "alerting.webhooks[%zu]", i);
		check_receiver(&checking, path, webhooks[i].url, &webhooks[i].endpoint);
	}
	if (checking.n > RECEIVERS_MAX)
		complain(&checking, "alerting", "%zu receivers are too many (at most %d)",
			 checking.n, RECEIVERS_MAX);
	map_fini(&checking.seen);
	text_list_fini(&checking.texts);
}

/* ---- files ---- */

int endpoint_each_path(struct endpoint_settings *endpoint,
		       int (*fn)(const char *folder, char **path), const char *folder)
{
	char **paths[] = { &endpoint->tls.ca_file, &endpoint->tls.cert_file,
			   &endpoint->tls.key_file, &endpoint->authorization.credentials_file,
			   &endpoint->basic_auth.password_file };
	int r = 0;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]) && r == 0; i++)
		r = fn(folder, paths[i]);
	return r;
}

int notify_each_path(struct alerting_settings *alerting, int (*fn)(const char *folder, char **path),
		     const char *folder)
{
	struct alertmanager_settings *alertmanagers = alerting->alertmanagers.items;
	struct webhook_settings *webhooks = alerting->webhooks.items;
	int r = 0;

	for (size_t i = 0; i < alerting->alertmanagers.n && r == 0; i++)
		r = endpoint_each_path(&alertmanagers[i].endpoint, fn, folder);
	for (size_t i = 0; i < alerting->webhooks.n && r == 0; i++) {
		r = fn(folder, &webhooks[i].secret_file);
		if (r == 0)
			r = endpoint_each_path(&webhooks[i].endpoint, fn, folder);
	}
	return r;
}
