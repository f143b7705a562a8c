/* The table of runtimes. The order is that in which those without /json/version are tried. */

#include "inspect/runtime.h"

#include <stdio.h>
#include <string.h>

#include "inspect/cdp_words.h"
#include "inspect/dialect.h"
#include "inspect/sample.h"
#include "inspect/webkit.h"
#include "json/tree.h"
#include "util/clock.h"
#include "util/str.h"

/* What more than one of them cannot give. */
static const char names_stay[] = "the names of properties in its snapshots cannot be replaced; "
				 "redact: strings can be had";
static const char jsc_no_samples[] = "JavaScriptCore has no sampling heap profiler";
static const char jsc_no_timeline[] = "JavaScriptCore keeps no times and no stacks of "
				      "allocations; ask for tracking, which tells what is new";

static const char v8_no_tracking[] = "V8 notes by itself when each object was allocated; ask for "
				     "timeline, or for sampling";

static const char jsc_ids[] =
	"JavaScriptCore forgets the ids of objects when a client that had its domain "
	"Heap enabled leaves, and between two snapshots of a series one may";

static const struct runtime node = {
	.name = "node",
	.engine = "v8",
	.dialect = &dialect_cdp,
	.words = &cdp_words_node,
	.versioned = true,
	.list_path = "/json/list",
	.parts = true,
	.brittle = true,
	.cannot = {
		[ABILITY_TRACKING] = v8_no_tracking,
	},
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
	.mute_worker_why = "while another client is connected Deno gives us no worker",
	.cannot = {
		[ABILITY_TRACKING] = v8_no_tracking,
		[ABILITY_GC_EVENTS] = "it has no tracing, and its GCProfiler would load its "
				      "node:v8 into the program",
	},
};

static const char one_client[] = "it bears one client, so nobody could poll it meanwhile";
static const char one_clients_ids[] = "it bears one client, and the ids are lost when that leaves";
static const char workerd_no_gc_events[] = "its inspector has nothing that tells them";
static const char workerd_collects_late[] =
	"no request has come to it since, and it collects with the next one";

/*
 * A second connection to a worker ends the first, and SIGTERM with one open makes the process
 * crash.
 */
static const struct runtime workerd = {
	.name = "workerd",
	.engine = "v8",
	.dialect = &dialect_cdp,
	.words = &cdp_words_workerd,
	.loopback = "--inspector-addr=127.0.0.1:PORT",
	.program = "workerd",
	.versioned = true,
	.list_path = "/json/list",
	.many = true,
	.per_poll = true,
	.alone = true,
	.cannot = {
		[ABILITY_CONTINUOUS] = one_client,
		[ABILITY_TRACKING] = v8_no_tracking,
		[ABILITY_EXACT_IDS] = one_clients_ids,
		[ABILITY_GC_EVENTS] = workerd_no_gc_events,
	},
	.collects_late = workerd_collects_late,
};

/* The proxy of `wrangler dev`, which turns a second client away. */
static const struct runtime wrangler = {
	.name = "workerd",
	.engine = "v8",
	.dialect = &dialect_cdp,
	.words = &cdp_words_workerd,
	.loopback = "wrangler's --inspector-ip=127.0.0.1",
	.program = "workerd",
	.versioned = true,
	.list_path = "/json/list",
	.many = true,
	.per_poll = true,
	.alone = true,
	.lingers = true,
	.cannot = {
		[ABILITY_CONTINUOUS] = one_client,
		[ABILITY_TRACKING] = v8_no_tracking,
		[ABILITY_EXACT_IDS] = one_clients_ids,
		[ABILITY_GC_EVENTS] = workerd_no_gc_events,
	},
	.collects_late = workerd_collects_late,
};

/*
 * The proxy of miniflare (unsafeInspectorProxy) does so too. It connects to a worker when that is
 * loaded, anew after each reload, and lists it at once. What is said to it before that connection
 * stands, it throws an error at, as it does when a client leaves before, and the process that runs
 * miniflare dies of either. Nothing tells when it stands.
 */
static const struct runtime miniflare = {
	.name = "workerd",
	.engine = "v8",
	.dialect = &dialect_cdp,
	.words = &cdp_words_workerd,
	.loopback = "inspectorHost: '127.0.0.1' among miniflare's options",
	.program = "workerd",
	.versioned = true,
	.list_path = "/json/list",
	.many = true,
	.per_poll = true,
	.alone = true,
	.lingers = true,
	.quiet_ns = 250 * NS_PER_MS,
	.cannot = {
		[ABILITY_CONTINUOUS] = one_client,
		[ABILITY_TRACKING] = v8_no_tracking,
		[ABILITY_EXACT_IDS] = one_clients_ids,
		[ABILITY_GC_EVENTS] = workerd_no_gc_events,
	},
	.collects_late = workerd_collects_late,
};

/* Any number of clients, of which none waits for another. */
static const struct runtime chromium = {
	.name = "chromium",
	.engine = "v8",
	.dialect = &dialect_cdp_browser,
	.apart = true,
	.words = &cdp_words_chromium,
	.loopback = "--remote-debugging-port=PORT and no --remote-debugging-address",
	.versioned = true,
	.list_path = "/json/version",
	.cannot = {
		[ABILITY_TRACKING] = v8_no_tracking,
	},
};

/* Its answers to one client come to all: nobody else listens while a snapshot is read. */
static const struct runtime bun = {
	.name = "bun",
	.engine = "jsc",
	.dialect = &dialect_bun,
	.versioned = true,
	.alone = true,
	.tracking_max = 100 << 20,
	.tracking_max_why = "its snapshots may be longer than the 357,913,940 characters that JSC "
			    "can send, and then it dies; kind snapshot takes another way",
	.cannot = {
		[ABILITY_WORKERS] = "its inspector does not reach them",
		[ABILITY_SAMPLING] = jsc_no_samples,
		[ABILITY_CONTINUOUS] = jsc_no_samples,
		[ABILITY_TIMELINE] = jsc_no_timeline,
		[ABILITY_TIMELINE_STACKS] = jsc_no_timeline,
		[ABILITY_EXACT_IDS] = "its snapshots number the objects anew",
	},
};

static const char *const webkit_page_programs[] = { "WebKitWebProces", "WPEWebProcess", NULL };

/*
 * Any program with WebKit in it that was started with WEBKIT_INSPECTOR_HTTP_SERVER. The limit is
 * explained in webkit_snapshot.c.
 */
static const struct runtime webkit = {
	.name = "webkit",
	.engine = "jsc",
	.dialect = &dialect_webkit,
	.apart = true,
	.words = &webkit_list_html,
	.loopback = "WEBKIT_INSPECTOR_HTTP_SERVER=127.0.0.1:PORT",
	.program = "",
	.page_programs = webkit_page_programs,
	.list_path = "/",
	.many = true,
	.parts = true,
	.alone = true,
	.yields = true,
	.format = SNAPSHOT_JSC,
	.heap_max = 100 << 20,
	.heap_max_why = "its snapshot may be longer than the 357,913,940 characters that JSC can "
			"send, and then the page's process dies",
	.cannot = {
		[ABILITY_WORKERS] = "its workers tell no memory",
		[ABILITY_REDACT_ALL] = names_stay,
		[ABILITY_SAMPLING] = jsc_no_samples,
		[ABILITY_CONTINUOUS] = jsc_no_samples,
		[ABILITY_TIMELINE] = jsc_no_timeline,
		[ABILITY_TIMELINE_STACKS] = jsc_no_timeline,
		[ABILITY_EXACT_IDS] = jsc_ids,
	},
};

/* Safari of an iPhone or iPad, behind ios-webkit-debug-proxy. */
static const struct runtime safari = {
	.name = "safari",
	.engine = "jsc",
	.dialect = &dialect_webkit,
	.apart = true,
	.words = &webkit_list_json,
	.list_path = "/json/list",
	.many = true,
	.parts = true,
	.alone = true,
	.yields = true,
	.yields_to = "claimed by",
	.format = SNAPSHOT_JSC,
	.heap_max = 18 << 20,
	.heap_max_why = "its snapshot may be longer than the 64 MiB that ios-webkit-debug-proxy "
			"passes on",
	.cannot = {
		[ABILITY_WORKERS] = "its workers tell no memory",
		[ABILITY_REDACT_ALL] = names_stay,
		[ABILITY_SAMPLING] = jsc_no_samples,
		[ABILITY_CONTINUOUS] = jsc_no_samples,
		[ABILITY_TIMELINE] = jsc_no_timeline,
		[ABILITY_TIMELINE_STACKS] = jsc_no_timeline,
		[ABILITY_EXACT_IDS] = jsc_ids,
	},
};

/* One connection leads to all tabs and processes; any number of clients is fine. */
static const struct runtime firefox = {
	.name = "firefox",
	.engine = "spidermonkey",
	.dialect = &dialect_rdp,
	.apart = true,
	.loopback = "--start-debugger-server PORT and devtools.debugger.force-local true, or a "
		    "path instead of the port",
	.program = "firefox",
	.format = SNAPSHOT_GECKO,
	.sampling_max_ns = 300 * NS_PER_S,
	.sampling_max_why = "its log of allocations makes a tab many times slower, and more so the "
			    "longer it is kept",
	.cannot = {
		[ABILITY_WORKERS] = "it tells nothing of their heaps",
		[ABILITY_CONTINUOUS] = "its log of allocations makes a tab many times slower, "
				       "however few of them it takes",
		[ABILITY_TIMELINE] = "its snapshots keep no times of allocations; one with stacks "
				     "can be had, and its log of them as sampling",
		[ABILITY_TRACKING] = "its snapshots tell addresses, which others take over; ask for "
				     "sampling, which is its log of allocations",
		[ABILITY_EXACT_IDS] = "its snapshots tell addresses, which others take over",
		[ABILITY_REDACT_ALL] = names_stay,
	},
};

const struct runtime *const runtime_all[] = { &node,   &deno,   &workerd, &chromium, &bun,
					      &webkit, &safari, &firefox, NULL };

const char *const runtime_words[] = { "auto", "node",   "deno",   "workerd", "chromium",
				      "bun",  "webkit", "safari", "firefox", NULL };
_Static_assert(sizeof(runtime_words) / sizeof(runtime_words[0]) ==
		       sizeof(runtime_all) / sizeof(runtime_all[0]) + 1,
	       "a word per runtime");

/*
 * `Browser` of /json/version begins so; what follows is the version, unless another member has it:
 * then it is all of it.
 */
static const struct {
	const char *prefix;
	const struct runtime *runtime;
	const char *version;
} browsers[] = {
	{ "node.js/v", &node, NULL },           { "Deno/", &deno, NULL },
	{ "workerd", &workerd, NULL },          { "wrangler/v", &wrangler, NULL },
	{ "miniflare/v", &miniflare, NULL },    { "Chrome/", &chromium, NULL },
	{ "HeadlessChrome/", &chromium, NULL }, { "Edg/", &chromium, NULL },
	{ "Bun", &bun, "Bun-Version" }, /* alone: see bun_facade */
};

/* "Bun/1.4.5": the CDP of its node:inspector, whose answers about the heap are all 0 or refusals.
 */
static const char bun_facade[] = "Bun/";

const struct runtime *runtime_of_word(int word)
{
	return word == 0 ? NULL : runtime_all[word - 1];
}

const struct runtime *runtime_named(const char *name)
{
	for (size_t i = 0; runtime_all[i] != NULL; i++) {
		if (strcmp(runtime_all[i]->name, name) == 0)
			return runtime_all[i];
	}
	return NULL;
}

char *runtime_title(char dst[RUNTIME_TITLE_MAX], const struct runtime *runtime, const char *version)
{
	snprintf(dst, RUNTIME_TITLE_MAX, "%s%s%.16s", runtime->name, version[0] != '\0' ? " " : "",
		 version);
	return dst;
}

const char *runtime_hint(const char *browser)
{
	if (str_has_prefix(browser, bun_facade))
		return ": the program has opened it by node:inspector, and it tells nothing of "
		       "memory; start Bun with --inspect, or with BUN_INSPECT in its environment";
	return "";
}

uint64_t runtime_heap_max(const struct runtime *runtime, bool tracking, const char **ret_why)
{
	bool other = tracking && runtime->tracking_max != 0;

	*ret_why = other ? runtime->tracking_max_why : runtime->heap_max_why;
	return other ? runtime->tracking_max : runtime->heap_max;
}

static const struct runtime *recognised(size_t i, const char *browser, const struct tree *version,
					struct identity *identity)
{
	const struct runtime *runtime = browsers[i].runtime;
	const char *text = browser + strlen(browsers[i].prefix);

	if (browsers[i].version != NULL)
		tree_string(version, browsers[i].version, &text);
	str_copy(identity->runtime, sizeof(identity->runtime), runtime->name);
	str_copy(identity->engine, sizeof(identity->engine), runtime->engine);
	str_copy(identity->runtime_version, sizeof(identity->runtime_version), text);
	if (tree_string(version, "V8-Version", &text) ||
	    tree_string(version, "WebKit-Version", &text))
		str_copy(identity->engine_version, sizeof(identity->engine_version), text);
	return runtime;
}

const struct runtime *runtime_of_version(const struct tree *version, struct identity *identity)
{
	const char *browser;

	if (!tree_string(version, "Browser", &browser))
		return NULL;
	for (size_t i = 0; i < sizeof(browsers) / sizeof(browsers[0]); i++) {
		if (str_has_prefix(browser, browsers[i].prefix) &&
		    (browsers[i].version == NULL || strcmp(browser, browsers[i].prefix) == 0))
			return recognised(i, browser, version, identity);
	}
	return NULL;
}
