#pragma once

/*
 * V8's .heapprofile read, event by event (devtools-protocol, HeapProfiler.SamplingHeapProfile):
 *
 *   {"head": {"callFrame": {"functionName", "scriptId", "url", "lineNumber", "columnNumber"},
 *             "selfSize", "id", "children": [...]},
 *    "samples": [{"size", "nodeId", "ordinal"}],
 *    "heapwatchd": {"what", "objects", "interval", "started", "duration"}}
 *
 * The last member is ours, and what other tools do not look at: what the bytes are of.
 */

#include "json/scan.h"
#include "profile/profile.h"

struct profile_reader;

/* profile is made by the reader, and the caller's to fini in any case. 0, -ENOMEM. */
int profile_reader_new(struct profile_reader **ret, struct profile *profile);

/* A json_event_fn, owner is the reader. 0; -EBADMSG; -E2BIG: too many nodes, or too deep; -ENOMEM.
 */
int profile_reader_event(void *reader, const struct json_event *event);

/* All events were there. 0; -EBADMSG: it is no profile; -ENOMEM. */
int profile_reader_finish(struct profile_reader *reader);
void profile_reader_free(struct profile_reader *reader); /* NULL is fine */

/* A whole text. As above; fini in any case. */
int profile_parse(struct profile *ret, const char *text, size_t size);
