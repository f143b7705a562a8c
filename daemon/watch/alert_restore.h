#pragma once

/*
 * Alerts over a restart, as Prometheus' ALERTS_FOR_STATE does it: what fires goes on to fire with
 * the time it began, what is pending goes on to wait. The text of them all, and back.
 *
 * {
 *   "version": 1,
 *   "written_ms": 1769903999000, "boot": "7c1d...", "written_boot_ms": 86400000,
 *   "alerts": [{"file": "rules.d/memory.yaml", "group": "memory", "rule": "HeapNearLimit",
 *               "condition": "6f0c...", "target": "api", "isolate": "main", "firing": true,
 *               "active_wall_ms": 1769903960000, "firing_wall_ms": 1769903990000,
 *               "active_ms": 39000, "firing_ms": 9000, "keeping": false, "kept_ms": 0,
 *               "value": 0.83, "asked": true, "acted": true, "done": 1,
 *               "step": 0, "term": 0, "told": true, "series": "0123...", "verdict": "...",
 *               "verdict_path": "...", "verdict_more": "...",
 *               "capture": "0123...", "capture_path": "/var/lib/heapwatch/spool/ready/...",
 *               "revision": 1,
 *               "span_ms": 10800000, "program": {"pid": 4711, "start_wall_ms": 1769900000000,
 *               "start_mono_ms": 82401000, "start_ticks": 8240100, "inspector_id": "5f1e..."},
 *               "labels": {...}, "annotations": {...}}],
 *   "ended": [{"receiver": "", "firing": false, "has_verdict": false,
 *              "starts_wall_ms": 1769903990000, "ends_wall_ms": 1769903998000, "left_ms": 899000,
 *              "labels": {...}, "annotations": {...}}]
 * }
 *
 * Times of what a rule judges by are spans up to written_ms: while the daemon was down nothing was
 * seen, so that time is no part of `for` and of keep_firing_for. How old the text is, the monotonic
 * clock tells, which all processes share until the machine is started anew: setting the wall clock
 * meanwhile changes nothing.
 */

#include <stddef.h>
#include <stdint.h>

struct alerts;
struct err;

enum { ALERT_RESTORE_VERSION = 1, ALERT_RESTORE_BYTES_MAX = 32 << 20 };

/* Of longer ago, alerts are not those of now: Prometheus' --rules.alert.for-outage-tolerance. */
#define ALERT_RESTORE_AGE_MS (60 * 60 * 1000ull)

/*
 * How long a restored alert waits for the first sample of its isolate. Until then it stays as it
 * is; then its condition does not hold.
 */
#define ALERT_RESTORE_WAIT_NS (2 * 60 * 1000000000ull)

/* To be freed. 0, -ENOMEM, -E2BIG. */
int alerts_text(const struct alerts *alerts, char **ret, size_t *ret_size);

/*
 * Once, after the first rules were set. An entry that makes no sense is left out. Alerts whose rule
 * is not there any more, or is another by now, end: on_resolved is told of those that fired.
 * *ret_n: how many live on. 0; -EBADMSG with the reason in err, nothing is restored; -ENOMEM.
 */
int alerts_restore(struct alerts *alerts, const char *text, size_t size, uint32_t *ret_n,
		   struct err *err);
