/*
 * Downloads
 *
 * Two phases on one connection. In the first the dialect has asked for a snapshot and every byte
 * that arrives goes wire -> frames -> JSON events -> dialect -> sink, a window at a time: nothing
 * is gathered, and what the sink cannot take yet stays in the socket. In the second the dialect
 * says its last words and hears the answer. The second follows the first however that ended,
 * because a runtime that is left as it is after a snapshot allocates several times slower; only a
 * connection that is gone, or a program that waits for us to leave so that it can exit, is left
 * without a word.
 *
 * An error inside a message must not cost the place in the stream: the frames go on being read and
 * the rest of the message is skipped, so that the answer to the last words can be told apart.
 */

#include "inspect/download.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inspect/dialect.h"
#include "inspect/download_packets.h"
#include "inspect/parting.h"
#include "inspect/runtime.h"
#include "net/access.h"
#include "util/clock.h"
#include "util/str.h"

enum {
	SCAN_BUFFER_BYTES = 65536, /* a piece of a snapshot is at most this */
	LOG_MAX_BYTES = 32 << 20, /* of half a second's allocations, with all frames ever seen */
	PACKET_MAX_BYTES = 1 << 20, /* a list of a hundred tabs is some 60 KB */
	REQUEST_MAX_BYTES = 4096, /* the longest request is a wrapped one with its session */
	LIST_MAX_BYTES = 1 << 20, /* a list of a hundred pages is some 60 KB */
	PARTING_LOOK_MS = 10,
};

/* Requests are short and the kernel takes them at once, unless the target has stopped reading. */
#define SEND_TIMEOUT_NS (5 * NS_PER_S)

/* The answer to the last words takes milliseconds, or the time the target is still busy. */
#define LEAVE_TIMEOUT_NS (2 * NS_PER_S)

/*
 * A snapshot that is given up while it streams is heard out: Node 20 and 22, when they have more to
 * write to a client that is gone, now and then die of it. What is left of the time for all of it
 * may pass, at least this; this ends a silence in its midst, and all of it where somebody cancels
 * once more, as the daemon does when it stops.
 */
#define LEAVE_STREAM_NS (20 * NS_PER_S)

/*
 * Who is turned away where one client is borne may meet ourselves: a poll that has left in this
 * moment, or is held until it may leave, or a daemon that was killed, whom a proxy that is busy has
 * not yet seen leaving. It is tried again, after this time at first, then ever more rarely, and
 * given up when it has lasted for longer than our own may.
 */
#define TURN_MIN_NS (50 * NS_PER_MS)
#define TURN_MAX_NS NS_PER_S
#define TURN_NS     (5 * NS_PER_S)

/*
 * A program that was told to exit just before we asked waits for us to leave, and its snapshot
 * never begins (Node 22 and later). It has closed its inspector's port by then, which is how we
 * know: while nothing comes we knock, at first after this time, then ever more rarely.
 */
#define KNOCK_MIN_NS (100 * NS_PER_MS)
#define KNOCK_MAX_NS NS_PER_S

static const char *const task_names[] = {
	[DOWNLOAD_TAKE_SNAPSHOT] = "snapshot",
	[DOWNLOAD_TAKE_SAMPLES] = "profile",
	[DOWNLOAD_TAKE_TIMELINE] = "timeline",
	[DOWNLOAD_TAKE_TRACKING] = "tracking",
};

static uint64_t time_left(const struct download *download)
{
	uint64_t now = clock_mono_ns();

	return now < download->deadline_ns ? download->deadline_ns - now : 0;
}

void download_expect(struct download *download)
{
	if (download->request->start_ns > 0 && !download->leaving)
		download->start_deadline_ns = clock_mono_ns() + download->request->start_ns;
}

void download_began(struct download *download)
{
	download->start_deadline_ns = 0;
}

void download_hold(struct download *download)
{
	const struct download_request *request = download->request;

	if (!request->runtime->brittle || request->hold == NULL || download->held)
		return;
	download->held = download->wire.shared = true;
	request->hold(request->owner, download->wire.fd);
}

static void release(struct download *download)
{
	if (download->held)
		download->request->hold(download->request->owner, -1);
	download->held = false;
}

bool download_can_peek(const struct runtime *runtime)
{
	return runtime->dialect->snapshot_peek != NULL;
}

bool download_samples_collect(const struct runtime *runtime)
{
	return runtime == NULL || runtime->format == SNAPSHOT_V8;
}

static void set_peek(struct download *download, bool possible)
{
	const struct download_request *request = download->request;

	if (request->peek != NULL && request->task == DOWNLOAD_TAKE_SAMPLES &&
	    download_can_peek(request->runtime))
		atomic_store(&request->peek->possible, possible);
}

void download_sleep(struct download *download, uint64_t ns)
{
	set_peek(download, true);
	download->asleep_ns = clock_mono_ns();
	download->wake_ns = download->asleep_ns + ns;
}

static bool start_is_overdue(const struct download *download)
{
	return download->start_deadline_ns != 0 && clock_mono_ns() >= download->start_deadline_ns;
}

/* text: what the peer said as it ended the connection; "": nothing, as who takes it has it do. */
static bool is_taken(struct download *download, const char *text)
{
	const struct runtime *runtime = download->request->runtime;

	download->stats->taken |= runtime->yields && (runtime->yields_to == NULL ||
						      strstr(text, runtime->yields_to) != NULL);
	return download->stats->taken;
}

int download_compose(struct download *download, struct buf *buf, const char *session_id,
		     const char *method, const char *params, int32_t *ret_id)
{
	int32_t id = ++download->next_id;

	if (ret_id != NULL)
		*ret_id = id;
	buf_printf(buf, "{\"id\":%d,\"method\":\"%s\"", (int)id, method);
	if (params != NULL)
		buf_printf(buf, ",\"params\":%s", params);
	if (session_id != NULL)
		buf_printf(buf, ",\"sessionId\":\"%s\"", session_id);
	return buf_puts(buf, "}");
}

/* A request that went out by half would be malformed to the peer: the wire is not used again. */
int download_send(struct download *download, const char *text, size_t size)
{
	uint64_t left = time_left(download);
	int r;

	r = wire_send(&download->wire, text, size, left < SEND_TIMEOUT_NS ? left : SEND_TIMEOUT_NS);
	if (r == 0)
		return 0;
	download->broken = true;
	if (r == -ETIMEDOUT)
		return err_set(download->err, r, "the target does not take a request");
	if (r == -ECANCELED)
		return err_set(download->err, r, "cancelled");
	is_taken(download, "");
	return err_set(download->err, DOWNLOAD_E_LOST, "the connection broke");
}

int download_ask(struct download *download, const char *method, const char *params, int32_t *ret_id)
{
	return download_ask_session(download, NULL, method, params, ret_id);
}

int download_ask_session(struct download *download, const char *session_id, const char *method,
			 const char *params, int32_t *ret_id)
{
	struct buf buf;
	int r;

	buf_init(&buf, REQUEST_MAX_BYTES);
	r = download_compose(download, &buf, session_id, method, params, ret_id);
	if (r == 0)
		r = download_send(download, buf.data, buf.size);
	buf_fini(&buf);
	return r;
}

int download_piece(struct download *download, enum download_part part, const char *data,
		   size_t size)
{
	if (size == 0 || download->leaving)
		return 0;
	if (part == DOWNLOAD_SNAPSHOT) {
		if (download->stats->bytes == 0)
			download->stats->first_byte_ns = clock_mono_ns() - download->started_ns;
		download->stats->bytes += size;
	}
	return download->request->sink(download->request->owner, part, data, size);
}

int download_judge(struct download *download, uint64_t heap_bytes)
{
	return download->request->judge(download->request->owner, heap_bytes, download->err);
}

int download_profile(struct download *download, const struct json_event *event)
{
	return download->leaving ? 0 : download->request->profile(download->request->owner, event);
}

void download_peek_profile(struct download *download, const struct json_event *event)
{
	download->request->peek_profile(download->request->owner, event);
}

void download_peeked(struct download *download, const char *why)
{
	download->request->peeked(download->request->owner, clock_mono_ns() - download->asleep_ns,
				  why);
}

int download_allocation(struct download *download, const struct download_frame *stack, size_t n,
			uint64_t bytes, uint64_t objects)
{
	const struct download_request *request = download->request;

	return download->leaving ? 0
				 : request->allocation(request->owner, stack, n, bytes, objects);
}

static int scan_failure(struct download *download, int r)
{
	if (r == -EBADMSG)
		return err_set(download->err, -EPROTO, "byte %llu of a message is not JSON",
			       (unsigned long long)download->scan.offset);
	if (r == -E2BIG)
		return err_set(download->err, -EPROTO, "a message is nested too deep");
	return r;
}

static int on_text(void *owner, const char *data, size_t size, bool last)
{
	struct download *download = owner;
	int r = 0;

	download->heard = true;
	/* What is heard after a failure would only be answered. */
	if (download->result != 0)
		download->skip = true;
	if (!download->skip) {
		r = json_scan_feed(&download->scan, data, size);
		if (r == 0 && last)
			r = json_scan_end(&download->scan);
		if (r == 0 && last)
			r = download->request->runtime->dialect->snapshot_message_end(download);
		download->skip = r != 0;
		if (r != 0 && download->result == 0)
			download->result = scan_failure(download, r);
	}
	if (last) {
		json_scan_reset(&download->scan);
		download->skip = false;
	}
	return 0;
}

static int on_control(void *owner, enum frame_opcode opcode, const char *data, size_t size)
{
	struct download *download = owner;
	char text[FRAME_CLOSE_TEXT_MAX];

	if (opcode == FRAME_CLOSE) {
		bool busy = frame_close_code(data, size) == FRAME_CLOSE_BUSY;
		bool taken = is_taken(download, frame_close_text(text, data, size));

		download->broken = true;
		download->turned_away = busy && !download->heard;
		if (download->result == 0 && !download->done)
			download->result = err_set(
				download->err, DOWNLOAD_E_LOST, "%s",
				busy || taken ? "another client has the target's one connection"
					      : "the target closed the connection");
	}
	return 0;
}

static const struct frame_events events = { .text = on_text, .control = on_control };

static int on_json(void *owner, const struct json_event *event)
{
	struct download *download = owner;

	return download->request->runtime->dialect->snapshot_event(download, event);
}

static int receive_failure(struct download *download, int r)
{
	download->broken = r != -ETIMEDOUT && r != -ECANCELED;
	if (r == -ETIMEDOUT && time_left(download) == 0)
		return err_set(download->err, r, "it took longer than allowed");
	if (r == -ETIMEDOUT)
		return err_set(download->err, r, "the target fell silent");
	if (r == -ECANCELED)
		return err_set(download->err, r, "cancelled");
	if (r == -EPROTO)
		return err_set(download->err, r, "the target broke the %s protocol",
			       download->wire.is_packets ? "packet" : "WebSocket");
	if (r == -ENOMEM)
		return err_set(download->err, r, "out of memory");
	return err_set(
		download->err, DOWNLOAD_E_LOST, "the connection ended before the end of the %s%s",
		task_names[download->request->task],
		is_taken(download, "") ? ": another client has taken it, or the program has ended"
				       : "");
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool is_gone(struct download *download)
{
	const struct download_request *request = download->request;

	if (request->gone != NULL)
		download->result = request->gone(request->owner, download->err);
	return download->result != 0;
}

/* Wait for bytes at most as long as may be; before the first byte look whether the program exits.
 */
static int receive(struct download *download, uint64_t idle_ns)
{
	uint64_t until_ns = clock_mono_ns() + idle_ns, knock_ns = KNOCK_MIN_NS, now_ns;
	/* One that speaks first greets each caller: knocking would cost it a connection. */
	bool knocking = download->stats->bytes == 0 && !download->leaving &&
			download->wake_ns == 0 && !download->wire.is_packets;
	int r;

	while ((now_ns = clock_mono_ns()) < until_ns) {
		r = wire_receive(&download->wire,
				 least(until_ns - now_ns, knocking ? knock_ns : idle_ns));
		if (r != -ETIMEDOUT || !knocking)
			return r;
		if (is_gone(download))
			return 0;
		if (wire_knock(&download->request->address, KNOCK_MIN_NS) == -ECONNREFUSED) {
			download->result =
				err_set(download->err, DOWNLOAD_E_EXITING,
					"the program has closed its inspector: it wants to exit");
			return 0;
		}
		knock_ns = least(2 * knock_ns, KNOCK_MAX_NS);
	}
	return -ETIMEDOUT;
}

/* How long to wait for bytes; 0 when a deadline has passed. */
static uint64_t patience(const struct download *download, uint64_t idle_ns)
{
	uint64_t left = least(time_left(download), idle_ns), now = clock_mono_ns();

	if (download->wake_ns != 0)
		return now < download->wake_ns ? download->wake_ns - now : 0;
	if (download->start_deadline_ns == 0)
		return left;
	return now < download->start_deadline_ns ? least(left, download->start_deadline_ns - now)
						 : 0;
}

int download_blocked(struct download *download)
{
	const struct download_request *request = download->request;
	const char *why = request->runtime->mute_worker_why;
	char limit[STR_UNIT_MAX];

	str_format_duration(limit, request->start_ns);
	if (why != NULL && str_has_prefix(request->isolate, "worker:"))
		return err_set(download->err, DOWNLOAD_E_BUSY,
			       "the worker did not begin within %s: its event loop is blocked, or "
			       "%s",
			       limit, why);
	return err_set(download->err, DOWNLOAD_E_BUSY,
		       "the program's event loop is blocked: it did not begin within %s", limit);
}

/* Silence that is no fault: it sleeps, or the target has not begun in time. */
static bool is_awaited(const struct download *download)
{
	return download->wake_ns != 0 || (time_left(download) > 0 && start_is_overdue(download));
}

static int on_silence(struct download *download)
{
	const struct dialect *dialect = download->request->runtime->dialect;

	if (download->wake_ns == 0) {
		download_began(download); /* it is overdue once */
		return dialect->snapshot_overdue(download);
	}
	if (clock_mono_ns() < download->wake_ns)
		return 0;
	download->wake_ns = 0;
	set_peek(download, false);
	return dialect->snapshot_woken(download);
}

/* Where nothing of it went out the conversation can go on, and the profile does. */
static int ask_peek(struct download *download)
{
	int r = download->request->runtime->dialect->snapshot_peek(download);

	if (r == 0 || r == -ECANCELED || download->wire.torn)
		return r;
	download->broken = false;
	download_began(download);
	*download->err = (struct err){ 0 };
	download_peeked(download, r == -ETIMEDOUT ? "the target does not take the request"
						  : "the request could not be sent");
	return 0;
}

/* What made cancel_fd readable was a wish, and what came of it. One that comes too late is none. */
static bool is_peek(struct download *download, int *ret)
{
	const struct download_request *request = download->request;
	uint64_t once;

	if (request->peek == NULL || !atomic_exchange(&request->peek->wanted, false))
		return false;
	if (read(request->cancel_fd, &once, sizeof(once)) != sizeof(once))
		return false;
	*ret = 0;
	if (download->wake_ns == 0)
		download_peeked(download, "the profile is ending, and will be whole");
	else
		*ret = ask_peek(download);
	return true;
}

/* A sleep that may end early does; whoever cancels twice means it. */
static bool ends_early(struct download *download)
{
	const struct download_request *request = download->request;
	uint64_t once;

	if (download->wake_ns == 0 || request->task != DOWNLOAD_TAKE_SAMPLES ||
	    !request->samples.continuous)
		return false;
	if (read(request->cancel_fd, &once, sizeof(once)) != sizeof(once))
		return false;
	download->wake_ns = clock_mono_ns();
	download->stats->sampled_ns = download->wake_ns - download->asleep_ns;
	return true;
}

/* Until the dialect is done, an event failed, or the time is over. */
static int receive_all(struct download *download, uint64_t idle_ns)
{
	while (!download->done) {
		uint64_t left = patience(download, idle_ns);
		int r = left == 0 ? -ETIMEDOUT : receive(download, left);

		if (download->result != 0)
			return download->result;
		if (download->done)
			return 0;
		if (r == -ECANCELED && is_peek(download, &r)) {
			if (r != 0)
				return r;
			continue;
		}
		if (r == -ECANCELED && ends_early(download))
			r = -ETIMEDOUT;
		if (r == -ETIMEDOUT && is_awaited(download)) {
			r = on_silence(download);
			if (r != 0)
				return r;
			continue;
		}
		if (r != 0)
			return receive_failure(download, r);
	}
	return 0;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t stream_time(const struct download *download)
{
	uint64_t leave_ns = download->request->leave_ns;

	return leave_ns != 0 ? leave_ns : LEAVE_STREAM_NS;
}

/* A snapshot was asked for, and more of it may come. r: of the download. */
static bool is_under_way(const struct download *download, int r)
{
	return r != 0 && (download->stats->asked || download->stats->bytes > 0);
}

/* Until when the last words are waited for, whatever comes. */
static uint64_t leave_deadline(const struct download *download, int r)
{
	uint64_t now_ns = clock_mono_ns();

	if (is_under_way(download, r))
		return most(download->deadline_ns, now_ns + stream_time(download));
	return now_ns + (download->stats->bytes > 0 ? LEAVE_STREAM_NS : LEAVE_TIMEOUT_NS);
}

/* And how long nothing may come: it has been silent long enough, or may be busy in its midst. */
static uint64_t leave_patience(const struct download *download, int r)
{
	bool silent = r == -ETIMEDOUT && time_left(download) > 0;

	return is_under_way(download, r) && download->stats->bytes > 0 && !silent
		       ? stream_time(download)
		       : LEAVE_TIMEOUT_NS;
}

/* Until they are answered. cancel_fd readable: somebody is in a hurry. */
static void hear_out(struct download *download, int cancel_fd, uint64_t idle_ns)
{
	download->wire.cancel_fd = cancel_fd;
	if (receive_all(download, idle_ns) != -ECANCELED)
		return;
	download->wire.cancel_fd = -1;
	download->deadline_ns =
		least(download->deadline_ns, clock_mono_ns() + stream_time(download));
	receive_all(download, idle_ns);
}

/* What has been cancelled may be once more, while it is left. -1: it is not listened for. */
static int take_cancel(const struct download *download, int r)
{
	int fd = download->wire.cancel_fd;
	uint64_t once;

	if (!is_under_way(download, r) || fd < 0)
		return -1;
	return r != -ECANCELED || read(fd, &once, sizeof(once)) == sizeof(once) ? fd : -1;
}

/*
 * r: of the download. Errors here change nothing: the connection is closed next, which undoes the
 * same things.
 */
static void leave(struct download *download, int r)
{
	uint64_t deadline_ns = leave_deadline(download, r);
	uint64_t idle_ns = leave_patience(download, r);
	struct err unused;
	int cancel_fd;

	if (r != 0 && download->request->given_up != NULL)
		download->request->given_up(download->request->owner);
	if (download->broken || download->request->runtime->dialect->snapshot_finish == NULL)
		return;
	cancel_fd = take_cancel(download, r);
	/* One that first saves to a file says nothing until it has. */
	if (download->wire.is_packets) {
		deadline_ns = clock_mono_ns() + LEAVE_STREAM_NS;
		idle_ns = LEAVE_STREAM_NS;
		cancel_fd = -1;
	}
	download->err = &unused;
	download->leaving = true;
	download->result = 0;
	download->done = true;
	download->start_deadline_ns = download->wake_ns = 0;
	download->wire.cancel_fd = -1;
	download->deadline_ns = deadline_ns;
	if (download->request->runtime->dialect->snapshot_finish(download) == 0)
		hear_out(download, cancel_fd, idle_ns);
}

static int download_init(struct download *download, const struct download_request *request,
			 struct download_stats *stats, struct err *err)
{
	uint64_t now = clock_mono_ns();

	*stats = (struct download_stats){ 0 };
	*download = (struct download){
		.request = request,
		.stats = stats,
		.err = err,
		.wire = { .fd = -1, .cancel_fd = -1 },
		.started_ns = now,
		.deadline_ns = now + request->total_ns,
	};
	buf_init(&download->packet,
		 request->task == DOWNLOAD_TAKE_SAMPLES && request->runtime->dialect->packets
			 ? LOG_MAX_BYTES
			 : PACKET_MAX_BYTES);
	download->scan_buffer = malloc(SCAN_BUFFER_BYTES);
	download->state = calloc(1, request->runtime->dialect->download_size);
	if (download->scan_buffer == NULL || download->state == NULL)
		return err_set(err, -ENOMEM, "out of memory");
	json_scan_init(&download->scan, download->scan_buffer, SCAN_BUFFER_BYTES, on_json,
		       download);
	return 0;
}

static void download_fini(struct download *download)
{
	wire_close(&download->wire);
	buf_fini(&download->packet);
	free(download->state);
	free(download->scan_buffer);
}

/* Some inspectors must not be asked for what they no longer list. */
static int check_listed(struct download *download)
{
	const struct download_request *request = download->request;
	const struct runtime *runtime = request->runtime;
	struct buf list;
	int r;

	if (runtime->dialect->listed == NULL)
		return 0;
	buf_init(&list, LIST_MAX_BYTES);
	r = wire_get(&request->address, runtime->list_path, request->cancel_fd, request->connect_ns,
		     &list, download->err);
	if (r == 0 &&
	    !runtime->dialect->listed(runtime->words, buf_text(&list), list.size, request->path))
		r = err_set(download->err, DOWNLOAD_E_LOST,
			    "%s is no longer there: %s does not list it", request->isolate,
			    runtime->list_path);
	buf_fini(&list);
	return r;
}

static int connect_wire(struct download *download)
{
	const struct download_request *request = download->request;

	if (request->runtime->dialect->packets)
		return wire_open_packets(&download->wire, &request->address, request->cancel_fd,
					 request->connect_ns, &download_packet_events, download,
					 download->err);
	return wire_open(&download->wire, &request->address, request->path, request->cancel_fd,
			 request->connect_ns, &events, download, download->err);
}

/*
 * Who has polled until now may still be parting, and a second client would evict it. Twice as long
 * as that may take, for it is ended by a timer of a loop that may be late; and then the inspector
 * has a moment to see that it is gone.
 */
static int await_parting(const struct download_request *request, struct err *err)
{
	struct pollfd cancel = { .fd = request->cancel_fd, .events = POLLIN };
	uint64_t until_ns = clock_mono_ns() + 2 * PARTING_PLACE_NS;
	int r = 0;

	if (!request->runtime->parts || !request->runtime->alone)
		return 0;
	while (r == 0 && request->partings != NULL && partings_have_place(request->partings) &&
	       clock_mono_ns() < until_ns)
		r = poll(&cancel, 1, PARTING_LOOK_MS);
	if (r == 0)
		r = poll(&cancel, 1, 2 * PARTING_NS / NS_PER_MS);
	return r > 0 ? err_set(err, -ECANCELED, "cancelled") : 0;
}

/* Whatever is wished meanwhile: it must not be left either. */
static void keep_quiet(const struct download *download)
{
	uint64_t quiet_ns = download->request->runtime->quiet_ns;

	if (quiet_ns > 0)
		(void)poll(NULL, 0, (int)(quiet_ns / NS_PER_MS));
}

static int converse(struct download *download, bool keep)
{
	const struct download_request *request = download->request;
	int r = await_parting(request, download->err);
	if (r == 0)
		r = check_listed(download);
	if (r == 0)
		r = connect_wire(download);
	if (r != 0)
		return r;
	keep_quiet(download);
	r = request->runtime->dialect->snapshot_begin(download);
	if (r == 0)
		r = receive_all(download, request->idle_ns);
	if (r != DOWNLOAD_E_EXITING && !download->turned_away &&
	    (r != 0 || !keep || download->broken))
		leave(download, r);
	release(download);
	return r;
}

static void count(struct download *download)
{
	download->stats->wire_bytes = download->wire.bytes_in;
	download->stats->duration_ns = clock_mono_ns() - download->started_ns;
}

/* As download_run(), at once. */
static int try_once(const struct download_request *request, struct download_stats *stats,
		    struct err *err, bool *ret_turned_away)
{
	struct download download;
	int r;

	r = download_init(&download, request, stats, err);
	if (r == 0)
		r = converse(&download, false);
	count(&download);
	*ret_turned_away = download.turned_away;
	download_fini(&download);
	return r;
}

int download_run(const struct download_request *request, struct download_stats *stats,
		 struct err *err)
{
	struct pollfd cancel = { .fd = request->cancel_fd, .events = POLLIN };
	uint64_t until_ns = clock_mono_ns() + TURN_NS, wait_ns = TURN_MIN_NS;
	bool turned_away;
	int r = try_once(request, stats, err, &turned_away);

	while (turned_away && clock_mono_ns() < until_ns) {
		if (poll(&cancel, 1, (int)(wait_ns / NS_PER_MS)) > 0)
			return err_set(err, -ECANCELED, "cancelled");
		wait_ns = least(2 * wait_ns, TURN_MAX_NS);
		*err = (struct err){ 0 };
		r = try_once(request, stats, err, &turned_away);
	}
	return r;
}

/* ---- with a connection that is kept ---- */

/* Whoever asked is gone when it ends: all that a download borrows is its own. */
struct download_kept {
	struct download download;
	struct download_request request;
	struct download_stats stats;
};

static void keep_request(struct download_kept *kept)
{
	kept->request = *kept->download.request;
	kept->request.peek = NULL;
	access_ref(kept->request.address.access);
	kept->download.request = &kept->request;
	kept->download.stats = &kept->stats; /* no byte so far: it is not streaming */
}

int download_run_and_keep(const struct download_request *request, struct download_stats *stats,
			  struct err *err, struct download_kept **ret)
{
	struct download_kept *kept = calloc(1, sizeof(*kept));
	int r;

	*ret = NULL;
	if (kept == NULL)
		return err_set(err, -ENOMEM, "out of memory");
	r = download_init(&kept->download, request, stats, err);
	if (r == 0)
		r = converse(&kept->download, true);
	count(&kept->download);
	if (r != 0 || kept->download.broken) {
		download_fini(&kept->download);
		free(kept);
		return r;
	}
	keep_request(kept);
	*ret = kept;
	return 0;
}

/* The kept one is at its end. */
static void kept_free(struct download_kept *kept)
{
	download_fini(&kept->download);
	access_unref(kept->request.address.access);
	free(kept);
}

/* That it wants to exit may be here already: it is said to all that are connected. */
static int hear_the_rest(struct download *download)
{
	download->wire.cancel_fd = -1;
	download->deadline_ns = clock_mono_ns() + NS_PER_MS;
	return receive_all(download, UINT64_MAX) == DOWNLOAD_E_EXITING ? DOWNLOAD_E_EXITING
								       : -ECANCELED;
}

int download_keep(struct download_kept *kept, int cancel_fd, uint64_t until_ns, struct err *err)
{
	struct download *download = &kept->download;
	int r;

	download->err = err;
	download->leaving = true; /* nothing that comes is for anybody */
	download->done = false;
	download->start_deadline_ns = download->wake_ns = 0;
	download->deadline_ns = until_ns;
	download->wire.cancel_fd = cancel_fd;
	r = receive_all(download, UINT64_MAX);
	if (r == -ECANCELED)
		r = hear_the_rest(download);
	if (r != DOWNLOAD_E_EXITING)
		leave(download, 0); /* what it had asked for is whole */
	kept_free(kept);
	return r;
}

void download_leave(struct download_kept *kept)
{
	struct err unused;

	if (kept != NULL)
		download_keep(kept, -1, 0, &unused);
}

int download_go_on(struct download_kept *kept, const struct download_request *request,
		   struct download_stats *stats, struct err *err)
{
	struct download *download = &kept->download;
	int r;

	*stats = (struct download_stats){ 0 };
	download->request = request;
	download->stats = stats;
	download->err = err;
	download->started_ns = clock_mono_ns();
	download->deadline_ns = download->started_ns + request->total_ns;
	download->wire.cancel_fd = request->cancel_fd;
	download->wire.bytes_in = 0;
	download->done = false;
	download_sleep(download, request->timeline.duration_ns);
	r = receive_all(download, request->idle_ns);
	if (r != DOWNLOAD_E_EXITING)
		leave(download, r);
	count(download);
	kept_free(kept);
	return r;
}
