/*
 * The command line
 *
 * Flags may stand before and behind the command, as with systemd's tools. A value that is no value
 * is a mistake of usage, said with the flag's name.
 */

#include "ctl/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/str.h"
#include "util/when.h"

enum flag {
	FLAG_JSON = 256,
	FLAG_NO_PAGER,
	FLAG_NO_LEGEND,
	FLAG_RAW,
	FLAG_SCRIPTS,
	FLAG_OFF,
	FLAG_MAX_USE,
	FLAG_KEEP_FREE,
	FLAG_MAX_AGE,
	FLAG_MAX_FILES,
	FLAG_VERSION,
	FLAG_TOP,
	FLAG_CLASS,
	FLAG_NODE,
	FLAG_THREADS,
	FLAG_MEMORY_MAX,
	FLAG_MATCH,
	FLAG_EXTRAS,
	FLAG_STRINGS,
	FLAG_COLLECTIONS,
	FLAG_VARIABLES,
	FLAG_ALLOCATIONS,
	FLAG_SOURCE_MAP_DIR,
	FLAG_SPILL,
	FLAG_INDEX,
	FLAG_NO_INDEX,
	FLAG_SAMPLES,
	FLAG_EXPLAIN,
	FLAG_ISOLATE,
	FLAG_DURATION,
	FLAG_INTERVAL,
	FLAG_STACK_DEPTH,
	FLAG_OBJECTS,
	FLAG_FORMAT,
	FLAG_STACKS,
	FLAG_WAIT,
	FLAG_ROOT,
	FLAG_CA_FILE,
	FLAG_CERT_FILE,
	FLAG_KEY_FILE,
	FLAG_USER,
	FLAG_PASSWORD_FILE,
};

enum { HEAP_TOP_DEFAULT = 20 };

static const char short_flags[] = "hH:D:qo:i:n:1rS:U:F:";

static const struct option long_flags[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "host", required_argument, NULL, 'H' },
	{ "directory", required_argument, NULL, 'D' },
	{ "root", required_argument, NULL, FLAG_ROOT },
	{ "quiet", no_argument, NULL, 'q' },
	{ "output", required_argument, NULL, 'o' },
	{ "identity", required_argument, NULL, 'i' },
	{ "reverse", no_argument, NULL, 'r' },
	{ "since", required_argument, NULL, 'S' },
	{ "until", required_argument, NULL, 'U' },
	{ "field", required_argument, NULL, 'F' },
	{ "json", required_argument, NULL, FLAG_JSON },
	{ "no-pager", no_argument, NULL, FLAG_NO_PAGER },
	{ "no-legend", no_argument, NULL, FLAG_NO_LEGEND },
	{ "raw", no_argument, NULL, FLAG_RAW },
	{ "scripts", optional_argument, NULL, FLAG_SCRIPTS },
	{ "off", no_argument, NULL, FLAG_OFF },
	{ "max-use", required_argument, NULL, FLAG_MAX_USE },
	{ "keep-free", required_argument, NULL, FLAG_KEEP_FREE },
	{ "max-age", required_argument, NULL, FLAG_MAX_AGE },
	{ "max-files", required_argument, NULL, FLAG_MAX_FILES },
	{ "version", no_argument, NULL, FLAG_VERSION },
	{ "top", required_argument, NULL, FLAG_TOP },
	{ "class", required_argument, NULL, FLAG_CLASS },
	{ "node", required_argument, NULL, FLAG_NODE },
	{ "threads", required_argument, NULL, FLAG_THREADS },
	{ "memory-max", required_argument, NULL, FLAG_MEMORY_MAX },
	{ "match", required_argument, NULL, FLAG_MATCH },
	{ "extras", no_argument, NULL, FLAG_EXTRAS },
	{ "strings", no_argument, NULL, FLAG_STRINGS },
	{ "collections", no_argument, NULL, FLAG_COLLECTIONS },
	{ "variables", no_argument, NULL, FLAG_VARIABLES },
	{ "allocations", no_argument, NULL, FLAG_ALLOCATIONS },
	{ "source-map-dir", required_argument, NULL, FLAG_SOURCE_MAP_DIR },
	{ "spill", required_argument, NULL, FLAG_SPILL },
	{ "index", required_argument, NULL, FLAG_INDEX },
	{ "no-index", no_argument, NULL, FLAG_NO_INDEX },
	{ "samples", required_argument, NULL, FLAG_SAMPLES },
	{ "explain", no_argument, NULL, FLAG_EXPLAIN },
	{ "isolate", required_argument, NULL, FLAG_ISOLATE },
	{ "duration", required_argument, NULL, FLAG_DURATION },
	{ "interval", required_argument, NULL, FLAG_INTERVAL },
	{ "stack-depth", required_argument, NULL, FLAG_STACK_DEPTH },
	{ "objects", required_argument, NULL, FLAG_OBJECTS },
	{ "format", required_argument, NULL, FLAG_FORMAT },
	{ "stacks", no_argument, NULL, FLAG_STACKS },
	{ "wait", no_argument, NULL, FLAG_WAIT },
	{ "ca-file", required_argument, NULL, FLAG_CA_FILE },
	{ "cert-file", required_argument, NULL, FLAG_CERT_FILE },
	{ "key-file", required_argument, NULL, FLAG_KEY_FILE },
	{ "user", required_argument, NULL, FLAG_USER },
	{ "password-file", required_argument, NULL, FLAG_PASSWORD_FILE },
	{ NULL, 0, NULL, 0 },
};

static int complain(const char *flag, const char *value, const char *wanted)
{
	fprintf(stderr, "heapwatchctl: %s: '%.64s' is not %s\n", flag, value, wanted);
	return CTL_USAGE;
}

static int take_time(const char *flag, int64_t *ret)
{
	if (when_parse(optarg, clock_wall_ms(), ret) == 0)
		return CTL_OK;
	return complain(flag, optarg,
			"a time (\"2026-11-25 10:00\", \"yesterday\", \"-1h\", \"1h ago\", "
			"2026-11-25T10:00:00Z)");
}

static int take_json(enum json_mode *ret)
{
	static const char *const modes[] = { "off", "short", "pretty" };

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(optarg, modes[i]) == 0) {
			*ret = (enum json_mode)i;
			return CTL_OK;
		}
	}
	return complain("--json", optarg, "short, pretty or off");
}

static int take_bytes(const char *flag, uint64_t *ret, bool *has)
{
	*has = true;
	return str_parse_bytes(optarg, ret) == 0 ? CTL_OK
						 : complain(flag, optarg, "a size (500MiB, 20GiB)");
}

static int take_count(const char *flag, uint64_t min, uint64_t *ret)
{
	return str_parse_uint(optarg, ret) == 0 && *ret >= min
		       ? CTL_OK
		       : complain(flag, optarg, min > 0 ? "a number from 1" : "a number");
}

static int take_age(struct vacuum_wish *wish)
{
	uint64_t ms;

	wish->has_max_age = true;
	if (when_parse_span(optarg, &ms) < 0 || ms > UINT64_MAX / NS_PER_MS)
		return complain("--max-age", optarg, "a span of time (2h, 14d)");
	wish->max_age_ns = ms * NS_PER_MS;
	return CTL_OK;
}

static int take_identity(struct ctl_options *options)
{
	if (options->identities_n == IDENTITY_FILES_MAX) {
		fprintf(stderr, "heapwatchctl: --identity: at most %d files\n", IDENTITY_FILES_MAX);
		return CTL_USAGE;
	}
	options->identities[options->identities_n++] = optarg;
	return CTL_OK;
}

static int take_vacuum(int flag, struct vacuum_wish *wish)
{
	switch (flag) {
	case FLAG_MAX_USE:
		return take_bytes("--max-use", &wish->max_use_bytes, &wish->has_max_use);
	case FLAG_KEEP_FREE:
		return take_bytes("--keep-free", &wish->keep_free_bytes, &wish->has_keep_free);
	case FLAG_MAX_FILES:
		wish->has_max_files = true;
		return take_count("--max-files", 0, &wish->max_files);
	case FLAG_MAX_AGE:
		return take_age(wish);
	default:
		fputs("try: heapwatchctl --help\n", stderr);
		return CTL_USAGE;
	}
}

/* The daemon judges the values; NULL: it is none of these. */
static const char **of_capture(int flag, struct capture_wish *wish)
{
	switch (flag) {
	case FLAG_ISOLATE:
		return &wish->isolate;
	case FLAG_DURATION:
		return &wish->duration;
	case FLAG_INTERVAL:
		return &wish->interval;
	case FLAG_STACK_DEPTH:
		return &wish->stack_depth;
	case FLAG_OBJECTS:
		return &wish->objects;
	case FLAG_FORMAT:
		return &wish->format;
	default:
		return NULL;
	}
}

/* NULL: it is none of these. */
static const char **of_login(int flag, struct login_wish *wish)
{
	switch (flag) {
	case FLAG_CA_FILE:
		return &wish->ca_file;
	case FLAG_CERT_FILE:
		return &wish->cert_file;
	case FLAG_KEY_FILE:
		return &wish->key_file;
	case FLAG_USER:
		return &wish->user;
	case FLAG_PASSWORD_FILE:
		return &wish->password_file;
	default:
		return NULL;
	}
}

static int check_login(const struct login_wish *wish)
{
	const char *text = NULL;

	if (wish->key_file != NULL && wish->cert_file == NULL)
		text = "--key-file without --cert-file";
	else if (wish->user != NULL && wish->password_file == NULL)
		text = "--user without --password-file";
	else if (wish->password_file != NULL && wish->user == NULL)
		text = "--password-file without --user";
	if (text != NULL)
		fprintf(stderr, "heapwatchctl: %s\n", text);
	return text == NULL ? CTL_OK : CTL_USAGE;
}

static int take_match(struct heap_wish *wish)
{
	static const char *const ways[] = { "auto", "ids", "paths", "classes" };

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (strcmp(optarg, ways[i]) == 0) {
			wish->match = ways[i];
			return CTL_OK;
		}
	}
	return complain("--match", optarg, "auto, ids, paths or classes");
}

static int take_node(struct heap_wish *wish)
{
	wish->has_node = true;
	return str_parse_uint(optarg + (optarg[0] == '@'), &wish->node) == 0
		       ? CTL_OK
		       : complain("--node", optarg, "@ID");
}

static int take_heap(int flag, struct ctl_options *options)
{
	struct heap_wish *wish = &options->heap;
	bool limited;

	switch (flag) {
	case FLAG_TOP:
		return take_count("--top", 0, &wish->top);
	case FLAG_CLASS:
		wish->class = optarg;
		return CTL_OK;
	case FLAG_NODE:
		return take_node(wish);
	case FLAG_SOURCE_MAP_DIR:
		wish->source_map_dir = optarg;
		return CTL_OK;
	case FLAG_THREADS:
		if (take_count("--threads", 1, &wish->threads) == CTL_OK && wish->threads <= 2)
			return CTL_OK;
		return complain("--threads", optarg, "1 or 2");
	case FLAG_MATCH:
		return take_match(wish);
	case FLAG_INDEX:
		wish->index = optarg;
		return CTL_OK;
	case FLAG_SPILL:
		wish->spill = optarg;
		return CTL_OK;
	case FLAG_MEMORY_MAX:
		return take_bytes("--memory-max", &wish->memory_max_bytes, &limited);
	default:
		return take_vacuum(flag, &options->vacuum);
	}
}

/* A switch, which takes no value; false when it is none. */
static bool take_switch(int flag, struct ctl_options *options)
{
	switch (flag) {
	case 'h':
		options->help = true;
		return true;
	case FLAG_VERSION:
		options->version = true;
		return true;
	case 'q':
		options->quiet = true;
		return true;
	case 'r':
		options->reverse = true;
		return true;
	case '1':
		options->count = 1;
		return true;
	case FLAG_NO_PAGER:
		options->pager = false;
		return true;
	case FLAG_NO_LEGEND:
		options->legend = false;
		return true;
	case FLAG_RAW:
		options->raw = true;
		return true;
	case FLAG_SCRIPTS:
		options->scripts = true;
		options->heap.scripts_file = optarg;
		return true;
	case FLAG_EXTRAS:
		options->heap.extras = true;
		return true;
	case FLAG_STRINGS:
		options->heap.strings = true;
		return true;
	case FLAG_COLLECTIONS:
		options->heap.collections = true;
		return true;
	case FLAG_VARIABLES:
		options->heap.variables = true;
		return true;
	case FLAG_ALLOCATIONS:
		options->heap.allocations = true;
		return true;
	case FLAG_NO_INDEX:
		options->heap.no_index = true;
		return true;
	case FLAG_OFF:
		options->off = true;
		return true;
	case FLAG_EXPLAIN:
		options->explain = true;
		return true;
	case FLAG_STACKS:
		options->capture.stacks = true;
		return true;
	case FLAG_WAIT:
		options->capture.wait = true;
		return true;
	default:
		return false;
	}
}

/* Where the daemon of that tree keeps its captures, if it runs as its unit says. */
static int take_root(struct ctl_options *options)
{
	int n = snprintf(options->root, sizeof(options->root), "%s/var/lib/heapwatch", optarg);

	if (n >= (int)sizeof(options->root))
		return complain("--root", optarg, "a folder: its name is too long");
	options->directory = options->root;
	return CTL_OK;
}

static int take_flag(int flag, struct ctl_options *options)
{
	const char **text = of_capture(flag, &options->capture);

	if (text == NULL)
		text = of_login(flag, &options->login);
	if (text != NULL) {
		*text = optarg;
		return CTL_OK;
	}
	switch (flag) {
	case 'H':
		options->host = optarg;
		return CTL_OK;
	case 'D':
		options->directory = optarg;
		return CTL_OK;
	case FLAG_ROOT:
		return take_root(options);
	case 'o':
		options->output = optarg;
		return CTL_OK;
	case 'F':
		options->field = optarg;
		return CTL_OK;
	case 'i':
		return take_identity(options);
	case 'n':
		return take_count("-n", 1, &options->count);
	case 'S':
		return take_time("--since", &options->since_ms);
	case 'U':
		return take_time("--until", &options->until_ms);
	case FLAG_JSON:
		return take_json(&options->json);
	case FLAG_SAMPLES:
		options->samples = optarg;
		return CTL_OK;
	default:
		return take_heap(flag, options);
	}
}

int ctl_options_parse(struct ctl_options *ret, int argc, char **argv)
{
	const char *host = getenv("HEAPWATCH_HOST");
	int flag, r = CTL_OK;

	*ret = (struct ctl_options){
		.host = host != NULL && host[0] != '\0' ? host : "http://127.0.0.1:19229",
		.pager = true,
		.legend = true,
		.command = "list",
		.heap = { .top = HEAP_TOP_DEFAULT, .match = "auto" },
	};
	optind = 0;
	while (r == CTL_OK && (flag = getopt_long(argc, argv, short_flags, long_flags, NULL)) >= 0)
		r = take_switch(flag, ret) ? CTL_OK : take_flag(flag, ret);
	if (r == CTL_OK)
		r = check_login(&ret->login);
	if (optind < argc)
		ret->command = argv[optind++];
	ret->args = argv + optind;
	ret->args_n = (size_t)(argc - optind);
	return r;
}
