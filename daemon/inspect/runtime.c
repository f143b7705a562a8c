/* The table of runtimes. The order is that in which those without /json/version are tried. */

#include "inspect/runtime.h"

#include <string.h>

#include "inspect/cdp_words.h"
#include "inspect/dialect.h"
#include "inspect/sample.h"
#include "json/tree.h"
#include "util/str.h"

static const struct runtime node = {
	.name = "node",
	.engine = "v8",
	.dialect = &dialect_cdp,
	.words = &cdp_words_node,
	.versioned = true,
	.list_path = "/json/list",
};

/* A program that ends by itself waits for us to leave, and does not say so. */
static const struct runtime deno = {
	.name = "deno",
	.engine = "v8",
	.dialect = &dialect_cdp,
	.words = &cdp_words_deno,
	.versioned = true,
	.list_path = "/json/list",
	.per_poll = true,
};

/*
 * A second connection to a worker ends the first, and SIGTERM with one open makes the process
 * crash.
 */
static const struct runtime workerd = {
	.name = "workerd",
	.engine = "v8",
	.dialect = &dialect_cdp,
	.words = &cdp_words_workerd,
	.program = "workerd",
	.versioned = true,
	.list_path = "/json/list",
	.many = true,
	.per_poll = true,
	.alone = true,
};

/* One connection leads to all tabs and processes; any number of clients is fine. */
static const struct runtime firefox = {
	.name = "firefox",
	.engine = "spidermonkey",
	.dialect = &dialect_rdp,
	.program = "firefox",
};

const struct runtime *const runtime_all[] = { &node, &deno, &workerd, &firefox, NULL };

const char *const runtime_words[] = { "auto", "node", "deno", "workerd", "firefox", NULL };
_Static_assert(sizeof(runtime_words) / sizeof(runtime_words[0]) ==
		       sizeof(runtime_all) / sizeof(runtime_all[0]) + 1,
	       "a word per runtime");

/* `Browser` of /json/version begins so; what follows is the version. */
static const struct {
	const char *prefix;
	const struct runtime *runtime;
} browsers[] = {
	{ "node.js/v", &node },
	{ "Deno/", &deno },
	{ "workerd", &workerd },
	{ "wrangler/v", &workerd }, /* its proxy, with the same workerd behind it */
};

const struct runtime *runtime_of_word(int word)
{
	return word == 0 ? NULL : runtime_all[word - 1];
}

const struct runtime *runtime_of_version(const struct tree *version, struct identity *identity)
{
	const char *browser, *engine_version;

	if (!tree_string(version, "Browser", &browser))
		return NULL;
	for (size_t i = 0; i < sizeof(browsers) / sizeof(browsers[0]); i++) {
		const struct runtime *runtime = browsers[i].runtime;

		if (!str_has_prefix(browser, browsers[i].prefix))
			continue;
		str_copy(identity->runtime, sizeof(identity->runtime), runtime->name);
		str_copy(identity->engine, sizeof(identity->engine), runtime->engine);
		str_copy(identity->runtime_version, sizeof(identity->runtime_version),
			 browser + strlen(browsers[i].prefix));
		if (tree_string(version, "V8-Version", &engine_version))
			str_copy(identity->engine_version, sizeof(identity->engine_version),
				 engine_version);
		return runtime;
	}
	return NULL;
}
