/*
 * Inspectors that we have opened.
 *
 * One that is held and listens costs nothing here. Closing is a conversation of its own, with a
 * session that greets, asks the runtime to close its inspector a moment later, and leaves at once:
 * Node stands still from then until its last client has left. That is also why nothing is closed
 * while somebody else is connected; it is tried again.
 */

#include "watch/openings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/runtime.h"
#include "inspect/session.h"
#include "json/tree.h"
#include "json/write.h"
#include "loop/loop.h"
#include "net/address.h"
#include "net/listening.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/file.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/opening.h"

static const char file_name[] = "openings.json";

enum { FILE_BYTES_MAX = 1 << 20, OPENED_MAX = 1000, FILE_VERSION = 1 };

/* Node opens within some 15 ms, also while its program runs JavaScript; a busy machine is slower.
 */
#define OPEN_NS (5 * NS_PER_S)

/* After the request Node waits so long before it closes (cdp_words_node.shut), and we look. */
#define CLOSED_NS    (500 * NS_PER_MS)
#define RETRY_MAX_NS (30 * NS_PER_S)
#define CONNECT_NS   (2 * NS_PER_S)
#define FINISH_NS    (3 * NS_PER_S)

struct opened {
	struct link link;
	struct openings *openings;
	struct address address;
	unsigned holders;

	int64_t pid; /* that was signalled; 0: none was */
	uint64_t start_ticks;
	uint64_t asked_ns; /* 0: in another life of ours */
	bool listened; /* it did open */
	bool exposed; /* it did beyond loopback: it is not opened again */

	bool leaving; /* to be closed */
	bool asked; /* to close, by us */
	bool told; /* somebody else is connected: said once */
	struct session session; /* that asks it to close */
	struct loop_timer timer;
	uint64_t retry_ns;
};

static struct opened *opened_of(struct link *link)
{
	return container_of(link, struct opened, link);
}

static const char *name_of(const struct opened *opened, char dst[ADDRESS_TEXT_MAX])
{
	return address_format(dst, &opened->address);
}

/* ---- the file ---- */

static void write_opened(struct json_writer *w, const struct opened *opened)
{
	char address[ADDRESS_TEXT_MAX];

	json_write_object(w);
	json_member_string(w, "address", name_of(opened, address));
	json_member_uint(w, "pid", (uint64_t)opened->pid);
	json_member_uint(w, "start_ticks", opened->start_ticks);
	json_member_bool(w, "listened", opened->listened);
	json_write_object_end(w);
}

static int save(struct openings *openings)
{
	struct json_writer w;
	struct buf buf;
	int r;

	buf_init(&buf, FILE_BYTES_MAX);
	json_write_init(&w, &buf);
	json_write_object(&w);
	json_member_uint(&w, "version", FILE_VERSION);
	json_write_key(&w, "opened");
	json_write_array(&w);
	list_each (link, &openings->list) {
		if (opened_of(link)->pid != 0)
			write_opened(&w, opened_of(link));
	}
	json_write_array_end(&w);
	json_write_object_end(&w);
	r = buf_puts(&buf, "\n");
	if (r == 0)
		r = file_replace(openings->state_fd, file_name, buf.data, buf.size);
	buf_fini(&buf);
	if (r != 0 && r != FILE_E_UNSURE)
		log_error("watch", "cannot write %s: %s", file_name,
			  r == FILE_E_FULL ? "no space" : strerror(-r));
	return r == FILE_E_UNSURE ? 0 : r == FILE_E_FULL ? -ENOSPC : r;
}

static struct opened *add(struct openings *openings, const struct address *address);

static int read_opened(struct openings *openings, const struct tree *node)
{
	struct address address;
	struct opened *opened;
	const char *text;
	uint64_t ticks;
	int64_t pid;
	bool listened;

	if (!tree_string(node, "address", &text) || address_parse(&address, text, NULL) < 0 ||
	    !tree_int(node, "pid", &pid) || pid <= 1 || !tree_uint(node, "start_ticks", &ticks) ||
	    !tree_bool(node, "listened", &listened) || !address_is_local(&address))
		return 0;
	opened = add(openings, &address);
	if (opened == NULL)
		return -ENOMEM;
	opened->pid = pid;
	opened->start_ticks = ticks;
	opened->listened = listened;
	return 0;
}

static int load(struct openings *openings)
{
	struct tree *root = NULL;
	const struct tree *list;
	char *text = NULL;
	size_t size = 0;
	int r = file_read_at(openings->state_fd, file_name, FILE_BYTES_MAX, &text, &size);

	if (r == -ENOENT)
		return 0;
	if (r < 0 && !file_is_no_text(r)) {
		log_error("watch", "%s cannot be read: %s", file_name, strerror(-r));
		return r;
	}
	if (r == 0)
		r = tree_parse(text, size, &root, NULL);
	free(text);
	if (r == -ENOMEM)
		return r;
	list = r == 0 ? tree_get(root, "opened") : NULL;
	if (!tree_is_array(list))
		log_error("watch",
			  "%s is of no use: what it named as opened is not closed, if it is open",
			  file_name);
	r = 0;
	for (size_t i = 0; r == 0 && i < tree_size(list) && i < OPENED_MAX; i++)
		r = read_opened(openings, tree_at(list, i));
	tree_free(root);
	return r;
}

/* ---- one of them ---- */

static void drop(struct opened *opened)
{
	loop_timer_fini(&opened->timer);
	session_fini(&opened->session);
	link_remove(&opened->link);
	free(opened);
}

/*
 * It is not open by us: nothing to close. Nor to remember, but for a process that must not be
 * signalled again.
 */
static void forget(struct opened *opened)
{
	struct openings *openings = opened->openings;

	opened->leaving = opened->asked = opened->listened = false;
	if (!opened->exposed)
		opened->pid = 0;
	loop_timer_clear(&opened->timer);
	session_close(&opened->session);
	if (opened->holders == 0)
		drop(opened);
	(void)save(openings);
}

static bool is_open(const struct opened *opened)
{
	return opened->pid != 0 && opening_still_listens(opened->openings->proc, opened->pid,
							 opened->start_ticks, &opened->address);
}

static void log_opened(const struct opened *opened, const char *what)
{
	char address[ADDRESS_TEXT_MAX], pid[24];
	struct log_field fields[] = { { "address", name_of(opened, address) }, { "pid", pid } };

	snprintf(pid, sizeof(pid), "%" PRId64, opened->pid);
	log_event(LEVEL_INFO, "watch", NULL, fields, 2, "%s", what);
}

/* ---- closing ---- */

static void retry(struct opened *opened)
{
	loop_timer_set(&opened->timer, opened->retry_ns);
	if (opened->retry_ns < RETRY_MAX_NS)
		opened->retry_ns *= 2;
}

static void ask_to_close(struct opened *opened)
{
	const struct session_limits limits = { .connect_ns = CONNECT_NS,
					       .poll_ns = CONNECT_NS,
					       .isolates_max = 1 };
	unsigned clients = 0;
	int r = listening_count_clients(opened->openings->proc, &opened->address, &clients);

	if (clients > 0 || r < 0) {
		if (!opened->told)
			log_opened(opened, "its inspector stays open while a client is connected");
		opened->told = true;
		retry(opened);
		return;
	}
	r = session_open(&opened->session, &opened->address, runtime_named("node"), &limits);
	if (r < 0)
		retry(opened);
}

/* It may open a moment from now. */
static bool is_opening(const struct opened *opened)
{
	return !opened->listened && opened->asked_ns != 0 &&
	       clock_mono_ns() - opened->asked_ns < OPEN_NS;
}

static void on_timer(void *owner)
{
	struct opened *opened = owner;
	bool open = is_open(opened);

	if (!opened->leaving || opened->session.state != SESSION_CLOSED)
		return;
	if (!open && opened->asked)
		log_opened(opened, "inspector closed");
	opened->asked = false;
	opened->listened |= open;
	if (open)
		ask_to_close(opened);
	else if (is_opening(opened))
		retry(opened);
	else
		forget(opened);
}

static void on_identified(void *owner, const struct identity *identity)
{
	struct opened *opened = owner;

	(void)identity;
	if (session_shut(&opened->session) < 0 || session_poll(&opened->session) < 0)
		session_close(&opened->session);
	if (opened->session.state == SESSION_CLOSED)
		retry(opened);
}

/* The request before it has been answered too. */
static void on_polled(void *owner, enum session_activity activity, uint64_t rss_bytes)
{
	struct opened *opened = owner;

	(void)activity;
	(void)rss_bytes;
	session_close(&opened->session);
	opened->asked = true;
	loop_timer_set(&opened->timer, CLOSED_NS);
}

static void leave_for_now(struct opened *opened)
{
	session_close(&opened->session);
	opened->asked = true;
	retry(opened);
}

/* Its main thread is in native code. The request is with it, and may be heeded after we left. */
static void on_late(void *owner, enum session_end why, const char *reason)
{
	(void)why;
	(void)reason;
	leave_for_now(owner);
}

static void on_closed(void *owner, enum session_end end, const char *reason)
{
	(void)end;
	(void)reason;
	retry(owner);
}

static void on_sample(void *owner, const char *isolate, const struct sample *sample)
{
	(void)owner;
	(void)isolate;
	(void)sample;
}

static void on_isolate_gone(void *owner, const char *isolate)
{
	(void)owner;
	(void)isolate;
}

static const struct session_events session_events = {
	.identified = on_identified,
	.sample = on_sample,
	.isolate_gone = on_isolate_gone,
	.polled = on_polled,
	.late = on_late,
	.closed = on_closed,
};

/* The target's own connection, closed a moment ago, is out of the kernel's table soon. */
static void begin_to_leave(struct opened *opened)
{
	if (opened->pid == 0) {
		if (opened->holders == 0)
			drop(opened);
		return;
	}
	/* What did not open stays in the file: the next start does not signal it again. */
	if (opened->openings->finishing && !is_open(opened) && !is_opening(opened))
		return;
	opened->leaving = true;
	opened->told = opened->asked = false;
	opened->retry_ns = 100 * NS_PER_MS;
	loop_timer_set(&opened->timer, 0);
}

/* ---- held by targets ---- */

/* It has been asked to close, or is just being asked: a client that came now would stop it. */
static bool is_closing(const struct opened *opened)
{
	return opened->leaving && (opened->asked || opened->session.state != SESSION_CLOSED);
}

static struct opened *add(struct openings *openings, const struct address *address)
{
	struct opened *opened = calloc(1, sizeof(*opened));
	int r;

	if (opened == NULL)
		return NULL;
	opened->openings = openings;
	opened->address = *address;
	opened->address.access = NULL;
	link_init(&opened->link);
	r = session_init(&opened->session, openings->context, &session_events, opened);
	if (r == 0)
		r = loop_timer_init(&opened->timer, openings->context->loop, on_timer, opened);
	list_append(&openings->list, &opened->link);
	if (r == 0)
		return opened;
	drop(opened);
	return NULL;
}

struct opened *openings_hold(struct openings *openings, const struct address *address)
{
	struct opened *opened = NULL;

	list_each (link, &openings->list) {
		if (address_equal(&opened_of(link)->address, address))
			opened = opened_of(link);
	}
	if (opened == NULL)
		opened = add(openings, address);
	if (opened == NULL)
		return NULL;
	opened->holders++;
	if (opened->leaving && !is_closing(opened)) {
		opened->leaving = false;
		loop_timer_clear(&opened->timer);
	}
	return opened;
}

void openings_let_go(struct opened *opened)
{
	if (opened != NULL && --opened->holders == 0 && !opened->leaving)
		begin_to_leave(opened);
}

/* ---- opening ---- */

static bool same_process(const struct opened *opened, const struct opening_process *process)
{
	return opened->pid == process->pid && opened->start_ticks == process->start_ticks;
}

/* It listens where it should. Was it us? */
static int accept_open(struct opened *opened, const struct opening_process *process,
		       struct err *err)
{
	bool ours = same_process(opened, process);

	if (!ours && opened->pid != 0)
		forget(opened);
	if (ours && !opened->listened) {
		opened->listened = true;
		log_opened(opened, "inspector opened by SIGUSR1");
		(void)save(opened->openings);
	}
	if (!process->exposed)
		return 0;
	opened->exposed = ours;
	return err_set(err, -EPERM, "pid %" PRId64 " has its inspector open beyond loopback%s",
		       process->pid, ours ? ": it is closed again" : "");
}

/* On the disk first: what was opened and forgotten would stay open. */
static int open_it(struct opened *opened, const struct opening_process *process, struct err *err)
{
	int r;

	if (!process->catches)
		return opening_signal(process, err);
	opened->pid = process->pid;
	opened->start_ticks = process->start_ticks;
	opened->listened = opened->exposed = false;
	opened->asked_ns = clock_mono_ns();
	r = save(opened->openings);
	if (r < 0)
		err_set(err, r, "cannot write down that it is opened: %s", strerror(-r));
	else
		r = opening_signal(process, err);
	if (r == 0)
		return OPENING_WAIT;
	forget(opened);
	return r;
}

static int need(struct opened *opened, const struct opening_process *process, struct err *err)
{
	if (process->listens)
		return accept_open(opened, process, err);
	if (process->taken)
		return err_set(err, -EADDRINUSE, "another process listens there");
	/* One that opened before may have closed by itself. */
	if (!same_process(opened, process) || opened->listened)
		return open_it(opened, process, err);
	if (opened->asked_ns != 0 && clock_mono_ns() - opened->asked_ns < OPEN_NS)
		return OPENING_WAIT;
	if (opened->exposed)
		return err_set(err, -EPERM,
			       "pid %" PRId64 " opened its inspector beyond loopback; it is not "
			       "opened again",
			       process->pid);
	return err_set(err, -ETIMEDOUT,
		       "pid %" PRId64
		       " was sent SIGUSR1 once and did not open: it has a handler of "
		       "its own; it is not sent another",
		       process->pid);
}

int openings_need(struct openings *openings, struct opened *opened, const struct opening *opening,
		  struct err *err)
{
	struct opening_process process;
	int r;

	if (is_closing(opened))
		return OPENING_WAIT;
	if (opened->leaving)
		return err_set(err, -EAGAIN, "its inspector is about to be closed");
	/* Asked every few milliseconds: by its pid, not by a look at every process. */
	if (is_opening(opened) && !is_open(opened))
		return OPENING_WAIT;
	r = opening_find(opening, openings->proc, &opened->address, &process, err);
	if (r == 0) {
		r = need(opened, &process, err);
		opening_process_fini(&process);
	}
	/* What was opened before is not what is wanted now. */
	if (r < 0 && !opened->leaving && is_open(opened))
		begin_to_leave(opened);
	return r;
}

/* ---- start and end ---- */

int openings_init(struct openings *openings, const struct session_context *context, int state_fd)
{
	*openings = (struct openings){ .context = context, .state_fd = state_fd, .proc = "/proc" };
	link_init(&openings->list);
	return load(openings);
}

void openings_fini(struct openings *openings)
{
	if (openings->list.next == NULL)
		return;
	list_each_safe (link, &openings->list)
		drop(opened_of(link));
}

void openings_close_unheld(struct openings *openings)
{
	list_each_safe (link, &openings->list) {
		struct opened *opened = opened_of(link);

		if (opened->holders == 0 && !opened->leaving)
			begin_to_leave(opened);
	}
}

static bool is_any_leaving(const struct openings *openings)
{
	list_each (link, &openings->list) {
		if (opened_of(link)->leaving)
			return true;
	}
	return false;
}

void openings_finish(struct openings *openings)
{
	uint64_t end_ns = clock_mono_ns() + FINISH_NS, now_ns;

	if (openings->list.next == NULL)
		return;
	openings->finishing = true;
	openings_close_unheld(openings);
	while (is_any_leaving(openings) && (now_ns = clock_mono_ns()) < end_ns) {
		if (loop_turn(openings->context->loop, (int)((end_ns - now_ns) / NS_PER_MS) + 1) <
		    0)
			break;
	}
	list_each (link, &openings->list) {
		if (opened_of(link)->leaving)
			log_opened(opened_of(link),
				   "inspector stays open: it could not be closed in time; the next "
				   "start tries again");
	}
}
