/*
 * Downloads from a scripted Firefox: whatever happens on the wire, the bytes that reach the sink
 * are the beginning of the snapshot, and success means all of it.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inspect/download.h"
#include "inspect/runtime.h"
#include "json/tree.h"
#include "util/buf.h"
#include "util/clock.h"

enum { HEARD_MAX = 32, SIZE = 300000, PATIENCE_S = 20 };

/* How it behaves. All zero: well. */
struct script {
	const char *id; /* of the snapshot; NULL: 162289 */
	const char *refuse; /* answer a request of this type with an error */
	const char *mute; /* or do not answer it */
	const char *before_saved; /* a packet of its own before the answer to saveHeapSnapshot */
	bool gone; /* which never comes */
	unsigned looks; /* answer that only after so many looks of root */
	size_t piece; /* bytes of bulk per write(2); 0: all */
	size_t cut; /* end the connection after so many bytes of bulk */
	bool deaf_root; /* do not answer root while it saves */
	bool no_gzip, empty, stranger;
	int cancel_fd; /* cancel as soon as it saves, before it has saved */
};

static const struct script *script;
static char snapshot[SIZE];

static struct {
	int listen_fd;
	uint16_t port;
	pthread_t thread;
	int connections;
	char heard[HEARD_MAX][256];
	unsigned heard_n;
} firefox;

/* ---- the Firefox: one connection on a thread; it does not assert ---- */

static bool put(int fd, const char *data, size_t size)
{
	return send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static bool say(int fd, const char *text)
{
	char packet[2048];
	int n = snprintf(packet, sizeof(packet), "%zu:%s", strlen(text), text);

	return put(fd, packet, (size_t)n);
}

/* The next request; false at the end. */
static bool hear(int fd, char *dst, size_t size)
{
	size_t length = 0, at = 0;
	char c;

	for (;;) {
		if (recv(fd, &c, 1, 0) != 1)
			return false;
		if (c == ':')
			break;
		length = length * 10 + (size_t)(c - '0');
	}
	if (length >= size)
		return false;
	while (at < length) {
		ssize_t n = recv(fd, dst + at, length - at, 0);

		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	dst[length] = '\0';
	return true;
}

static bool has(const char *request, const char *type)
{
	char text[64];

	snprintf(text, sizeof(text), "\"type\":\"%s\"", type);
	return type != NULL && strstr(request, text) != NULL;
}

static bool send_bulk(int fd)
{
	size_t size = script->empty ? 0 : SIZE, done = 0;
	char head[128];

	if (script->stranger && !put(fd, "bulk c.other undefined 4:\x1f\x8bxx", 29))
		return false;
	put(fd, head, (size_t)snprintf(head, sizeof(head), "bulk c.file4 undefined %zu:", size));
	while (done < size) {
		size_t n = script->piece > 0 && script->piece < size - done ? script->piece
									    : size - done;

		if (script->cut > 0 && done + n > script->cut)
			n = script->cut - done;
		if (!put(fd, snapshot + done, n))
			return false;
		done += n;
		if (done == script->cut)
			return false;
	}
	return true;
}

static bool saved(int fd)
{
	char text[256];

	if (script->before_saved != NULL)
		say(fd, script->before_saved);
	if (script->gone)
		return true;
	snprintf(text, sizeof(text), "{\"snapshotId\":\"%s\",\"from\":\"c.child1/memory6\"}",
		 script->id != NULL ? script->id : "162289");
	return say(fd, text);
}

static bool answer(int fd, const char *request, unsigned *looks, bool *saving)
{
	char to[128] = "", text[512];

	sscanf(request, "{\"to\":\"%100[^\"]", to);
	if (has(request, script->mute) || (*saving && script->deaf_root))
		return true;
	if (has(request, script->refuse)) {
		snprintf(text, sizeof(text),
			 "{\"from\":\"%s\",\"error\":\"Error\",\"message\":\"not today\"}", to);
		return say(fd, text);
	}
	if (has(request, "getRoot") && *saving && --*looks == 0)
		return say(fd, "{\"from\":\"root\"}") && saved(fd);
	if (has(request, "getRoot"))
		return say(fd, "{\"heapSnapshotFileActor\":\"c.file4\",\"from\":\"root\"}");
	if (has(request, "listTabs"))
		return say(fd, "{\"tabs\":[{\"actor\":\"c.tab8\",\"browserId\":8},{\"actor\":"
			       "\"c.tab9\",\"browserId\":9}],\"from\":\"root\"}");
	if (has(request, "listProcesses"))
		return say(fd, "{\"processes\":[{\"actor\":\"c.p7\",\"id\":7,\"isParent\":false}],"
			       "\"from\":\"root\"}");
	if (has(request, "getTarget")) {
		snprintf(text, sizeof(text),
			 "{\"%s\":{\"memoryActor\":\"c.child1/memory6\"},\"from\":\"%s\"}",
			 strcmp(to, "c.p7") == 0 ? "process" : "frame", to);
		return say(fd, text) &&
		       say(fd, "{\"type\":\"frameUpdate\",\"from\":\"c.child1/target2\"}");
	}
	if (has(request, "attach"))
		return say(fd, "{\"type\":\"attached\",\"from\":\"c.child1/memory6\"}");
	if (has(request, "forceGarbageCollection"))
		return say(fd, "{\"type\":\"garbage-collection\",\"data\":{},\"from\":"
			       "\"c.child1/memory6\"}") &&
		       say(fd, "{\"from\":\"c.child1/memory6\"}");
	if (has(request, "saveHeapSnapshot")) {
		if (script->cancel_fd > 0 && eventfd_write(script->cancel_fd, 1) < 0)
			return false;
		*saving = script->looks > 0 || script->deaf_root;
		return *saving || saved(fd);
	}
	if (has(request, "transferHeapSnapshot"))
		return send_bulk(fd);
	return false;
}

static void converse(int fd)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	unsigned looks = script->looks;
	bool saving = false;
	char request[256];

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	say(fd, "{\"from\":\"root\",\"applicationType\":\"browser\",\"traits\":{}}");
	while (hear(fd, request, sizeof(request))) {
		if (firefox.heard_n < HEARD_MAX)
			memcpy(firefox.heard[firefox.heard_n++], request, sizeof(request));
		if (!answer(fd, request, &looks, &saving))
			break;
	}
}

static void *serve(void *arg)
{
	int fd;

	(void)arg;
	while ((fd = accept(firefox.listen_fd, NULL, NULL)) >= 0) {
		firefox.connections++;
		converse(fd);
		close(fd);
	}
	return NULL;
}

static void start(const struct script *how)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t size = sizeof(in);

	script = how;
	for (size_t i = 0; i < SIZE; i++)
		snapshot[i] = (char)(i % 251);
	snapshot[0] = how->no_gzip ? '{' : '\x1f';
	snapshot[1] = '\x8b';
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	firefox.listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(firefox.listen_fd, (struct sockaddr *)&in, sizeof(in)), 0);
	cr_assert_eq(listen(firefox.listen_fd, 4), 0);
	cr_assert_eq(getsockname(firefox.listen_fd, (struct sockaddr *)&in, &size), 0);
	firefox.port = ntohs(in.sin_port);
	cr_assert_eq(pthread_create(&firefox.thread, NULL, serve, NULL), 0);
}

static void stop(void)
{
	shutdown(firefox.listen_fd, SHUT_RDWR);
	pthread_join(firefox.thread, NULL);
	close(firefox.listen_fd);
}

/* ---- the download ---- */

static struct {
	int r;
	struct err err;
	struct download_stats stats;
	struct buf bytes;
	size_t full_at;
	double progress;
} result;

static int sink(void *owner, enum download_part part, const char *data, size_t size)
{
	(void)owner;
	cr_assert_eq(part, DOWNLOAD_SNAPSHOT);
	if (result.full_at > 0 && result.bytes.size + size > result.full_at)
		return -ENOSPC;
	return buf_append(&result.bytes, data, size);
}

static void progress(void *owner, double share)
{
	(void)owner;
	result.progress = share;
}

static struct download_request request_of(const char *isolate)
{
	struct download_request request = {
		.address = { .family = ADDRESS_INET, .host = "127.0.0.1", .port = firefox.port },
		.connect_ns = 5 * NS_PER_S,
		.idle_ns = 10 * NS_PER_S,
		.total_ns = 60 * NS_PER_S,
		.cancel_fd = -1,
		.sink = sink,
		.progress = progress,
	};

	for (int i = 0; runtime_all[i] != NULL; i++)
		if (strcmp(runtime_all[i]->name, "firefox") == 0)
			request.runtime = runtime_all[i];
	snprintf(request.isolate, sizeof(request.isolate), "%s", isolate);
	return request;
}

static void run(const struct download_request *request)
{
	buf_init(&result.bytes, 2 * SIZE);
	result.r = download_run(request, &result.stats, &result.err);
	cr_expect(result.bytes.size == 0 ||
			  memcmp(result.bytes.data, snapshot, result.bytes.size) == 0,
		  "the beginning of the snapshot");
	stop();
	cr_expect_leq(firefox.connections, 1, "nobody knocks");
	buf_fini(&result.bytes);
}

static void download(const struct script *how, const char *isolate)
{
	struct download_request request;

	start(how);
	request = request_of(isolate);
	run(&request);
}

static void expect_whole(void)
{
	cr_expect_eq(result.r, 0, "%s", result.err.text);
	cr_expect_eq(result.stats.bytes, SIZE);
	cr_expect_str_eq(result.stats.leftover, "162289.fxsnapshot");
	cr_expect_gt(result.stats.busy_ns, 0);
	cr_expect(result.stats.asked);
	cr_expect_not(result.stats.unnamed);
	cr_expect_float_eq(result.progress, 1, 1e-9);
}

static void expect_failure(int r, const char *text)
{
	cr_expect_eq(result.r, r, "%d: %s", result.r, result.err.text);
	cr_expect_not_null(strstr(result.err.text, text), "%s", result.err.text);
}

static void expect_heard(const char *const *types, size_t n)
{
	cr_assert_eq(firefox.heard_n, n, "%u", firefox.heard_n);
	for (size_t i = 0; i < n; i++)
		cr_expect(has(firefox.heard[i], types[i]), "%s", firefox.heard[i]);
}

TestSuite(rdp_snapshot, .timeout = 60);

/* ---- what arrives ---- */

Test(rdp_snapshot, of_a_tab)
{
	static const char *const types[] = {
		"getRoot", "listTabs",         "getTarget",
		"attach",  "saveHeapSnapshot", "transferHeapSnapshot"
	};

	download(&(struct script){ 0 }, "tab:9");
	expect_whole();
	expect_heard(types, 6);
	cr_expect_not_null(strstr(firefox.heard[2], "c.tab9"));
	cr_expect_str_eq(firefox.heard[5], "{\"to\":\"c.file4\",\"type\":\"transferHeapSnapshot\","
					   "\"snapshotId\":\"162289\"}");
}

Test(rdp_snapshot, of_a_process)
{
	static const char *const types[] = {
		"getRoot", "listProcesses",    "getTarget",
		"attach",  "saveHeapSnapshot", "transferHeapSnapshot"
	};

	download(&(struct script){ 0 }, "process:7");
	expect_whole();
	expect_heard(types, 6);
}

Test(rdp_snapshot, after_a_collection)
{
	struct download_request request;

	start(&(struct script){ 0 });
	request = request_of("tab:9");
	request.collect_garbage = true;
	run(&request);
	expect_whole();
	cr_expect(has(firefox.heard[4], "forceGarbageCollection"));
	cr_expect(has(firefox.heard[5], "saveHeapSnapshot"));
}

Test(rdp_snapshot, in_drops)
{
	download(&(struct script){ .piece = 777 }, "tab:9");
	expect_whole();
}

Test(rdp_snapshot, bulk_of_another_is_not_ours)
{
	download(&(struct script){ .stranger = true }, "tab:9");
	expect_whole();
}

/* ---- what goes wrong ---- */

Test(rdp_snapshot, isolates_that_are_none)
{
	download(&(struct script){ 0 }, "tab:5");
	expect_failure(DOWNLOAD_E_REFUSED, "there is no isolate \"tab:5\"");
}

Test(rdp_snapshot, the_main_isolate_is_none)
{
	download(&(struct script){ 0 }, "main");
	expect_failure(DOWNLOAD_E_REFUSED, "name a tab or a content process");
	cr_expect_eq(firefox.heard_n, 0);
}

Test(rdp_snapshot, refused)
{
	download(&(struct script){ .refuse = "saveHeapSnapshot" }, "tab:9");
	expect_failure(DOWNLOAD_E_REFUSED, "saveHeapSnapshot: not today");
	cr_expect_str_eq(result.stats.leftover, "");
}

Test(rdp_snapshot, the_transfer_is_refused)
{
	download(&(struct script){ .refuse = "transferHeapSnapshot" }, "tab:9");
	expect_failure(DOWNLOAD_E_REFUSED, "not today");
	cr_expect_str_eq(result.stats.leftover, "162289.fxsnapshot", "the file is there");
	cr_expect_not(result.stats.unnamed);
}

/* Its actors never answer, so nobody waits for the name of the file. */
Test(rdp_snapshot, its_process_ends)
{
	download(&(struct script){ .before_saved =
					   "{\"from\":\"root\",\"type\":\"forwardingCancelled\","
					   "\"prefix\":\"c.child1\"}",
				   .gone = true },
		 "tab:9");
	expect_failure(DOWNLOAD_E_LOST, "tab:9 is gone");
	cr_expect_lt(result.stats.duration_ns, 5 * NS_PER_S);
	cr_expect(result.stats.unnamed, "it may have left one");
}

Test(rdp_snapshot, the_process_of_another_ends)
{
	download(&(struct script){ .before_saved =
					   "{\"from\":\"root\",\"type\":\"forwardingCancelled\","
					   "\"prefix\":\"c.child\"}" },
		 "tab:9");
	expect_whole();
}

Test(rdp_snapshot, cut)
{
	download(&(struct script){ .cut = 1000 }, "tab:9");
	expect_failure(DOWNLOAD_E_LOST, "before the end");
	cr_expect_str_eq(result.stats.leftover, "162289.fxsnapshot");
}

Test(rdp_snapshot, what_is_no_snapshot)
{
	download(&(struct script){ .no_gzip = true }, "tab:9");
	expect_failure(-EPROTO, "no compressed snapshot");
	cr_expect_eq(result.stats.bytes, 0);
}

Test(rdp_snapshot, an_empty_one)
{
	download(&(struct script){ .empty = true }, "tab:9");
	expect_failure(-EPROTO, "empty");
}

/* The id becomes the name of a file that we delete. */
Test(rdp_snapshot, an_id_that_is_a_path)
{
	download(&(struct script){ .id = "../../etc/1" }, "tab:9");
	expect_failure(-EPROTO, "tells no snapshot");
	cr_expect_str_eq(result.stats.leftover, "");
}

Test(rdp_snapshot, the_disk_is_full)
{
	result.full_at = 1000;
	download(&(struct script){ .piece = 100 }, "tab:9");
	cr_expect_eq(result.r, -ENOSPC);
	cr_expect_str_eq(result.stats.leftover, "162289.fxsnapshot");
}

/* ---- time ---- */

static void download_within(const struct script *how, uint64_t start_ns, uint64_t idle_ns,
			    int cancel_fd)
{
	struct download_request request;

	start(how);
	request = request_of("tab:9");
	request.start_ns = start_ns;
	request.idle_ns = idle_ns;
	request.cancel_fd = cancel_fd;
	run(&request);
}

Test(rdp_snapshot, a_blocked_page)
{
	download_within(&(struct script){ .mute = "attach" }, 50 * NS_PER_MS, 10 * NS_PER_S, -1);
	expect_failure(DOWNLOAD_E_BUSY, "blocked");
	cr_expect_not(result.stats.asked);
}

/* A large heap takes longer to save than any silence allowed: the browser is looked at. */
Test(rdp_snapshot, a_long_save)
{
	download_within(&(struct script){ .looks = 4 }, 50 * NS_PER_MS, 100 * NS_PER_MS, -1);
	expect_whole();
	cr_expect_geq(result.stats.busy_ns, 200 * NS_PER_MS);
}

Test(rdp_snapshot, a_browser_that_hangs)
{
	download_within(&(struct script){ .deaf_root = true }, 50 * NS_PER_MS, 10 * NS_PER_S, -1);
	expect_failure(-ETIMEDOUT, "fell silent");
	cr_expect_leq(firefox.heard_n, 6, "looked at once");
}

/* It is saved all the same: what the file is called is waited for. */
Test(rdp_snapshot, cancelled_while_it_saves)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	cr_assert_gt(fd, 0);
	download_within(&(struct script){ .cancel_fd = fd }, 0, 10 * NS_PER_S, fd);
	cr_expect_eq(result.r, -ECANCELED);
	cr_expect_str_eq(result.stats.leftover, "162289.fxsnapshot");
	cr_expect_not(has(firefox.heard[firefox.heard_n - 1], "transferHeapSnapshot"));
	close(fd);
}
