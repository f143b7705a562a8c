/*
 * Command lines without secrets
 *
 * People pass tokens, passwords and whole programs (-e) as arguments, so an argument is shown only
 * when its form says what it is. When in doubt it is blanked: a name too few costs a look at the
 * machine, a secret too many cannot be taken back.
 */

#include "watch/command.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "util/str.h"

static const char blank[] = "***";

/* Options whose value tells about memory or the inspector; - and _ are the same to V8. */
static const char *const told[] = {
	"--diagnostic-dir",
	"--expose-gc",
	"--gc-",
	"--heap-growing-percent",
	"--heap-prof",
	"--heap-snapshot-on-oom",
	"--heapsnapshot-near-heap-limit",
	"--heapsnapshot-signal",
	"--initial-heap-size",
	"--initial-old-space-size",
	"--inspect",
	"--max-heap-size",
	"--max-old-space-size",
	"--max-semi-space-size",
	"--min-semi-space-size",
	"--optimize-for-size",
	"--semi-space-growth-factor",
	"--stack-size",
};

struct line {
	char *dst; /* always terminated */
	size_t used, size;
};

static void put(struct line *line, const char *text, size_t size, const char *after)
{
	size_t more = size + strlen(after) + (line->used > 0);

	if (line->used + more >= line->size) {
		line->size = 0; /* nor what comes after it */
		return;
	}
	if (line->used > 0)
		line->dst[line->used++] = ' ';
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];

		line->dst[line->used++] = (char)(c < ' ' || c == 0x7f ? '?' : c);
	}
	memcpy(line->dst + line->used, after, strlen(after) + 1);
	line->used += strlen(after);
}

static bool same_option(const char *arg, const char *option)
{
	for (; *option != '\0'; arg++, option++) {
		if (*arg != *option && !(*arg == '_' && *option == '-'))
			return false;
	}
	return true;
}

static bool is_told(const char *arg)
{
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		if (same_option(arg, told[i]))
			return true;
	}
	return false;
}

/* "app.js", "/srv/app/main.mjs": a path without blanks that ends as scripts do. */
static bool is_script(const char *arg)
{
	static const char *const endings[] = { ".js",  ".mjs", ".cjs", ".jsx", ".ts",
					       ".mts", ".cts", ".tsx", ".wasm" };
	size_t size = strlen(arg);

	if (strstr(arg, "://") != NULL || strpbrk(arg, " \t\n\"'`(){}=;,@?&") != NULL)
		return false;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t n = strlen(endings[i]);

		if (size > n && strcmp(arg + size - n, endings[i]) == 0)
			return true;
	}
	return false;
}

/* "--name" of "--name=value"; 0 when it is none. Of "-pSECRET" only "-p" is a name. */
static size_t option_name(const char *arg)
{
	size_t n = 2;

	if (arg[0] != '-' || !isalnum((unsigned char)arg[1])) {
		if (!str_has_prefix(arg, "--") || !isalnum((unsigned char)arg[2]))
			return 0;
		while (isalnum((unsigned char)arg[n]) || arg[n] == '-' || arg[n] == '_')
			n++;
		return arg[n] == '\0' || arg[n] == '=' ? n : 0;
	}
	return n;
}

static void put_argument(struct line *line, const char *arg, bool *script)
{
	size_t name = option_name(arg);

	if (is_told(arg)) {
		put(line, arg, strlen(arg), "");
	} else if (name > 0) {
		bool value = arg[name] != '\0';

		put(line, arg, name, !value ? "" : arg[name] == '=' ? "=***" : blank);
	} else if (!*script && is_script(arg)) {
		*script = true;
		put(line, arg, strlen(arg), "");
	} else {
		put(line, "", 0, blank);
	}
}

void command_describe(const char *args, size_t size, char *dst, size_t dst_size)
{
	struct line line = { .dst = dst, .size = dst_size };
	bool script = false;

	dst[0] = '\0';
	for (const char *at = args; at < args + size; at += strlen(at) + 1) {
		/* A program that set its title has one argument with blanks in it. */
		if (at == args)
			put(&line, at, strcspn(at, " "),
			    at[strcspn(at, " ")] != '\0' ? " ***" : "");
		else if (*at != '\0' || at + 1 < args + size)
			put_argument(&line, at, &script);
	}
}
