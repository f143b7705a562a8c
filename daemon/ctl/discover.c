/*
 * heapwatchctl discover
 *
 * Inspectors of this host as a list for file_sd_configs. What a person has to know of them goes to
 * stderr, so that the list can go to a file: which are open to others, which are not in it and why.
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ask.h"
#include "ctl/candidates.h"
#include "ctl/command.h"
#include "ctl/show.h"
#include "ctl/source.h"
#include "inspect/runtime.h"
#include "inspect/sample.h"
#include "json/write.h"
#include "net/address.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"
#include "util/thread.h"

/*
 * An inspector answers in milliseconds, but for one that starts or works on a busy machine. All are
 * asked at once: the longest of them is what it takes.
 */
#define ASK_NS (5 * NS_PER_S)

enum { LABELS = 4, LABEL_MAX = 128, ASKED_AT_ONCE = 64 };

struct inspector {
	const struct candidate *candidate; /* borrowed */
	struct address address; /* where to connect */
	int answer; /* of ask() */
	struct err err;
	const struct runtime *runtime;
	struct identity identity;
	char name[LABEL_MAX];
};

struct inspectors {
	struct inspector *items; /* owned; of all candidates first, the first n in the end */
	size_t n;
	size_t taken; /* left out, for they have the only client they can have */
	size_t asked_of; /* how many candidates there are */
	atomic_size_t next; /* whom to ask */
};

/* ---- what to say of one ---- */

/* How to have it on loopback only. NULL: it is no runtime that is supported. */
static const char *remedy(const struct runtime *runtime)
{
	return runtime != NULL && runtime->loopback != NULL ? runtime->loopback
							    : "--inspect=127.0.0.1:PORT";
}

static void warn_exposed(const struct candidate *candidate, const struct runtime *runtime)
{
	char bound[ADDRESS_TEXT_MAX];

	if (address_is_local(&candidate->bound))
		return;
	fprintf(stderr,
		"heapwatchctl: warning: the inspector of %s (pid %" PRId64 ") is bound to %s: "
		"whoever reaches that port runs code in the program; start it with %s, and keep "
		"the port behind a firewall until then\n",
		candidate->name, candidate->pid, address_format(bound, &candidate->bound),
		remedy(runtime));
}

/* What calls itself something may call itself anything. */
static void note_unsupported(const struct candidate *candidate, const char *what)
{
	char bound[ADDRESS_TEXT_MAX];
	struct buf shown;

	buf_init(&shown, ERR_TEXT_MAX);
	show_text(&shown, what);
	fprintf(stderr,
		"heapwatchctl: %s (pid %" PRId64 ") is left out: heapwatchd does not support the "
		"inspector of %s, at %s\n",
		candidate->name, candidate->pid, buf_text(&shown) != NULL ? buf_text(&shown) : "?",
		address_format(bound, &candidate->bound));
	buf_fini(&shown);
}

static void note_no_path(const struct candidate *candidate)
{
	char bound[ADDRESS_TEXT_MAX];

	address_format(bound, &candidate->bound);
	fprintf(stderr,
		"heapwatchctl: %s (pid %" PRId64 ") is left out: the path of Bun's WebSocket at "
		"%s cannot be asked for; Bun prints it when it starts, or start it with "
		"--inspect=%s/PATH\n",
		candidate->name, candidate->pid, bound, bound);
}

/* It may be no inspector at all: a server that waits for its client to speak. */
static void note_silent(const struct candidate *candidate)
{
	char bound[ADDRESS_TEXT_MAX], waited[STR_UNIT_MAX];

	fprintf(stderr,
		"heapwatchctl: %s (pid %" PRId64 ") is left out: what listens at %s has not "
		"answered within %s\n",
		candidate->name, candidate->pid, address_format(bound, &candidate->bound),
		str_format_duration(waited, ASK_NS));
}

/* ---- asking ---- */

/* All addresses of the host: the one of loopback is the one to use. */
static void connectable(const struct candidate *candidate, struct address *ret)
{
	*ret = candidate->bound;
	if (address_is_any(ret))
		strcpy(ret->host, ret->family == ADDRESS_INET6 ? "::1" : "127.0.0.1");
}

/* Of both families at the same port: one program, one inspector. */
static bool is_twin(const struct inspectors *all, const struct inspector *one)
{
	for (size_t i = 0; i < all->n; i++) {
		if (all->items[i].candidate->pid == one->candidate->pid &&
		    one->address.family != ADDRESS_UNIX &&
		    all->items[i].address.port == one->address.port)
			return true;
	}
	return false;
}

/*
 * The inspector of a workerd that wrangler or miniflare runs takes one client, which is its proxy,
 * and a second one ends both. The proxy says that it is wrangler or miniflare, with a version,
 * which workerd itself does not tell; that of wrangler is in such a workerd as well.
 */
static bool is_taken(const struct inspector *one)
{
	return one->candidate->inner && strcmp(one->runtime->name, "workerd") == 0 &&
	       one->identity.runtime_version[0] == '\0';
}

/* Bun does not list its WebSocket, and at a port it has one path; at a unix socket any will do. */
static bool wants_path(const struct inspector *one)
{
	return strcmp(one->runtime->name, "bun") == 0 && one->address.family != ADDRESS_UNIX;
}

static void *ask_next(void *owner)
{
	struct inspectors *all = owner;
	size_t i;

	while ((i = atomic_fetch_add(&all->next, 1)) < all->asked_of) {
		struct inspector *one = &all->items[i];

		connectable(one->candidate, &one->address);
		one->answer = ask(&one->address, one->candidate->question, ASK_NS, &one->runtime,
				  &one->identity, &one->err);
	}
	return NULL;
}

/* Where a thread is not to be had, the others ask for it. */
static void ask_all(struct inspectors *all, const struct candidates *found)
{
	pthread_t threads[ASKED_AT_ONCE - 1];
	size_t n = 0;

	for (size_t i = 0; i < found->n; i++)
		all->items[i].candidate = &found->items[i];
	all->asked_of = found->n;
	while (n < ASKED_AT_ONCE - 1 && n + 1 < found->n &&
	       thread_start(&threads[n], NULL, ask_next, all) == 0)
		n++;
	ask_next(all);
	while (n > 0)
		pthread_join(threads[--n], NULL);
}

/* Is it for the list? What a person has to know of it is told. */
static bool is_listed(struct inspectors *all, struct inspector *one, bool quiet)
{
	const struct candidate *candidate = one->candidate;

	if (one->answer == -ETIMEDOUT && !quiet)
		note_silent(candidate);
	if (one->answer < 0)
		return false;
	warn_exposed(candidate, one->runtime);
	if (one->answer == ASK_E_UNSUPPORTED) {
		if (!quiet)
			note_unsupported(candidate, one->err.text);
		return false;
	}
	if (is_taken(one)) {
		all->taken++;
		return false;
	}
	if (wants_path(one)) {
		str_copy(one->address.path, sizeof(one->address.path), candidate->path);
		if (candidate->path[0] == '\0' && !quiet)
			note_no_path(candidate);
		if (candidate->path[0] == '\0')
			return false;
	}
	return !is_twin(all, one);
}

static void choose(struct inspectors *all, bool quiet)
{
	for (size_t i = 0; i < all->asked_of; i++) {
		if (is_listed(all, &all->items[i], quiet))
			all->items[all->n++] = all->items[i];
	}
}

/* ---- names ---- */

static bool is_shared(const struct inspectors *all, size_t index)
{
	for (size_t i = 0; i < all->n; i++) {
		if (i != index &&
		    strcmp(all->items[i].candidate->name, all->items[index].candidate->name) == 0)
			return true;
	}
	return false;
}

/* A name that stays when the program is started again; two of one name are told by the port. */
static void name_all(struct inspectors *all)
{
	for (size_t i = 0; i < all->n; i++) {
		struct inspector *one = &all->items[i];

		if (!is_shared(all, i))
			str_copy(one->name, sizeof(one->name), one->candidate->name);
		else if (one->address.family == ADDRESS_UNIX)
			snprintf(one->name, sizeof(one->name), "%s-%" PRId64, one->candidate->name,
				 one->candidate->pid);
		else
			snprintf(one->name, sizeof(one->name), "%s-%u", one->candidate->name,
				 one->address.port);
	}
}

/* ---- the list ---- */

/* "ws://127.0.0.1:6499/path" where there is a path, as Bun prints it. */
static void format_target(const struct inspector *one, char dst[ADDRESS_TEXT_MAX + 8])
{
	char text[ADDRESS_TEXT_MAX];

	snprintf(dst, ADDRESS_TEXT_MAX + 8, "%s%s", one->address.path[0] != '\0' ? "ws://" : "",
		 address_format(text, &one->address));
}

struct label {
	const char *name;
	char value[LABEL_MAX];
};

/*
 * Names with __ do not become labels of the daemon's metrics: it has runtime, version and pid by
 * itself, and they would make a new series of each start of a program.
 */
static size_t fill_labels(const struct inspector *one, struct label labels[LABELS])
{
	size_t n = 0;

	labels[n].name = "__heapwatch_name";
	str_copy(labels[n++].value, LABEL_MAX, one->name);
	labels[n].name = "__heapwatch_runtime";
	str_copy(labels[n++].value, LABEL_MAX, one->runtime->name);
	if (one->identity.runtime_version[0] != '\0') {
		labels[n].name = "__meta_heapwatch_version";
		str_copy(labels[n++].value, LABEL_MAX, one->identity.runtime_version);
	}
	labels[n].name = "__meta_heapwatch_pid";
	snprintf(labels[n++].value, LABEL_MAX, "%" PRId64, one->candidate->pid);
	return n;
}

static void write_json(struct buf *buf, const struct inspectors *all, enum json_mode mode)
{
	char target[ADDRESS_TEXT_MAX + 8];
	struct label labels[LABELS];
	struct json_writer w;
	struct buf json;

	buf_init(&json, SHOW_MAX_BYTES);
	json_write_init(&w, &json);
	json_write_array(&w);
	for (size_t i = 0; i < all->n; i++) {
		size_t n = fill_labels(&all->items[i], labels);

		format_target(&all->items[i], target);
		json_write_object(&w);
		json_write_key(&w, "targets");
		json_write_array(&w);
		json_write_string(&w, target);
		json_write_array_end(&w);
		json_write_key(&w, "labels");
		json_write_object(&w);
		for (size_t k = 0; k < n; k++)
			json_member_string(&w, labels[k].name, labels[k].value);
		json_write_object_end(&w);
		json_write_object_end(&w);
	}
	json_write_array_end(&w);
	show_json_end(buf, &json, mode);
}

/* Texts in quotes as JSON has them, which YAML reads as well. */
static void write_yaml(struct buf *buf, const struct inspectors *all)
{
	char target[ADDRESS_TEXT_MAX + 8];
	struct label labels[LABELS];

	if (all->n == 0)
		buf_puts(buf, "[]\n");
	for (size_t i = 0; i < all->n; i++) {
		size_t n = fill_labels(&all->items[i], labels);

		format_target(&all->items[i], target);
		buf_puts(buf, "- targets: [");
		json_quote(buf, target, strlen(target));
		buf_puts(buf, "]\n  labels:\n");
		for (size_t k = 0; k < n; k++) {
			buf_printf(buf, "    %s: ", labels[k].name);
			json_quote(buf, labels[k].value, strlen(labels[k].value));
			buf_puts(buf, "\n");
		}
	}
}

/* ---- the command ---- */

static void note_left_out(const struct candidates *found, size_t taken)
{
	if (found->unreadable > 0)
		fprintf(stderr,
			"heapwatchctl: %zu processes of other users could not be looked at (as "
			"root, they can)\n",
			found->unreadable);
	if (found->elsewhere > 0)
		fprintf(stderr,
			"heapwatchctl: %zu processes are in other network namespaces (containers): "
			"look from within those\n",
			found->elsewhere);
	if (taken > 0)
		fprintf(stderr,
			"heapwatchctl: %zu workerd are left to the program that runs them "
			"(wrangler, miniflare), which is the one client they can have\n",
			taken);
	if (found->more)
		fputs("heapwatchctl: there are more listening sockets than are looked at\n",
		      stderr);
}

static int print(const struct inspectors *all, const struct ctl_options *options, struct err *err)
{
	struct buf buf;
	int exit;

	buf_init(&buf, SHOW_MAX_BYTES);
	if (options->json != JSON_OFF)
		write_json(&buf, all, options->json);
	else
		write_yaml(&buf, all);
	exit = show_out(&buf, options->pager);
	if (exit == CTL_OK && all->n == 0)
		return source_fail(err, CTL_FAILURE, -ENOENT, "no inspector was found");
	return exit;
}

int command_discover(struct source *source, const struct ctl_options *options, struct err *err)
{
	struct inspectors all = { .items = NULL };
	struct candidates found;
	int exit, r = candidates_find(&found, "/proc");

	(void)source;
	if (r == 0)
		all.items = calloc(found.n + 1, sizeof(*all.items));
	if (r < 0 || all.items == NULL) {
		candidates_fini(&found);
		r = r < 0 ? r : -ENOMEM;
		return source_fail(err, CTL_FAILURE, r, "cannot look at processes: %s",
				   strerror(-r));
	}
	ask_all(&all, &found);
	choose(&all, options->quiet);
	name_all(&all);
	if (!options->quiet)
		note_left_out(&found, all.taken);
	exit = print(&all, options, err);
	free(all.items);
	candidates_fini(&found);
	return exit;
}
