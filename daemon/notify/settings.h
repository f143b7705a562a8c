#pragma once

/* What the configuration says about who is told of alerts. */

#include <stdbool.h>
#include <stdint.h>
#include "conf/labels.h"
#include "conf/option.h"
#include "watch/settings.h"

struct basic_auth_settings {
	char *username, *password_file;
};

/* How a receiver is spoken to, whatever it is. */
struct endpoint_settings {
	struct tls_settings tls;
	struct authorization_settings authorization;
	struct basic_auth_settings basic_auth;
	uint64_t timeout_ns;
};

struct static_config_settings {
	struct text_list targets; /* HOST:PORT */
};

/* As an entry of `alerting.alertmanagers` in prometheus.yml. */
struct alertmanager_settings {
	struct item_list static_configs; /* struct static_config_settings */
	int scheme; /* index in scheme_words */
	char *path_prefix;
	int api_version; /* v2 is the only one */
	struct endpoint_settings endpoint;
};

struct webhook_settings {
	char *url;
	char *secret_file; /* NULL: not signed */
	bool send_resolved;
	struct endpoint_settings endpoint;
};

struct alerting_settings {
	struct item_list alertmanagers; /* struct alertmanager_settings */
	struct item_list webhooks; /* struct webhook_settings */
	struct labels external_labels;
	uint64_t resend_delay_ns;
	uint64_t queue_capacity; /* alerts, of each receiver */
};

extern const char *const scheme_words[]; /* "http", "https" */

/* Of struct endpoint_settings. */
extern const struct option_desc endpoint_options[];

extern const struct option_desc alerting_options[];
