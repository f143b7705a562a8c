#pragma once

/*
 * The file of --web.config.file, in the format of Prometheus' exporters (exporter-toolkit): TLS of
 * the HTTP endpoint, and who may use it.
 */

#include <stdbool.h>
#include "conf/option.h"

struct problems;
struct server_tls;

enum { WEB_USERS_MAX = 256, WEB_USER_MAX = 257 }; /* users; bytes of a name, with the zero */

enum web_client_auth { WEB_CLIENT_AUTH_NONE, WEB_CLIENT_AUTH_REQUIRED };
enum web_tls_version { WEB_TLS12, WEB_TLS13 };

struct web_tls_settings {
	char *cert_file, *key_file, *client_ca_file; /* absolute, or relative to where we run */
	int client_auth; /* enum web_client_auth */
	int min_version; /* enum web_tls_version */
};

struct web_config {
	struct web_tls_settings tls;
	struct text_map users; /* name, bcrypt hash; none: no passwords are asked for */
	struct server_tls *server_tls; /* owned reference, of what the files held; NULL: no TLS */
};

/*
 * Reads the file and those that it names, relative to its own folder. 0; -EINVAL or -errno with the
 * reasons in problems. Nothing is logged: what says how is read at the same time.
 */
int web_config_load(struct web_config **ret, const char *file, struct problems *problems);

/*
 * Tells the log when everybody on this host can read the key, or the hashes in file, which is the
 * one that was loaded. config NULL: nothing.
 */
void web_config_warn(const struct web_config *config, const char *file);
void web_config_free(struct web_config *config); /* NULL is fine */

/*
 * Does nobody get in, or hear what is said, who should not: TLS, with passwords or certificates of
 * clients? NULL: no.
 */
bool web_config_is_guarded(const struct web_config *config);

extern const struct option_desc web_config_options[];
