/*
 * Log lines as they leave: stderr is replaced by a datagram socket, so that every write(2) arrives
 * as one message and a line in two writes would show.
 */

#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "util/clock.h"

static int receiver = -1;

static void capture_stderr(void)
{
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
	cr_assert_geq(dup2(fds[1], STDERR_FILENO), 0);
	close(fds[1]);
	receiver = fds[0];
	clock_simulate(1, 1769903999999);
}

TestSuite(log, .init = capture_stderr);

/* One datagram, terminated; "" when nothing was written. */
static const char *next_line(void)
{
	static char line[8192];
	ssize_t n = recv(receiver, line, sizeof(line) - 1, MSG_DONTWAIT);

	line[n > 0 ? n : 0] = '\0';
	return line;
}

Test(log, logfmt_line)
{
	const struct log_field fields[] = {
		{ "target", "api" },
		{ "gone", NULL },
		{ NULL, "unnamed" },
		{ "bytes", "123" },
	};

	log_setup(LEVEL_INFO, LOG_LOGFMT);
	log_event(LEVEL_INFO, "capture", LOG_ID_CAPTURE_DONE, fields, 4, "snapshot %s", "done");
	cr_assert_str_eq(next_line(), "ts=2026-01-31T23:59:59.999Z level=info component=capture "
				      "msg=\"snapshot done\" target=api bytes=123\n");
	cr_assert_str_eq(next_line(), "");
}

Test(log, json_line)
{
	const struct log_field fields[] = { { "target", "a \"b\"\n" }, { "bytes", "123" } };

	log_setup(LEVEL_INFO, LOG_JSON);
	log_event(LEVEL_WARN, "watch", NULL, fields, 2, "slow");
	cr_assert_str_eq(next_line(), "{\"ts\":\"2026-01-31T23:59:59.999Z\",\"level\":\"warn\","
				      "\"component\":\"watch\",\"msg\":\"slow\","
				      "\"target\":\"a \\\"b\\\"\\n\",\"bytes\":\"123\"}\n");
}

Test(log, logfmt_quotes_what_needs_it)
{
	static const struct {
		const char *value, *expected;
	} cases[] = {
		{ "plain-1.5/x:y", "v=plain-1.5/x:y\n" },
		{ "", "v=\"\"\n" },
		{ "a b", "v=\"a b\"\n" },
		{ "a=b", "v=\"a=b\"\n" },
		{ "\"", "v=\"\\\"\"\n" },
		{ "C:\\x", "v=\"C:\\\\x\"\n" },
		{ "two\nlines\r\tx", "v=\"two\\nlines\\r\\tx\"\n" },
		{ "\x1b[31mred", "v=\"\\u001b[31mred\"\n" },
		{ "\x7f", "v=\"\\u007f\"\n" },
		{ "\xc2\x9b"
		  "31m",
		  "v=\"\\u009b31m\"\n" },
		{ "\xc3\xa9", "v=\"\xc3\xa9\"\n" },
		{ "\xf0\x9f\x98\x80", "v=\"\xf0\x9f\x98\x80\"\n" },
		{ "cut\xf0\x9f", "v=\"cut\xef\xbf\xbd\xef\xbf\xbd\"\n" },
		{ "x\ny=1 level=error", "v=\"x\\ny=1 level=error\"\n" },
	};

	log_setup(LEVEL_INFO, LOG_LOGFMT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct log_field field = { "v", cases[i].value };
		const char *at;

		log_event(LEVEL_INFO, "c", NULL, &field, 1, "m");
		at = strstr(next_line(), "v=");
		cr_assert_str_eq(at, cases[i].expected, "case %zu: %s", i, at);
	}
}

Test(log, level_decides)
{
	log_setup(LEVEL_WARN, LOG_LOGFMT);
	cr_assert_not(log_enabled(LEVEL_DEBUG));
	cr_assert_not(log_enabled(LEVEL_INFO));
	cr_assert(log_enabled(LEVEL_WARN));
	cr_assert(log_enabled(LEVEL_ERROR));
	log_info("c", "no");
	cr_assert_str_eq(next_line(), "");
	log_error("c", "yes");
	cr_assert_not_null(strstr(next_line(), "level=error component=c msg=yes\n"));
	log_setup(LEVEL_DEBUG, LOG_LOGFMT);
	log_debug("c", "%d", 5);
	cr_assert_not_null(strstr(next_line(), "level=debug component=c msg=5\n"));
}

static int quotes(const char *line)
{
	int n = 0;

	for (; *line != '\0'; line++) {
		if (*line == '\\')
			line++;
		else
			n += *line == '"';
	}
	return n;
}

/* Two fields of `size` bytes that grow to six each when escaped, after `lead` that stay. */
static void check_long_line(enum log_format format, size_t lead, size_t size, const char *tail)
{
	char value[6000];
	const struct log_field fields[] = {
		{ "a", value },
		{ "b", value },
		{ "last", "z" },
	};
	const char *line;
	size_t n;

	memset(value, 'x', lead);
	memset(value + lead, '\x01', size);
	value[lead + size] = '\0';
	log_setup(LEVEL_INFO, format);
	log_event(LEVEL_INFO, "c", NULL, fields, 3, "m");
	line = next_line();
	n = strlen(line);
	cr_assert_leq(n, 4096, "%zu bytes", n);
	cr_assert_eq(strchr(line, '\n'), line + n - 1, "one line");
	cr_assert_eq(quotes(line) % 2, 0, "unbalanced: %s", line);
	cr_assert_str_eq(line + n - strlen(tail), tail, "size %zu: %s", size, line + n - 30);
}

Test(log, long_values_are_cut_and_stay_parsable)
{
	/* Every way a line can fill up: by the lead, six escaped bytes at a time. */
	for (size_t lead = 0; lead < 40; lead++) {
		check_long_line(LOG_LOGFMT, lead, 5900, "...\"\n");
		check_long_line(LOG_JSON, lead, 5900, "...\"}\n");
		for (size_t size = 320; size < 345; size++)
			check_long_line(LOG_JSON, lead, size, "\"}\n");
	}
	check_long_line(LOG_LOGFMT, 0, 10, " last=z\n");
	check_long_line(LOG_JSON, 0, 10, ",\"last\":\"z\"}\n");
}

Test(log, long_message_is_cut)
{
	char text[3000];
	const char *line;

	memset(text, 'm', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_setup(LEVEL_INFO, LOG_LOGFMT);
	log_info("c", "%s", text);
	line = next_line();
	cr_assert_str_eq(line + strlen(line) - 6, "mm...\n");
	cr_assert_lt(strlen(line), 1200);
}

static struct log_record seen;
static char seen_message[64];

static void keep_record(const struct log_record *record)
{
	seen = *record;
	snprintf(seen_message, sizeof(seen_message), "%s", record->message);
}

Test(log, sink_replaces_stderr)
{
	const struct log_field field = { "target", "api" };

	log_setup(LEVEL_INFO, LOG_LOGFMT);
	log_set_sink(keep_record);
	log_event(LEVEL_ERROR, "capture", LOG_ID_CAPTURE_FAILED, &field, 1, "broke %d", 3);
	cr_assert_str_eq(next_line(), "");
	cr_assert_str_eq(seen_message, "broke 3");
	cr_assert_str_eq(seen.component, "capture");
	cr_assert_str_eq(seen.message_id, LOG_ID_CAPTURE_FAILED);
	cr_assert(seen.level == LEVEL_ERROR && seen.fields == &field && seen.fields_n == 1);
	log_set_sink(NULL);
	log_info("c", "back");
	cr_assert_not_null(strstr(next_line(), "msg=back"));
}

/* A pipe that nobody reads. */
static int stall(void)
{
	char noise[4096] = "";
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	cr_assert_eq(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	while (write(fds[1], noise, sizeof(noise)) > 0)
		continue;
	cr_assert_eq(fcntl(fds[1], F_SETFL, 0), 0);
	cr_assert_geq(dup2(fds[1], STDERR_FILENO), 0);
	close(fds[1]);
	return fds[0];
}

Test(log, lines_are_lost_and_counted_while_nobody_reads, .timeout = 20)
{
	char text[1 << 18], *said;
	int fd = stall();
	ssize_t n;

	log_setup(LEVEL_INFO, LOG_LOGFMT);
	for (int i = 0; i < 1000; i++)
		log_info("test", "a line that is lost");
	cr_assert_gt(read(fd, text, sizeof(text)), 0);
	log_info("test", "a line again");
	log_info("test", "and another");
	n = read(fd, text, sizeof(text) - 1);
	cr_assert_gt(n, 0);
	text[n] = '\0';
	said = strstr(text,
		      "level=warn component=log msg=\"lines lost, for nobody read them: 1000\"\n");
	cr_assert_not_null(said, "%s", text);
	said = strstr(said, "msg=\"a line again\"\n");
	cr_assert_not_null(said, "%s", text);
	cr_assert_not_null(strstr(said, "msg=\"and another\"\n"), "%s", text);
	close(fd);
}

/* A page of the pipe is read now and then: that is no reason to wait again for each line. */
Test(log, a_reader_that_is_slow_is_not_waited_for_again, .timeout = 20)
{
	char page[4096];
	int fd = stall();

	log_setup(LEVEL_INFO, LOG_LOGFMT);
	for (int i = 0; i < 50; i++) {
		cr_assert_eq(read(fd, page, sizeof(page)), (ssize_t)sizeof(page));
		for (int j = 0; j < 100; j++)
			log_info("test", "a line of two hundred bytes %0150d", j);
	}
	close(fd);
}

static void *log_to_the_full(void *unused)
{
	(void)unused;
	for (int i = 0; i < 2000; i++)
		log_info("test", "a line of two hundred bytes %0150d", i);
	return NULL;
}

/* None of them waits for ever for room that another has taken. */
Test(log, threads_at_a_full_stderr, .timeout = 20)
{
	pthread_t threads[4];
	char page[4096];
	int fd = stall();

	log_setup(LEVEL_INFO, LOG_LOGFMT);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, log_to_the_full, NULL), 0);
	for (int i = 0; i < 10; i++)
		cr_assert_gt(read(fd, page, sizeof(page)), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	close(fd);
}

Test(log, errno_survives)
{
	close(STDERR_FILENO);
	errno = ENOTDIR;
	log_error("c", "to nowhere");
	cr_assert_eq(errno, ENOTDIR);
}

static void *log_many(void *name)
{
	for (int i = 0; i < 200; i++)
		log_info(name, "line %d", i);
	return NULL;
}

Test(log, threads_do_not_tear_lines)
{
	static char names[3][2] = { "a", "b", "c" };
	pthread_t threads[3];
	int lines[3] = { 0 };

	log_setup(LEVEL_INFO, LOG_LOGFMT);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, log_many, names[i]), 0);
	for (int i = 0; i < 600; i++) {
		char line[256];
		ssize_t n = recv(receiver, line, sizeof(line) - 1, 0);
		char name;
		int number;

		cr_assert_gt(n, 0);
		line[n] = '\0';
		cr_assert_eq(sscanf(line,
				    "ts=2026-01-31T23:59:59.999Z level=info component=%c "
				    "msg=\"line %d\"\n",
				    &name, &number),
			     2, "%s", line);
		cr_assert_eq(number, lines[name - 'a']++, "lost or out of order");
	}
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

Test(log, names_are_parsed)
{
	enum log_level level = LEVEL_ERROR;
	enum log_format format = LOG_JSON;

	cr_assert(log_level_parse("debug", &level) == 0 && level == LEVEL_DEBUG);
	cr_assert(log_level_parse("warn", &level) == 0 && level == LEVEL_WARN);
	cr_assert_eq(log_level_parse("WARN", &level), -EINVAL);
	cr_assert_eq(log_level_parse("", &level), -EINVAL);
	cr_assert_eq(level, LEVEL_WARN);
	cr_assert(log_format_parse("logfmt", &format) == 0 && format == LOG_LOGFMT);
	cr_assert(log_format_parse("json", &format) == 0 && format == LOG_JSON);
	cr_assert_eq(log_format_parse("xml", &format), -EINVAL);
}
