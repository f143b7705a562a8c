#pragma once

/*
 * The parts of dialect_webkit: the lists that WebKit's own server and ios-webkit-debug-proxy give,
 * the wrapping of a page's messages, and the capture half.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "inspect/webkit_message.h"
#include "inspect/webkit_take.h"
#include "json/scan.h"

struct buf;
struct download;
struct err;
struct session;

/* runtime->words: how its list is written. */
enum webkit_list { WEBKIT_LIST_HTML, WEBKIT_LIST_JSON };
extern const enum webkit_list webkit_list_html, webkit_list_json;

/* Is it the page of HTML in which WebKit's server lists what it has? */
bool webkit_is_list(const char *list, size_t size);

/* dialect->found and dialect->listed. */
int webkit_found(struct session *session, const char *list, size_t size, struct err *err);
bool webkit_listed(const void *words, const char *list, size_t size, const char *path);

/* Params of Target.sendMessageToTarget: the message, quoted, to the target. buf's error. */
int webkit_wrap(struct buf *params, const char *target, int32_t id, const char *method);

enum { WEBKIT_NESTED_BYTES = 65536 };

enum webkit_step { WEBKIT_GREET, WEBKIT_COLLECT, WEBKIT_MEASURE, WEBKIT_TAKE };

/* download->state: sizeof(struct webkit_snapshot) is the dialect's download_size. */
struct webkit_snapshot {
	struct webkit_message outer, inner;
	struct json_scan nested; /* of a page's message */
	char nested_buffer[WEBKIT_NESTED_BYTES];
	char target[64]; /* "": none yet */
	enum webkit_step step;
	int32_t asked_id; /* of the page's request under way */
	struct webkit_take take;
};

int webkit_snapshot_begin(struct download *download);
int webkit_snapshot_event(struct download *download, const struct json_event *event);
int webkit_snapshot_message_end(struct download *download);
int webkit_snapshot_overdue(struct download *download);
int webkit_snapshot_woken(struct download *download);
int webkit_snapshot_finish(struct download *download);
