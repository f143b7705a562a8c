/*
 * Candidates
 *
 * First the kernel's tables: which sockets listen, and where. Then the processes: which of those
 * sockets one holds. A socket that several hold (it is inherited by fork) is the first one's.
 */

#include "ctl/candidates.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/listening.h"
#include "util/array.h"
#include "util/err.h"
#include "util/str.h"

enum { CANDIDATES_MAX = 1000, SOCKETS_MAX = 100000 };

struct listening {
	struct address address;
	uint64_t inode;
};

struct search {
	struct candidates *found;
	const char *proc;
	struct listening *sockets; /* owned; by inode */
	size_t n, capacity;
};

static const struct program {
	const char *name;
	enum question question;
} programs[] = {
	{ "node", ASK_VERSION },     { "nodejs", ASK_VERSION },
	{ "deno", ASK_VERSION },     { "bun", ASK_VERSION },
	{ "workerd", ASK_VERSION },  { "chromium", ASK_VERSION },
	{ "chrome", ASK_VERSION },   { "google-chrome", ASK_VERSION },
	{ "msedge", ASK_VERSION },   { "headless_shell", ASK_VERSION },
	{ "electron", ASK_VERSION }, { "firefox", ASK_HELLO },
};

static const struct program *program_of(const struct process *process)
{
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		if (process_is(process, programs[i].name))
			return &programs[i];
	}
	return NULL;
}

/* ---- what a process says of itself ---- */

/*
 * A browser's process for pages or the like: the inspector is in the first one. Those of Chromium
 * have all of their arguments in the first, with blanks.
 */
static bool is_helper(const struct process *process)
{
	for (const char *arg = NULL; (arg = process_next_arg(process, arg)) != NULL;) {
		if (str_has_prefix(arg, "--type=") || strstr(arg, " --type=") != NULL ||
		    strcmp(arg, "-contentproc") == 0)
			return true;
	}
	return false;
}

/* A workerd that wrangler or miniflare runs, which are programs of Node. */
static bool is_inner(const struct process *process)
{
	struct process parent;
	bool is;

	if (!str_has_prefix(process->program, "workerd") ||
	    process_read(&parent, process->proc, process_parent(process)) < 0)
		return false;
	is = program_of(&parent) != NULL;
	process_fini(&parent);
	return is;
}

static bool is_script(const char *arg)
{
	static const char *const endings[] = { ".js",  ".mjs", ".cjs", ".ts",
					       ".mts", ".cts", ".jsx", ".tsx" };
	const char *dot = strrchr(arg, '.');

	for (size_t i = 0; dot != NULL && arg[0] != '-' && i < sizeof(endings) / sizeof(endings[0]);
	     i++) {
		if (strcmp(dot, endings[i]) == 0)
			return true;
	}
	return false;
}

/* An option whose value is the next argument, and a script. */
static bool takes_script(const char *arg)
{
	static const char *const options[] = { "-r", "--require", "--import", "--loader",
					       "--preload" };

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strcmp(arg, options[i]) == 0)
			return true;
	}
	return false;
}

/* The program's script; nothing else of a command line is shown, for secrets stand there. */
static void name_process(const struct process *process, char dst[PROCESS_NAME_MAX])
{
	const char *slash, *before = "";

	str_copy(dst, PROCESS_NAME_MAX, process->program);
	for (const char *arg = NULL; (arg = process_next_arg(process, arg)) != NULL; before = arg) {
		if (!is_script(arg) || takes_script(before))
			continue;
		slash = strrchr(arg, '/');
		str_copy(dst, PROCESS_NAME_MAX, slash != NULL ? slash + 1 : arg);
		if (strrchr(dst, '.') > dst)
			*strrchr(dst, '.') = '\0';
		break;
	}
	for (char *at = dst; *at != '\0'; at++) {
		if (!isalnum((unsigned char)*at) && strchr("._-", *at) == NULL)
			*at = '-';
	}
}

/* "ws://127.0.0.1:6499/path?wait=1": "/path". */
static void take_path(const char *url, char dst[ADDRESS_PATH_MAX])
{
	const char *at = strstr(url, "://");

	at = strchr(at != NULL ? at + 3 : url, '/');
	if (at == NULL || strstr(url, "unix:") != NULL || !str_copy(dst, ADDRESS_PATH_MAX, at))
		dst[0] = '\0';
	dst[strcspn(dst, "?#")] = '\0';
}

/* Bun is told where its WebSocket is, or makes up a path that nobody can ask for. */
static void find_path(const struct process *process, char dst[ADDRESS_PATH_MAX])
{
	char value[ADDRESS_TEXT_MAX];

	dst[0] = '\0';
	if (!str_has_prefix(process->program, "bun"))
		return;
	for (const char *arg = NULL; dst[0] == '\0' && (arg = process_next_arg(process, arg));) {
		if (str_has_prefix(arg, "--inspect") && strchr(arg, '=') != NULL)
			take_path(strchr(arg, '=') + 1, dst);
	}
	if (dst[0] == '\0' &&
	    process_environment(process, "BUN_INSPECT", value, sizeof(value)) == 0)
		take_path(value, dst);
}

/* Is it where WebKit was told to listen? What it was told is inherited by what it starts. */
static bool is_of_webkit(const struct process *process, const struct address *bound)
{
	char value[ADDRESS_TEXT_MAX];
	struct address told;

	return process_environment(process, "WEBKIT_INSPECTOR_HTTP_SERVER", value, sizeof(value)) ==
		       0 &&
	       address_parse(&told, value, NULL) == 0 && address_equal(&told, bound);
}

/* ---- the sockets ---- */

static int by_inode(const void *a, const void *b)
{
	const struct listening *one = a, *other = b;

	return one->inode < other->inode ? -1 : one->inode > other->inode;
}

static int take_socket(void *owner, const struct address *address, uint64_t inode)
{
	struct search *search = owner;
	struct listening *sockets;

	if (search->n >= SOCKETS_MAX)
		return -E2BIG;
	sockets = array_room(search->sockets, search->n, &search->capacity, 64, sizeof(*sockets));
	if (sockets == NULL)
		return -ENOMEM;
	search->sockets = sockets;
	sockets[search->n++] = (struct listening){ .address = *address, .inode = inode };
	return 0;
}

static int read_sockets(struct search *search)
{
	int r = listening_read_tcp(search->proc, take_socket, search);

	if (r == 0)
		r = listening_read_unix(search->proc, take_socket, search);
	if (r == 0 && search->n > 0)
		qsort(search->sockets, search->n, sizeof(*search->sockets), by_inode);
	return r;
}

/* ---- the two together ---- */

struct owner {
	struct search *search;
	const struct process *process;
	const struct program *program; /* NULL: it may have WebKit in it */
};

static bool is_known(const struct candidates *found, uint64_t inode)
{
	for (size_t i = 0; i < found->n; i++) {
		if (found->items[i].inode == inode)
			return true;
	}
	return false;
}

static int add(struct candidates *found, const struct process *process, enum question question,
	       const struct listening *socket)
{
	struct candidate *item, *items;

	found->more = found->n >= CANDIDATES_MAX;
	if (found->more)
		return 0;
	items = array_room(found->items, found->n, &found->capacity, 16, sizeof(*items));
	if (items == NULL)
		return -ENOMEM;
	found->items = items;
	item = &items[found->n++];
	*item = (struct candidate){ .pid = process->pid,
				    .inode = socket->inode,
				    .question = question,
				    .bound = socket->address,
				    .inner = is_inner(process) };
	name_process(process, item->name);
	find_path(process, item->path);
	return 0;
}

/* Firefox and Bun alone have an inspector on a unix socket that can be connected to. */
static bool may_listen_by_path(const struct owner *owner)
{
	return owner->program != NULL &&
	       (owner->program->question == ASK_HELLO || strcmp(owner->program->name, "bun") == 0);
}

static int take_inode(void *pointer, uint64_t inode)
{
	const struct owner *owner = pointer;
	const struct search *search = owner->search;
	const struct listening key = { .inode = inode };
	const struct listening *socket =
		search->n == 0 ? NULL
			       : bsearch(&key, search->sockets, search->n, sizeof(key), by_inode);
	enum question question = owner->program != NULL ? owner->program->question : ASK_PAGES;

	if (socket == NULL || is_known(search->found, inode))
		return 0;
	if (socket->address.family == ADDRESS_UNIX && !may_listen_by_path(owner))
		return 0;
	if (question == ASK_PAGES && !is_of_webkit(owner->process, &socket->address))
		return 0;
	return add(search->found, owner->process, question, socket);
}

static int look_at(struct search *search, const struct process *process)
{
	struct owner owner = { .search = search,
			       .process = process,
			       .program = program_of(process) };
	struct candidates *found = search->found;
	int r;

	if (owner.program != NULL && is_helper(process))
		return 0;
	if (!process->readable) {
		found->unreadable += owner.program != NULL;
		return 0;
	}
	if (!process_shares_network(process)) {
		found->elsewhere += owner.program != NULL;
		return 0;
	}
	r = process_each_socket(process, take_inode, &owner);
	if ((r == -EACCES || r == -EPERM) && owner.program != NULL)
		found->unreadable++;
	return r == -ENOMEM ? r : 0;
}

static int read_processes(struct search *search)
{
	const struct dirent *entry;
	struct process process;
	DIR *dir = opendir(search->proc);
	int r = 0;

	if (dir == NULL)
		return -errno;
	while (r == 0 && (entry = readdir(dir)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		r = process_read(&process, search->proc, strtoll(entry->d_name, NULL, 10));
		if (r == 0) {
			r = look_at(search, &process);
			process_fini(&process);
		} else if (r == -ESRCH) {
			r = 0;
		}
	}
	closedir(dir);
	return r;
}

int candidates_find(struct candidates *ret, const char *proc)
{
	struct search search = { .found = ret, .proc = proc };
	int r;

	*ret = (struct candidates){ .items = NULL };
	r = read_sockets(&search);
	if (r == 0)
		r = read_processes(&search);
	free(search.sockets);
	return r;
}

void candidates_fini(struct candidates *candidates)
{
	free(candidates->items);
	*candidates = (struct candidates){ .items = NULL };
}
