/*
 * The whole configuration
 *
 * Composes the modules' tables into one, and turns a file and the flags into settings. What one
 * value may be stands in the tables; here is what needs more than one value (a time-out within its
 * interval, names used once) or the place of the file (relative paths). A flag wins over the file
 * and is checked by the same rows.
 */

#include "schema.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inspect/runtime.h"
#include "net/address.h"
#include "notify/check.h"
#include "otlp/check.h"
#include "util/buf.h"
#include "util/log.h"
#include "util/map.h"
#include "util/str.h"
#include "watch/allow.h"

static const char *const levels[] = { [LEVEL_DEBUG] = "debug",
				      [LEVEL_INFO] = "info",
				      [LEVEL_WARN] = "warn",
				      [LEVEL_ERROR] = "error",
				      [LEVEL_ERROR + 1] = NULL };
static const char *const formats[] = {
	[LOG_LOGFMT] = "logfmt", [LOG_JSON] = "json", [LOG_JSON + 1] = NULL
};

static const struct option_desc log_options[] = {
	{ .name = "level",
	  .type = OPTION_ENUM,
	  .offset = offsetof(struct log_settings, level),
	  .choices = levels,
	  .def = "info",
	  .help = "The least level that is logged. Flag: --log.level." },
	{ .name = "format",
	  .type = OPTION_ENUM,
	  .offset = offsetof(struct log_settings, format),
	  .choices = formats,
	  .def = "logfmt",
	  .help = "How lines are written on stderr; the journal gets fields in any case. Flag: "
		  "--log.format." },
	{ 0 },
};

static const struct option_desc storage_options[] = {
	{ .name = "path",
	  .type = OPTION_TEXT,
	  .flags = OPTION_RESTART,
	  .offset = offsetof(struct storage_settings, path),
	  .help = "The folder for captures and state. Default: $STATE_DIRECTORY (systemd sets it), "
		  "else `data` in the working directory. Flag: --storage.path." },
	{ 0 },
};

const struct option_desc settings_table[] = {
	{ .name = "log",
	  .type = OPTION_TABLE,
	  .offset = offsetof(struct settings, log),
	  .table = log_options,
	  .help = "What heapwatchd says about itself." },
	{ .name = "storage",
	  .type = OPTION_TABLE,
	  .offset = offsetof(struct settings, storage),
	  .table = storage_options,
	  .help = "Where files are kept." },
	{ .name = "web",
	  .type = OPTION_TABLE,
	  .offset = offsetof(struct settings, web),
	  .table = web_options,
	  .help = "The HTTP endpoint: metrics, status page, API." },
	{ .name = "watch",
	  .type = OPTION_INCLUDE,
	  .offset = offsetof(struct settings, watch),
	  .table = watch_options },
	{ .name = "alerting",
	  .type = OPTION_TABLE,
	  .offset = offsetof(struct settings, alerting),
	  .table = alerting_options,
	  .help = "Who is told of alerts." },
	{ .name = "otlp",
	  .type = OPTION_TABLE,
	  .offset = offsetof(struct settings, otlp),
	  .table = otlp_options,
	  .help = "Metrics pushed to a collector of OpenTelemetry, by OTLP over HTTP in JSON, "
		  "beside /metrics." },
	{ .name = "capture",
	  .type = OPTION_TABLE,
	  .offset = offsetof(struct settings, capture),
	  .table = capture_options,
	  .help = "How heap snapshots are taken." },
	{ .name = "analysis",
	  .type = OPTION_TABLE,
	  .offset = offsetof(struct settings, analysis),
	  .table = analysis_options,
	  .help = "A report beside each snapshot and profile, made by a confined worker." },
	{ .name = "spool",
	  .type = OPTION_TABLE,
	  .offset = offsetof(struct settings, spool),
	  .table = spool_options,
	  .help = "What captures may take of the disk, in systemd-coredump's words." },
	{ 0 },
};

/* ---- checks over several values ---- */

/* What is being checked. doc is NULL when there is no file. */
struct check {
	const struct doc *doc;
	const struct flags *flags;
	struct problems *problems;
	struct settings *settings;
	size_t file_targets_n; /* the targets after those come from flags */
};

static void __attribute__((format(printf, 3, 4)))
complain(const struct check *check, const char *path, const char *fmt, ...)
{
	const struct node *node = check->doc ? doc_find(check->doc, path) : NULL;
	char text[ERR_TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	problems_add(check->problems, check->doc ? check->doc->file : "configuration",
		     node ? node->line : 0, node ? node->column : 0, path, "%s", text);
}

/* About a value that came from a flag. */
static void complain_flag(const struct check *check, const char *flag, const char *text)
{
	problems_add(check->problems, flag, 0, 0, NULL, "%s", text);
}

static bool is_given(const struct check *check, const char *table, const char *name)
{
	const struct node *node = check->doc ? node_member(&check->doc->root, table) : NULL;

	return node && node_member(node, name);
}

static void check_timeout(const struct check *check, const char *path, uint64_t timeout_ns,
			  uint64_t interval_ns)
{
	char timeout[STR_UNIT_MAX], interval[STR_UNIT_MAX];

	if (timeout_ns > interval_ns)
		complain(check, path, "%s is longer than the interval (%s)",
			 str_format_duration(timeout, timeout_ns),
			 str_format_duration(interval, interval_ns));
}

static void check_gc_events(const struct check *check, const char *path,
			    const struct poll_settings *poll, uint64_t interval_ns)
{
	if (poll->gc_events == GC_EVENTS_ALWAYS && interval_ns > GC_EVENTS_INTERVAL_MAX_NS)
		complain(check, path,
			 "wants an interval of at most 1m: the runtime keeps them in its memory "
			 "from poll to poll");
}

/* One that was not given follows a short interval silently, as in Prometheus. */
static void check_poll(const struct check *check)
{
	struct poll_settings *poll = &check->settings->watch.poll;

	if (is_given(check, "poll", "timeout"))
		check_timeout(check, "poll.timeout", poll->timeout_ns, poll->interval_ns);
	else if (poll->timeout_ns > poll->interval_ns)
		poll->timeout_ns = poll->interval_ns;
	check_gc_events(check, "poll.gc_events", poll, poll->interval_ns);
}

/* Names of targets as they will be; the texts are owned. */
struct names {
	struct map map;
	struct text_list texts;
};

/* 0, -EEXIST, -ENOMEM. */
static int names_add(struct names *names, const struct target_settings *target)
{
	char text[ADDRESS_TEXT_MAX];
	struct address address;
	int r;

	if (target->name) {
		r = text_list_add(&names->texts, target->name);
	} else {
		r = address_parse(&address, target->address, NULL);
		if (r == 0)
			r = text_list_add(&names->texts, address_format(text, &address));
	}
	if (r < 0)
		return r;
	return map_put(&names->map, names->texts.items[names->texts.n - 1], names);
}

static void check_allowed(const struct check *check, size_t i)
{
	const struct watch_settings *watch = &check->settings->watch;
	const struct target_settings *target = (struct target_settings *)watch->targets.items + i;
	struct err err = { 0 };
	char path[48];

	if (allow_text(&watch->allowed_targets, target->address, &err) == 0)
		return;
	snprintf(path, sizeof(path), "targets[%zu].address", i);
	if (i >= check->file_targets_n)
		complain_flag(check, "--target", err.text);
	else
		complain(check, path, "%s", err.text);
}

static bool wants_tls(const struct tls_settings *tls)
{
	return tls->ca_file || tls->cert_file || tls->key_file || tls->server_name ||
	       tls->insecure_skip_verify;
}

/* A token goes nowhere in clear but to where nobody else listens. */
static void check_access(const struct check *check, size_t i)
{
	const struct watch_settings *watch = &check->settings->watch;
	const struct target_settings *target = (struct target_settings *)watch->targets.items + i;
	struct address address;
	char path[64];

	if (address_parse(&address, target->address, NULL) < 0)
		return;
	snprintf(path, sizeof(path), "targets[%zu].tls_config", i);
	if (!address.is_tls && wants_tls(&target->tls))
		complain(check, path, "the address is not one of TLS (wss://HOST:PORT)");
	if (target->tls.key_file && !target->tls.cert_file)
		complain(check, path, "key_file without cert_file");
	snprintf(path, sizeof(path), "targets[%zu].authorization", i);
	if (target->authorization.credentials_file && !address.is_tls &&
	    !address_is_local(&address))
		complain(check, path, "the token would be sent in clear: use a wss:// address");
}

/* What is opened is closed by an expression, and only Node has such an inspector. */
static void check_opening(const struct check *check, size_t i)
{
	const struct watch_settings *watch = &check->settings->watch;
	const struct target_settings *target = (struct target_settings *)watch->targets.items + i;
	int evaluate = target->has_evaluate ? target->poll.evaluate : watch->poll.evaluate;
	int runtime = target->has_runtime ? target->poll.runtime : watch->poll.runtime;
	struct address address;
	char path[64];

	if (!target->has_opening || address_parse(&address, target->address, NULL) < 0)
		return;
	snprintf(path, sizeof(path), "targets[%zu].open_by_sigusr1", i);
	if (!target->opening.pid_file == !target->opening.command)
		complain(check, path, "give either pid_file or command");
	if (address.family == ADDRESS_UNIX || address.is_tls || address.path[0] != '\0' ||
	    !address_is_local(&address))
		complain(check, path,
			 "Node opens its inspector at a port of loopback: the address "
			 "must be one");
	if (evaluate == EVALUATE_NEVER)
		complain(check, path,
			 "evaluate is never, and without evaluating the inspector cannot "
			 "be closed again");
	if (runtime != 0 && strcmp(runtime_words[runtime], "node") != 0)
		complain(check, path, "%s has no such signal: only Node does",
			 runtime_words[runtime]);
}

static int check_target(const struct check *check, struct names *names, size_t i)
{
	const struct watch_settings *watch = &check->settings->watch;
	const struct target_settings *target = (struct target_settings *)watch->targets.items + i;
	uint64_t interval_ns =
		target->has_interval ? target->poll.interval_ns : watch->poll.interval_ns;
	char path[48], text[ERR_TEXT_MAX];
	int r;

	snprintf(path, sizeof(path), "targets[%zu].timeout", i);
	if (target->has_timeout)
		check_timeout(check, path, target->poll.timeout_ns, interval_ns);
	snprintf(path, sizeof(path), "targets[%zu].gc_events", i);
	check_gc_events(check, path, target->has_gc_events ? &target->poll : &watch->poll,
			interval_ns);
	check_allowed(check, i);
	check_access(check, i);
	check_opening(check, i);
	r = names_add(names, target);
	if (r != -EEXIST)
		return r;
	snprintf(text, sizeof(text), "another target has the name '%s' already",
		 names->texts.items[names->texts.n - 1]);
	snprintf(path, sizeof(path), "targets[%zu].%s", i, target->name ? "name" : "address");
	if (i >= check->file_targets_n)
		complain_flag(check, "--target", text);
	else
		complain(check, path, "%s", text);
	return 0;
}

static int check_targets(const struct check *check)
{
	const struct watch_settings *watch = &check->settings->watch;
	struct names names = { 0 };
	int r = 0;

	if (watch->targets.n > watch->targets_max)
		complain(check, "targets", "%zu targets are more than limits.targets allows (%llu)",
			 watch->targets.n, (unsigned long long)watch->targets_max);
	map_init(&names.map);
	for (size_t i = 0; i < watch->targets.n && r == 0; i++)
		r = check_target(check, &names, i);
	map_fini(&names.map);
	text_list_fini(&names.texts);
	return r;
}

/* Each source has a timer, each pattern a watch of its own (the kernel grants a user 128). */
enum { SOURCES_MAX = 100 };

static void check_sd_access(const struct check *check, const char *list, size_t i,
			    const struct access_settings *access)
{
	char path[64];

	snprintf(path, sizeof(path), "%s[%zu].target_tls_config", list, i);
	if (access->tls.key_file && !access->tls.cert_file)
		complain(check, path, "key_file without cert_file");
}

static void check_file_sd(const struct check *check)
{
	const struct item_list *list = &check->settings->watch.file_sd;
	const struct file_sd_settings *items = list->items;
	size_t patterns = 0;

	for (size_t i = 0; i < list->n; i++) {
		patterns += items[i].files.n;
		check_sd_access(check, "file_sd_configs", i, &items[i].access);
	}
	if (patterns > SOURCES_MAX)
		complain(check, "file_sd_configs", "%zu patterns are too many (at most %d)",
			 patterns, SOURCES_MAX);
}

/* Twice the same source would mean two settings for one thing. */
static void check_http_sd(const struct check *check)
{
	const struct item_list *list = &check->settings->watch.http_sd;
	const struct http_sd_settings *items = list->items;

	if (list->n > SOURCES_MAX) {
		complain(check, "http_sd_configs", "%zu services are too many (at most %d)",
			 list->n, SOURCES_MAX);
		return;
	}
	for (size_t i = 0; i < list->n; i++) {
		char path[48];

		check_sd_access(check, "http_sd_configs", i, &items[i].access);
		snprintf(path, sizeof(path), "http_sd_configs[%zu]", i);
		if (items[i].bearer_token_file && items[i].bearer_token_credential)
			complain(
				check, path,
				"bearer_token_file and bearer_token_credential exclude each other");
		for (size_t j = 0; j < i; j++) {
			if (strcmp(items[i].url, items[j].url) != 0)
				continue;
			snprintf(path, sizeof(path), "http_sd_configs[%zu].url", i);
			complain(check, path, "the same URL as http_sd_configs[%zu]", j);
			break;
		}
	}
}

/* The addresses of flags replace those of the file. */
static void check_web(const struct check *check)
{
	const struct web_settings *web = &check->settings->web;
	const struct text_list *list = &web->listen_addresses;

	if (web->allow_remote || web_config_is_guarded(check->settings->web_config))
		return;
	for (size_t i = 0; i < list->n; i++) {
		char path[48], text[ERR_TEXT_MAX];
		bool local;

		if (web_address_check(list->items[i], &local, NULL) < 0 || local)
			continue;
		snprintf(
			text, sizeof(text),
			"'%.64s' is reachable from other machines, and whoever reaches it can read "
			"heap snapshots (give --web.config.file with TLS and passwords, or set "
			"web.allow_remote: true if that is meant)",
			list->items[i]);
		snprintf(path, sizeof(path), "web.listen_addresses[%zu]", i);
		if (check->flags->listen_addresses.n > 0)
			complain_flag(check, "--web.listen-address", text);
		else
			complain(check, path, "%s", text);
	}
}

static void check_capture(const struct check *check)
{
	const struct capture_settings *capture = &check->settings->capture;
	char timeout[STR_UNIT_MAX], idle[STR_UNIT_MAX];

	if (capture->idle_timeout_ns > capture->timeout_ns)
		complain(check, "capture.idle_timeout", "%s is longer than capture.timeout (%s)",
			 str_format_duration(idle, capture->idle_timeout_ns),
			 str_format_duration(timeout, capture->timeout_ns));
}

static void complain_of_receiver(const void *owner, const char *path, const char *text)
{
	complain(owner, path, "%s", text);
}

static int check_settings(const struct check *check)
{
	check_poll(check);
	check_web(check);
	check_capture(check);
	check_file_sd(check);
	check_http_sd(check);
	notify_check(&check->settings->alerting, complain_of_receiver, check);
	otlp_check(&check->settings->otlp, complain_of_receiver, check);
	return check_targets(check);
}

/* ---- paths ---- */

/* A path in the file is relative to the file's folder. Replaces *path. */
static int resolve(const char *folder, char **path)
{
	char *joined;

	if (!*path || (*path)[0] == '/')
		return 0;
	if (asprintf(&joined, "%s/%s", folder, *path) < 0)
		return -ENOMEM;
	free(*path);
	*path = joined;
	return 0;
}

static int resolve_access(const char *folder, struct tls_settings *tls,
			  struct authorization_settings *authorization)
{
	int r = resolve(folder, &tls->ca_file);

	if (r == 0)
		r = resolve(folder, &tls->cert_file);
	if (r == 0)
		r = resolve(folder, &tls->key_file);
	if (r == 0)
		r = resolve(folder, &authorization->credentials_file);
	return r;
}

static int resolve_targets(const char *folder, const struct item_list *targets)
{
	struct target_settings *items = targets->items;
	int r = 0;

	for (size_t i = 0; i < targets->n && r == 0; i++) {
		r = resolve_access(folder, &items[i].tls, &items[i].authorization);
		if (r == 0)
			r = resolve(folder, &items[i].opening.pid_file);
	}
	return r;
}

static int resolve_list(const char *folder, struct text_list *list)
{
	int r = 0;

	for (size_t i = 0; i < list->n && r == 0; i++)
		r = resolve(folder, &list->items[i]);
	return r;
}

static int resolve_paths(const char *folder, struct settings *settings)
{
	struct file_sd_settings *files = settings->watch.file_sd.items;
	struct http_sd_settings *urls = settings->watch.http_sd.items;
	int r;

	r = resolve(folder, &settings->storage.path);
	if (r == 0)
		r = resolve_list(folder, &settings->watch.rule_files);
	if (r == 0)
		r = resolve_targets(folder, &settings->watch.targets);
	if (r == 0)
		r = notify_each_path(&settings->alerting, resolve, folder);
	if (r == 0)
		r = otlp_each_path(&settings->otlp, resolve, folder);
	for (size_t i = 0; i < settings->watch.file_sd.n && r == 0; i++) {
		r = resolve_list(folder, &files[i].files);
		if (r == 0)
			r = resolve_access(folder, &files[i].access.tls,
					   &files[i].access.authorization);
	}
	for (size_t i = 0; i < settings->watch.http_sd.n && r == 0; i++) {
		r = resolve(folder, &urls[i].bearer_token_file);
		if (r == 0)
			r = resolve_access(folder, &urls[i].access.tls,
					   &urls[i].access.authorization);
	}
	return r;
}

/* Where systemd puts the credentials of a service; by hand it is looked for where the unit has
 * them. */
static int credential_path(struct http_sd_settings *url)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");

	if (url->bearer_token_credential == NULL)
		return 0;
	free(url->bearer_token_file);
	if (asprintf(&url->bearer_token_file, "%s/%s",
		     directory ? directory : "/run/credentials/heapwatchd.service",
		     url->bearer_token_credential) < 0) {
		url->bearer_token_file = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int resolve_credentials(struct settings *settings)
{
	struct http_sd_settings *urls = settings->watch.http_sd.items;
	int r = 0;

	for (size_t i = 0; i < settings->watch.http_sd.n && r == 0; i++)
		r = credential_path(&urls[i]);
	return r;
}

/* The folder of a file as an absolute path; the links in it are left as they are. */
static int folder_of(const char *file, char **ret)
{
	const char *slash = strrchr(file, '/');
	int size = slash ? (int)(slash - file) : 0;
	char *here;
	int r;

	if (file[0] == '/')
		return asprintf(ret, "%.*s", size, file) < 0 ? -ENOMEM : 0;
	here = getcwd(NULL, 0);
	if (!here)
		return -errno;
	r = asprintf(ret, "%s%s%.*s", here, size ? "/" : "", size, file);
	free(here);
	return r < 0 ? -ENOMEM : 0;
}

/* $STATE_DIRECTORY may list several folders; the first is ours. */
static int default_storage(struct storage_settings *storage)
{
	const char *state = getenv("STATE_DIRECTORY");

	if (storage->path)
		return 0;
	if (!state || state[0] != '/')
		state = "data";
	storage->path = str_dup_span(state, strcspn(state, ":"));
	return storage->path ? 0 : -ENOMEM;
}

/* ---- flags ---- */

static int apply_flag(const char *flag, const struct option_desc *table, void *settings,
		      const char *text, struct problems *problems)
{
	struct err err = { 0 };
	int r;

	if (!text)
		return 0;
	r = options_set(table, settings, strrchr(flag, '.') + 1, text, &err);
	if (r == -EINVAL) {
		problems_add(problems, flag, 0, 0, NULL, "%s", err.text);
		return 0;
	}
	return r;
}

static int apply_listen(const struct text_list *addresses, struct web_settings *web,
			struct problems *problems)
{
	int r = 0;

	if (addresses->n > 0)
		text_list_fini(&web->listen_addresses);
	for (size_t i = 0; i < addresses->n && r == 0; i++) {
		struct err err = { 0 };
		bool local;

		if (web_address_check(addresses->items[i], &local, &err) < 0)
			problems_add(problems, "--web.listen-address", 0, 0, NULL, "%s", err.text);
		r = text_list_add(&web->listen_addresses, addresses->items[i]);
	}
	return r;
}

static int apply_targets(const struct text_list *addresses, struct item_list *targets,
			 struct problems *problems)
{
	struct target_settings *items;

	if (addresses->n == 0)
		return 0;
	items = reallocarray(targets->items, targets->n + addresses->n, sizeof(*items));
	if (!items)
		return -ENOMEM;
	targets->items = items;
	for (size_t i = 0; i < addresses->n; i++) {
		struct err err = { 0 };

		if (target_address_check(addresses->items[i], &err) < 0) {
			problems_add(problems, "--target", 0, 0, NULL, "%s", err.text);
			continue;
		}
		items[targets->n] = (struct target_settings){ 0 };
		items[targets->n].address = strdup(addresses->items[i]);
		if (!items[targets->n++].address)
			return -ENOMEM;
	}
	return 0;
}

static int apply_flags(const struct flags *flags, struct settings *settings,
		       struct problems *problems)
{
	size_t before = problems->n;
	int r;

	r = apply_flag("--log.level", log_options, &settings->log, flags->log_level, problems);
	if (r == 0)
		r = apply_flag("--log.format", log_options, &settings->log, flags->log_format,
			       problems);
	if (r == 0)
		r = apply_flag("--storage.path", storage_options, &settings->storage,
			       flags->storage_path, problems);
	if (r == 0)
		r = apply_listen(&flags->listen_addresses, &settings->web, problems);
	if (r == 0)
		r = apply_targets(&flags->targets, &settings->watch.targets, problems);
	return r == 0 && problems->n > before ? -EINVAL : r;
}

/* ---- loading ---- */

/* The file to read, NULL when none is named and the default one is not there. */
static const char *config_file(const struct flags *flags)
{
	if (flags->config_file)
		return flags->config_file;
	return access(CONFIG_FILE_DEFAULT, F_OK) < 0 && errno == ENOENT ? NULL
									: CONFIG_FILE_DEFAULT;
}

static int load_file(const char *file, struct doc **ret, struct settings *settings,
		     struct problems *problems)
{
	char *folder = NULL;
	int r;

	if (!file)
		return options_defaults(settings_table, settings);
	r = doc_load(ret, file, problems);
	if (r < 0)
		return r;
	r = options_load(settings_table, *ret, &(*ret)->root, "", settings, problems);
	if (r == 0)
		r = folder_of(file, &folder);
	if (r == 0)
		r = resolve_paths(folder, settings);
	free(folder);
	return r;
}

/* Both files, so that the mistakes of both are named. */
static int load_files(const struct flags *flags, struct doc **ret, struct settings *settings,
		      struct problems *problems)
{
	int r = load_file(config_file(flags), ret, settings, problems), web = 0;

	if (flags->web_config_file)
		web = web_config_load(&settings->web_config, flags->web_config_file, problems);
	return r < 0 ? r : web;
}

int settings_load(struct settings **ret, const struct flags *flags, struct problems *problems)
{
	struct settings *settings = calloc(1, sizeof(*settings));
	struct check check = { .flags = flags, .problems = problems, .settings = settings };
	struct doc *doc = NULL;
	size_t before = problems->n;
	int r;

	if (!settings)
		return -ENOMEM;
	r = load_files(flags, &doc, settings, problems);
	if (r == 0) {
		check.doc = doc;
		check.file_targets_n = settings->watch.targets.n;
		r = apply_flags(flags, settings, problems);
	}
	if (r == 0)
		r = default_storage(&settings->storage);
	if (r == 0)
		r = check_settings(&check);
	if (r == 0)
		r = resolve_credentials(settings);
	if (r == 0 && problems->n > before)
		r = -EINVAL;
	doc_free(doc);
	if (r < 0) {
		settings_free(settings);
		return r;
	}
	*ret = settings;
	return 0;
}

void settings_free(struct settings *settings)
{
	if (!settings)
		return;
	options_fini(settings_table, settings);
	web_config_free(settings->web_config);
	free(settings);
}

/* ---- printing ---- */

static const char intro[] =
	"# Configuration\n"
	"\n"
	"`heapwatchd --config.file=FILE` reads one YAML file (a text that begins with `{` is read "
	"as "
	"JSON).\n"
	"This page is made from the tables in the program: `heapwatchd --options` prints the same. "
	"`conf/heapwatchd.yaml` has every option with its default.\n"
	"\n"
	"`heapwatchd --check` names all mistakes as `file:line:column: option: what is wrong`. "
	"SIGHUP "
	"and `POST /-/reload` load the file again, all or nothing; a change of an option marked "
	"*restart* takes effect at the next start.\n"
	"\n"
	"- Durations: `500ms`, `10s`, `1h30m`. Sizes: `64KiB`, `2GiB`, `10MB`. Booleans: `true`, "
	"`false`. Quotes make no difference.\n"
	"- Relative paths in the file are relative to the file's folder; those of flags and "
	"defaults, "
	"to the working directory.\n"
	"- Flags win over the file.\n";

static const char rules_intro[] =
	"\n"
	"# Rule files\n"
	"\n"
	"The files that `rule_files` names. `conf/rules.d/memory.yaml` "
	"and `leak.yaml` are two to begin with, `presets.yaml` has rules to "
	"extend. A rule that needs a value the target does not give does "
	"not hold. `heapwatchctl rules test` tries rules on samples, "
	"`POST /api/v1/rules/eval` on what is known now.\n";

static const char web_intro[] =
	"\n"
	"# The file of --web.config.file\n"
	"\n"
	"TLS and passwords of the HTTP endpoint, in the format of Prometheus' exporters. What they "
	"have "
	"and is not here is refused by name. Paths are relative to the folder of this file. With "
	"TLS "
	"and either users or certificates of clients, listening beyond loopback needs no "
	"`web.allow_remote`. `heapwatchd --check --web.config.file=FILE` checks it and the files "
	"it "
	"names; a reload reads all of them anew, or keeps the old ones when one is no good.\n";

int schema_print_options(struct buf *buf, bool markdown)
{
	if (!markdown) {
		options_print(settings_table, "", buf);
		options_print(rule_file_options, "", buf);
		return options_print(web_config_options, "", buf);
	}
	buf_puts(buf, intro);
	options_markdown(settings_table, "", buf);
	buf_puts(buf, rules_intro);
	options_markdown(rule_file_options, "", buf);
	buf_puts(buf, web_intro);
	return options_markdown(web_config_options, "", buf);
}
