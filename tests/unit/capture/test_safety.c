/*
 * What protects the target: every guard refuses with its numbers, what is not known is no, and the
 * figures are fresh right before acting. The kernel's word is a made-up tree.
 */

#include "capture/guard.h"
#include "capture/step.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scene.h"
#include "util/clock.h"
#include "util/err.h"
#include "util/str.h"
#include "watch/procfs.h"

#define MIB    (1ull << 20)
#define GIB    (1ull << 30)
#define MINUTE (60 * NS_PER_S)

enum { PORT = 9, PID = 4711, CONTENT_PID = 4712 };

/* 2026-07-01T08:12:30Z */
static const int64_t wall_ms = 1782893550000;

static struct scene scene;
static struct target *shop;
static char roots[FOLDER_PATH_MAX / 2];

/* How the kernel sees a process: CPU in ticks of a hundredth, the start as ticks since boot. */
static void put_process_of(unsigned pid, unsigned cpu_ticks, unsigned start_ticks)
{
	char text[512], name[32];

	snprintf(text, sizeof(text),
		 "%u (node) S 1 7 7 0 -1 4194560 100 0 0 0 %u 0 0 0 20 0 11 0 %u 123456789 2048 "
		 "18446744073709551615 1 1 0 0 0 0 0 4096 134234626 0 0 0 17 1 0 0 0 0 0\n",
		 pid, cpu_ticks, start_ticks);
	snprintf(name, sizeof(name), "proc/%u/stat", pid);
	folder_write(roots, name, text, strlen(text));
}

static void put_process(unsigned cpu_ticks)
{
	put_process_of(PID, cpu_ticks, 1000);
}

static void put_number(const char *name, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu\n", (unsigned long long)value);
	folder_write(roots, name, text, strlen(text));
}

static void put_available(uint64_t bytes)
{
	char text[128];

	snprintf(text, sizeof(text), "MemTotal: 9 kB\nMemAvailable:  %llu kB\nBuffers: 1 kB\n",
		 (unsigned long long)(bytes / 1024));
	folder_write(roots, "proc/meminfo", text, strlen(text));
}

static void put_group(uint64_t limit, uint64_t used, uint64_t cache)
{
	char text[128];

	put_number("cgroup/app/memory.max", limit);
	put_number("cgroup/app/memory.current", used);
	snprintf(text, sizeof(text), "anon 5\ninactive_file %llu\nactive_file 7\n",
		 (unsigned long long)cache);
	folder_write(roots, "cgroup/app/memory.stat", text, strlen(text));
}

static void make_folder(const char *name)
{
	char path[FOLDER_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", roots, name);
	cr_assert_eq(mkdir(path, 0755), 0);
}

/* A poll has read the process. */
static void poll(void)
{
	shop->process_read_ns = clock_mono_ns();
	target_see_process(shop, &shop->process);
}

static void identify(struct target *target)
{
	target->identified = true;
	str_copy(target->identity.runtime, sizeof(target->identity.runtime), "node");
	str_copy(target->identity.engine, sizeof(target->identity.engine), "v8");
}

static void begin(void)
{
	static char proc[FOLDER_PATH_MAX], cgroup[FOLDER_PATH_MAX];

	cr_assert_eq(setenv("TZ", "UTC", 1), 0);
	clock_simulate(3600 * NS_PER_S, wall_ms);
	folder_new(roots);
	make_folder("proc");
	make_folder("proc/4711");
	make_folder("cgroup");
	make_folder("cgroup/app");
	snprintf(proc, sizeof(proc), "%s/proc", roots);
	snprintf(cgroup, sizeof(cgroup), "%s/cgroup", roots);
	procfs_set_roots(proc, cgroup);
	put_process(100);
	put_available(20 * GIB);
	folder_write(roots, "proc/4711/cgroup", "0::/app\n", 8);
	scene_init(&scene);
	shop = scene_target(&scene, "shop", PORT, 400 * MIB);
	identify(shop);
	poll();
	scene.settings.guards = (struct safety_guards){ 0 };
}

static void finish(void)
{
	procfs_set_roots(NULL, NULL);
	scene_fini(&scene);
	folder_remove(roots);
}

TestSuite(safety, .init = begin, .fini = finish);

static void expect(const struct rule_guards *guards, bool fresh, enum capture_refusal refusal,
		   const char *text)
{
	struct err err = { 0 };

	cr_expect_eq(safety_judge(&scene.captures, shop, "main", CAPTURE_KIND_SNAPSHOT, guards,
				  fresh, &err),
		     refusal, "%s", err.text);
	cr_expect_str_eq(err.text, text);
}

#define AGREES(guards, fresh) expect(guards, fresh, REFUSAL_NONE, "")

Test(safety, headroom_by_runtime)
{
	put_group(2 * GIB, 900 * MIB, 0);
	poll();
	expect(NULL, false, REFUSAL_HEADROOM,
	       "headroom: a snapshot may take 45 x 400 MiB = 17.5 GiB, 1.1 GiB are free (control "
	       "group: limit 2 GiB, 900 MiB used; host: 20 GiB available)");
	put_group(64 * GIB, 900 * MIB, 0);
	AGREES(NULL, true);
	put_available(8 * GIB);
	expect(NULL, true, REFUSAL_HEADROOM,
	       "headroom: a snapshot may take 45 x 400 MiB = 17.5 GiB, 8 GiB are free (control "
	       "group: limit 64 GiB, 900 MiB used; host: 8 GiB available)");
	put_available(18000 * MIB);
	AGREES(NULL, true);
}

/* What is not measured counts as the worst; both sides of what each needs. */
Test(safety, headroom_of_each_runtime)
{
	static const struct {
		const char *runtime, *engine;
		uint64_t heaps;
		const char *text;
	} cases[] = {
		{ "node", "v8", 45, "45 x 400 MiB = 17.5 GiB, 17.5 GiB are" },
		{ "deno", "v8", 110, "110 x 400 MiB = 42.9 GiB, 42.9 GiB are" },
		{ "chromium", "v8", 220, "220 x 400 MiB = 85.9 GiB, 85.9 GiB are" },
		{ "workerd", "v8", 220, "220 x 400 MiB = 85.9 GiB, 85.9 GiB are" },
		{ "bun", "jsc", 12, "12 x 400 MiB = 4.6 GiB, 4.6 GiB are" },
		{ "firefox", "spidermonkey", 18, "18 x 400 MiB = 7 GiB, 7 GiB are" },
		{ "webkit", "jsc", 22, "22 x 400 MiB = 8.5 GiB, 8.5 GiB are" },
		{ "safari", "jsc", 22, "22 x 400 MiB = 8.5 GiB, 8.5 GiB are" },
		{ "", "", 220, "220 x 400 MiB = 85.9 GiB, 85.9 GiB are" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t needed = cases[i].heaps * 400 * MIB;
		struct err err = { 0 };

		str_copy(shop->identity.runtime, sizeof(shop->identity.runtime), cases[i].runtime);
		str_copy(shop->identity.engine, sizeof(shop->identity.engine), cases[i].engine);
		put_available(needed);
		AGREES(NULL, true);
		put_available(needed - MIB);
		cr_expect_eq(safety_judge(&scene.captures, shop, "main", CAPTURE_KIND_SNAPSHOT,
					  NULL, true, &err),
			     REFUSAL_HEADROOM, "%s", cases[i].runtime);
		cr_expect_not_null(strstr(err.text, cases[i].text), "%s", err.text);
	}
}

Test(safety, headroom_takes_cache_for_free)
{
	const struct rule_guards guards = { .safety = { .headroom = 3, .has_headroom = true } };

	put_group(2 * GIB, 1000 * MIB, 0);
	expect(&guards, true, REFUSAL_HEADROOM,
	       "headroom: a snapshot may take 3 x 400 MiB = 1.1 GiB, 1 GiB are free (control "
	       "group: limit 2 GiB, 1000 MiB used; host: 20 GiB available)");
	put_group(2 * GIB, 1000 * MIB, 152 * MIB);
	AGREES(&guards, true);
	put_group(2 * GIB, 1000 * MIB, 151 * MIB);
	expect(&guards, true, REFUSAL_HEADROOM,
	       "headroom: a snapshot may take 3 x 400 MiB = 1.1 GiB, 1.1 GiB are free (control "
	       "group: limit 2 GiB, 1000 MiB used, 151 MiB of it cache; host: 20 GiB available)");
	put_group(GIB, 2 * GIB, 0);
	expect(&guards, true, REFUSAL_HEADROOM,
	       "headroom: a snapshot may take 3 x 400 MiB = 1.1 GiB, 0 B are free (control "
	       "group: limit 1 GiB, 2 GiB used; host: 20 GiB available)");
}

/* The slice around all groups: the kernel kills in it when it is full, whoever filled it. */
Test(safety, headroom_of_the_slice_that_others_have_filled)
{
	const struct rule_guards guards = { .safety = { .headroom = 3, .has_headroom = true } };

	put_group(4 * GIB, 500 * MIB, 0);
	AGREES(&guards, true);
	put_number("cgroup/memory.max", 8 * GIB);
	put_number("cgroup/memory.current", 7 * GIB);
	expect(&guards, true, REFUSAL_HEADROOM,
	       "headroom: a snapshot may take 3 x 400 MiB = 1.1 GiB, 1 GiB are free (control "
	       "group: limit 8 GiB, 7 GiB used; host: 20 GiB available)");
}

Test(safety, headroom_without_a_group)
{
	expect(&(struct rule_guards){ .safety = { .headroom = 60, .has_headroom = true } }, true,
	       REFUSAL_HEADROOM,
	       "headroom: a snapshot may take 60 x 400 MiB = 23.4 GiB, 20 GiB are free (control "
	       "group: no limit; host: 20 GiB available)");
}

/* Workers are isolates of their own: only what is captured counts. */
Test(safety, headroom_of_the_isolate)
{
	struct err err = { 0 };

	scene_isolate(shop, "worker:1", 10 * MIB);
	put_available(GIB);
	cr_expect_eq(safety_judge(&scene.captures, shop, "main", CAPTURE_KIND_SNAPSHOT, NULL, true,
				  &err),
		     REFUSAL_HEADROOM);
	cr_expect_eq(safety_judge(&scene.captures, shop, "worker:1", CAPTURE_KIND_SNAPSHOT, NULL,
				  true, &err),
		     REFUSAL_NONE);
}

Test(safety, headroom_of_zero_is_no_guard)
{
	const struct rule_guards none = { .safety = { .has_headroom = true } };
	const struct rule_guards silent = { 0 };

	shop->identity.pid = 0;
	poll();
	expect(NULL, true, REFUSAL_HEADROOM,
	       "headroom: the process cannot be seen, so nobody knows what is free for it; let "
	       "heapwatchd see it, or set headroom: 0");
	AGREES(&none, true);
	scene.settings.guards.has_headroom = true;
	AGREES(&silent, true);
}

Test(safety, headroom_of_what_is_not_known)
{
	target_find_isolate(shop, "main")->last.present = 0;
	expect(NULL, true, REFUSAL_HEADROOM,
	       "headroom: what the heap uses is not known; headroom: 0 captures anyway");
	sample_set(&target_find_isolate(shop, "main")->last, SAMPLE_HEAP_USED, MIB);
	AGREES(NULL, true);
	folder_write(roots, "proc/meminfo", "MemTotal: 1 kB\n", 15);
	expect(NULL, true, REFUSAL_HEADROOM,
	       "headroom: what the host has free is not known; headroom: 0 captures anyway");
}

/* A target elsewhere may have the pid of a process here. */
Test(safety, a_process_of_another_host_is_not_seen)
{
	snprintf(shop->spec.address.host, sizeof(shop->spec.address.host), "192.0.2.1");
	expect(NULL, true, REFUSAL_HEADROOM,
	       "headroom: the process cannot be seen, so nobody knows what is free for it; let "
	       "heapwatchd see it, or set headroom: 0");
}

static struct rule_guards roomy(struct safety_guards safety)
{
	safety.has_headroom = true;
	return (struct rule_guards){ .safety = safety };
}

Test(safety, max_heap)
{
	const struct rule_guards at =
		roomy((struct safety_guards){ .max_heap_bytes = 400 * MIB, .has_max_heap = true });
	const struct rule_guards below = roomy(
		(struct safety_guards){ .max_heap_bytes = 400 * MIB - 1, .has_max_heap = true });

	AGREES(&at, false);
	expect(&below, false, REFUSAL_MAX_HEAP,
	       "max_heap: the heap uses 400 MiB, at most 399.9 MiB");
	target_find_isolate(shop, "main")->last.present = 0;
	expect(&at, false, REFUSAL_MAX_HEAP,
	       "max_heap: what the heap uses is not known (at most 400 MiB)");
}

Test(safety, max_cpu)
{
	const struct rule_guards guards =
		roomy((struct safety_guards){ .max_cpu = 1.5, .has_max_cpu = true });

	expect(&guards, true, REFUSAL_MAX_CPU, "max_cpu: not known before the second poll");
	shop->has_cpu_rate = true;
	shop->cpu_rate = 1.5;
	AGREES(&guards, false);
	shop->cpu_rate = 1.62;
	expect(&guards, true, REFUSAL_MAX_CPU, "max_cpu: 1.62 cores in use, at most 1.5");
	/* Two seconds later the fresh reading is better: half a core, then two. Nobody reads at a
	 * request. */
	clock_simulate(3602 * NS_PER_S, wall_ms + 2000);
	put_process(100 + 100);
	expect(&guards, false, REFUSAL_MAX_CPU, "max_cpu: 1.62 cores in use, at most 1.5");
	AGREES(&guards, true);
	put_process(100 + 400);
	expect(&guards, true, REFUSAL_MAX_CPU, "max_cpu: 2.00 cores in use, at most 1.5");
	shop->identity.pid = 0;
	expect(&guards, true, REFUSAL_MAX_CPU, "max_cpu: the process cannot be seen (at most 1.5)");
}

static void poll_content(unsigned seconds, unsigned cpu_ticks, unsigned start_ticks)
{
	struct sample sample = { .pid = CONTENT_PID, .mono_ns = (3600 + seconds) * NS_PER_S };

	clock_simulate((3600 + seconds) * NS_PER_S, wall_ms + 1000 * (int64_t)seconds);
	put_process_of(CONTENT_PID, cpu_ticks, start_ticks);
	sample_set(&sample, SAMPLE_HEAP_USED, 400 * MIB);
	cr_assert_eq(target_take_sample(shop, "main", &sample), 0);
}

/* Of a page in a process of its own, whatever the browser's does. */
Test(safety, max_cpu_elsewhere)
{
	const struct rule_guards guards =
		roomy((struct safety_guards){ .max_cpu = 1.5, .has_max_cpu = true });

	make_folder("proc/4712");
	folder_write(roots, "proc/4712/cgroup", "0::/app\n", 8);
	shop->has_cpu_rate = true;
	shop->cpu_rate = 7;
	poll_content(0, 100, 2000);
	expect(&guards, false, REFUSAL_MAX_CPU, "max_cpu: not known before the second poll");
	poll_content(2, 100 + 300, 2000);
	AGREES(&guards, false);
	poll_content(4, 400 + 320, 2000);
	expect(&guards, false, REFUSAL_MAX_CPU, "max_cpu: 1.60 cores in use, at most 1.5");
	/* Two seconds later the fresh reading is better. */
	clock_simulate(3606 * NS_PER_S, wall_ms + 6000);
	put_process_of(CONTENT_PID, 720 + 100, 2000);
	AGREES(&guards, true);
	put_process_of(CONTENT_PID, 720 + 400, 2000);
	expect(&guards, true, REFUSAL_MAX_CPU, "max_cpu: 2.00 cores in use, at most 1.5");
	/* Another process has the pid now, and then it is polled, and again. */
	put_process_of(CONTENT_PID, 9000, 3000);
	expect(&guards, true, REFUSAL_MAX_CPU, "max_cpu: not known before the second poll");
	poll_content(8, 9000, 3000);
	expect(&guards, true, REFUSAL_MAX_CPU, "max_cpu: not known before the second poll");
	poll_content(10, 9100, 3000);
	AGREES(&guards, true);
	folder_write(roots, "proc/4712/stat", "gone", 4);
	expect(&guards, true, REFUSAL_MAX_CPU, "max_cpu: the process cannot be seen (at most 1.5)");
}

Test(safety, min_uptime)
{
	const struct rule_guards guards = roomy(
		(struct safety_guards){ .min_uptime_ns = 10 * MINUTE, .has_min_uptime = true });

	shop->process = (struct process_stats){ 0 };
	expect(&guards, false, REFUSAL_MIN_UPTIME,
	       "min_uptime: when the target started is not known (10m wanted)");
	shop->identity.start_wall_ms = wall_ms - 252000;
	expect(&guards, false, REFUSAL_MIN_UPTIME, "min_uptime: up for 4m12s of 10m");
	shop->identity.start_wall_ms = wall_ms - 600000;
	AGREES(&guards, false);
	shop->identity.start_wall_ms = wall_ms + 600000;
	expect(&guards, false, REFUSAL_MIN_UPTIME, "min_uptime: up for 0s of 10m");
	/* The kernel's word wins. */
	shop->process = (struct process_stats){
		.present = true,
		.start_ticks = (3600 - 600) * (uint64_t)sysconf(_SC_CLK_TCK),
	};
	AGREES(&guards, false);
	/* No setting of the wall clock makes it younger or older. */
	clock_simulate(3600 * NS_PER_S, wall_ms - 3600000);
	AGREES(&guards, false);
	clock_simulate(3599 * NS_PER_S, wall_ms + 3600000);
	expect(&guards, false, REFUSAL_MIN_UPTIME, "min_uptime: up for 9m59s of 10m");
	shop->process.present = false;
	shop->identity.start_mono_ms = 3000 * 1000;
	expect(&guards, false, REFUSAL_MIN_UPTIME, "min_uptime: up for 9m59s of 10m");
	clock_simulate(3600 * NS_PER_S, wall_ms - 3600000);
	AGREES(&guards, false);
	/* What a process of that age has become later by exec() is younger. */
	shop->process.present = true;
	AGREES(&guards, false);
	shop->identity.start_mono_ms = 3500 * 1000;
	expect(&guards, false, REFUSAL_MIN_UPTIME, "min_uptime: up for 1m40s of 10m");
	shop->identity.start_mono_ms = 3000 * 1000;
	shop->process.start_ticks = (3600 - 599) * (uint64_t)sysconf(_SC_CLK_TCK);
	expect(&guards, false, REFUSAL_MIN_UPTIME, "min_uptime: up for 9m59s of 10m");
}

Test(safety, quiet_hours)
{
	struct rule_guards guards = roomy((struct safety_guards){ .has_quiet = true });

	AGREES(&guards, false);
	guards.safety.quiet.n = 1;
	cr_assert_eq(day_span_parse("08:00-09:00", &guards.safety.quiet.items[0]), 0);
	expect(&guards, false, REFUSAL_QUIET_HOURS,
	       "quiet_hours: it is 08:12, quiet is 08:00-09:00");
	cr_assert_eq(day_span_parse("22:00-08:13", &guards.safety.quiet.items[0]), 0);
	expect(&guards, false, REFUSAL_QUIET_HOURS,
	       "quiet_hours: it is 08:12, quiet is 22:00-08:13");
	cr_assert_eq(day_span_parse("22:00-08:12", &guards.safety.quiet.items[0]), 0);
	AGREES(&guards, false);
}

/* ---- through the front door ---- */

static int ask(bool force, bool dry_run, struct err *err, char id[CAPTURE_ID_MAX])
{
	const struct capture_request request = { .target_id = shop->id,
						 .force = force,
						 .dry_run = dry_run };

	return captures_request(&scene.captures, &request, id, err);
}

Test(safety, force_is_a_persons_risk)
{
	char id[CAPTURE_ID_MAX];
	struct err err = { 0 };

	put_available(GIB);
	cr_expect_eq(ask(false, false, &err, id), REFUSAL_HEADROOM);
	cr_expect_eq(ask(true, false, &err, id), 0);
	cr_expect_eq(
		guard_judge_again(&scene.captures, shop, captures_find(&scene.captures, id), &err),
		REFUSAL_NONE);
}

Test(safety, dry_run_comes_last)
{
	struct err err = { 0 };

	cr_expect_eq(ask(false, true, &err, NULL), REFUSAL_DRY_RUN);
	cr_expect_str_eq(err.text,
			 "dry_run: would have captured a snapshot of shop (isolate main)");
	put_available(GIB);
	cr_expect_eq(ask(false, true, &err, NULL), REFUSAL_HEADROOM);
	cr_expect_eq(scene.captures.queue_n, scene.captures.settings->diagnostics ? 1 : 0);
}

/* It waited; meanwhile the memory went. The last poll knows nothing of it. */
Test(safety, judged_again_on_fresh_figures)
{
	const struct capture *capture;
	char id[CAPTURE_ID_MAX];
	struct err err = { 0 };

	put_group(64 * GIB, 900 * MIB, 0);
	poll();
	cr_assert_eq(ask(false, false, &err, id), 0, "%s", err.text);
	capture = captures_find(&scene.captures, id);
	cr_expect_eq(guard_judge_again(&scene.captures, shop, capture, &err), REFUSAL_NONE);
	put_group(2 * GIB, 900 * MIB, 0);
	cr_expect_eq(guard_judge_again(&scene.captures, shop, capture, &err), REFUSAL_HEADROOM);
	cr_expect_not_null(strstr(err.text, "limit 2 GiB, 900 MiB used"), "%s", err.text);
	put_group(64 * GIB, 900 * MIB, 0);
	/* Its own promise does not stand in its way, another's does. */
	scene.spool.limits.max_use_bytes = 816 * MIB;
	cr_expect_eq(guard_judge_again(&scene.captures, shop, capture, &err), REFUSAL_NONE);
	scene.spool.limits.max_use_bytes--;
	cr_expect_eq(guard_judge_again(&scene.captures, shop, capture, &err), REFUSAL_SPACE);
	scene.spool.limits.max_use_bytes = 0;
	shop->state = TARGET_BLOCKED;
	cr_expect_eq(guard_judge_again(&scene.captures, shop, capture, &err), REFUSAL_TARGET);
	cr_expect_eq(guard_judge_again(&scene.captures, NULL, capture, &err), REFUSAL_TARGET);
}

/* 45 x 400 MiB each, of which the kernel knows nothing before they are taken. */
Test(safety, a_second_one_fits_beside_the_first_or_waits)
{
	struct target *cart = scene_target(&scene, "cart", PORT, 400 * MIB);
	struct capture *first;
	char id[CAPTURE_ID_MAX];
	struct err err = { 0 };

	identify(cart);
	target_see_process(cart, &cart->process);
	cr_assert_eq(ask(false, false, &err, id), 0, "%s", err.text);
	first = (struct capture *)captures_find(&scene.captures, id);
	cr_expect(safety_fits_beside(&scene.captures, cart, first), "nothing runs");
	step_enter(&scene.captures, first, CAPTURE_RUNNING);
	cr_expect_not(safety_fits_beside(&scene.captures, cart, first));
	first->force = true;
	cr_expect(safety_fits_beside(&scene.captures, cart, first));
	first->force = false;
	put_available(40 * GIB);
	cr_expect(safety_fits_beside(&scene.captures, cart, first));
	put_group(10 * GIB, 900 * MIB, 0);
	target_see_process(cart, &cart->process);
	poll();
	cr_expect_not(safety_fits_beside(&scene.captures, cart, first), "of one group");
	put_group(64 * GIB, 900 * MIB, 0);
	put_available(20 * GIB);
	first->manifest.resident_before_bytes = 100 * MIB;
	first->manifest.resident_peak_bytes = 17300 * MIB;
	cr_expect(safety_fits_beside(&scene.captures, cart, first), "it has taken most of it");
	step_enter(&scene.captures, first, CAPTURE_WAITING);
}

/* What is down has nothing to be protected from: it is told what it is. */
Test(safety, a_target_that_is_down_is_told_so)
{
	struct err err = { 0 };

	put_available(GIB);
	shop->state = TARGET_DOWN;
	cr_expect_eq(ask(false, false, &err, NULL), REFUSAL_TARGET);
	cr_expect_str_eq(err.text, "target: it is down");
}

Test(safety, diagnostics_cost_nothing)
{
	const struct capture_request request = { .target_id = shop->id,
						 .kind = CAPTURE_KIND_DIAGNOSTICS };
	char id[CAPTURE_ID_MAX];
	struct err err = { 0 };

	put_available(GIB);
	shop->state = TARGET_BLOCKED;
	cr_expect_eq(captures_request(&scene.captures, &request, id, &err), 0, "%s", err.text);
	shop->identified = false;
	cr_expect_eq(captures_request(&scene.captures, &request, id, &err), REFUSAL_TARGET);
	cr_expect_str_eq(err.text, "target: nothing is known of it, it is blocked");
}
