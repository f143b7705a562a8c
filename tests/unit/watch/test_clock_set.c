/*
 * The wall clock is set while a target is watched: its process stays the one it was, and another
 * one with its pid is not taken for it. The process is our own; who tells what of it is played.
 */

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "inspect/runtime.h"
#include "net/http_call.h"
#include "util/clock.h"
#include "watch/target.h"

enum { HOUR_S = 3600 };

/* ---- what is replaced ---- */

static long wall_step_s;

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, id, ts);

	if (id == CLOCK_REALTIME)
		ts->tv_sec += __atomic_load_n(&wall_step_s, __ATOMIC_SEQ_CST);
	return r;
}

static void set_clock(long step_s)
{
	__atomic_store_n(&wall_step_s, step_s, __ATOMIC_SEQ_CST);
}

/* ---- a target ---- */

static struct loop loop;
static struct http_client *http;
static struct targets targets;
static struct target *target;
static int64_t started_wall_ms; /* of ourselves */

static void watch(uint16_t port)
{
	const struct target_spec spec = {
		.name = (char *)"api",
		.address = { .family = ADDRESS_INET, .host = "127.0.0.1", .port = port },
		.poll = { .interval_ns = 5 * NS_PER_S,
			  .timeout_ns = 2 * NS_PER_S,
			  .backoff_max_ns = 60 * NS_PER_S },
	};

	cr_assert_eq(targets_replace(&targets, "config", &spec, 1), 0);
	target = targets_find_name(&targets, "api");
}

static void set_up(void)
{
	struct session_context context = { .loop = &loop };
	struct process_stats stats;

	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(http_client_new(&http, &loop), 0);
	context.http = http;
	cr_assert_eq(targets_init(&targets, &context), 0);
	watch(1);
	cr_assert_eq(procfs_read(getpid(), NULL, &stats), 0);
	started_wall_ms = (int64_t)(stats.start_seconds * 1000);
}

static void tear_down(void)
{
	targets_fini(&targets);
	http_client_free(http);
	loop_fini(&loop);
}

TestSuite(clock_set, .init = set_up, .fini = tear_down, .timeout = 20);

/* What a runtime says of itself when it is connected to. */
static void tells(const struct identity *identity)
{
	target->session.events->identified(target->session.owner, identity);
}

static bool is_seen(void)
{
	struct process_stats stats;

	return target_see_process(target, &stats) && stats.present;
}

static const long steps[] = { HOUR_S, -HOUR_S, 0 };

Test(clock_set, a_process_seen_before_stays_the_one)
{
	const struct identity identity = { .pid = getpid(), .start_wall_ms = started_wall_ms };

	tells(&identity);
	cr_assert(is_seen());
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		set_clock(steps[i]);
		cr_expect(is_seen(), "%ld s", steps[i]);
		/* Connected to again, it says what it said. */
		tells(&identity);
		cr_expect(is_seen(), "%ld s", steps[i]);
		cr_expect_eq(target->restarts, 0, "%ld s", steps[i]);
	}
}

Test(clock_set, who_listens_stays_the_one)
{
	const struct runtime runtime = { .name = "webkit", .program = "clock-set" };
	const struct identity silent = { .inspector_id = "" };
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int64_t said_ms;

	cr_assert_eq(prctl(PR_SET_NAME, runtime.program), 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&at, size), 0);
	cr_assert_eq(listen(fd, 1), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	watch(ntohs(at.sin_port));
	target->session.runtime = &runtime;
	tells(&silent);
	cr_assert_eq(target->identity.pid, getpid());
	said_ms = target->identity.start_wall_ms;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		set_clock(steps[i]);
		cr_expect(is_seen(), "%ld s", steps[i]);
		tells(&silent);
		cr_expect(is_seen(), "%ld s", steps[i]);
		cr_expect_eq(target->restarts, 0, "%ld s", steps[i]);
		cr_expect_eq(target->identity.start_wall_ms, said_ms, "%ld s", steps[i]);
	}
	close(fd);
}

/* The clock of the machine was wrong when it began, and was set right before we came. */
Test(clock_set, a_process_that_is_older_than_the_setting_is_found_by_its_age)
{
	struct identity identity = { .pid = getpid() };
	struct process_stats stats;

	cr_assert_eq(procfs_read(getpid(), NULL, &stats), 0);
	identity.start_wall_ms = started_wall_ms - (int64_t)HOUR_S * 1000;
	tells(&identity);
	cr_expect_not(is_seen(), "by the wall clock alone it is another");
	identity.start_mono_ms =
		(int64_t)((clock_mono_ns() - procfs_age_ns(&stats)) / NS_PER_MS) + 1500;
	tells(&identity);
	cr_expect(is_seen());
	identity.start_mono_ms += 5000;
	identity.start_wall_ms -= 5000;
	tells(&identity);
	cr_expect_not(is_seen(), "neither agrees");
}

/* Out of our sight, in a container or on another host; its start is reckoned anew each time. */
Test(clock_set, what_moves_with_the_clock_is_told_by_its_age)
{
	struct identity identity = { .pid = 1, .start_wall_ms = 1000, .start_mono_ms = -5000 };

	target->spec.address.family = ADDRESS_INET;
	strcpy(target->spec.address.host, "192.0.2.1");
	tells(&identity);
	cr_expect_not(is_seen());
	identity.start_wall_ms += (int64_t)HOUR_S * 1000;
	tells(&identity);
	cr_expect_eq(target->restarts, 0);
	identity.start_mono_ms += 60000;
	tells(&identity);
	cr_expect_eq(target->restarts, 0, "its machine slept, its clock did not move");
	identity.start_mono_ms += 60000;
	identity.start_wall_ms += 60000;
	tells(&identity);
	cr_expect_eq(target->restarts, 1);
}

Test(clock_set, another_process_is_another_still)
{
	struct identity identity = { .pid = getpid(), .start_wall_ms = started_wall_ms };

	tells(&identity);
	identity.start_wall_ms += (int64_t)HOUR_S * 1000;
	tells(&identity);
	cr_expect_eq(target->restarts, 1);
	cr_expect_not(is_seen(), "one that began in an hour is not ours");
}
