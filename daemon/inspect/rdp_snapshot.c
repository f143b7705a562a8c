/*
 * Heap snapshots over Firefox's Remote Debugging Protocol
 *
 * All that is ever said to a Firefox here, in this order, one at a time:
 *
 *   root                    getRoot
 *   root                    listTabs, or listProcesses
 *   the tab or process      getTarget
 *   memoryActor             attach
 *   memoryActor             startRecordingAllocations        of a timeline, and then a while
 *   memoryActor             forceGarbageCollection           where it is asked for
 *   memoryActor             saveHeapSnapshot
 *   memoryActor             stopRecordingAllocations         of a timeline
 *   root                    getRoot                          while that takes long
 *   heapSnapshotFileActor   transferHeapSnapshot
 *
 * and, of a log of allocations, what stands in rdp_allocations.c instead of what follows `attach`.
 *
 * What is made while allocations are recorded keeps its stack for as long as it lives, and the
 * snapshot has them, those of earlier recordings, too. The log itself nobody wants there: it holds
 * one.
 *
 * Firefox writes the snapshot to a file of its own and tells its name; then the file comes as one
 * bulk packet. Nothing stays on in Firefox after us: what was attached goes with the connection.
 * What stays is the file, which it never deletes: stats->leftover says what it is called. So one
 * that is given up while it is being saved is waited for, as long as last words may take.
 *
 * While it saves, the content process says nothing, however long it takes. The browser itself does
 * answer, which tells one that works from one that hangs; and it tells when the process has gone
 * in whose heap we are, whose actors then answer no more.
 */

#include "inspect/rdp_snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inspect/download.h"
#include "json/tree.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/str.h"

enum {
	REQUEST_MAX = 512,
	ABOUT_STEP = 1,
	ABOUT_LOOK = 2, /* at one that takes long */
};

/* gzip, RFC 1952 2.3.1 */
static const unsigned char magic[] = { 0x1f, 0x8b };

static const char start_type[] = "startRecordingAllocations";
static const char stop_type[] = "stopRecordingAllocations";

static int ask(struct download *download, const char *actor, const char *type, uint64_t about,
	       const char *name, const char *text)
{
	struct rdp_snapshot *state = download->state;
	struct buf buf;
	int r = rdp_calls_add(&state->calls, actor, type, about);

	if (r < 0)
		return err_set(download->err, -EPROTO, "%s cannot be asked: %s", type,
			       strerror(-r));
	download_expect(download);
	buf_init(&buf, REQUEST_MAX);
	r = rdp_compose(&buf, actor, type, name, text);
	if (r == 0)
		r = download_send(download, buf.data, buf.size);
	buf_fini(&buf);
	return r;
}

static int step(struct download *download, const char *actor, const char *type)
{
	return ask(download, actor, type, ABOUT_STEP, NULL, NULL);
}

int rdp_snapshot_step(struct download *download, const char *type)
{
	const struct rdp_snapshot *state = download->state;

	return step(download, state->memory, type);
}

/* The one request with a member that is no text. */
int rdp_snapshot_record(struct download *download, double probability, int log_max)
{
	struct rdp_snapshot *state = download->state;
	struct buf buf;
	int r = rdp_calls_add(&state->calls, state->memory, start_type, ABOUT_STEP);

	if (r < 0)
		return err_set(download->err, -EPROTO, "%s cannot be asked: %s", start_type,
			       strerror(-r));
	download_expect(download);
	buf_init(&buf, REQUEST_MAX);
	buf_puts(&buf, "{\"to\":");
	json_quote(&buf, state->memory, strlen(state->memory));
	r = buf_printf(&buf,
		       ",\"type\":\"%s\",\"options\":{\"probability\":%.9f,"
		       "\"maxLogLength\":%d}}",
		       start_type, probability, log_max);
	if (r == 0)
		r = download_send(download, buf.data, buf.size);
	buf_fini(&buf);
	return r;
}

/* ---- the steps ---- */

int rdp_snapshot_begin(struct download *download)
{
	struct rdp_snapshot *state = download->state;
	const char *isolate = download->request->isolate;

	rdp_calls_init(&state->calls, state->call, RDP_SNAPSHOT_CALLS);
	state->is_tab = str_has_prefix(isolate, "tab:");
	if (!state->is_tab && !str_has_prefix(isolate, "process:"))
		return err_set(download->err, DOWNLOAD_E_REFUSED,
			       "there is no isolate \"%s\": of a Firefox, name a tab or a content "
			       "process",
			       isolate);
	download_expect(download);
	return 0;
}

static int list(struct download *download, const struct tree *packet)
{
	struct rdp_snapshot *state = download->state;

	if (!rdp_actor(packet, "heapSnapshotFileActor", state->file))
		return err_set(download->err, DOWNLOAD_E_REFUSED, "it offers no heap snapshots");
	return step(download, "root", state->is_tab ? "listTabs" : "listProcesses");
}

static int get_target(struct download *download, const struct tree *packet)
{
	const struct rdp_snapshot *state = download->state;
	const struct tree *entries = tree_get(packet, state->is_tab ? "tabs" : "processes");
	char name[RDP_ISOLATE_MAX], actor[RDP_ACTOR_MAX];

	for (size_t i = 0; i < tree_size(entries); i++) {
		const struct tree *entry = tree_at(entries, i);

		if ((state->is_tab ? rdp_tab_name(entry, name) : rdp_process_name(entry, name)) &&
		    strcmp(name, download->request->isolate) == 0 &&
		    rdp_actor(entry, "actor", actor))
			return step(download, actor, "getTarget");
	}
	return err_set(download->err, DOWNLOAD_E_REFUSED, "there is no isolate \"%s\"",
		       download->request->isolate);
}

static int attach(struct download *download, const struct tree *packet)
{
	struct rdp_snapshot *state = download->state;

	if (!rdp_actor(packet, state->is_tab ? "frame.memoryActor" : "process.memoryActor",
		       state->memory))
		return err_set(download->err, DOWNLOAD_E_REFUSED, "%s has no heap to be told",
			       download->request->isolate);
	return step(download, state->memory, "attach");
}

static int save(struct download *download)
{
	struct rdp_snapshot *state = download->state;

	state->asked_ns = clock_mono_ns();
	state->saving = true;
	download->stats->asked = download->stats->unnamed = true;
	return step(download, state->memory, "saveHeapSnapshot");
}

static int collect_or_save(struct download *download)
{
	const struct rdp_snapshot *state = download->state;

	if (!download->request->collect_garbage)
		return save(download);
	return step(download, state->memory, "forceGarbageCollection");
}

static bool is_timeline(const struct download *download)
{
	return download->request->task == DOWNLOAD_TAKE_TIMELINE;
}

static int attached(struct download *download)
{
	struct rdp_snapshot *state = download->state;

	state->attached = true;
	if (download->request->task == DOWNLOAD_TAKE_SAMPLES)
		return rdp_allocations_begin(download);
	return is_timeline(download) ? rdp_snapshot_record(download, 1, 1)
				     : collect_or_save(download);
}

int rdp_snapshot_woken(struct download *download)
{
	int r;

	if (!is_timeline(download))
		return rdp_allocations_woken(download);
	r = download_judge(download, 0);
	return r != 0 ? r : collect_or_save(download);
}

/* The two steps around the snapshot. */
static int recorded(struct download *download, const char *type)
{
	if (strcmp(type, start_type) == 0)
		download_sleep(download, download->request->timeline.duration_ns);
	return 0;
}

/* It becomes the name of a file: what else than digits Firefox may put there is not guessed at. */
static bool take_id(struct rdp_snapshot *state, const struct tree *packet)
{
	const char *id;

	return tree_string(packet, "snapshotId", &id) && id[0] != '\0' &&
	       id[strspn(id, "0123456789-")] == '\0' && str_copy(state->id, sizeof(state->id), id);
}

static int transfer(struct download *download, const struct tree *packet)
{
	struct rdp_snapshot *state = download->state;
	int r;

	state->saving = false;
	if (!take_id(state, packet))
		return err_set(download->err, -EPROTO, "saveHeapSnapshot tells no snapshot");
	download->stats->busy_ns = clock_mono_ns() - state->asked_ns;
	download->stats->unnamed = false;
	snprintf(download->stats->leftover, sizeof(download->stats->leftover), "%s.fxsnapshot",
		 state->id);
	if (download->leaving) {
		download->done = true;
		return 0;
	}
	if (is_timeline(download) && (r = step(download, state->memory, stop_type)) < 0)
		return r;
	return ask(download, state->file, "transferHeapSnapshot", ABOUT_STEP, "snapshotId",
		   state->id);
}

/* ---- what comes ---- */

static int refused(struct download *download, const char *type, const struct tree *packet)
{
	const char *text = "an error";

	if (!tree_string(packet, "message", &text))
		tree_string(packet, "error", &text);
	return err_set(download->err, DOWNLOAD_E_REFUSED, "%s: %.160s", type, text);
}

static int answered(struct download *download, const struct rdp_call *call,
		    const struct tree *packet)
{
	const char *type = call->type;

	if (call->about == ABOUT_LOOK)
		return 0;
	download_began(download);
	if (tree_get(packet, "error") != NULL)
		return refused(download, type, packet);
	if (strcmp(type, "getRoot") == 0)
		return list(download, packet);
	if (strcmp(type, "listTabs") == 0 || strcmp(type, "listProcesses") == 0)
		return get_target(download, packet);
	if (strcmp(type, "getTarget") == 0)
		return attach(download, packet);
	if (strcmp(type, "attach") == 0)
		return attached(download);
	if (strcmp(type, "forceGarbageCollection") == 0)
		return save(download);
	if (strcmp(type, "saveHeapSnapshot") == 0)
		return transfer(download, packet);
	if (download->request->task == DOWNLOAD_TAKE_SAMPLES)
		return rdp_allocations_answered(download, type, packet);
	if (strcmp(type, start_type) == 0 || strcmp(type, stop_type) == 0)
		return recorded(download, type);
	return err_set(download->err, -EPROTO, "%s was answered without a snapshot", type);
}

int rdp_snapshot_packet(struct download *download, const struct tree *packet)
{
	struct rdp_snapshot *state = download->state;
	struct rdp_call call;
	const char *prefix;

	if (!state->greeted) {
		if (!rdp_is_hello(packet))
			return err_set(download->err, -EPROTO,
				       "it does not greet as a Firefox does");
		state->greeted = true;
		return step(download, "root", "getRoot");
	}
	if (rdp_calls_take(&state->calls, packet, &call)) {
		if (!download->leaving || strcmp(call.type, "saveHeapSnapshot") == 0)
			return answered(download, &call, packet);
		return 0;
	}
	if (!rdp_is_cancelled(packet, &prefix) || !rdp_is_below(state->memory, prefix))
		return 0;
	/* Saved, it no longer needs the process it was of. */
	if (state->id[0] != '\0')
		return 0;
	state->saving = false; /* nobody is left to say so */
	return err_set(download->err, DOWNLOAD_E_LOST,
		       "%s is gone: its process has ended, or it went to another",
		       download->request->isolate);
}

int rdp_snapshot_bulk(struct download *download, const char *actor, uint64_t size)
{
	struct rdp_snapshot *state = download->state;

	state->receiving = state->id[0] != '\0' && strcmp(actor, state->file) == 0;
	state->total = size;
	state->received = 0;
	if (state->receiving && !download->leaving)
		download_began(download);
	return 0;
}

static void progress(const struct download *download)
{
	const struct rdp_snapshot *state = download->state;

	if (download->request->progress != NULL && state->total > 0)
		download->request->progress(download->request->owner,
					    (double)state->received / (double)state->total);
}

int rdp_snapshot_data(struct download *download, const char *data, size_t size, bool last)
{
	struct rdp_snapshot *state = download->state;
	int r;

	if (!state->receiving || download->leaving)
		return 0;
	for (size_t i = 0; i < size && state->received + i < sizeof(magic); i++)
		if ((unsigned char)data[i] != magic[state->received + i])
			return err_set(download->err, -EPROTO,
				       "what it sent is no compressed snapshot");
	state->received += size;
	r = download_piece(download, DOWNLOAD_SNAPSHOT, data, size);
	if (r != 0 || !last)
		return r;
	if (state->received <= sizeof(magic))
		return err_set(download->err, -EPROTO, "the snapshot it sent is empty");
	progress(download);
	download->done = true;
	return 0;
}

/* ---- when it takes long ---- */

/* Before it is attached nobody is at work for us: whoever does not answer runs something else. */
int rdp_snapshot_overdue(struct download *download)
{
	struct rdp_snapshot *state = download->state;

	if (!state->greeted)
		return err_set(download->err, -ETIMEDOUT, "it does not greet as a Firefox does");
	if (!state->attached)
		return download_blocked(download);
	if (rdp_calls_of(&state->calls, ABOUT_LOOK) > 0)
		return err_set(download->err, -ETIMEDOUT, "the target fell silent");
	return ask(download, "root", "getRoot", ABOUT_LOOK, NULL, NULL);
}

int rdp_snapshot_finish(struct download *download)
{
	const struct rdp_snapshot *state = download->state;

	/* Nor for a browser that hangs. */
	download->done = !state->saving || rdp_calls_of(&state->calls, ABOUT_LOOK) > 0;
	return 0;
}
