/*
 * Options of targets, discovery and rules. Names and words are Prometheus' where it has them.
 */

#include "watch/settings.h"

#include <errno.h>
#include <pwd.h>
#include <stddef.h>
#include <string.h>

#include "inspect/runtime.h"
#include "net/address.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"
#include "watch/allow.h"

#define MINUTE_NS (60 * NS_PER_S)
#define HOUR_NS   (60 * MINUTE_NS)
#define DAY_NS    (24 * HOUR_NS)

/*
 * Ranges that `poll:` and an entry of `targets:` share. A poll is some messages on a connection
 * that stays open: ten a second is far more than any rule needs and already felt by the target.
 */
#define INTERVAL_MIN_NS (100 * NS_PER_MS)
#define INTERVAL_MAX_NS DAY_NS
#define TIMEOUT_MIN_NS  (10 * NS_PER_MS)
#define TIMEOUT_MAX_NS  (10 * MINUTE_NS)
#define BACKOFF_MIN_NS  (100 * NS_PER_MS)
#define BACKOFF_MAX_NS  DAY_NS

/* V8 keeps what it has sampled until a profile ends. */
#define PROFILE_INTERVAL_MIN_NS NS_PER_S
#define PROFILE_INTERVAL_MAX_NS HOUR_NS

/* As long as the names in a capture's manifest. */
enum { NAME_MAX_BYTES = 127 };

/* Each target is compared with each of them. */
enum { ALLOWED_MAX = 64 };

static const char *const policies[] = { "auto", "attached", "per_poll", NULL };
static const char *const evaluate_modes[] = { "always", "never", NULL };
static const char *const gc_events_modes[] = { "never", "always", NULL };

int target_name_check(const char *name, struct err *err)
{
	if (name[0] == '\0')
		return err_set(err, -EINVAL, "the name is empty");
	if (strlen(name) > NAME_MAX_BYTES)
		return err_set(err, -EINVAL, "the name is longer than %d bytes", NAME_MAX_BYTES);
	return 0;
}

static int check_name(const void *value, struct err *err)
{
	char *const *name = value;

	return target_name_check(*name, err);
}

int target_address_check(const char *text, struct err *err)
{
	struct address address;

	return address_parse(&address, text, err);
}

static int check_address(const void *value, struct err *err)
{
	char *const *text = value;

	return target_address_check(*text, err);
}

bool target_label_taken(const char *name)
{
	static const char *const taken[] = { "address", "engine",  "engine_version",  "isolate",
					     "name",    "runtime", "runtime_version", "target" };

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		if (strcmp(name, taken[i]) == 0)
			return true;
	}
	return false;
}

static int check_labels(const void *value, struct err *err)
{
	const struct labels *labels = value;

	for (size_t i = 0; i < labels->n; i++) {
		const char *name = labels->items[i].name;

		if (target_label_taken(name))
			return err_set(err, -EINVAL, "label '%s' is set by heapwatchd itself",
				       name);
		if (str_has_prefix(name, "__"))
			return err_set(err, -EINVAL,
				       "label '%.64s': names that begin with __ are for discovery",
				       name);
	}
	return 0;
}

/* file_sd: only the last part of a path may have wildcards, since its directory is watched. */
static int check_sd_file(const void *value, struct err *err)
{
	char *const *text = value;
	const char *slash = strrchr(*text, '/'), *dot = strrchr(*text, '.');
	size_t directory = slash ? (size_t)(slash - *text) : 0;

	if (!dot ||
	    (strcmp(dot, ".json") != 0 && strcmp(dot, ".yaml") != 0 && strcmp(dot, ".yml") != 0))
		return err_set(err, -EINVAL, "'%.128s' must end in .json, .yaml or .yml", *text);
	if (strcspn(*text, "*?[") < directory)
		return err_set(err, -EINVAL,
			       "'%.128s': wildcards only in the last part of the path", *text);
	return 0;
}

/* The URL is logged and shown, so it may not carry a password. */
int url_check(const void *value, struct err *err)
{
	char *const *text = value;
	const char *host = strstr(*text, "://");
	size_t authority;

	if (!host || (!str_has_prefix(*text, "http://") && !str_has_prefix(*text, "https://")))
		return err_set(err, -EINVAL, "not a URL (http:// or https://)");
	host += 3;
	authority = strcspn(host, "/?#");
	if (memchr(host, '@', authority))
		return err_set(err, -EINVAL,
			       "a URL with a user or password is refused: name a file with it");
	if (authority == 0)
		return err_set(err, -EINVAL, "the URL has no host");
	return 0;
}

static int check_profile_interval(const void *value, struct err *err)
{
	uint64_t interval_ns = *(const uint64_t *)value;

	if (interval_ns == 0 || interval_ns >= PROFILE_INTERVAL_MIN_NS)
		return 0;
	return err_set(err, -EINVAL, "it is 0, for never, or at least 1s");
}

#define POLL(member) offsetof(struct poll_settings, member)

const struct option_desc poll_options[] = {
	{ .name = "interval",
	  .type = OPTION_TIME,
	  .offset = POLL(interval_ns),
	  .min = INTERVAL_MIN_NS,
	  .max = INTERVAL_MAX_NS,
	  .def = "5s",
	  .help = "How often a target is polled. Targets are spread over the interval." },
	{ .name = "timeout",
	  .type = OPTION_TIME,
	  .offset = POLL(timeout_ns),
	  .min = TIMEOUT_MIN_NS,
	  .max = TIMEOUT_MAX_NS,
	  .def = "2s",
	  .help = "How long connecting or a poll may take before it counts as failed. At most the "
		  "interval. A capture has 2s at least to connect." },
	{ .name = "backoff_max",
	  .type = OPTION_TIME,
	  .offset = POLL(backoff_max_ns),
	  .min = BACKOFF_MIN_NS,
	  .max = BACKOFF_MAX_NS,
	  .def = "1m",
	  .help = "Tries to reach a target that is down get rarer up to this." },
	{ .name = "policy",
	  .type = OPTION_ENUM,
	  .offset = POLL(policy),
	  .choices = policies,
	  .def = "auto",
	  .help = "Stay connected to a target (attached), connect for each poll (per_poll), or "
		  "what is best for its runtime (auto). WebKit and Safari are stayed with in any "
		  "case: each connection would take the page from a person's Web Inspector." },
	{ .name = "evaluate",
	  .type = OPTION_ENUM,
	  .offset = POLL(evaluate),
	  .choices = evaluate_modes,
	  .def = "always",
	  .help = "Whether the fixed, documented expressions may be evaluated in the target. "
		  "Without "
		  "them there is no heap limit, no RSS, no heap spaces and no identity." },
	{ .name = "runtime",
	  .type = OPTION_ENUM,
	  .offset = POLL(runtime),
	  .choices = runtime_words,
	  .def = "auto",
	  .help = "What runs there. With auto it is recognised by what its inspector answers." },
	{ .name = "gc_events",
	  .type = OPTION_ENUM,
	  .offset = POLL(gc_events),
	  .choices = gc_events_modes,
	  .def = "never",
	  .help = "Whether the runtime is to tell of its own collections of garbage: pauses or "
		  "spans, counts, and of Node and Chromium the live set. "
		  "RUNTIMES.md says which can, how, and what that costs the target: nobody else "
		  "can record the performance of a Chromium meanwhile. "
		  "Wants an interval of at most 1m, and a connection that stays; who cannot give "
		  "them is told in the journal, once, and in the API as `gcUntold`." },
	{ .name = "profile_interval",
	  .type = OPTION_TIME,
	  .offset = POLL(profile_interval_ns),
	  .max = PROFILE_INTERVAL_MAX_NS,
	  .check = check_profile_interval,
	  .def = "0s",
	  .help = "Profile continuously what the main isolate allocates, a profile for each "
		  "interval; 0 is never. The end of each makes V8 collect its garbage: there is "
		  "none "
		  "where `max_heap` forbids that, and but one in `capture.gc_interval`. "
		  "RUNTIMES.md says which runtimes can, and what it costs the target." },
	{ 0 },
};

#define TLS(member) offsetof(struct tls_settings, member)

static int check_server_name(const void *value, struct err *err)
{
	const char *name = *(char *const *)value;

	if (strlen(name) > 253 || name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
						    "UVWXYZ0123456789-._")] != '\0')
		return err_set(err, -EINVAL, "'%.64s' is not the name of a host", name);
	return 0;
}

const struct option_desc tls_options[] = {
	{ .name = "ca_file",
	  .type = OPTION_TEXT,
	  .offset = TLS(ca_file),
	  .help = "Certificates to trust, PEM. Default: the system's." },
	{ .name = "cert_file",
	  .type = OPTION_TEXT,
	  .offset = TLS(cert_file),
	  .help = "Our certificate, PEM, with the chain." },
	{ .name = "key_file",
	  .type = OPTION_TEXT,
	  .offset = TLS(key_file),
	  .help = "Its key, PEM, without a passphrase. Default: in cert_file." },
	{ .name = "server_name",
	  .type = OPTION_TEXT,
	  .offset = TLS(server_name),
	  .check = check_server_name,
	  .help = "The name that must stand in the server's certificate. Default: the address. The "
		  "name is not resolved." },
	{ .name = "insecure_skip_verify",
	  .type = OPTION_BOOL,
	  .offset = TLS(insecure_skip_verify),
	  .def = "false",
	  .help = "Take whatever certificate: whoever is on the way can then read and answer." },
	{ 0 },
};

static const char *const authorization_types[] = { "Bearer", NULL };

#define AUTHORIZATION(member) offsetof(struct authorization_settings, member)

const struct option_desc authorization_options[] = {
	{ .name = "type",
	  .type = OPTION_ENUM,
	  .offset = AUTHORIZATION(type),
	  .choices = authorization_types,
	  .def = "Bearer",
	  .help = "The only one there is." },
	{ .name = "credentials_file",
	  .type = OPTION_TEXT,
	  .offset = AUTHORIZATION(credentials_file),
	  .help = "A file with the token, one word, read at each connect." },
	{ 0 },
};

#define OPENING(member) offsetof(struct opening_settings, member)

int target_user_parse(const char *text, uid_t *ret, struct err *err)
{
	struct passwd entry, *found = NULL;
	char buffer[4096];
	uint64_t number;

	if (str_parse_uint(text, &number) == 0 && number < UINT32_MAX) {
		*ret = (uid_t)number;
		return 0;
	}
	getpwnam_r(text, &entry, buffer, sizeof(buffer), &found);
	if (found == NULL)
		return err_set(err, -EINVAL, "there is no user '%.64s'", text);
	*ret = found->pw_uid;
	return 0;
}

static int check_user(const void *value, struct err *err)
{
	uid_t uid;

	return target_user_parse(*(char *const *)value, &uid, err);
}

static const struct option_desc opening_options[] = {
	{ .name = "pid_file",
	  .type = OPTION_TEXT,
	  .offset = OPENING(pid_file),
	  .help = "The file with the pid of the process, as its supervisor writes it. It must "
		  "belong to root, to the daemon or to the process's user." },
	{ .name = "command",
	  .type = OPTION_TEXT,
	  .offset = OPENING(command),
	  .help = "Instead: an argument of its command line, word for word, such as the path of "
		  "its "
		  "script. Exactly one process of Node may have it." },
	{ .name = "user",
	  .type = OPTION_TEXT,
	  .offset = OPENING(user),
	  .check = check_user,
	  .help = "Whose process it is, by name or uid; no other is signalled. Default: the "
		  "daemon's own user. To signal another's takes rights that sigusr1.conf gives." },
	{ 0 },
};

#define TARGET(member) offsetof(struct target_settings, member)
#define TPOLL(member)  offsetof(struct target_settings, poll.member)

const struct option_desc target_options[] = {
	{ .name = "name",
	  .type = OPTION_TEXT,
	  .offset = TARGET(name),
	  .check = check_name,
	  .help = "The target's unique name, its `target` label. Default: the address." },
	{ .name = "address",
	  .type = OPTION_TEXT,
	  .flags = OPTION_REQUIRED,
	  .offset = TARGET(address),
	  .check = check_address,
	  .help = "Where its inspector listens: HOST:PORT, [IPV6]:PORT, PORT (loopback), "
		  "unix:/PATH; "
		  "wss://HOST:PORT for TLS. "
		  "The host is numeric or localhost: inspectors refuse other names." },
	{ .name = "labels",
	  .type = OPTION_LABELS,
	  .offset = TARGET(labels),
	  .check = check_labels,
	  .help = "Labels for rules and alerts, as name: value." },
	{ .name = "tls_config",
	  .type = OPTION_TABLE,
	  .offset = TARGET(tls),
	  .table = tls_options,
	  .help = "How a wss:// address is spoken to. The files are read at each connect." },
	{ .name = "authorization",
	  .type = OPTION_TABLE,
	  .offset = TARGET(authorization),
	  .table = authorization_options,
	  .help = "A token for a proxy before the inspector. Beyond loopback only over wss://." },
	{ .name = "open_by_sigusr1",
	  .type = OPTION_TABLE,
	  .offset = TARGET(opening),
	  .present = TARGET(has_opening),
	  .table = opening_options,
	  .help = "Open the inspector of this Node by SIGUSR1 when it is to be polled, and close "
		  "it "
		  "again when it is watched no more. A program with a handler of its own for "
		  "SIGUSR1 would run that instead, once." },
	{ .name = "interval",
	  .type = OPTION_TIME,
	  .offset = TPOLL(interval_ns),
	  .present = TARGET(has_interval),
	  .min = INTERVAL_MIN_NS,
	  .max = INTERVAL_MAX_NS,
	  .help = "Default: poll.interval." },
	{ .name = "timeout",
	  .type = OPTION_TIME,
	  .offset = TPOLL(timeout_ns),
	  .present = TARGET(has_timeout),
	  .min = TIMEOUT_MIN_NS,
	  .max = TIMEOUT_MAX_NS,
	  .help = "Default: poll.timeout." },
	{ .name = "backoff_max",
	  .type = OPTION_TIME,
	  .offset = TPOLL(backoff_max_ns),
	  .present = TARGET(has_backoff_max),
	  .min = BACKOFF_MIN_NS,
	  .max = BACKOFF_MAX_NS,
	  .help = "Default: poll.backoff_max." },
	{ .name = "policy",
	  .type = OPTION_ENUM,
	  .offset = TPOLL(policy),
	  .present = TARGET(has_policy),
	  .choices = policies,
	  .help = "Default: poll.policy." },
	{ .name = "evaluate",
	  .type = OPTION_ENUM,
	  .offset = TPOLL(evaluate),
	  .present = TARGET(has_evaluate),
	  .choices = evaluate_modes,
	  .help = "Default: poll.evaluate." },
	{ .name = "runtime",
	  .type = OPTION_ENUM,
	  .offset = TPOLL(runtime),
	  .present = TARGET(has_runtime),
	  .choices = runtime_words,
	  .help = "Default: poll.runtime." },
	{ .name = "gc_events",
	  .type = OPTION_ENUM,
	  .offset = TPOLL(gc_events),
	  .present = TARGET(has_gc_events),
	  .choices = gc_events_modes,
	  .help = "Default: poll.gc_events." },
	{ .name = "profile_interval",
	  .type = OPTION_TIME,
	  .offset = TPOLL(profile_interval_ns),
	  .present = TARGET(has_profile_interval),
	  .max = PROFILE_INTERVAL_MAX_NS,
	  .check = check_profile_interval,
	  .help = "Default: poll.profile_interval." },
	{ 0 },
};

#define ACCESS(member) offsetof(struct access_settings, member)

/* Of both kinds of discovery. */
static const struct option_desc access_options[] = {
	{ .name = "target_tls_config",
	  .type = OPTION_TABLE,
	  .offset = ACCESS(tls),
	  .table = tls_options,
	  .help = "How those of the targets are spoken to that have a wss:// address. The list "
		  "itself cannot name files." },
	{ .name = "target_authorization",
	  .type = OPTION_TABLE,
	  .offset = ACCESS(authorization),
	  .table = authorization_options,
	  .help = "A token that is sent to each of the targets; one beyond loopback without wss:// "
		  "is refused. Whoever writes the list says who gets it, within allowed_targets." },
	{ 0 },
};

#define FILE_SD(member) offsetof(struct file_sd_settings, member)

static const struct option_desc file_sd_options[] = {
	{ .name = "files",
	  .type = OPTION_TEXT_LIST,
	  .flags = OPTION_REQUIRED,
	  .offset = FILE_SD(files),
	  .check = check_sd_file,
	  .help = "Files with target groups, YAML or JSON, in Prometheus' format. The last part of "
		  "a "
		  "path may have wildcards." },
	{ .name = "refresh_interval",
	  .type = OPTION_TIME,
	  .offset = FILE_SD(refresh_ns),
	  .min = NS_PER_S,
	  .max = DAY_NS,
	  .def = "5m",
	  .help = "Changes are seen at once by inotify; this is for file systems without it." },
	{ .name = "access",
	  .type = OPTION_INCLUDE,
	  .offset = FILE_SD(access),
	  .table = access_options },
	{ 0 },
};

#define HTTP_SD(member) offsetof(struct http_sd_settings, member)

static int credential_check(const void *value, struct err *err)
{
	const char *name = *(char *const *)value;

	if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL)
		return err_set(err, -EINVAL, "'%.64s' is no name of a credential", name);
	return 0;
}

static const struct option_desc http_sd_options[] = {
	{ .name = "url",
	  .type = OPTION_TEXT,
	  .flags = OPTION_REQUIRED,
	  .offset = HTTP_SD(url),
	  .check = url_check,
	  .help = "Where to get target groups as JSON, in Prometheus' format." },
	{ .name = "refresh_interval",
	  .type = OPTION_TIME,
	  .offset = HTTP_SD(refresh_ns),
	  .min = NS_PER_S,
	  .max = DAY_NS,
	  .def = "1m",
	  .help = "How often it is asked, unless its answer has X-Prometheus-Refresh-Interval-"
		  "Seconds." },
	{ .name = "timeout",
	  .type = OPTION_TIME,
	  .offset = HTTP_SD(timeout_ns),
	  .min = 100 * NS_PER_MS,
	  .max = 10 * MINUTE_NS,
	  .def = "10s",
	  .help = "How long an answer may take; the last good one stays in force." },
	{ .name = "bearer_token_file",
	  .type = OPTION_TEXT,
	  .offset = HTTP_SD(bearer_token_file),
	  .help = "A file with a token to send, read at each request." },
	{ .name = "bearer_token_credential",
	  .type = OPTION_TEXT,
	  .offset = HTTP_SD(bearer_token_credential),
	  .check = credential_check,
	  .help = "The token as a systemd credential: the NAME of LoadCredential=NAME:PATH in the "
		  "unit." },
	{ .name = "access",
	  .type = OPTION_INCLUDE,
	  .offset = HTTP_SD(access),
	  .table = access_options },
	{ 0 },
};

#define WATCH(member) offsetof(struct watch_settings, member)

static const struct option_desc limits_options[] = {
	{ .name = "targets",
	  .type = OPTION_UINT,
	  .offset = WATCH(targets_max),
	  .min = 1,
	  .max = 100000,
	  .def = "10000",
	  .help = "Targets in all; discovery cannot add more." },
	{ .name = "isolates",
	  .type = OPTION_UINT,
	  .offset = WATCH(isolates_max),
	  .min = 1,
	  .max = 4096,
	  .def = "64",
	  .help = "Isolates per target (worker threads); further ones are not watched." },
	{ .name = "series_points",
	  .type = OPTION_UINT,
	  .offset = WATCH(series_points),
	  .min = 16,
	  .max = 65536,
	  .def = "300",
	  .help = "Samples kept per isolate, 24 bytes each; the default is 25 minutes of polls. "
		  "With the windows of `leak` an isolate takes at most 12 KiB. A change holds for "
		  "isolates that appear later." },
	{ 0 },
};

#define LEAK(member) offsetof(struct leak_settings, member)

/* A window has some ninety buckets, and a bucket needs a poll. */
#define WINDOW_MIN_NS (10 * NS_PER_S)

static const struct option_desc leak_options[] = {
	{ .name = "warmup",
	  .type = OPTION_TIME,
	  .offset = LEAK(warmup_ns),
	  .max = 7 * DAY_NS,
	  .def = "30m",
	  .help = "What grows within this time after the start of a program is its caches, and "
		  "not judged." },
	{ .name = "fast_window",
	  .type = OPTION_TIME,
	  .offset = LEAK(fast_window_ns),
	  .min = WINDOW_MIN_NS,
	  .max = 30 * DAY_NS,
	  .def = "3h",
	  .help = "The window in which a fast leak is to be seen, kept in 90 buckets. A change "
		  "holds for isolates that appear later, as for `slow_window`." },
	{ .name = "slow_window",
	  .type = OPTION_TIME,
	  .offset = LEAK(slow_window_ns),
	  .min = WINDOW_MIN_NS,
	  .max = 30 * DAY_NS,
	  .def = "24h",
	  .help = "The window in which a slow leak is to be seen, kept in 96 buckets. With a whole "
		  "day in it, what comes and goes with the hours is no leak. For a quarter of it a "
		  "collection says what the heap holds when there is no later one." },
	{ 0 },
};

const struct option_desc watch_options[] = {
	{ .name = "poll",
	  .type = OPTION_TABLE,
	  .offset = WATCH(poll),
	  .table = poll_options,
	  .help = "How targets are polled, where a target does not say otherwise." },
	{ .name = "allowed_targets",
	  .type = OPTION_TEXT_LIST,
	  .offset = WATCH(allowed_targets),
	  .max = ALLOWED_MAX,
	  .def = "127.0.0.0/8, ::1, unix",
	  .check = allow_check,
	  .help = "Where targets may be: ranges of addresses (10.0.0.0/8, fd00::/8), addresses, "
		  "and unix for unix sockets. Others are refused, whoever names them. Whoever "
		  "reaches an inspector can run code in the program." },
	{ .name = "targets",
	  .type = OPTION_LIST,
	  .offset = WATCH(targets),
	  .table = target_options,
	  .item_size = sizeof(struct target_settings),
	  .help = "Targets that are always there, reachable or not." },
	{ .name = "file_sd_configs",
	  .type = OPTION_LIST,
	  .offset = WATCH(file_sd),
	  .table = file_sd_options,
	  .item_size = sizeof(struct file_sd_settings),
	  .help = "Targets named by files that other programs write." },
	{ .name = "http_sd_configs",
	  .type = OPTION_LIST,
	  .offset = WATCH(http_sd),
	  .table = http_sd_options,
	  .item_size = sizeof(struct http_sd_settings),
	  .help = "Targets named by an HTTP service." },
	{ .name = "rule_files",
	  .type = OPTION_TEXT_LIST,
	  .offset = WATCH(rule_files),
	  .help = "Files with rules; wildcards are allowed." },
	{ .name = "evaluation_interval",
	  .type = OPTION_TIME,
	  .offset = WATCH(evaluation_interval_ns),
	  .min = 100 * NS_PER_MS,
	  .max = DAY_NS,
	  .def = "5s",
	  .help = "How often rules are evaluated, where a group does not say otherwise." },
	{ .name = "leak",
	  .type = OPTION_TABLE,
	  .offset = WATCH(leak),
	  .table = leak_options,
	  .help = "How memory that grows is told from memory that only goes up and down. By "
		  "default it is judged by the least heap in use of each bucket, for no runtime is "
		  "asked to tell of its collections (`poll.gc_events`); where garbage gathers for "
		  "an hour or more before it is collected, that may be taken for a leak." },
	{ .name = "limits",
	  .type = OPTION_TABLE,
	  .table = limits_options,
	  .help = "What bounds the memory of the daemon." },
	{ 0 },
};
