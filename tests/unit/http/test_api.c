#include "scene.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/account.h"
#include "client.h"
#include "conf/doc.h"
#include "json/tree.h"
#include "util/str.h"
#include "watch/rule.h"

/* The shape of the API: the envelope, the names Prometheus' clients read, and what is refused. */

static struct view_scene scene;
static struct client client;
static struct tree *answer;

static void setup(void)
{
	view_start(&scene);
}

static void teardown(void)
{
	view_stop(&scene);
}

TestSuite(api, .init = setup, .fini = teardown);

/* The whole answer, parsed. */
static const struct tree *ask(const char *method, const char *path, const char *body)
{
	struct err err = { .text = "" };
	char request[1024];

	client_open(&client, &scene.web.loop, scene.web.port);
	snprintf(request, sizeof(request),
		 "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s", method, path,
		 strlen(body), body);
	client_send(&client, request);
	client_wait(&client, false);
	cr_assert_eq(tree_parse(client_body(&client), client_body_size(&client), &answer, &err), 0,
		     "%s %s: %s", method, path, err.text);
	return answer;
}

static void done(void)
{
	tree_free(answer);
	client_close(&client);
}

static void expect_text(const struct tree *node, const char *key, const char *wanted)
{
	const char *text = "(missing)";

	tree_string(node, key, &text);
	cr_expect_str_eq(text, wanted, "%s is %s", key, text);
}

/* The data of a successful GET. */
static const struct tree *get(const char *path)
{
	const struct tree *all = ask("GET", path, "");

	cr_assert_eq(client_status(&client), 200, "%s: %s", path, client_body(&client));
	expect_text(all, "status", "success");
	cr_assert_not_null(tree_get(all, "data"), "%s has no data", path);
	return tree_get(all, "data");
}

static void expect_members(const struct tree *node, const char *const *keys)
{
	cr_assert_not_null(node);
	for (; *keys != NULL; keys++)
		cr_expect_not_null(tree_get(node, *keys), "no %s", *keys);
}

static void expect_empty_list(const struct tree *data, const char *key)
{
	const struct tree *list = tree_get(data, key);

	cr_assert_not_null(list, "no %s", key);
	cr_expect(tree_is_array(list) && tree_size(list) == 0, "%s is no empty list", key);
}

/* Lists are there when there is nothing in them: null breaks who reads them. */
Test(api, nothing_is_an_empty_list)
{
	static const char *const lists[][2] = {
		{ "/api/v1/targets", "activeTargets" }, { "/api/v1/targets", "droppedTargets" },
		{ "/api/v1/rules", "groups" },          { "/api/v1/alerts", "alerts" },
		{ "/api/v1/captures", "ready" },        { "/api/v1/captures", "running" },
		{ "/api/v1/captures", "failed" },       { "/api/v1/captures", "refused" },
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		expect_empty_list(get(lists[i][0]), lists[i][1]);
		done();
	}
	cr_expect(tree_is_array(ask("GET", "/api/v1/sd", "")) && tree_size(answer) == 0,
		  "http_sd wants the bare list");
	done();
}

/* What Prometheus' Go client reads of a target. */
Test(api, targets)
{
	static const char *const members[] = { "discoveredLabels", "labels",
					       "scrapePool",       "scrapeUrl",
					       "globalUrl",        "lastError",
					       "lastScrape",       "health",
					       "scrapeInterval",   "lastScrapeDuration",
					       "scrapeTimeout",    NULL };
	const struct tree *targets;
	struct target *up, *down;

	up = view_add_target(&scene, "shop", "127.0.0.1:9229");
	target_answer(up);
	target_find_isolate(up, "main")->gc_untold = "it began before";
	down = view_add_target(&scene, "gone", "127.0.0.1:9230");
	down->state = TARGET_DOWN;
	down->polls = 1;
	str_copy(down->gc_untold, sizeof(down->gc_untold), "gc_events: not supported by deno");
	down->failures[TARGET_FAILURE_REFUSED] = 1;
	str_copy(down->reason, sizeof(down->reason), "connection refused");
	str_copy(down->last_error, sizeof(down->last_error), "connection refused");
	targets = tree_get(get("/api/v1/targets"), "activeTargets");
	cr_assert_eq(tree_size(targets), 2);
	for (size_t i = 0; i < 2; i++)
		expect_members(tree_at(targets, i), members);
	expect_text(tree_at(targets, 0), "health", "up");
	expect_text(tree_at(targets, 0), "runtimeVersion", "22.1.0");
	expect_text(tree_at(targets, 0), "lastScrape", "2023-11-14T22:13:20.250Z");
	expect_text(tree_get(tree_at(targets, 0), "labels"), "target", "shop");
	expect_text(tree_at(targets, 1), "health", "down");
	cr_expect_null(tree_get(tree_at(targets, 1), "gcUntold"), "nobody wants them");
	cr_expect_null(tree_get(tree_at(tree_get(tree_at(targets, 0), "isolates"), 0), "gcUntold"));
	expect_text(tree_at(targets, 1), "state", "down");
	expect_text(tree_at(targets, 1), "lastError", "connection refused");
	expect_text(tree_at(targets, 1), "lastScrape", "0001-01-01T00:00:00Z");
	done();
	up->spec.poll.gc_events = down->spec.poll.gc_events = GC_EVENTS_ALWAYS;
	targets = tree_get(get("/api/v1/targets"), "activeTargets");
	cr_expect_null(tree_get(tree_at(targets, 0), "gcUntold"));
	expect_text(tree_at(tree_get(tree_at(targets, 0), "isolates"), 0), "gcUntold",
		    "it began before");
	expect_text(tree_at(targets, 1), "gcUntold", "gc_events: not supported by deno");
	done();
}

static const char rules_text[] = "groups:\n"
				 "- name: memory\n"
				 "  interval: 15s\n"
				 "  rules:\n"
				 "  - alert: HeapHigh\n"
				 "    when: {metric: heap_used, above: 80, for: 30s}\n";

/* One group of one rule, owned by the alerts of the scene. */
static struct rule_group *load_rules(void)
{
	struct rules *rules = calloc(1, sizeof(*rules));
	struct problems problems;

	cr_assert_not_null(rules);
	problems_init(&problems);
	cr_assert_eq(
		rules_parse(rules, rules_text, strlen(rules_text), "memory.yaml", 1, &problems), 0);
	problems_fini(&problems);
	cr_assert_eq(alerts_set_rules(&scene.alerts, rules), 0);
	return &rules->groups[0];
}

static void fire(struct alert *alert, struct rule_group *group)
{
	*alert = (struct alert){ .rule = &group->rules[0],
				 .group = group,
				 .target = "shop",
				 .isolate = "main",
				 .state = ALERT_FIRING,
				 .value = 50,
				 .active_since_wall_ms = 1700000000250 };
	list_append(&scene.alerts.list, &alert->link);
	scene.alerts.count++;
}

/* What Prometheus' Go client, and Grafana by it, read of an alert. */
Test(api, alerts)
{
	static const char *const members[] = { "labels",   "annotations", "state",
					       "activeAt", "value",       NULL };
	const struct tree *alerts;
	struct alert alert;

	fire(&alert, load_rules());
	alerts = tree_get(get("/api/v1/alerts"), "alerts");
	cr_assert_eq(tree_size(alerts), 1);
	expect_members(tree_at(alerts, 0), members);
	expect_text(tree_at(alerts, 0), "state", "firing");
	expect_text(tree_at(alerts, 0), "activeAt", "2023-11-14T22:13:20.250Z");
	expect_text(tree_at(alerts, 0), "value", "5e+01");
	done();
	link_init(&scene.alerts.list);
}

/* ---- what is refused ---- */

static const struct {
	const char *method, *path, *body;
	int status;
	const char *type;
} refusals[] = {
	{ "GET", "/api/v1/targets/nobody", "", 404, "not_found" },
	{ "GET", "/api/v1/captures/0123", "", 404, "not_found" },
	{ "GET", "/api/v1/captures/0123/file", "", 404, "not_found" },
	{ "GET", "/api/v1/captures/..%2F..%2Fetc%2Fpasswd/file", "", 404, "not_found" },
	{ "DELETE", "/api/v1/captures/0123", "", 404, "not_found" },
	{ "POST", "/api/v1/captures/0123", "", 405, "bad_data" },
	{ "POST", "/api/v1/targets/nobody/captures", "", 404, "not_found" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"kind\":", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "[]", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"kind\":\"magic\"}", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures?kind=magic", "", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"isolate\":7}", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"redacted\":\"none\"}", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"redact\":\"some\"}", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"redact\":null}", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures?redact=some", "", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"compress\":\"gzip\"}", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"encrypt\":\"age1x\"}", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"encrypt\":[\"age1x\"]}", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"encrypt\":[1]}", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures?encrypt=age1x,age1y", "", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"series\":3}", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"series\":{\"count\":0}}", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"series\":{\"count\":21}}", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"series\":{\"count\":2,\"every\":\"1m\"}}",
	  400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures",
	  "{\"series\":{\"count\":2,\"spacing\":\"often\"}}", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"series\":{\"count\":2,\"growth\":0.2}}", 400,
	  "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"series\":{\"count\":2,\"growth\":\"20\"}}",
	  400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"series\":{\"count\":2,\"deadline\":\"1h\"}}",
	  400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures?series=2&growth=0.2&deadline=1m", "", 400,
	  "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures?series=2&growth=0.2&deadline=1h", "", 409,
	  "conflict" },
	{ "POST", "/api/v1/targets/gone/captures?series=2&spacing=6m&ids=exact", "", 400,
	  "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"series\":{\"count\":2,\"ids\":true}}", 400,
	  "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures?series=two", "", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures?series=2&spacing=1ms", "", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures?series=2&kind=diagnostics", "", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures?kind=sampling&redact=all", "", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures?kind=diagnostics&redact=all", "", 400,
	  "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures?kind=sampling&gc_before=true", "", 400,
	  "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures?kind=timeline&gc_before=true&redact=all", "", 409,
	  "conflict" },
	{ "POST", "/api/v1/targets/gone/captures?force=maybe", "", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"dry_run\":\"yes\"}", 400, "bad_data" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"isolate\":\"worker:9\"}", 404, "not_found" },
	{ "POST", "/api/v1/targets/gone/captures", "{\"redact\":\"none\"}", 403, "forbidden" },
	{ "POST", "/api/v1/targets/gone/captures?redact=all", "", 409, "conflict" },
	{ "POST", "/api/v1/targets/gone/captures", "{}", 409, "conflict" },
	{ "POST", "/api/v1/targets/gone/captures", "", 409, "conflict" },
};

Test(api, refusals)
{
	int folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* A spool on a disk with room. */
	cr_assert_geq(folder, 0);
	scene.spool.ready_fd = folder;
	scene.capture_settings.recipe.redact = REDACT_STRINGS;
	view_add_target(&scene, "gone", "127.0.0.1:9230")->state = TARGET_DOWN;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct tree *all =
			ask(refusals[i].method, refusals[i].path, refusals[i].body);
		const char *text = "";

		cr_expect_eq(client_status(&client), refusals[i].status, "%s %s %s: %d",
			     refusals[i].method, refusals[i].path, refusals[i].body,
			     client_status(&client));
		expect_text(all, "status", "error");
		expect_text(all, "errorType", refusals[i].type);
		tree_string(all, "error", &text);
		cr_expect_gt(strlen(text), 5, "%s: no reason", refusals[i].path);
		done();
	}
	scene.capture_settings.queue_max = 0;
	expect_text(ask("POST", "/api/v1/targets/gone/captures", ""), "errorType", "limit");
	cr_expect_eq(client_status(&client), 429);
	done();
	/* Those that were asked for and refused are shown. */
	cr_expect_eq(tree_size(tree_get(get("/api/v1/captures"), "refused")), 6);
	done();
	account_fini(&scene.captures);
	close(folder);
}

/* ---- life cycle ---- */

static int reloads, reload_result;

static int reload(void *root, struct buf *errors)
{
	(void)root;
	reloads++;
	if (reload_result < 0)
		buf_puts(errors, "heapwatchd.yaml:3:5: web: no\n");
	return reload_result;
}

static void expect_plain(const char *method, const char *path, int status, const char *body)
{
	client_get(&client, &scene.web.loop, scene.web.port, method, path, "");
	cr_expect_eq(client_status(&client), status, "%s %s: %d", method, path,
		     client_status(&client));
	cr_expect_not_null(strstr(client_body(&client), body), "%s", client_body(&client));
	client_close(&client);
}

Test(api, life_cycle)
{
	scene.view.reload = reload;
	expect_plain("POST", "/-/reload", 403, "Lifecycle API is not enabled.");
	cr_expect_eq(reloads, 0);
	scene.web.settings.enable_lifecycle = true;
	expect_plain("POST", "/-/reload", 200, "");
	expect_plain("PUT", "/-/reload", 200, "");
	cr_expect_eq(reloads, 2);
	reload_result = -22;
	expect_plain("POST", "/-/reload", 500, "heapwatchd.yaml:3:5: web: no\n");
	expect_plain("GET", "/-/healthy", 200, "Healthy");
	expect_plain("GET", "/-/ready", 200, "Ready");
	scene.view.ready = false;
	expect_plain("GET", "/-/ready", 503, "Unavailable");
	expect_plain("GET", "/-/healthy", 200, "Healthy");
}

/* What Prometheus' Go client reads of rules. */
Test(api, rules)
{
	static const char *const of_group[] = { "name",           "file",  "interval",
						"limit",          "rules", "lastEvaluation",
						"evaluationTime", NULL };
	static const char *const of_rule[] = { "state",         "name",           "query",
					       "duration",      "labels",         "annotations",
					       "alerts",        "health",         "type",
					       "keepFiringFor", "lastEvaluation", "evaluationTime",
					       "guards",        "captures",       NULL };
	const struct tree *first, *one;

	struct alert alert;

	fire(&alert, load_rules());
	first = tree_at(tree_get(get("/api/v1/rules"), "groups"), 0);
	expect_members(first, of_group);
	one = tree_at(tree_get(first, "rules"), 0);
	expect_members(one, of_rule);
	expect_text(one, "state", "firing");
	cr_expect_eq(tree_size(tree_get(one, "alerts")), 1);
	expect_text(one, "type", "alerting");
	expect_text(one, "query", "heap_used > 80 for 30s");
	done();
	link_init(&scene.alerts.list);
	scene.alerts.count = 0;
}
