/*
 * Service
 *
 * systemd's side of the daemon. Notifications are datagrams to $NOTIFY_SOCKET and do nothing
 * without it. The watchdog is fed from a timer of the control loop and by nobody else, so that a
 * loop that hangs is a daemon that systemd restarts.
 *
 * When stderr is the journal, lines go there as fields instead of text: a person sees the sentence
 * with its fields behind it, `journalctl -F HEAPWATCH_TARGET` and the catalog see the parts. An
 * entry is composed in one fixed buffer, because logging that memory ran out must need none.
 */

#include "service.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"
#include "util/str.h"

enum {
	ENTRY_MAX_BYTES = 8192, /* twice a line of the text log: every value is there twice */
	MESSAGE_MAX_BYTES = ENTRY_MAX_BYTES / 2, /* the rest is for the fields by themselves */
	ENTRY_FIELDS_MAX = 32,
	STATUS_MAX_BYTES = 512,
	USEC_NS = 1000,
};

/* WatchdogSec= and TimeoutStopSec= of the unit that we ship. */
#define HANG_NS (30 * NS_PER_S)
#define STOP_NS (60 * NS_PER_S)

/* ---- the journal ---- */

/* An entry of the journal: fields, each "NAME=value", one after the other in text. */
struct entry {
	struct iovec fields[ENTRY_FIELDS_MAX];
	int fields_n;
	char text[ENTRY_MAX_BYTES];
	size_t size;
	size_t field_start;
};

static void put(struct entry *entry, char c)
{
	if (entry->size < sizeof(entry->text))
		entry->text[entry->size++] = c;
}

static void put_text(struct entry *entry, const char *text)
{
	for (; *text != '\0'; text++)
		put(entry, *text);
}

static void end_field(struct entry *entry)
{
	if (entry->fields_n == ENTRY_FIELDS_MAX || entry->size == sizeof(entry->text)) {
		entry->size = entry->field_start; /* no room: left out whole */
		return;
	}
	entry->fields[entry->fields_n++] = (struct iovec){
		.iov_base = entry->text + entry->field_start,
		.iov_len = entry->size - entry->field_start,
	};
	entry->field_start = entry->size;
}

static void add_field(struct entry *entry, const char *name, const char *value)
{
	if (value == NULL)
		return;
	put_text(entry, name);
	put(entry, '=');
	put_text(entry, value);
	end_field(entry);
}

/* HEAPWATCH_<FIELD>: names in the journal are upper case. */
static void add_own_field(struct entry *entry, const char *name, const char *value)
{
	if (name == NULL || value == NULL)
		return;
	put_text(entry, "HEAPWATCH_");
	for (; *name != '\0'; name++)
		put(entry, *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name);
	put(entry, '=');
	put_text(entry, value);
	end_field(entry);
}

/* The sentence, and behind it the fields for those who read plain `journalctl`. */
static void add_message(struct entry *entry, const struct log_record *record)
{
	put_text(entry, "MESSAGE=");
	put_text(entry, record->message);
	for (size_t i = 0; i < record->fields_n; i++) {
		const struct log_field *field = &record->fields[i];

		if (field->name == NULL || field->value == NULL)
			continue;
		put(entry, ' ');
		put_text(entry, field->name);
		put(entry, '=');
		for (const char *c = field->value; *c != '\0' && entry->size < MESSAGE_MAX_BYTES;
		     c++)
			put(entry, (unsigned char)*c < ' ' ? ' ' : *c);
	}
	end_field(entry);
}

static const char *priority_of(enum log_level level)
{
	switch (level) {
	case LEVEL_ERROR:
		return "3";
	case LEVEL_WARN:
		return "4";
	case LEVEL_INFO:
		return "6";
	case LEVEL_DEBUG:
	default:
		return "7";
	}
}

static void compose(struct entry *entry, const struct log_record *record)
{
	entry->fields_n = 0;
	entry->size = entry->field_start = 0;
	add_field(entry, "PRIORITY", priority_of(record->level));
	add_field(entry, "MESSAGE_ID", record->message_id);
	add_message(entry, record);
	add_own_field(entry, "component", record->component);
	for (size_t i = 0; i < record->fields_n; i++)
		add_own_field(entry, record->fields[i].name, record->fields[i].value);
}

static void send_to_journal(const struct log_record *record)
{
	struct entry entry;

	compose(&entry, record);
	/* A journal that cannot be reached can only be told about in the journal. */
	(void)sd_journal_sendv(entry.fields, entry.fields_n);
}

/* $JOURNAL_STREAM is inherited by children whose stderr is something else: compare the inode. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	if (stream == NULL || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

/* ---- the watchdog ---- */

/* Half of it, as sd_watchdog_enabled(3) advises. */
static int feed_again(struct service *service)
{
	return loop_timer_set(&service->watchdog, service->watchdog_ns / 2);
}

static void feed_watchdog(void *owner)
{
	struct service *service = owner;

	sd_notify(0, "WATCHDOG=1");
	if (feed_again(service) < 0)
		log_error("service", "the watchdog timer cannot be set; systemd will restart us");
}

int service_init(struct service *service, struct loop *loop)
{
	uint64_t timeout_us = 0;
	int r;

	memset(service, 0, sizeof(*service));
	if (stderr_is_journal())
		log_set_sink(send_to_journal);
	r = loop_timer_init(&service->watchdog, loop, feed_watchdog, service);
	if (r < 0 || sd_watchdog_enabled(0, &timeout_us) <= 0)
		return r;
	service->watchdog_ns = timeout_us * USEC_NS;
	return feed_again(service);
}

int service_watch(struct service *service, struct loop *loop)
{
	return hang_watch_init(&service->hang, loop,
			       service->watchdog_ns > 0 ? service->watchdog_ns : HANG_NS);
}

void service_watch_last(struct service *service)
{
	hang_watch_last(&service->hang, STOP_NS);
}

void service_fini(struct service *service)
{
	hang_watch_fini(&service->hang);
	loop_timer_fini(&service->watchdog);
	log_set_sink(NULL);
}

/* ---- notifications ---- */

void service_ready(void)
{
	sd_notify(0, "READY=1");
}

void service_reloading(void)
{
	/* Type=notify-reload (systemd 253) wants the time of the reload to tell old from new. */
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)(clock_mono_ns() / USEC_NS));
}

void service_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void service_status(const char *fmt, ...)
{
	char status[STATUS_MAX_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(status, sizeof(status), fmt, args);
	va_end(args);
	/* A newline would begin another assignment. */
	for (char *c = status; *c != '\0'; c++) {
		if (*c == '\n')
			*c = ' ';
	}
	sd_notifyf(0, "STATUS=%s", status);
}

/* ---- what systemd keeps and passes ---- */

/* Names in its store are of all kinds of things, ours and those of units. */
static const char kept_prefix[] = "capture-";

void service_keep(const char *name, int fd)
{
	char state[STATUS_MAX_BYTES];
	int r;

	snprintf(state, sizeof(state), "FDSTORE%s=1\nFDNAME=%s%s", fd < 0 ? "REMOVE" : "",
		 kept_prefix, name);
	r = fd < 0 ? sd_notify(0, state) : sd_pid_notify_with_fds(0, 0, state, &fd, 1);
	if (r < 0)
		log_warn("service", "systemd cannot be told of a connection to be kept: %s",
			 strerror(-r));
}

static bool is_stream(int fd, bool listening)
{
	return sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, listening) > 0;
}

/* In the store it would come again and again. */
static void refuse(int fd, const char *name)
{
	log_warn("service",
		 "a passed descriptor is no listening stream socket, nor a connection that was "
		 "kept, or one too many; it is closed");
	close(fd);
	if (str_has_prefix(name, kept_prefix))
		service_keep(name + strlen(kept_prefix), -1);
}

size_t service_sockets(int *fds, size_t max, service_kept_fn *kept, void *owner)
{
	char **names = NULL;
	int passed = sd_listen_fds_with_names(1, &names);
	size_t n = 0;

	if (passed < 0)
		log_error("service", "what systemd passes cannot be taken: %s", strerror(-passed));
	for (int i = 0; i < passed; i++) {
		int fd = SD_LISTEN_FDS_START + i;
		bool was_kept = str_has_prefix(names[i], kept_prefix);

		if (was_kept && is_stream(fd, false))
			kept(owner, fd, names[i] + strlen(kept_prefix));
		else if (!was_kept && n < max && is_stream(fd, true))
			fds[n++] = fd;
		else
			refuse(fd, names[i]);
	}
	for (int i = 0; i < passed; i++)
		free(names[i]);
	free(names);
	return n;
}
