#pragma once

/*
 * What packets of Firefox's Remote Debugging Protocol say, and how tabs and content processes are
 * called as isolates: "tab:9" by the browserId, which stays the same when the tab goes to another
 * process, "process:14449" by the pid.
 */

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct tree;

enum { RDP_ACTOR_MAX = 128, RDP_ISOLATE_MAX = 64 };

/* Firefox speaks first: {"from":"root","applicationType":"browser",...}. */
bool rdp_is_hello(const struct tree *packet);

/*
 * {"from":"root","type":"forwardingCancelled","prefix":P}: a process has ended, or what was watched
 * there has left it. The prefix is borrowed from the packet.
 */
bool rdp_is_cancelled(const struct tree *packet, const char **ret_prefix);

/* Is the actor one of those below a prefix? "a/b/c" is below "a" and "a/b". */
bool rdp_is_below(const char *actor, const char *prefix);

/*
 * What an entry of listTabs or listProcesses is called. False for what is no isolate: a tab that
 * has not been loaded, the browser itself.
 */
bool rdp_tab_name(const struct tree *entry, char dst[RDP_ISOLATE_MAX]);
bool rdp_process_name(const struct tree *entry, char dst[RDP_ISOLATE_MAX]);

/* The name of an actor in a packet; false when there is none, or none that fits. */
bool rdp_actor(const struct tree *packet, const char *path, char dst[RDP_ACTOR_MAX]);

/* {"to":ACTOR,"type":TYPE}, with one more member of text where name is not NULL. buf->error. */
int rdp_compose(struct buf *buf, const char *actor, const char *type, const char *name,
		const char *text);
