#include "scene.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/runtime.h"
#include "util/clock.h"
#include "util/str.h"

static const double bounds[] = { 1, 10 };

void server_prepare(struct server_scene *scene)
{
	*scene = (struct server_scene){ .addresses = { "127.0.0.1:0", NULL } };
	scene->settings = (struct web_settings){
		.listen_addresses = { scene->addresses, 1 },
		.max_connections = 256,
		.max_connections_per_ip = 256,
		.request_timeout_ns = 10 * NS_PER_S,
		.response_timeout_ns = 10 * NS_PER_S,
	};
	cr_assert_eq(loop_init(&scene->loop), 0);
}

void server_start(struct server_scene *scene, const struct route *routes, void *owner)
{
	struct err err = { .text = "" };

	cr_assert_eq(
		http_server_init(&scene->server, &scene->loop, &scene->settings, routes, owner), 0);
	cr_assert_eq(http_server_listen(scene->server, NULL, 0, &err), 0, "%s", err.text);
	scene->port = http_server_port(scene->server, 0);
}

void server_stop(struct server_scene *scene)
{
	http_server_free(scene->server);
	scene->server = NULL;
	loop_fini(&scene->loop);
}

static void prepare_captures(struct view_scene *scene)
{
	struct captures *captures = &scene->captures;

	captures->targets = &scene->targets;
	captures->spool = &scene->spool;
	scene->capture_settings.queue_max = 1;
	captures->settings = &scene->capture_settings;
	link_init(&captures->queue);
	link_init(&captures->running);
	link_init(&captures->ended);
	link_init(&captures->counters);
	link_init(&captures->history);
	link_init(&captures->tracked);
	histogram_init(&captures->duration, bounds, 2);
	histogram_init(&captures->pause, bounds, 2);
	histogram_init(&captures->size, bounds, 2);
}

void view_start(struct view_scene *scene)
{
	struct session_context context = { .loop = &scene->web.loop };

	*scene = (struct view_scene){ .spool = { .dir_fd = -1,
						 .incoming_fd = -1,
						 .ready_fd = -1,
						 .corrupt_fd = -1,
						 .path = "/spool" } };
	server_prepare(&scene->web);
	cr_assert_eq(targets_init(&scene->targets, &context), 0);
	cr_assert_eq(alerts_init(&scene->alerts, &scene->web.loop, &scene->targets), 0);
	prepare_captures(scene);
	link_init(&scene->spool.ready);
	scene->captures.spool = &scene->spool;
	analyses_init(&scene->analyses, &scene->web.loop, &scene->captures,
		      &scene->analysis_settings, "/nonexistent");
	link_init(&scene->discovery.sources);
	scene->view = (struct http_view){
		.loop = &scene->web.loop,
		.targets = &scene->targets,
		.alerts = &scene->alerts,
		.captures = &scene->captures,
		.analyses = &scene->analyses,
		.spool = &scene->spool,
		.discovery = &scene->discovery,
		.web = &scene->web.settings,
		.version = "0.0.0-test",
		.revision = "abc",
		.compiler = "cc",
		.started_wall_ms = clock_wall_ms(),
		.ready = true,
		.reload_ok = true,
	};
	server_start(&scene->web, http_routes, &scene->view);
	scene->view.server = scene->web.server;
}

void view_stop(struct view_scene *scene)
{
	http_server_free(scene->web.server);
	targets_fini(&scene->targets);
	alerts_fini(&scene->alerts);
	loop_fini(&scene->web.loop);
}

struct target *view_add_target(struct view_scene *scene, const char *name, const char *address)
{
	struct target_spec spec = { .name = (char *)(uintptr_t)name,
				    .poll = { .interval_ns = 5 * NS_PER_S,
					      .timeout_ns = 2 * NS_PER_S } };
	struct target *target;

	cr_assert_eq(address_parse(&spec.address, address, NULL), 0);
	cr_assert_eq(target_new(&target, &scene->targets, &spec, "config"), 0);
	cr_assert_eq(map_put(&scene->targets.by_name, target->spec.name, target), 0);
	target->session.runtime = runtime_of_word(1);
	loop_timer_clear(&target->timer);
	list_append(&scene->targets.list, &target->link);
	scene->targets.count++;
	return target;
}

static void add_space(struct sample *sample, const char *name, uint64_t base)
{
	struct space *space = &sample->spaces[sample->spaces_n++];

	*space = (struct space){
		.size = base, .used = base + 1, .available = base + 2, .physical = base + 3
	};
	str_copy(space->name, sizeof(space->name), name);
}

void target_answer(struct target *target)
{
	struct isolate *isolate = target_need_isolate(target, "main");

	cr_assert_not_null(isolate);
	target->state = TARGET_UP;
	target->up = true;
	target->polls = 3;
	target->last_poll_wall_ms = 1700000000250;
	target->last_poll_duration_ns = 1500000;
	target->identified = true;
	target->identity = (struct identity){ .runtime = "node",
					      .runtime_version = "22.1.0",
					      .engine = "v8",
					      .engine_version = "12.4" };
	isolate->last = (struct sample){ .round_trip_ns = 250000 };
	sample_set(&isolate->last, SAMPLE_HEAP_USED, 50);
	sample_set(&isolate->last, SAMPLE_HEAP_LIMIT, 100);
	add_space(&isolate->last, "new", 1000);
	add_space(&isolate->last, "old", 2000);
	for (uint64_t i = 0; i < 4; i++) {
		struct reading reading = { .point = { .mono_ns = i * NS_PER_S,
						      .heap_used = 10 + i * 10 } };

		series_add(&isolate->series, &reading);
	}
}
