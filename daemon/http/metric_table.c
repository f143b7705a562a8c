/*
 * Metric families
 *
 * Conventions are those of the Prometheus project: base units, no timestamps, success and failure
 * as two counters, an absent value is not exported. The labels are in the order of the samples.
 * Only what this version can give a value is listed.
 */

#include "http/metric_table.h"

#include <stddef.h>

#include "util/buf.h"

const struct metric_desc metric_table[METRICS + 1] = {
	[METRIC_UP] = { .name = "heapwatch_up",
			.type = METRIC_GAUGE,
			.unit = "",
			.labels = { "target" },
			.help = "Whether the last poll of the target succeeded (1) or not (0)." },
	[METRIC_TARGET_INFO] = { .name = "heapwatch_target_info",
				 .type = METRIC_INFO,
				 .unit = "",
				 .labels = { "target", "runtime", "runtime_version", "engine",
					     "engine_version", "protocol", "address" },
				 .help = "Static facts about the target; join on target." },
	[METRIC_TARGET_STATE] = { .name = "heapwatch_target_state",
				  .type = METRIC_GAUGE,
				  .unit = "",
				  .labels = { "target", "state" },
				  .help = "State of the target (connecting, up, capturing, "
					  "blocked, paused, stopped, exiting, down, invalid); "
					  "exactly one state is 1." },
	[METRIC_TARGET_ISOLATES] = { .name = "heapwatch_target_isolates",
				     .type = METRIC_GAUGE,
				     .unit = "",
				     .labels = { "target" },
				     .help = "Number of isolates (main thread, workers, tabs) "
					     "polled in the target." },
	[METRIC_TARGET_RESTARTS] = { .name = "heapwatch_target_restarts",
				     .type = METRIC_COUNTER,
				     .unit = "",
				     .labels = { "target" },
				     .help = "Runtime restarts noticed by heapwatchd (new start "
					     "time, process id or inspector id)." },
	[METRIC_SCRAPE_DURATION] = { .name = "heapwatch_scrape_duration_seconds",
				     .type = METRIC_GAUGE,
				     .unit = "seconds",
				     .labels = { "target" },
				     .help = "Time the last poll of the target took." },
	[METRIC_LAST_POLL] = { .name = "heapwatch_last_poll_timestamp_seconds",
			       .type = METRIC_GAUGE,
			       .unit = "seconds",
			       .labels = { "target" },
			       .help = "Unix time of the last completed poll; values below are as "
				       "old as this, they are cached between polls." },
	[METRIC_POLLS] = { .name = "heapwatch_polls",
			   .type = METRIC_COUNTER,
			   .unit = "",
			   .labels = { "target" },
			   .help = "Polls started." },
	[METRIC_POLL_FAILURES] = { .name = "heapwatch_poll_failures",
				   .type = METRIC_COUNTER,
				   .unit = "",
				   .labels = { "target", "reason" },
				   .help = "Polls that failed, by reason." },
	[METRIC_ROUND_TRIP] = { .name = "heapwatch_inspector_round_trip_seconds",
				.type = METRIC_GAUGE,
				.unit = "seconds",
				.labels = { "target", "isolate" },
				.help = "Round trip of the cheapest inspector request in the last "
					"poll; rises with event-loop delay." },
	[METRIC_HEAP_USED] = { .name = "heapwatch_heap_used_bytes",
			       .type = METRIC_GAUGE,
			       .unit = "bytes",
			       .labels = { "target", "isolate" },
			       .help = "Heap in use as reported by the runtime, garbage "
				       "included." },
	[METRIC_HEAP_SIZE] = { .name = "heapwatch_heap_size_bytes",
			       .type = METRIC_GAUGE,
			       .unit = "bytes",
			       .labels = { "target", "isolate" },
			       .help = "Heap reserved (committed) by the runtime." },
	[METRIC_HEAP_LIMIT] = { .name = "heapwatch_heap_limit_bytes",
				.type = METRIC_GAUGE,
				.unit = "bytes",
				.labels = { "target", "isolate" },
				.help = "Size the heap may grow to before the runtime aborts." },
	[METRIC_HEAP_LIVE] = { .name = "heapwatch_heap_live_bytes",
			       .type = METRIC_GAUGE,
			       .unit = "bytes",
			       .labels = { "target", "isolate" },
			       .help = "Live set: heap in use right after the latest full "
				       "collection where the runtime tells it and it is no older "
				       "than a quarter of `leak.slow_window`, else the least in "
				       "use "
				       "in the latest complete bucket (2 minutes)." },
	[METRIC_EXTERNAL] = { .name = "heapwatch_external_memory_bytes",
			      .type = METRIC_GAUGE,
			      .unit = "bytes",
			      .labels = { "target", "isolate" },
			      .help = "Memory outside the heap that heap objects keep alive "
				      "(buffers, native objects)." },
	[METRIC_ARRAY_BUFFERS] = { .name = "heapwatch_array_buffers_bytes",
				   .type = METRIC_GAUGE,
				   .unit = "bytes",
				   .labels = { "target", "isolate" },
				   .help = "Memory of ArrayBuffers and SharedArrayBuffers; part of "
					   "external memory." },
	[METRIC_EMBEDDER_USED] = { .name = "heapwatch_embedder_heap_used_bytes",
				   .type = METRIC_GAUGE,
				   .unit = "bytes",
				   .labels = { "target", "isolate" },
				   .help = "Embedder (C++ garbage-collected) heap in use." },
	[METRIC_MALLOCED] = { .name = "heapwatch_malloced_memory_bytes",
			      .type = METRIC_GAUGE,
			      .unit = "bytes",
			      .labels = { "target", "isolate" },
			      .help = "Memory the engine itself got from malloc." },
	[METRIC_SPACE_SIZE] = { .name = "heapwatch_heap_space_size_bytes",
				.type = METRIC_GAUGE,
				.unit = "bytes",
				.labels = { "target", "isolate", "space" },
				.help = "Reserved size of a heap space." },
	[METRIC_SPACE_USED] = { .name = "heapwatch_heap_space_used_bytes",
				.type = METRIC_GAUGE,
				.unit = "bytes",
				.labels = { "target", "isolate", "space" },
				.help = "Used size of a heap space." },
	[METRIC_SPACE_AVAILABLE] = { .name = "heapwatch_heap_space_available_bytes",
				     .type = METRIC_GAUGE,
				     .unit = "bytes",
				     .labels = { "target", "isolate", "space" },
				     .help = "Available size of a heap space." },
	[METRIC_SPACE_PHYSICAL] = { .name = "heapwatch_heap_space_physical_bytes",
				    .type = METRIC_GAUGE,
				    .unit = "bytes",
				    .labels = { "target", "isolate", "space" },
				    .help = "Physical (committed) size of a heap space." },
	[METRIC_NATIVE_CONTEXTS] = { .name = "heapwatch_native_contexts",
				     .type = METRIC_GAUGE,
				     .unit = "",
				     .labels = { "target", "isolate" },
				     .help = "Native contexts alive (pages, iframes, vm "
					     "contexts)." },
	[METRIC_DETACHED_CONTEXTS] = { .name = "heapwatch_detached_contexts",
				       .type = METRIC_GAUGE,
				       .unit = "",
				       .labels = { "target", "isolate" },
				       .help = "Contexts detached but not collected; above zero "
					       "for long means a leaked context." },
	[METRIC_DOM_NODES] = { .name = "heapwatch_dom_nodes",
			       .type = METRIC_GAUGE,
			       .unit = "",
			       .labels = { "target", "isolate" },
			       .help = "DOM nodes alive (pages of browsers)." },
	[METRIC_DOM_DOCUMENTS] = { .name = "heapwatch_dom_documents",
				   .type = METRIC_GAUGE,
				   .unit = "",
				   .labels = { "target", "isolate" },
				   .help = "Documents alive (pages of browsers)." },
	[METRIC_DOM_LISTENERS] = { .name = "heapwatch_dom_event_listeners",
				   .type = METRIC_GAUGE,
				   .unit = "",
				   .labels = { "target", "isolate" },
				   .help = "JavaScript event listeners alive (pages of "
					   "browsers)." },
	[METRIC_ALLOCATED] = { .name = "heapwatch_allocated_bytes",
			       .type = METRIC_COUNTER,
			       .unit = "bytes",
			       .labels = { "target", "isolate" },
			       .help = "Bytes allocated since the isolate started, as Node 26 "
				       "counts them; of any other V8, with `profile_interval`, "
				       "since it is profiled, as samples estimate them: a step for "
				       "each profile." },
	[METRIC_UNIQUE] = { .name = "heapwatch_unique_memory_bytes",
			    .type = METRIC_GAUGE,
			    .unit = "bytes",
			    .labels = { "target", "isolate" },
			    .help = "Memory of a content process that it shares with no other." },
	[METRIC_GC_PAUSE] = { .name = "heapwatch_gc_pause_seconds",
			      .type = METRIC_HISTOGRAM,
			      .unit = "seconds",
			      .labels = { "target", "isolate", "kind" },
			      .help = "Times for which collections of garbage stopped the program: "
				      "`minor`, `major`, and `incremental`, a step of a major one. "
				      "With `gc_events: always`, of Node, Chromium and Firefox; "
				      "those of Node and Chromium that fall between the traces of "
				      "two polls are not counted." },
	[METRIC_GC_SPAN] = { .name = "heapwatch_gc_span_seconds",
			     .type = METRIC_HISTOGRAM,
			     .unit = "seconds",
			     .labels = { "target", "isolate", "kind" },
			     .help = "Times from the beginning of a collection to its end, where "
				     "the "
				     "program may run meanwhile: no pauses. With `gc_events: "
				     "always`, "
				     "of Bun and WebKit." },
	[METRIC_GC_COLLECTIONS] = { .name = "heapwatch_gc_collections",
				    .type = METRIC_COUNTER,
				    .unit = "",
				    .labels = { "target", "isolate", "kind" },
				    .help = "Collections of garbage told by the runtime, `minor` "
					    "or `major`. With `gc_events: always`; absent while "
					    "it cannot be told. Those of Node and Chromium that "
					    "fall between the traces of two polls are not "
					    "counted. Firefox tells those of a process with each "
					    "of its tabs: take the most, not the sum." },
	[METRIC_GC_FREED] = { .name = "heapwatch_gc_freed_bytes",
			      .type = METRIC_COUNTER,
			      .unit = "bytes",
			      .labels = { "target", "isolate", "kind" },
			      .help = "Bytes by which collections of garbage made the heap in use "
				      "smaller. With `gc_events: always`, of Node and Chromium, "
				      "without those between the traces of two polls." },
	[METRIC_HEAP_GROWTH] = { .name = "heapwatch_heap_growth_bytes_per_second",
				 .type = METRIC_GAUGE,
				 .unit = "",
				 .labels = { "target", "isolate" },
				 .help = "Slope of the live set over the leak window "
					 "(Theil-Sen)." },
	[METRIC_LEAK_CONFIDENCE] = { .name = "heapwatch_leak_confidence_ratio",
				     .type = METRIC_GAUGE,
				     .unit = "ratio",
				     .labels = { "target", "isolate" },
				     .help = "Confidence, 0 to 1, that memory grows steadily: "
					     "0.5 when it just passes all checks." },
	[METRIC_LEAK_SUSPECTED] = { .name = "heapwatch_leak_suspected",
				    .type = METRIC_GAUGE,
				    .unit = "",
				    .labels = { "target", "isolate" },
				    .help = "1 while memory grows without end, as far as the "
					    "fast and the slow window tell, else 0." },
	[METRIC_LEAK_CAUSE] = { .name = "heapwatch_leak_cause",
				.type = METRIC_GAUGE,
				.unit = "",
				.labels = { "target", "isolate", "cause" },
				.help = "What grows: heap, buffers (memory outside of it that it "
					"holds), native (neither); churn is much garbage and no "
					"growth. Exactly one is 1." },
	[METRIC_HEAP_ETA] = { .name = "heapwatch_heap_limit_eta_seconds",
			      .type = METRIC_GAUGE,
			      .unit = "seconds",
			      .labels = { "target", "isolate" },
			      .help = "Time until the live set is at the heap limit at the current "
				      "slope; +Inf when not growing." },
	[METRIC_CGROUP_ETA] = { .name = "heapwatch_cgroup_limit_eta_seconds",
				.type = METRIC_GAUGE,
				.unit = "seconds",
				.labels = { "target", "isolate" },
				.help = "Time until the control group is at its memory limit at "
					"the current slopes; +Inf when not growing." },
	[METRIC_LEAKS] = { .name = "heapwatch_leaks_detected",
			   .type = METRIC_COUNTER,
			   .unit = "",
			   .labels = { "target" },
			   .help = "Times a leak came to be suspected." },
	[METRIC_PROCESS_RESIDENT] = { .name = "heapwatch_target_process_resident_memory_bytes",
				      .type = METRIC_GAUGE,
				      .unit = "bytes",
				      .labels = { "target" },
				      .help = "Resident memory of the target process." },
	[METRIC_PROCESS_VIRTUAL] = { .name = "heapwatch_target_process_virtual_memory_bytes",
				     .type = METRIC_GAUGE,
				     .unit = "bytes",
				     .labels = { "target" },
				     .help = "Virtual memory of the target process." },
	[METRIC_PROCESS_CPU] = { .name = "heapwatch_target_process_cpu_seconds",
				 .type = METRIC_COUNTER,
				 .unit = "seconds",
				 .labels = { "target" },
				 .help = "CPU time of the target process, user and system." },
	[METRIC_PROCESS_START] = { .name = "heapwatch_target_process_start_time_seconds",
				   .type = METRIC_GAUGE,
				   .unit = "seconds",
				   .labels = { "target" },
				   .help = "Start time of the target process, Unix time." },
	[METRIC_CGROUP_USAGE] = { .name = "heapwatch_target_cgroup_memory_usage_bytes",
				  .type = METRIC_GAUGE,
				  .unit = "bytes",
				  .labels = { "target" },
				  .help = "Memory charged to the control group of the target "
					  "process." },
	[METRIC_CGROUP_LIMIT] = { .name = "heapwatch_target_cgroup_memory_limit_bytes",
				  .type = METRIC_GAUGE,
				  .unit = "bytes",
				  .labels = { "target" },
				  .help = "Memory limit (memory.max) of the control group; absent "
					  "when unlimited." },
	[METRIC_CAPTURES] = { .name = "heapwatch_captures",
			      .type = METRIC_COUNTER,
			      .unit = "",
			      .labels = { "target", "kind", "rule" },
			      .help = "Captures completed." },
	[METRIC_CAPTURE_FAILURES] = { .name = "heapwatch_capture_failures",
				      .type = METRIC_COUNTER,
				      .unit = "",
				      .labels = { "target", "kind", "reason" },
				      .help = "Captures that failed, by reason." },
	[METRIC_CAPTURES_SUPPRESSED] = { .name = "heapwatch_captures_suppressed",
					 .type = METRIC_COUNTER,
					 .unit = "",
					 .labels = { "target", "rule", "reason" },
					 .help = "Captures a rule asked for that a guard refused, "
						 "by guard." },
	[METRIC_CAPTURES_IN_PROGRESS] = { .name = "heapwatch_captures_in_progress",
					  .type = METRIC_GAUGE,
					  .unit = "",
					  .help = "Captures running now." },
	[METRIC_OBJECTS_TRACKED] = { .name = "heapwatch_objects_tracked",
				     .type = METRIC_GAUGE,
				     .unit = "",
				     .labels = { "target" },
				     .help = "1 while V8 tracks the objects of the target for a "
					     "series of snapshots with exact ids: it allocates "
					     "several times slower. Else absent." },
	[METRIC_CAPTURE_DURATION] = { .name = "heapwatch_capture_duration_seconds",
				      .type = METRIC_HISTOGRAM,
				      .unit = "seconds",
				      .labels = { "kind" },
				      .help = "Time from request to closed file." },
	[METRIC_CAPTURE_PAUSE] = { .name = "heapwatch_capture_pause_seconds",
				   .type = METRIC_HISTOGRAM,
				   .unit = "seconds",
				   .labels = { "kind" },
				   .help = "Longest time the target did not answer during a "
					   "capture." },
	[METRIC_CAPTURE_SIZE] = { .name = "heapwatch_capture_size_bytes",
				  .type = METRIC_HISTOGRAM,
				  .unit = "bytes",
				  .labels = { "kind" },
				  .help = "Size of completed captures before compression." },
	[METRIC_CAPTURE_INPUT] = { .name = "heapwatch_capture_input_bytes",
				   .type = METRIC_COUNTER,
				   .unit = "bytes",
				   .labels = { "kind" },
				   .help = "Bytes of completed captures as they were taken." },
	[METRIC_CAPTURE_OUTPUT] = { .name = "heapwatch_capture_output_bytes",
				    .type = METRIC_COUNTER,
				    .unit = "bytes",
				    .labels = { "kind" },
				    .help = "Bytes of completed captures on the disk, redacted, "
					    "compressed and encrypted." },
	[METRIC_CAPTURES_ADOPTED] = { .name = "heapwatch_captures_adopted",
				      .type = METRIC_COUNTER,
				      .unit = "",
				      .help = "Files that runtimes wrote by themselves, taken over "
					      "into the spool." },
	[METRIC_LAST_CAPTURE] = { .name = "heapwatch_last_capture_timestamp_seconds",
				  .type = METRIC_GAUGE,
				  .unit = "seconds",
				  .labels = { "target", "kind" },
				  .help = "Unix time of the last completed capture." },
	[METRIC_FORCED_GCS] = { .name = "heapwatch_forced_gcs",
				.type = METRIC_COUNTER,
				.unit = "",
				.labels = { "target", "rule" },
				.help = "Collections of garbage forced by heapwatchd; an empty "
					"rule "
					"is a person." },
	[METRIC_FORCED_GC_FAILURES] = { .name = "heapwatch_forced_gc_failures",
					.type = METRIC_COUNTER,
					.unit = "",
					.labels = { "target", "reason" },
					.help = "Collections of garbage that were to be forced and "
						"were not, by reason; those that guards refuse are "
						"in heapwatch_captures_suppressed." },
	[METRIC_FORCED_GC_DURATION] = { .name = "heapwatch_forced_gc_duration_seconds",
					.type = METRIC_HISTOGRAM,
					.unit = "seconds",
					.labels = { NULL },
					.help = "Time from the request for a collection to the "
						"target's answer: its pause, and the wait for its "
						"event loop." },
	[METRIC_ANALYSES] = { .name = "heapwatch_analyses",
			      .type = METRIC_COUNTER,
			      .unit = "",
			      .labels = { "result" },
			      .help = "Analyses of snapshots that ended: `done`, `failed`, "
				      "`skipped` "
				      "because of a limit." },
	[METRIC_ANALYSES_PENDING] = { .name = "heapwatch_analyses_pending",
				      .type = METRIC_GAUGE,
				      .unit = "",
				      .help = "Snapshots that wait for their analysis, the one "
					      "that "
					      "runs with them." },
	[METRIC_ANALYSIS_DURATION] = { .name = "heapwatch_analysis_duration_seconds",
				       .type = METRIC_HISTOGRAM,
				       .unit = "seconds",
				       .help = "Time the worker took for an analysis that was "
					       "done." },
	[METRIC_ANALYSIS_PEAK] = { .name = "heapwatch_analysis_peak_resident_bytes",
				   .type = METRIC_GAUGE,
				   .unit = "bytes",
				   .help = "Most memory that the last worker had, pages of the "
					   "file "
					   "with it." },
	[METRIC_VERDICT] = { .name = "heapwatch_leak_verdict",
			     .type = METRIC_GAUGE,
			     .unit = "",
			     .labels = { "target", "isolate", "rule" },
			     .help = "What the last series of snapshots of the isolate came to: "
				     "1 something accumulates, 0 nothing does, -1 there is no "
				     "verdict. Of then, not of now: whether it still grows, "
				     "heapwatch_leak_suspected says. Absent when no such series "
				     "is in the spool." },
	[METRIC_VERDICT_OBJECTS] = { .name = "heapwatch_leak_verdict_objects",
				     .type = METRIC_GAUGE,
				     .unit = "",
				     .labels = { "target", "isolate", "rule" },
				     .help = "Objects that accumulated over that series in the "
					     "place where most bytes did." },
	[METRIC_VERDICT_BYTES] = { .name = "heapwatch_leak_verdict_bytes",
				   .type = METRIC_GAUGE,
				   .unit = "bytes",
				   .labels = { "target", "isolate", "rule" },
				   .help = "Bytes of these objects and of what they retain." },
	[METRIC_VERDICT_INFO] = { .name = "heapwatch_leak_verdict_info",
				  .type = METRIC_INFO,
				  .unit = "",
				  .labels = { "target", "isolate", "rule", "class", "holder",
					      "held_as", "place" },
				  .help = "What accumulated there: its class, the class that holds "
					  "it, the variable or property that leads there, file and "
					  "line of that or empty; join on target and isolate." },
	[METRIC_SPOOL_SIZE] = { .name = "heapwatch_spool_size_bytes",
				.type = METRIC_GAUGE,
				.unit = "bytes",
				.help = "Space the spool uses." },
	[METRIC_SPOOL_LIMIT] = { .name = "heapwatch_spool_limit_bytes",
				 .type = METRIC_GAUGE,
				 .unit = "bytes",
				 .help = "Space the spool may use (MaxUse)." },
	[METRIC_SPOOL_AVAILABLE] = { .name = "heapwatch_spool_available_bytes",
				     .type = METRIC_GAUGE,
				     .unit = "bytes",
				     .help = "Space free on the file system of the spool." },
	[METRIC_SPOOL_FILES] = { .name = "heapwatch_spool_files",
				 .type = METRIC_GAUGE,
				 .unit = "",
				 .labels = { "kind" },
				 .help = "Captures in the spool." },
	[METRIC_SPOOL_REMOVED] = { .name = "heapwatch_spool_removed_files",
				   .type = METRIC_COUNTER,
				   .unit = "",
				   .labels = { "reason" },
				   .help = "Captures removed from the spool, by reason." },
	[METRIC_ALERTS] = { .name = "heapwatch_alerts",
			    .type = METRIC_GAUGE,
			    .unit = "",
			    .labels = { "alertname", "alertstate", "target", "isolate", "severity",
					"step" },
			    .help = "1 per pending or firing alert instance, in the shape of the "
				    "ALERTS series." },
	[METRIC_RULE_EVALUATIONS] = { .name = "heapwatch_rule_evaluations",
				      .type = METRIC_COUNTER,
				      .unit = "",
				      .labels = { "rule" },
				      .help = "Rule evaluations." },
	[METRIC_RULE_FAILURES] = { .name = "heapwatch_rule_evaluation_failures",
				   .type = METRIC_COUNTER,
				   .unit = "",
				   .labels = { "rule" },
				   .help = "Rule evaluations that failed: there would have been "
					   "more alerts than the `limit` of the group." },
	[METRIC_NOTIFICATIONS_SENT] = { .name = "heapwatch_notifications_sent",
					.type = METRIC_COUNTER,
					.unit = "",
					.labels = { "receiver", "url" },
					.help = "Alerts that a receiver (`alertmanager`, "
						"`webhook`) took; each time it is sent counts." },
	[METRIC_NOTIFICATIONS_ERRORS] = { .name = "heapwatch_notifications_errors",
					  .type = METRIC_COUNTER,
					  .unit = "",
					  .labels = { "receiver", "url" },
					  .help = "Alerts in requests that failed or were refused; "
						  "they are tried again unless they are dropped." },
	[METRIC_NOTIFICATIONS_DROPPED] = { .name = "heapwatch_notifications_dropped",
					   .type = METRIC_COUNTER,
					   .unit = "",
					   .labels = { "receiver", "url", "reason" },
					   .help = "Alerts that were not delivered: `queue_full`, "
						   "`refused` by the receiver, `stale` for having "
						   "waited too long, `failed` again and again." },
	[METRIC_NOTIFICATIONS_QUEUE] = { .name = "heapwatch_notifications_queue_length",
					 .type = METRIC_GAUGE,
					 .unit = "",
					 .labels = { "receiver", "url" },
					 .help = "Alerts that wait for a receiver." },
	[METRIC_NOTIFICATIONS_CAPACITY] = { .name = "heapwatch_notifications_queue_capacity",
					    .type = METRIC_GAUGE,
					    .unit = "",
					    .labels = { "receiver", "url" },
					    .help = "Alerts that may wait for a receiver." },
	[METRIC_NOTIFICATIONS_LATENCY] = { .name = "heapwatch_notifications_latency_seconds",
					   .type = METRIC_HISTOGRAM,
					   .unit = "seconds",
					   .labels = { "receiver", "url" },
					   .help = "Time of requests to a receiver, failed ones "
						   "with them." },
	[METRIC_OTLP_EXPORTS] = { .name = "heapwatch_otlp_exports",
				  .type = METRIC_COUNTER,
				  .unit = "",
				  .labels = { "result" },
				  .help = "Requests to the OTLP endpoint: `success`, `partial` "
					  "when "
					  "some points were rejected, `refused` for good, `failed` "
					  "when they are tried again." },
	[METRIC_OTLP_SENT] = { .name = "heapwatch_otlp_sent_points",
			       .type = METRIC_COUNTER,
			       .unit = "",
			       .help = "Points that the OTLP endpoint took." },
	[METRIC_OTLP_DROPPED] = { .name = "heapwatch_otlp_dropped_points",
				  .type = METRIC_COUNTER,
				  .unit = "",
				  .labels = { "reason" },
				  .help = "Points that were not delivered: `rejected` out of a "
					  "request that was taken, `refused` with all of it, "
					  "`late` "
					  "when the next export was due, `too_large` for a "
					  "request." },
	[METRIC_OTLP_SUCCESS] = { .name = "heapwatch_otlp_last_success_timestamp_seconds",
				  .type = METRIC_GAUGE,
				  .unit = "seconds",
				  .help = "Unix time of the last request that the OTLP endpoint "
					  "took." },
	[METRIC_OTLP_DURATION] = { .name = "heapwatch_otlp_request_duration_seconds",
				   .type = METRIC_HISTOGRAM,
				   .unit = "seconds",
				   .help = "Time of requests to the OTLP endpoint, failed ones "
					   "with "
					   "them." },
	[METRIC_BUILD_INFO] = { .name = "heapwatch_build_info",
				.type = METRIC_INFO,
				.unit = "",
				.labels = { "version", "revision", "compiler" },
				.help = "Build of heapwatchd." },
	[METRIC_RELOAD_OK] = { .name = "heapwatch_config_last_reload_successful",
			       .type = METRIC_GAUGE,
			       .unit = "",
			       .help = "Whether the last configuration load succeeded." },
	[METRIC_RELOAD_TIME] = { .name = "heapwatch_config_last_reload_success_timestamp_seconds",
				 .type = METRIC_GAUGE,
				 .unit = "seconds",
				 .help = "Unix time of the last successful configuration load." },
	[METRIC_READY] = { .name = "heapwatch_ready",
			   .type = METRIC_GAUGE,
			   .unit = "",
			   .help = "1 when /-/ready answers 200." },
	[METRIC_LOOP_LAG] = { .name = "heapwatch_event_loop_lag_seconds",
			      .type = METRIC_GAUGE,
			      .unit = "seconds",
			      .help = "Lateness of heapwatchd's own timer in the last interval." },
	[METRIC_INSPECTOR_RECEIVED] = { .name = "heapwatch_inspector_received_bytes",
					.type = METRIC_COUNTER,
					.unit = "bytes",
					.labels = { "target" },
					.help = "Bytes received from the inspector of the "
						"target." },
	[METRIC_INSPECTOR_SENT] = { .name = "heapwatch_inspector_sent_bytes",
				    .type = METRIC_COUNTER,
				    .unit = "bytes",
				    .labels = { "target" },
				    .help = "Bytes sent to the inspector of the target." },
	[METRIC_HTTP_REQUESTS] = { .name = "heapwatch_http_requests",
				   .type = METRIC_COUNTER,
				   .unit = "",
				   .labels = { "code", "handler", "method" },
				   .help = "HTTP requests served." },
	[METRIC_HTTP_DURATION] = { .name = "heapwatch_http_request_duration_seconds",
				   .type = METRIC_HISTOGRAM,
				   .unit = "seconds",
				   .labels = { "handler" },
				   .help = "Time to serve HTTP requests." },
	[METRIC_HTTP_AUTH_FAILURES] = { .name = "heapwatch_http_auth_failures",
					.type = METRIC_COUNTER,
					.unit = "",
					.help = "Checks that found a user's name or password "
						"wrong. Who comes with the same at once is "
						"checked once; a request without any is not "
						"counted." },
	[METRIC_SELF_CPU] = { .name = "process_cpu_seconds",
			      .type = METRIC_COUNTER,
			      .unit = "seconds",
			      .help = "Total user and system CPU time spent in seconds." },
	[METRIC_SELF_FDS] = { .name = "process_open_fds",
			      .type = METRIC_GAUGE,
			      .unit = "",
			      .help = "Number of open file descriptors." },
	[METRIC_SELF_FDS_MAX] = { .name = "process_max_fds",
				  .type = METRIC_GAUGE,
				  .unit = "",
				  .help = "Maximum number of open file descriptors." },
	[METRIC_SELF_VIRTUAL] = { .name = "process_virtual_memory_bytes",
				  .type = METRIC_GAUGE,
				  .unit = "bytes",
				  .help = "Virtual memory size in bytes." },
	[METRIC_SELF_RESIDENT] = { .name = "process_resident_memory_bytes",
				   .type = METRIC_GAUGE,
				   .unit = "bytes",
				   .help = "Resident memory size in bytes." },
	[METRIC_SELF_START] = { .name = "process_start_time_seconds",
				.type = METRIC_GAUGE,
				.unit = "seconds",
				.help = "Start time of the process since unix epoch in seconds." },
	[METRICS] = { NULL },
};

/* Chapters of the documentation, by the family each begins with. */
static const struct chapter {
	enum metric_id first;
	const char *title, *text;
} chapters[] = {
	{ METRIC_UP, "Targets and polls",
	  "One set per target. `target` is the configured name, `isolate` is `main` or "
	  "`worker:N`." },
	{ METRIC_HEAP_USED, "Heaps", "One set per isolate, as of the last poll that succeeded." },
	{ METRIC_PROCESS_RESIDENT, "Processes of targets",
	  "As the kernel says, for processes of this host. Elsewhere only the resident memory, as "
	  "the runtime says." },
	{ METRIC_CAPTURES, "Captures", "`rule` is empty when a person asked for the capture." },
	{ METRIC_ANALYSES, "Analyses", "" },
	{ METRIC_SPOOL_SIZE, "Spool", "" },
	{ METRIC_ALERTS, "Rules and alerts", "" },
	{ METRIC_OTLP_EXPORTS, "Pushing by OTLP", "Only with `otlp.endpoint`." },
	{ METRIC_BUILD_INFO, "The daemon itself", "" },
};

static const char *const type_names[] = {
	[METRIC_GAUGE] = "gauge",
	[METRIC_COUNTER] = "counter",
	[METRIC_INFO] = "info",
	[METRIC_HISTOGRAM] = "histogram",
};

static void write_chapter(struct buf *buf, const struct metric_desc *desc)
{
	for (size_t i = 0; i < sizeof(chapters) / sizeof(chapters[0]); i++) {
		if (desc != &metric_table[chapters[i].first])
			continue;
		buf_printf(buf, "\n## %s\n\n", chapters[i].title);
		if (chapters[i].text[0] != '\0')
			buf_printf(buf, "%s\n\n", chapters[i].text);
		buf_puts(buf, "| name | type | labels | what it is |\n|---|---|---|---|\n");
	}
}

static void write_row(struct buf *buf, const struct metric_desc *desc)
{
	buf_printf(buf, "| `%s%s` | %s | ", desc->name,
		   desc->type == METRIC_COUNTER ? "_total" : "", type_names[desc->type]);
	for (size_t i = 0; i < METRIC_LABELS_MAX && desc->labels[i] != NULL; i++)
		buf_printf(buf, "%s`%s`", i > 0 ? ", " : "", desc->labels[i]);
	buf_printf(buf, " | %s |\n", desc->help);
}

int metrics_markdown(struct buf *buf)
{
	buf_puts(buf,
		 "# Metrics\n\n"
		 "`GET /metrics` shows all targets as of their last poll; `GET /probe?target=NAME` "
		 "polls one target\nand shows the families of the first three chapters without the "
		 "`target` label. Both speak the text\nformat 0.0.4 and OpenMetrics 1.0, by the "
		 "Accept header. A value a runtime does not give is absent,\nnot zero; the series "
		 "of a target that was removed end. In the text format an info is a gauge.\n");
	for (const struct metric_desc *desc = metric_table; desc->name != NULL; desc++) {
		write_chapter(buf, desc);
		write_row(buf, desc);
	}
	return buf->error;
}
