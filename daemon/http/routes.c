/* The table of the API, and the page made from it. */

#include "http/route.h"

#include <stddef.h>

#include "http/api.h"
#include "http/manage.h"
#include "http/page.h"
#include "http/prom.h"
#include "util/buf.h"

const struct route http_routes[] = {
	{ "GET", "/", page_status, "The status page." },
	{ "GET", "/captures/:id", page_capture,
	  "The page of a profile: its flame graph and the functions that allocated most, by its "
	  "report; or of the second capture of a `tracking`: what came since the first, by "
	  "class; or of a `timeline`: how much was allocated when, and lives, also without a "
	  "report." },
	{ "GET", "/targets/:name/profile", page_target_profile,
	  "The same of the newest continuous profile of a target together with up to 11 before it: "
	  "what allocated most lately." },
	{ "GET", "/metrics", prom_metrics,
	  "All targets as of their last poll, and the daemon itself. Text format 0.0.4 or "
	  "OpenMetrics "
	  "1.0 by the Accept header; gzip when accepted." },
	{ "GET", "/probe", probe_handle,
	  "Poll `target` (a name or an address) now and show it without the `target` label. A "
	  "target "
	  "that is down is 200 with `heapwatch_up 0`; one that is neither configured nor "
	  "discovered "
	  "is 404. Waits as long as `X-Prometheus-Scrape-Timeout-Seconds` allows, less half a "
	  "second." },
	{ "GET", "/-/healthy", manage_healthy, "200 while the daemon turns." },
	{ "GET", "/-/ready", manage_ready, "200 when it watches, 503 before and at the end." },
	{ "POST", "/-/reload", manage_reload,
	  "Load the configuration again, all or nothing: 200, or 500 with every complaint. 403 "
	  "unless `web.enable_lifecycle` is set." },
	{ "PUT", "/-/reload", manage_reload, "The same." },
	{ "GET", "/api/v1/targets", api_targets,
	  "Targets in Prometheus' shape (`activeTargets`) with state, reason, runtime and heaps, "
	  "and `gcUntold`, why nothing is told of collections, of all or of one isolate, where "
	  "`gc_events: always` wants them; `sources` of discovery." },
	{ "GET", "/api/v1/targets/:name", api_target,
	  "One target with heap spaces and its recent past. Slashes in a name are written %2F." },
	{ "GET", "/api/v1/targets/:name/series", api_series,
	  "The recent past of its isolates in the shape of a range query of Prometheus (`matrix`), "
	  "in three resolutions: `raw` is each poll (`heap_used`, `heap_size`), `fast` and `slow` "
	  "are the complete buckets of the windows of `leak` (`heap_live`, `external_memory`, "
	  "`native_memory`: the least of each; `heap_peak`). Only those that fit `isolate`, "
	  "`metric`, `resolution`, `start` and `end` (Unix seconds, or as people write times). Of "
	  "isolates that nothing is told of for now, too, while they may come back." },
	{ "POST", "/api/v1/targets/:name/captures", api_capture_request,
	  "Ask for a capture: 202 with `id` and Location. As members of a JSON body or as query "
	  "arguments: `kind` (`snapshot`, `diagnostics`, `sampling`, `timeline`, "
	  "`tracking`), `isolate` (default `main`), "
	  "`redact`, "
	  "`compress` and `encrypt` (an array of recipients; in the query with commas between) as "
	  "in `capture`, `series` (an object with `count`, `spacing`, `growth`, `deadline`, "
	  "`at_deadline`, `ids`, `gc_before`, as in a rule's action; in the query the count, and "
	  "the others beside it), `duration`, `interval`, `stack_depth`, `objects` and "
	  "`format` of `sampling`, `duration` and `stacks` of `timeline`, `duration` of "
	  "`tracking` as in a rule's action, "
	  "`gc_before`, `force` (what protects the "
	  "target does not "
	  "judge), `dry_run` (200 with `text` when all guards agree). 400 names what it does not "
	  "understand. 403 for less redaction or other recipients than configured, unless "
	  "`capture.allow_weaker`. 409 when the target is busy or not up (`conflict`), or a guard "
	  "protects it "
	  "(`guard`); 429 when a limit refuses it. The text says which, with numbers. "
	  "By a poll older than a second `max_heap`, `max_cpu` and `headroom` refuse nobody who "
	  "asks here: the capture waits for another poll, and has failed when they refuse it then "
	  "(`refused` is true, `reason` the guard)." },
	{ "POST", "/api/v1/targets/:name/gc", api_gc,
	  "Have the target collect its garbage now: 200 when it has, with `heap_before_bytes`, "
	  "`heap_after_bytes`, `freed_bytes` (what an isolate has not told in time is absent) and "
	  "`duration_seconds`, from the request to the "
	  "target's answer. As members of a JSON body or as query arguments: `isolate`, `force`, "
	  "`dry_run`. 409 and 429 as for captures; 429 with Retry-After within "
	  "`capture.gc_interval` of the last one; 503 when it did not collect, or not before "
	  "`web.response_timeout`. While captures of the target run it waits for them, five "
	  "minutes at most." },
	{ "GET", "/api/v1/captures", api_captures,
	  "Captures `running` (and waiting), `ready` in the spool with all of their manifests, "
	  "`failed`, and `refused` with the reason; `rule` and `step`, or `requested_by`, say what "
	  "asked (SECURITY.md says how far that goes). Newest first. Of the spool only those that "
	  "fit `match` (a glob of the target, or MEMBER=GLOB), `kind`, `since`, `until` and "
	  "`limit`." },
	{ "GET", "/api/v1/captures/:id", api_capture,
	  "One capture. Of the first of two, the snapshots of a `tracking` or the files of a "
	  "`sampling` in both formats, `second` is the id of the other, once that has begun; "
	  "`profile` of either file is the id of the first." },
	{ "GET", "/api/v1/captures/:id/file", api_capture_file,
	  "The capture as an attachment. What zstd compressed goes out with `Content-Encoding: "
	  "zstd` to who accepts that, expanded to others (without length and Range); what is "
	  "encrypted goes out as it is. `raw=1`: as it is on the disk in any case; then the ETag "
	  "is its SHA-256. Range and If-Range are understood." },
	{ "GET", "/api/v1/captures/:id/scripts", api_capture_scripts,
	  "The list of the program's scripts kept beside a snapshot, in the same manner. 404 when "
	  "there is none." },
	{ "GET", "/api/v1/captures/:id/report", api_capture_report,
	  "What the analysis of a snapshot or a profile came to, as JSON: docs/ANALYSIS.md has the "
	  "members. That of the last snapshot of a series has `leaks`: what accumulated over the "
	  "series. 404 with state and reason when there is none." },
	{ "GET", "/api/v1/captures/:id/flame", api_capture_flame,
	  "The flame graph of a profile by its report, as SVG." },
	{ "PATCH", "/api/v1/captures/:id", api_capture_change,
	  "`{\"pinned\":true}`: vacuum leaves the capture alone, until `false`." },
	{ "POST", "/api/v1/captures/:id/peek", api_capture_peek,
	  "What a sampling profile that runs has so far becomes a capture of its own, while the "
	  "profile goes on: 202 with its `id`. V8 collects its garbage for that, so it is judged "
	  "as "
	  "a forced collection is, and counts as one for `capture.gc_interval`: 409 and 429 as for "
	  "`gc`. 409 when it is not sampling, is no such profile, or another look at it is under "
	  "way; 422 when its runtime tells of nothing before the end." },
	{ "DELETE", "/api/v1/captures/:id", api_capture_delete,
	  "Delete a capture from the spool (200), or cancel one that runs (202)." },
	{ "GET", "/api/v1/rules", api_rules,
	  "Rules in Prometheus' shape, with guards, captures taken and captures suppressed, the "
	  "newest of these with guard and numbers; `cannotHold` names the isolates, 100 at most, "
	  "for "
	  "which the condition cannot hold, for their runtime does not tell what it looks at "
	  "(`text`); "
	  "`failures` are evaluations that went over the `limit` of the group." },
	{ "POST", "/api/v1/rules/eval", api_rules_eval,
	  "Try rules: a rule file (YAML or JSON, at most 50 rules) as the body, judged once by the "
	  "values of now. For each rule and each isolate it matches, or of `target` only: `holds` "
	  "(`for` is not waited for), `value`, `why`, and for each of its `actions` (`action` "
	  "is `gc` or the kind of a capture) what the "
	  "guards say of it now (`guard`: `none` when it would be taken; `text` with the numbers). "
	  "Nothing is captured and nothing remembered. A rule that is loaded with the same name "
	  "and condition lends its past; others have none, so that `growth`, `new_max`, `on` and "
	  "schedules do not hold. It may extend what stands in the body only. 400 with all "
	  "complaints, a line each." },
	{ "GET", "/api/v1/alerts", api_alerts,
	  "Pending and firing alerts in Prometheus' shape. One that asked for a series of "
	  "snapshots has the annotations `verdict`, `verdict_path` and `verdict_more` once they "
	  "were compared." },
	{ "GET", "/api/v1/sd", api_sd,
	  "All targets for Prometheus' `http_sd_configs`, with `__meta_heapwatch_*` labels. No "
	  "envelope." },
	{ "GET", "/api/v1/status/buildinfo", api_buildinfo, "Version, revision, compiler." },
	{ "GET", "/api/v1/status/runtimeinfo", api_runtimeinfo,
	  "Start, readiness, last reload, lag of the event loop." },
	{ "GET", "/api/v1/status/spool", api_spool, "Space and limits of the spool." },
	{ "POST", "/api/v1/spool/vacuum", api_spool_vacuum,
	  "Delete the oldest captures down to the limits of the spool, or to `max_use_bytes`, "
	  "`keep_free_bytes`, `max_files` and `max_age_seconds` of a JSON body: what was "
	  "`removed`, how many `bytes`, and what is still over the limits because it is "
	  "protected." },
	{ NULL, NULL, NULL, NULL },
};

int routes_markdown(struct buf *buf)
{
	buf_puts(buf,
		 "# HTTP API\n\n"
		 "Answers below `/api/` are JSON: `{\"status\":\"success\",\"data\":...}` or\n"
		 "`{\"status\":\"error\",\"errorType\":\"...\",\"error\":\"...\"}` with the types "
		 "`bad_data` (400, 405, 413),\n`unauthorized` (401), `forbidden` (403), "
		 "`not_found` (404), `conflict` "
		 "(409), `guard` and `limit` (429), `internal` (500) and\n`unavailable` (503). "
		 "Everywhere else errors are one line of text. Times are RFC 3339 in UTC.\n\n"
		 "Every GET answers HEAD as well. POST, PUT, PATCH and DELETE are refused (403) "
		 "when a "
		 "browser sends them\nfrom another origin. On loopback the Host header must be "
		 "`localhost`, an address, or the host of\n`web.external_url`. Where "
		 "`--web.config.file` "
		 "names users, every request needs one of them by basic authentication (401), and\n"
		 "passwords that have to wait too long for their check are put off (429 with "
		 "Retry-After), as are all\n(503) while there is nothing to check them with.\n\n"
		 "| method | path | what it does |\n|---|---|---|\n");
	for (const struct route *route = http_routes; route->pattern != NULL; route++)
		buf_printf(buf, "| %s | `%s` | %s |\n", route->method, route->pattern, route->help);
	return buf->error;
}
