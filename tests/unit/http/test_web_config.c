#include "scene.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/doc.h"
#include "http/web_config.h"
#include "util/buf.h"
#include "util/log.h"

/* The file of --web.config.file: what is taken, and each mistake with its place. */

#define HASH "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"

static char folder[] = "/tmp/web_config.XXXXXX";

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	cr_assert_not_null(file);
	cr_assert_geq(fputs(text, file), 0);
	cr_assert_eq(fclose(file), 0);
}

static void run(const char *command)
{
	cr_assert_eq(system(command), 0, "%s", command);
}

#define KEY "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "

static void setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
	log_setup(LEVEL_ERROR, LOG_LOGFMT);
	umask(0077);
	cr_assert_eq(mkdir("d", 0700), 0);
}

static void teardown(void)
{
	char command[64];

	cr_expect_eq(chdir("/"), 0);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	cr_expect_eq(system(command), 0);
}

TestSuite(web_config, .init = setup, .fini = teardown);

static struct web_config *load(const char *text)
{
	struct web_config *config = NULL;
	struct problems problems;

	write_file("d/web.yaml", text);
	problems_init(&problems);
	cr_assert_eq(web_config_load(&config, "d/web.yaml", &problems), 0, "%s: %s", text,
		     problems.n > 0 ? problems.items[0].text : "");
	problems_fini(&problems);
	return config;
}

/* Exactly these complaints, a line each. */
static void refused(const char *text, const char *expected)
{
	struct web_config *config = NULL;
	struct problems problems;
	struct buf buf;

	write_file("d/web.yaml", text);
	problems_init(&problems);
	cr_expect_lt(web_config_load(&config, "d/web.yaml", &problems), 0, "%s", text);
	buf_init(&buf, 1 << 16);
	problems_print(&problems, &buf);
	cr_expect_str_eq(buf_text(&buf), expected, "%s\ngot:\n%swanted:\n%s", text, buf_text(&buf),
			 expected);
	buf_fini(&buf);
	problems_fini(&problems);
}

Test(web_config, nothing_is_no_tls_and_no_passwords)
{
	static const char *const texts[] = { "", "tls_server_config:\nbasic_auth_users:\n",
					     "basic_auth_users: {}\n" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct web_config *config = load(texts[i]);

		cr_expect_null(config->server_tls);
		cr_expect_eq(config->users.n, 0);
		cr_expect_not(web_config_is_guarded(config));
		web_config_free(config);
	}
	cr_expect_not(web_config_is_guarded(NULL));
}

Test(web_config, users)
{
	struct web_config *config =
		load("basic_auth_users:\n  alice: " HASH "\n  'b o-b@x': " HASH "\n");

	cr_assert_eq(config->users.n, 2);
	cr_expect_str_eq(text_map_get(&config->users, "alice"), HASH);
	cr_expect_str_eq(text_map_get(&config->users, "b o-b@x"), HASH);
	cr_expect_null(text_map_get(&config->users, "bob"));
	cr_expect_not(web_config_is_guarded(config), "what is said can be heard");
	web_config_free(config);
}

Test(web_config, mistakes)
{
	refused("nonsense: 1\n", "d/web.yaml:1:1: unknown key 'nonsense'\n");
	refused("basic_auth_user: {}\n", "d/web.yaml:1:1: unknown key 'basic_auth_user' (did you "
					 "mean 'basic_auth_users'?)\n");
	refused("basic_auth_users: [a]\n",
		"d/web.yaml:1:19: basic_auth_users: expected names with texts (name: text), got a "
		"list\n");
	refused("basic_auth_users:\n  a: secret\n  b: {}\n  c:\n  'd:e': " HASH "\n  f: " HASH
		"\n  f: " HASH "\n",
		"d/web.yaml:2:6: basic_auth_users: 'a': this is no bcrypt hash ($2y$10$ and 53 "
		"characters, as htpasswd -nB makes them)\n"
		"d/web.yaml:3:6: basic_auth_users: 'b': expected a text\n"
		"d/web.yaml:4:5: basic_auth_users: 'c': expected a text\n"
		"d/web.yaml:5:10: basic_auth_users: 'd:e': not a name of a user (no colon, 256 "
		"bytes "
		"at most)\n"
		"d/web.yaml:7:3: basic_auth_users: 'f' is given twice\n");
	refused("tls_server_config: {}\n",
		"d/web.yaml:1:20: tls_server_config: missing required key 'cert_file'\n"
		"d/web.yaml:1:20: tls_server_config: missing required key 'key_file'\n");
}

/* What the exporters have and we do not. */
Test(web_config, not_supported)
{
	refused("rate_limit: {interval: 1s, burst: 20}\nhttp_server_config: {http2: true}\n"
		"tls_server_config:\n  cert_file: a\n  key_file: b\n  cipher_suites: [x]\n"
		"  max_version: TLS13\n  client_allowed_sans: [y]\n  cert: z\n"
		"  min_version: TLS11\n  client_auth_type: RequestClientCert\n",
		"d/web.yaml:1:1: rate_limit: not supported: see web.max_connections and "
		"web.max_connections_per_ip\n"
		"d/web.yaml:2:1: http_server_config: not supported: there is no HTTP/2, and "
		"headers "
		"are fixed\n"
		"d/web.yaml:6:3: tls_server_config.cipher_suites: not supported: GnuTLS' own are "
		"used\n"
		"d/web.yaml:7:3: tls_server_config.max_version: not supported: TLS 1.3 is always "
		"possible\n"
		"d/web.yaml:8:3: tls_server_config.client_allowed_sans: not supported: whoever has "
		"a "
		"certificate of client_ca_file gets in, so give it an authority that has no "
		"others\n"
		"d/web.yaml:9:3: tls_server_config.cert: not supported: use cert_file\n"
		"d/web.yaml:10:16: tls_server_config.min_version: 'TLS11' is not one of TLS12, "
		"TLS13 "
		"(did you mean 'TLS12'?)\n"
		"d/web.yaml:11:21: tls_server_config.client_auth_type: 'RequestClientCert' is not "
		"one "
		"of NoClientCert, RequireAndVerifyClientCert\n");
}

Test(web_config, files)
{
	struct web_config *config;

	run("openssl req -x509 " KEY "-nodes -keyout d/a.key -out d/a.pem -subj /CN=a -days 2 "
	    "2>/dev/null && openssl req -x509 " KEY "-nodes -keyout d/b.key -out d/b.pem -subj "
	    "/CN=b -days 2 2>/dev/null && openssl pkey -in d/a.key -aes128 -passout pass:x -out "
	    "d/locked.key 2>/dev/null");
	config = load("tls_server_config: {cert_file: a.pem, key_file: a.key}\n");
	cr_expect_not_null(config->server_tls);
	cr_expect_not(web_config_is_guarded(config), "anybody gets in");
	web_config_free(config);
	config = load("tls_server_config: {cert_file: a.pem, key_file: a.key}\n"
		      "basic_auth_users: {a: " HASH "}\n");
	cr_expect(web_config_is_guarded(config));
	web_config_free(config);
	config = load("tls_server_config: {cert_file: a.pem, key_file: a.key, client_ca_file: "
		      "b.pem, client_auth_type: RequireAndVerifyClientCert, min_version: TLS13}\n");
	cr_expect(web_config_is_guarded(config));
	web_config_free(config);
	refused("tls_server_config: {cert_file: no.pem, key_file: a.key}\n",
		"d/web.yaml:1:32: tls_server_config.cert_file: d/no.pem: No such file or "
		"directory\n");
	refused("tls_server_config: {cert_file: a.key, key_file: a.key}\n",
		"d/web.yaml:1:32: tls_server_config.cert_file: d/a.key: No certificate was "
		"found.\n");
	refused("tls_server_config: {cert_file: a.pem, key_file: no.key}\n",
		"d/web.yaml:1:49: tls_server_config.key_file: d/no.key: No such file or "
		"directory\n");
	refused("tls_server_config: {cert_file: a.pem, key_file: b.key}\n",
		"d/web.yaml:1:49: tls_server_config.key_file: d/b.key: The certificate and the "
		"given "
		"key do not match.\n");
	refused("tls_server_config: {cert_file: a.pem, key_file: locked.key}\n",
		"d/web.yaml:1:49: tls_server_config.key_file: d/locked.key: Decryption has "
		"failed.\n");
	refused("tls_server_config:\n  cert_file: a.pem\n  key_file: a.key\n"
		"  client_auth_type: RequireAndVerifyClientCert\n",
		"d/web.yaml:4:21: tls_server_config.client_auth_type: needs client_ca_file, the "
		"authorities of clients\n");
	refused("tls_server_config:\n  cert_file: a.pem\n  key_file: a.key\n"
		"  client_ca_file: b.pem\n",
		"d/web.yaml:4:19: tls_server_config.client_ca_file: of no use without "
		"client_auth_type: RequireAndVerifyClientCert\n");
	refused("tls_server_config:\n  cert_file: a.pem\n  key_file: a.key\n"
		"  client_ca_file: b.key\n  client_auth_type: RequireAndVerifyClientCert\n",
		"d/web.yaml:4:19: tls_server_config.client_ca_file: d/b.key: there is no "
		"certificate "
		"in it\n");
}

/* What the daemon calls itself. */
Test(web_config, links_say_https)
{
	struct server_scene scene;
	struct web_config *config;

	run("openssl req -x509 " KEY "-nodes -keyout d/a.key -out d/a.pem -subj /CN=a -days 2 "
	    "2>/dev/null");
	config = load("tls_server_config: {cert_file: a.pem, key_file: a.key}\n");
	server_prepare(&scene);
	cr_assert_eq(
		http_server_init(&scene.server, &scene.loop, &scene.settings, http_routes, NULL),
		0);
	http_server_set_access(scene.server, config);
	cr_assert_eq(http_server_listen(scene.server, NULL, 0, NULL), 0);
	cr_expect_eq(strncmp(http_server_url(scene.server), "https://127.0.0.1:", 18), 0);
	server_stop(&scene);
	web_config_free(config);
}

/* Listening in clear, TLS would begin at the next start only: it does not guard what goes on. */
Test(web_config, clear_text_does_not_stay_beyond_loopback)
{
	struct server_scene scene;
	struct web_config *config;
	struct problems problems;

	run("openssl req -x509 " KEY "-nodes -keyout d/a.key -out d/a.pem -subj /CN=a -days 2 "
	    "2>/dev/null");
	config = load("tls_server_config: {cert_file: a.pem, key_file: a.key}\n"
		      "basic_auth_users: {a: " HASH "}\n");
	for (int tls = 0; tls < 2; tls++) {
		server_prepare(&scene);
		scene.addresses[0] = (char[]){ "0.0.0.0:0" };
		scene.settings.allow_remote = true;
		cr_assert_eq(http_server_init(&scene.server, &scene.loop, &scene.settings,
					      http_routes, NULL),
			     0);
		http_server_set_access(scene.server, tls ? config : NULL);
		cr_assert_eq(http_server_listen(scene.server, NULL, 0, NULL), 0);
		problems_init(&problems);
		cr_expect_eq(http_server_check(scene.server, &scene.settings, config, &problems),
			     0);
		scene.settings.allow_remote = false;
		cr_expect_eq(http_server_check(scene.server, &scene.settings, config, &problems),
			     tls ? 0 : -EPERM);
		cr_expect_eq(problems.n, tls ? 0 : 1);
		problems_fini(&problems);
		server_stop(&scene);
	}
	web_config_free(config);
}
