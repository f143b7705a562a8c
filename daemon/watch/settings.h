#pragma once

/* What the configuration says about targets and rules, as the option tables fill it. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "conf/labels.h"
#include "conf/option.h"

/* How long the daemon stays connected (docs/RUNTIMES.md says what each runtime bears). */
enum poll_policy { POLICY_AUTO, POLICY_ATTACHED, POLICY_PER_POLL };

/* May the daemon evaluate its fixed, documented expressions in the target? */
enum evaluate_mode { EVALUATE_ALWAYS, EVALUATE_NEVER };

/* Have the runtime tell of its collections of garbage? */
enum gc_events_mode { GC_EVENTS_NEVER, GC_EVENTS_ALWAYS };

struct poll_settings {
	uint64_t interval_ns;
	uint64_t timeout_ns; /* of one poll, and of connecting */
	uint64_t backoff_max_ns; /* between tries to reach a target that is down */
	int policy; /* enum poll_policy */
	int evaluate; /* enum evaluate_mode */
	int runtime; /* index in runtime_words */
	int gc_events; /* enum gc_events_mode */
	uint64_t profile_interval_ns; /* of each continuous profile; 0: none are taken */
};

/* In Prometheus' words. */
struct tls_settings {
	char *ca_file, *cert_file, *key_file, *server_name;
	bool insecure_skip_verify;
};

struct authorization_settings {
	int type; /* Bearer is the only one */
	char *credentials_file;
};

/* What a runtime keeps to be told at the next poll must not grow for longer. */
#define GC_EVENTS_INTERVAL_MAX_NS (60ull * 1000000000ull)

/* `open_by_sigusr1` (watch/opening.h). */
struct opening_settings {
	char *pid_file, *command; /* one of them */
	char *user; /* NULL: ours */
};

/* One entry of `targets:`; what is not given comes from `poll:`. */
struct target_settings {
	char *name; /* NULL: the address */
	char *address; /* required */
	struct labels labels;
	struct tls_settings tls;
	struct authorization_settings authorization;
	struct opening_settings opening;
	struct poll_settings poll;
	bool has_interval, has_timeout, has_backoff_max, has_policy, has_evaluate, has_runtime,
		has_gc_events, has_profile_interval, has_opening;
};

/* How the targets of a source are reached: what names targets can name no files. */
struct access_settings {
	struct tls_settings tls;
	struct authorization_settings authorization;
};

struct file_sd_settings {
	struct text_list files; /* glob patterns, *.yaml *.yml *.json */
	uint64_t refresh_ns;
	struct access_settings access;
};

struct http_sd_settings {
	char *url;
	uint64_t refresh_ns;
	uint64_t timeout_ns;
	char *bearer_token_file;
	char *bearer_token_credential; /* the same by a credential of systemd */
	struct access_settings access; /* not of the service itself */
};

/* How leaks are told from what only looks like one. */
struct leak_settings {
	uint64_t warmup_ns; /* after the start of a program, what grows is no leak */
	uint64_t fast_window_ns, slow_window_ns;
};

struct watch_settings {
	struct poll_settings poll;
	struct text_list allowed_targets; /* ranges of addresses (watch/allow.h) */
	struct item_list targets; /* struct target_settings */
	struct item_list file_sd; /* struct file_sd_settings */
	struct item_list http_sd; /* struct http_sd_settings */
	struct text_list rule_files; /* glob patterns, relative to the configuration file */
	uint64_t evaluation_interval_ns;
	struct leak_settings leak;
	uint64_t targets_max, isolates_max, series_points;
};

/* Fit for a target's name, its address? 0, or -EINVAL with the reason in err. */
int target_name_check(const char *name, struct err *err);
int target_address_check(const char *text, struct err *err);

/* The uid of a user's name, or of a number. 0, -EINVAL with the reason in err. */
int target_user_parse(const char *text, uid_t *ret, struct err *err);

/* Labels that a target has by itself; an own one of that name would hide it from rules. */
bool target_label_taken(const char *name);

/* Of whatever is spoken to by TLS or with a token; the URLs of such may carry neither. */
extern const struct option_desc tls_options[], authorization_options[];
int url_check(const void *value, struct err *err);

extern const struct option_desc poll_options[], target_options[], watch_options[];
