/* What the daemon says to systemd and takes from it, without a systemd. */

#include "service.c"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "util/buf.h"

enum { MESSAGE_MAX = 1024, WAIT_S = 5 };

/* ---- a manager: the datagram socket that NOTIFY_SOCKET names ---- */

static int manager_new(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(address);
	char name[sizeof(address.sun_path)];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct timeval limit = { .tv_sec = WAIT_S };

	cr_assert(fd >= 0);
	/* Autobind: the kernel picks an abstract name. */
	cr_assert(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) == 0);
	cr_assert(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
	cr_assert(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
	snprintf(name, sizeof(name), "@%.*s", (int)(size - sizeof(sa_family_t) - 1),
		 address.sun_path + 1);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static const char *heard(int fd)
{
	static char message[MESSAGE_MAX];
	ssize_t n = recv(fd, message, sizeof(message) - 1, 0);

	cr_assert(n > 0, "the manager heard nothing");
	message[n] = '\0';
	return message;
}

Test(service, tells_ready_stopping_and_status)
{
	int fd = manager_new();

	service_ready();
	cr_assert_str_eq(heard(fd), "READY=1");
	service_status("%d of %d targets up", 3, 4);
	cr_assert_str_eq(heard(fd), "STATUS=3 of 4 targets up");
	service_stopping();
	cr_assert_str_eq(heard(fd), "STOPPING=1");
	close(fd);
}

Test(service, status_cannot_smuggle_in_another_assignment)
{
	int fd = manager_new();

	service_status("a target called x\nMAINPID=1");
	cr_assert_str_eq(heard(fd), "STATUS=a target called x MAINPID=1");
	close(fd);
}

Test(service, tells_when_a_reload_began)
{
	uint64_t before_us = clock_mono_ns() / USEC_NS;
	unsigned long long said_us;
	int fd = manager_new();

	service_reloading();
	cr_assert(sscanf(heard(fd), "RELOADING=1\nMONOTONIC_USEC=%llu", &said_us) == 1);
	cr_assert(said_us >= before_us && said_us <= clock_mono_ns() / USEC_NS);
	close(fd);
}

Test(service, is_silent_and_harmless_without_systemd)
{
	struct service service;
	struct loop loop;

	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("JOURNAL_STREAM");
	cr_assert(loop_init(&loop) == 0);
	cr_assert(service_init(&service, &loop) == 0);
	cr_assert(service.watchdog_ns == 0);
	service_ready();
	service_status("nobody listens");
	service_fini(&service);
	loop_fini(&loop);
}

/* ---- the watchdog ---- */

Test(service, feeds_the_watchdog_at_half_its_time_from_the_loop)
{
	struct service service;
	struct loop loop;
	char pid[32];
	int fd = manager_new();
	uint64_t began_ns;

	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	setenv("WATCHDOG_USEC", "100000", 1);
	cr_assert(loop_init(&loop) == 0);
	cr_assert(service_init(&service, &loop) == 0);
	cr_assert(service.watchdog_ns == 100 * NS_PER_MS);
	began_ns = clock_mono_ns();
	for (int fed = 0; fed < 3; fed++) {
		char message[MESSAGE_MAX] = "";

		while (recv(fd, message, sizeof(message) - 1, MSG_DONTWAIT) < 0)
			loop_turn(&loop, WAIT_S * 1000);
		cr_assert_str_eq(message, "WATCHDOG=1");
	}
	cr_assert(clock_mono_ns() - began_ns >= 3 * 49 * NS_PER_MS, "fed too often");
	service_fini(&service);
	loop_fini(&loop);
	close(fd);
}

Test(service, leaves_the_watchdog_of_another_process_alone)
{
	struct service service;
	struct loop loop;

	setenv("WATCHDOG_PID", "1", 1);
	setenv("WATCHDOG_USEC", "100000", 1);
	cr_assert(loop_init(&loop) == 0);
	cr_assert(service_init(&service, &loop) == 0);
	cr_assert(service.watchdog_ns == 0);
	service_fini(&service);
	loop_fini(&loop);
}

/* ---- passed sockets ---- */

enum { KEPT = 16 }; /* of a status: each connection that was kept */

static void on_kept(void *owner, int fd, const char *name)
{
	if (fcntl(fd, F_GETFD) == FD_CLOEXEC && strcmp(name, "0123") == 0)
		*(int *)owner += KEPT;
}

/* Listeners, and KEPT for each connection with its name; nothing of it is passed on. */
static int took(size_t max)
{
	int fds[4], kept = 0;
	int listeners = (int)service_sockets(fds, max, on_kept, &kept);

	for (int i = 0; i < listeners; i++)
		if (fcntl(fds[i], F_GETFD) != FD_CLOEXEC)
			return -1;
	return getenv("LISTEN_FDS") || getenv("LISTEN_FDNAMES") ? -1 : listeners + kept;
}

/*
 * In a child, because descriptor 3 is the test framework's own here. names: of both, with a colon
 * between; NULL: they have none.
 */
static int passed(int first, int second, const char *names, size_t max)
{
	int status;
	pid_t pid = fork();

	cr_assert(pid >= 0);
	if (pid == 0) {
		char text[32];
		int a = fcntl(first, F_DUPFD, 10), b = fcntl(second, F_DUPFD, 10);

		dup2(a, SD_LISTEN_FDS_START);
		dup2(b, SD_LISTEN_FDS_START + 1);
		snprintf(text, sizeof(text), "%d", getpid());
		setenv("LISTEN_PID", text, 1);
		setenv("LISTEN_FDS", "2", 1);
		if (names != NULL)
			setenv("LISTEN_FDNAMES", names, 1);
		_exit(took(max));
	}
	cr_assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int listener(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	cr_assert(listen(fd, 1) == 0);
	return fd;
}

Test(service, takes_the_passed_listeners)
{
	int a = listener(), b = listener();

	cr_assert_eq(passed(a, b, NULL, 4), 2);
	cr_assert_eq(passed(a, b, "heapwatchd.socket:other", 4), 2);
	close(a);
	close(b);
}

Test(service, refuses_what_is_no_listener)
{
	int a = listener();
	int datagram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(passed(datagram, a, NULL, 4), 1);
	close(a);
	close(datagram);
}

Test(service, takes_no_more_than_there_is_room_for)
{
	int a = listener(), b = listener();

	cr_assert_eq(passed(a, b, NULL, 1), 1);
	close(a);
	close(b);
}

Test(service, takes_none_when_none_are_passed)
{
	unsetenv("LISTEN_FDS");
	cr_assert_eq(took(4), 0);
}

/* ---- connections that systemd keeps ---- */

/* What the manager is told, and the descriptor that comes with it; -1: none. */
static const char *heard_with(int manager, int *ret_fd)
{
	static char message[MESSAGE_MAX];
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec text = { .iov_base = message, .iov_len = sizeof(message) - 1 };
	struct msghdr received = {
		.msg_iov = &text,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(manager, &received, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *header = CMSG_FIRSTHDR(&received);

	cr_assert(n > 0, "the manager heard nothing");
	message[n] = '\0';
	*ret_fd = -1;
	if (header != NULL && header->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
	return message;
}

static bool same_file(int a, int b)
{
	struct stat one, two;

	return fstat(a, &one) == 0 && fstat(b, &two) == 0 && one.st_ino == two.st_ino &&
	       one.st_dev == two.st_dev;
}

Test(service, has_a_connection_kept_and_no_longer)
{
	int manager = manager_new(), pair[2], fd;

	cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	service_keep("0123", pair[0]);
	cr_assert_str_eq(heard_with(manager, &fd), "FDSTORE=1\nFDNAME=capture-0123");
	cr_assert(fd >= 0 && fd != pair[0] && same_file(fd, pair[0]));
	close(fd);
	service_keep("0123", -1);
	cr_assert_str_eq(heard_with(manager, &fd), "FDSTOREREMOVE=1\nFDNAME=capture-0123");
	cr_assert_eq(fd, -1);
	close(pair[0]);
	close(pair[1]);
	close(manager);
}

Test(service, nobody_keeps_a_connection_without_systemd)
{
	unsetenv("NOTIFY_SOCKET");
	service_keep("0123", STDERR_FILENO);
	service_keep("0123", -1);
}

Test(service, takes_a_connection_that_was_kept)
{
	int pair[2], a = listener();

	cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	cr_assert_eq(passed(a, pair[0], "heapwatchd.socket:capture-0123", 4), 1 + KEPT);
	cr_assert_eq(passed(pair[0], a, "capture-0123:heapwatchd.socket", 4), 1 + KEPT);
	cr_assert_eq(passed(a, pair[0], "heapwatchd.socket:capture-0123", 0), KEPT);
	close(pair[1]); /* it has ended meanwhile */
	cr_assert_eq(passed(a, pair[0], "heapwatchd.socket:capture-0123", 4), 1 + KEPT);
	close(pair[0]);
	close(a);
}

Test(service, takes_nothing_else_for_one)
{
	int manager = manager_new(), pair[2], a = listener(), fd;
	int datagram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	cr_assert_eq(passed(pair[0], datagram, "heapwatchd.socket:other", 4), 0);
	cr_assert_eq(recv(manager, &fd, sizeof(fd), MSG_DONTWAIT), -1, "they are not ours");
	cr_assert_eq(passed(a, datagram, "capture-1:capture-2", 4), 0);
	cr_assert_str_eq(heard(manager), "FDSTOREREMOVE=1\nFDNAME=capture-1");
	cr_assert_str_eq(heard(manager), "FDSTOREREMOVE=1\nFDNAME=capture-2");
	close(pair[0]);
	close(pair[1]);
	close(datagram);
	close(manager);
	close(a);
}

/* ---- the journal ---- */

static const struct log_field fields[] = {
	{ "target", "api-1" },
	{ "reason", "said\nPRIORITY=0" },
	{ "absent", NULL },
};
static const struct log_record record = {
	.level = LEVEL_WARN,
	.component = "watch",
	.message_id = LOG_ID_TARGET_DOWN,
	.message = "target is down",
	.fields = fields,
	.fields_n = 3,
};

/* The entry as lines "NAME=value" between bars. */
static char *composed(const struct log_record *from)
{
	struct entry *entry = malloc(sizeof(*entry));
	struct buf buf;

	buf_init(&buf, 64 * 1024);
	compose(entry, from);
	for (int i = 0; i < entry->fields_n; i++)
		buf_printf(&buf, "|%.*s", (int)entry->fields[i].iov_len,
			   (const char *)entry->fields[i].iov_base);
	free(entry);
	return buf_take(&buf, NULL);
}

Test(journal, entry_has_the_sentence_and_every_field)
{
	char *text = composed(&record);

	cr_assert_str_eq(text, "|PRIORITY=4|MESSAGE_ID=" LOG_ID_TARGET_DOWN
			       "|MESSAGE=target is down target=api-1 reason=said PRIORITY=0"
			       "|HEAPWATCH_COMPONENT=watch|HEAPWATCH_TARGET=api-1"
			       "|HEAPWATCH_REASON=said\nPRIORITY=0");
	free(text);
}

Test(journal, entry_without_id_or_fields_leaves_them_out)
{
	const struct log_record plain = { .level = LEVEL_INFO, .component = "x", .message = "y" };
	char *text = composed(&plain);

	cr_assert_str_eq(text, "|PRIORITY=6|MESSAGE=y|HEAPWATCH_COMPONENT=x");
	free(text);
}

Test(journal, keeps_the_sentence_when_a_value_is_too_long)
{
	char *longer = malloc(2 * ENTRY_MAX_BYTES);
	struct log_field field = { "reason", longer };
	struct log_record big = record;
	char *text;

	memset(longer, 'x', 2 * ENTRY_MAX_BYTES - 1);
	longer[2 * ENTRY_MAX_BYTES - 1] = '\0';
	big.fields = &field;
	big.fields_n = 1;
	text = composed(&big);
	cr_assert(strstr(text, "|MESSAGE=target is down reason=xxx") != NULL);
	cr_assert(strstr(text, "|HEAPWATCH_COMPONENT=watch") != NULL);
	cr_assert(strstr(text, "|HEAPWATCH_REASON") == NULL, "a cut value would be a wrong one");
	free(text);
	free(longer);
}

Test(journal, is_used_only_when_stderr_is_its_stream)
{
	char text[64];
	struct stat st;

	cr_assert(fstat(STDERR_FILENO, &st) == 0);
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", text, 1);
	cr_assert(stderr_is_journal());
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + 1);
	setenv("JOURNAL_STREAM", text, 1);
	cr_assert_not(stderr_is_journal());
	setenv("JOURNAL_STREAM", "nonsense", 1);
	cr_assert_not(stderr_is_journal());
}
