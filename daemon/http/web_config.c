/*
 * --web.config.file
 *
 * What the exporters have and we do not is refused by name: a file that was written for them would
 * otherwise promise what is not kept. It is read at the start and at each reload, not at each
 * request as they do, so that a mistake is found when it is made.
 */

#include "http/web_config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "http/bcrypt.h"
#include "http/server_tls.h"
#include "util/err.h"
#include "util/log.h"
#include "util/str.h"

/* ---- options ---- */

static const char *const client_auth_words[] = { [WEB_CLIENT_AUTH_NONE] = "NoClientCert",
						 [WEB_CLIENT_AUTH_REQUIRED] =
							 "RequireAndVerifyClientCert",
						 [WEB_CLIENT_AUTH_REQUIRED + 1] = NULL };
static const char *const version_words[] = {
	[WEB_TLS12] = "TLS12", [WEB_TLS13] = "TLS13", [WEB_TLS13 + 1] = NULL
};

#define TLS(member) offsetof(struct web_tls_settings, member)

static const struct option_desc tls_server_options[] = {
	{ .name = "cert_file",
	  .type = OPTION_TEXT,
	  .flags = OPTION_REQUIRED,
	  .offset = TLS(cert_file),
	  .help = "The certificate of the endpoint, PEM, with the chain." },
	{ .name = "key_file",
	  .type = OPTION_TEXT,
	  .flags = OPTION_REQUIRED,
	  .offset = TLS(key_file),
	  .help = "Its key, PEM, without a passphrase." },
	{ .name = "client_auth_type",
	  .type = OPTION_ENUM,
	  .offset = TLS(client_auth),
	  .choices = client_auth_words,
	  .def = "NoClientCert",
	  .help = "Whether clients have to show a certificate of client_ca_file." },
	{ .name = "client_ca_file",
	  .type = OPTION_TEXT,
	  .offset = TLS(client_ca_file),
	  .help = "The authorities of clients, PEM." },
	{ .name = "min_version",
	  .type = OPTION_ENUM,
	  .offset = TLS(min_version),
	  .choices = version_words,
	  .def = "TLS12",
	  .help = "The least version of TLS." },
	{ .name = "cert", .type = OPTION_REFUSED, .help = "not supported: use cert_file" },
	{ .name = "key", .type = OPTION_REFUSED, .help = "not supported: use key_file" },
	{ .name = "client_ca",
	  .type = OPTION_REFUSED,
	  .help = "not supported: use client_ca_file" },
	{ .name = "client_allowed_sans",
	  .type = OPTION_REFUSED,
	  .help = "not supported: whoever has a certificate of client_ca_file gets in, so give it "
		  "an authority that has no others" },
	{ .name = "max_version",
	  .type = OPTION_REFUSED,
	  .help = "not supported: TLS 1.3 is always possible" },
	{ .name = "cipher_suites",
	  .type = OPTION_REFUSED,
	  .help = "not supported: GnuTLS' own are used" },
	{ .name = "prefer_server_cipher_suites",
	  .type = OPTION_REFUSED,
	  .help = "not supported: GnuTLS' own order is used" },
	{ .name = "curve_preferences",
	  .type = OPTION_REFUSED,
	  .help = "not supported: GnuTLS' own are used" },
	{ 0 },
};

static int check_user(const void *value, struct err *err)
{
	const struct text_pair *user = value;

	if (user->name[0] == '\0' || strchr(user->name, ':') != NULL ||
	    strlen(user->name) >= WEB_USER_MAX)
		return err_set(err, -EINVAL, "not a name of a user (no colon, %d bytes at most)",
			       WEB_USER_MAX - 1);
	return bcrypt_check_hash(user->text, err);
}

const struct option_desc web_config_options[] = {
	{ .name = "tls_server_config",
	  .type = OPTION_TABLE,
	  .offset = offsetof(struct web_config, tls),
	  .table = tls_server_options,
	  .help = "TLS of the endpoint, of all but unix sockets; without it there is none. To "
		  "begin "
		  "or to end with TLS needs a restart, all else is taken at a reload: renewed "
		  "certificates too." },
	{ .name = "basic_auth_users",
	  .type = OPTION_TEXT_MAP,
	  .offset = offsetof(struct web_config, users),
	  .max = WEB_USERS_MAX,
	  .check = check_user,
	  .help = "Users and the bcrypt hashes of their passwords (`htpasswd -nBC 10 USER`), of a "
		  "cost "
		  "of 14 at most. With any, every request needs one of them, also over unix "
		  "sockets "
		  "and for /-/healthy." },
	{ .name = "http_server_config",
	  .type = OPTION_REFUSED,
	  .help = "not supported: there is no HTTP/2, and headers are fixed" },
	{ .name = "rate_limit",
	  .type = OPTION_REFUSED,
	  .help = "not supported: see web.max_connections and web.max_connections_per_ip" },
	{ 0 },
};

/* ---- loading ---- */

struct loading {
	const struct doc *doc;
	struct web_config *config;
	struct problems *problems;
};

static int complain(const struct loading *loading, const char *option, const char *text)
{
	const struct node *node;
	char path[64];

	snprintf(path, sizeof(path), "tls_server_config.%s", option);
	node = doc_find(loading->doc, path);
	problems_add(loading->problems, loading->doc->file, node->line, node->column, path, "%s",
		     text);
	return -EINVAL;
}

static bool wants_tls(const struct doc *doc)
{
	const struct node *node = node_member(&doc->root, "tls_server_config");

	return node != NULL && node->children_n > 0;
}

static int check(const struct loading *loading)
{
	const struct web_tls_settings *tls = &loading->config->tls;

	if (tls->client_auth == WEB_CLIENT_AUTH_REQUIRED && tls->client_ca_file == NULL)
		return complain(loading, "client_auth_type",
				"needs client_ca_file, the authorities of clients");
	if (tls->client_auth == WEB_CLIENT_AUTH_NONE && tls->client_ca_file != NULL)
		return complain(loading, "client_ca_file",
				"of no use without client_auth_type: RequireAndVerifyClientCert");
	return 0;
}

/* Relative to the folder of the file. Replaces *path. */
static int resolve(const char *file, char **path)
{
	const char *slash = strrchr(file, '/');
	char *joined;

	if (*path == NULL || (*path)[0] == '/' || slash == NULL)
		return 0;
	if (asprintf(&joined, "%.*s%s", (int)(slash + 1 - file), file, *path) < 0)
		return -ENOMEM;
	free(*path);
	*path = joined;
	return 0;
}

static int resolve_paths(const char *file, struct web_tls_settings *tls)
{
	int r = resolve(file, &tls->cert_file);

	if (r == 0)
		r = resolve(file, &tls->key_file);
	return r == 0 ? resolve(file, &tls->client_ca_file) : r;
}

static int load_tls(const struct loading *loading)
{
	struct web_config *config = loading->config;
	const struct server_tls_files files = {
		.cert_file = config->tls.cert_file,
		.key_file = config->tls.key_file,
		.client_ca_file = config->tls.client_ca_file,
		.only_tls13 = config->tls.min_version == WEB_TLS13,
	};
	struct err err = { .text = "" };
	const char *option;
	int r = server_tls_load(&config->server_tls, &files, &option, &err);

	return r < 0 ? complain(loading, option, err.text) : 0;
}

int web_config_load(struct web_config **ret, const char *file, struct problems *problems)
{
	struct web_config *config = calloc(1, sizeof(*config));
	struct loading loading = { .config = config, .problems = problems };
	struct doc *doc = NULL;
	int r;

	if (config == NULL) {
		problems_add(problems, file, 0, 0, NULL, "out of memory");
		return -ENOMEM;
	}
	r = doc_load(&doc, file, problems);
	loading.doc = doc;
	if (r == 0)
		r = options_load(web_config_options, doc, &doc->root, "", config, problems);
	if (r == 0 && wants_tls(doc)) {
		r = check(&loading);
		if (r == 0) {
			r = resolve_paths(file, &config->tls);
			if (r < 0)
				problems_add(problems, file, 0, 0, NULL, "out of memory");
		}
		if (r == 0)
			r = load_tls(&loading);
	}
	doc_free(doc);
	if (r < 0) {
		web_config_free(config);
		return r;
	}
	*ret = config;
	return 0;
}

void web_config_free(struct web_config *config)
{
	if (config == NULL)
		return;
	server_tls_unref(config->server_tls);
	options_fini(web_config_options, config);
	free(config);
}

static void warn_of_readers(const char *path)
{
	struct stat status;

	if (stat(path, &status) == 0 && (status.st_mode & S_IROTH) != 0)
		log_warn("http", "everybody on this host can read %s: let only the daemon",
			 str_end(path, 120));
}

void web_config_warn(const struct web_config *config, const char *file)
{
	if (config == NULL)
		return;
	if (config->server_tls != NULL)
		warn_of_readers(config->tls.key_file);
	if (config->users.n > 0)
		warn_of_readers(file);
}

bool web_config_is_guarded(const struct web_config *config)
{
	return config != NULL && config->server_tls != NULL &&
	       (config->users.n > 0 || config->tls.client_auth == WEB_CLIENT_AUTH_REQUIRED);
}
