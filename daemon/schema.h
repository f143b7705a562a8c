#pragma once

/*
 * The whole configuration: one struct composed of the modules' settings, one root table composed of
 * their tables. `heapwatchd --options`, `--check` and docs/CONFIG.md start here.
 */

#include <stdbool.h>
#include "capture/settings.h"
#include "http/settings.h"
#include "http/web_config.h"
#include "notify/settings.h"
#include "otlp/settings.h"
#include "spool/settings.h"
#include "watch/settings.h"

struct log_settings {
	int level; /* enum log_level */
	int format; /* enum log_format */
};

struct storage_settings {
	char *path;
};

struct settings {
	struct log_settings log;
	struct storage_settings storage;
	struct web_settings web;
	struct watch_settings watch;
	struct alerting_settings alerting;
	struct otlp_settings otlp;
	struct capture_settings capture;
	struct analysis_settings analysis;
	struct spool_settings spool;
	struct web_config *web_config; /* owned: --web.config.file; NULL: none was named */
};

extern const struct option_desc settings_table[];

/* Flags of the command line; they win over the file, also after a reload. */
struct flags {
	const char *config_file; /* NULL: the default path, which need not exist */
	const char *web_config_file; /* or NULL */
	const char *storage_path;
	const char *log_level, *log_format;
	struct text_list listen_addresses, targets;
};

/* The configuration file used when none is named. */
#define CONFIG_FILE_DEFAULT "/etc/heapwatch/heapwatchd.yaml"

/*
 * File (or defaults) plus flags, checked: addresses parse, names are unique, relative paths are
 * made absolute from the file's folder; and what --web.config.file names. 0, or -EINVAL/-errno with
 * the reasons in problems.
 */
int settings_load(struct settings **ret, const struct flags *flags, struct problems *problems);
void settings_free(struct settings *settings);

/* Every option for `--options`, or docs/CONFIG.md. buf->error. */
struct buf;
int schema_print_options(struct buf *buf, bool markdown);
