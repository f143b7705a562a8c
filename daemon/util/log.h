#pragma once

/*
 * Log
 *
 * One line per event, written at the place of decision, once: a sentence plus fields. logfmt (as
 * Prometheus prints it) or JSON lines on stderr; under systemd a sink set by the root sends the
 * same fields to the journal. Safe from any thread: a line is one write(2). It waits a second at
 * most for a stderr that nobody reads, and once a minute; lines are lost meanwhile, and their
 * number is told when it is read again. Library layers (heap, json) do not log.
 */

#include <stddef.h>

enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

struct log_field {
	const char *name; /* lower_snake; NULL fields (or values) are left out */
	const char *value;
};

struct log_record {
	enum log_level level;
	const char *component; /* "capture": the module that speaks */
	const char *message_id; /* 128-bit hex of the journal catalog, or NULL */
	const char *message;
	const struct log_field *fields;
	size_t fields_n;
};

typedef void log_sink_fn(const struct log_record *record);

void log_setup(enum log_level level, enum log_format format);

/* Replace stderr by another sink (the journal); NULL goes back to stderr. */
void log_set_sink(log_sink_fn *sink);

/* True when a line of that level would be written. */
int log_enabled(enum log_level level);

/* The full form, for events that carry fields. fields may be NULL when n is 0. */
void log_event(enum log_level level, const char *component, const char *message_id,
	       const struct log_field *fields, size_t n, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));

#define log_debug(component, ...) log_event(LEVEL_DEBUG, component, NULL, NULL, 0, __VA_ARGS__)
#define log_info(component, ...)  log_event(LEVEL_INFO, component, NULL, NULL, 0, __VA_ARGS__)
#define log_warn(component, ...)  log_event(LEVEL_WARN, component, NULL, NULL, 0, __VA_ARGS__)
#define log_error(component, ...) log_event(LEVEL_ERROR, component, NULL, NULL, 0, __VA_ARGS__)

/* "debug|info|warn|error" and "logfmt|json"; -EINVAL when it is none of them. */
int log_level_parse(const char *text, enum log_level *ret);
int log_format_parse(const char *text, enum log_format *ret);

/*
 * Message ids of the journal (systemd/heapwatchd.catalog explains each to a person). Made with
 * `systemd-id128 new`; never change one.
 */
#define LOG_ID_TARGET_UP            "ab6deb97e4ff4b86bd6dc1624715e284"
#define LOG_ID_TARGET_DOWN          "2876b2d95c0e41da885031af10edcbd6"
#define LOG_ID_TARGET_RESTARTED     "98605b11470747c1b18e904b4f5e33b6"
#define LOG_ID_ALERT_FIRING         "4d88c1af6c944e1e8bc5497b468b9c4c"
#define LOG_ID_ALERT_RESOLVED       "aeac4556ed0c4521a6e8620255aadf6c"
#define LOG_ID_CAPTURE_DONE         "c16a4d9d7f58452daa160db270e8e611"
#define LOG_ID_CAPTURE_FAILED       "c7eb39b54c4b4ddc9f4981a118d9a5cf"
#define LOG_ID_CAPTURE_SUPPRESSED   "31fd108702744bada8dd92bf931fce5c"
#define LOG_ID_CAPTURE_HEARD_OUT    "9c8ba7249b1048bd9ca1d1e3404b22d1"
#define LOG_ID_CAPTURE_ADOPTED      "841c5be7551344df8f3ab7b748d6c234"
#define LOG_ID_CAPTURE_ADOPT_FAILED "6021600002b741f7b170f1044d8ce814"
#define LOG_ID_CAPTURE_REMOVED      "6ea66c9d2b9f4ebeb37066cbfa4be206"
#define LOG_ID_CAPTURE_CORRUPT      "72d111beedac44c1b138d9c3b25f9921"
#define LOG_ID_ANALYSIS_DONE        "b53b266d1fdf42519c3c7f1e07364c17"
#define LOG_ID_ANALYSIS_FAILED      "bbbad5f4fb274709a8980b5b35427ac7"
#define LOG_ID_ANALYSIS_SKIPPED     "baa856902c5747c09972fb1383ce556b"
#define LOG_ID_LEAK_VERDICT         "5b3c1e7a9d084f6bb2e1c0a47d96f38e"
#define LOG_ID_GC_FORCED            "d0387e79ba2f4b23ad2bc934781f0c5f"
#define LOG_ID_GC_FAILED            "87232f6bc5954f6bb8a1befad9b36ac3"
#define LOG_ID_RELOAD_DONE          "18b839ed37b7410baa5d5cb0e3562569"
#define LOG_ID_RELOAD_FAILED        "15b08f05ed484fd6864e460b60e6668c"
