/*
 * Printing
 *
 * A command gathers what it says and hands it over once: so a table can be as wide as its cells,
 * and a pager gets it whole. The pager is chosen as systemd's tools choose it.
 */

#include "ctl/show.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ctl/source.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/str.h"

void show_text(struct buf *buf, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		size_t n = str_utf8_sequence(text, left);
		unsigned char first = (unsigned char)*text;

		/* C1 controls are U+0080 to U+009F: C2 80 to C2 9F */
		if (n == 0 || first < ' ' || first == 0x7f ||
		    (first == 0xc2 && (unsigned char)text[1] < 0xa0))
			buf_puts(buf, "?");
		else
			buf_append(buf, text, n);
		n = n > 0 ? n : 1;
		text += n;
		left -= n;
	}
}

char *show_time(char dst[SHOW_TIME_MAX], int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm = { 0 };

	if (wall_ms <= 0 || localtime_r(&seconds, &tm) == NULL ||
	    strftime(dst, SHOW_TIME_MAX, "%a %Y-%m-%d %H:%M:%S %Z", &tm) == 0)
		strcpy(dst, "-");
	return dst;
}

/* ---- JSON ---- */

static void new_line(struct buf *buf, unsigned depth)
{
	buf_puts(buf, "\n");
	for (unsigned i = 0; i < depth; i++)
		buf_puts(buf, "\t");
}

/* The text is our writer's: well-formed, without blanks between its tokens. */
static void indent(struct buf *buf, const char *json)
{
	bool in_string = false;
	unsigned depth = 0;

	for (const char *at = json; *at != '\0'; at++) {
		bool closes = !in_string && (*at == '}' || *at == ']');

		if (closes && at[-1] != '{' && at[-1] != '[')
			new_line(buf, --depth);
		else if (closes)
			depth--;
		buf_append(buf, at, 1);
		if (in_string && *at == '\\')
			buf_append(buf, ++at, 1);
		else if (*at == '"')
			in_string = !in_string;
		else if (in_string)
			continue;
		else if (*at == ':')
			buf_puts(buf, " ");
		else if (*at == ',')
			new_line(buf, depth);
		else if ((*at == '{' || *at == '[') && ++depth > 0 && at[1] != '}' && at[1] != ']')
			new_line(buf, depth);
	}
}

void show_json_text(struct buf *buf, const char *json, enum json_mode mode)
{
	if (mode == JSON_PRETTY)
		indent(buf, json);
	else
		buf_puts(buf, json);
	buf_puts(buf, "\n");
}

void show_json_end(struct buf *buf, struct buf *json, enum json_mode mode)
{
	if (buf_text(json) != NULL)
		show_json_text(buf, buf_text(json), mode);
	else
		buf->error = json->error;
	buf_fini(json);
}

void show_json(struct buf *buf, const struct item_array *items, enum json_mode mode)
{
	struct json_writer w;
	struct buf json;

	buf_init(&json, SHOW_MAX_BYTES);
	json_write_init(&w, &json);
	json_write_array(&w);
	for (size_t i = 0; i < items->n; i++) {
		json_write_object(&w);
		manifest_write_members(&items->items[i].manifest, &w);
		json_member_string(&w, "file", presence_name(items->items[i].file));
		json_write_object_end(&w);
	}
	json_write_array_end(&w);
	show_json_end(buf, &json, mode);
}

/* ---- out ---- */

static int write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

/* $SYSTEMD_PAGER, $PAGER, less; NULL: none is wanted. */
static const char *chosen_pager(void)
{
	const char *pager = getenv("SYSTEMD_PAGER");

	if (pager == NULL)
		pager = getenv("PAGER");
	if (pager == NULL)
		pager = "less";
	return pager[0] == '\0' || strcmp(pager, "cat") == 0 ? NULL : pager;
}

static void become_pager(const char *pager, int fds[2])
{
	const char *flags = getenv("SYSTEMD_LESS");

	dup2(fds[0], STDIN_FILENO);
	close(fds[0]);
	close(fds[1]);
	signal(SIGPIPE, SIG_DFL);
	setenv("LESS", flags != NULL ? flags : "FRSXMK", 1);
	setenv("LESSSECURE", "1", 0);
	execl("/bin/sh", "sh", "-c", pager, (char *)NULL);
	_exit(127);
}

/* 0; -errno when there is no such pager: 127 is the shell's word for it. */
static int page(const char *pager, const char *data, size_t size)
{
	int fds[2], status = 0;
	pid_t pid;

	if (pipe(fds) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		become_pager(pager, fds);
	close(fds[0]);
	if (pid > 0)
		write_all(fds[1], data, size);
	close(fds[1]);
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? -ENOENT : 0;
}

int show_out(struct buf *buf, bool pager)
{
	const char *program = pager && isatty(STDOUT_FILENO) ? chosen_pager() : NULL;
	int r = buf->error;

	if (r == 0 && (program == NULL || page(program, buf->data, buf->size) < 0))
		r = write_all(STDOUT_FILENO, buf->data, buf->size);
	buf_fini(buf);
	if (r == 0 || r == -EPIPE)
		return CTL_OK;
	fprintf(stderr, "heapwatchctl: cannot print: %s\n", strerror(-r));
	return CTL_FAILURE;
}

int show_top(struct buf *buf, int r, const struct ctl_options *options, struct err *err)
{
	r = r == 0 ? buf->error : r;
	if (r == 0)
		return show_out(buf, options->pager);
	buf_fini(buf);
	return source_fail(err, CTL_FAILURE, r, "too much to show; --top=NUMBER shows less");
}
