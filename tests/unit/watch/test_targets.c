/*
 * The registry of targets and what a changed spec does to one: who has a name, who gets it next,
 * when a connection is made anew. Nothing is listening; what is said to inspectors is other suites'
 * matter.
 */

#include "watch/target.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_call.h"
#include "util/clock.h"

static struct loop loop;
static struct http_client *http;
static struct targets targets;
static unsigned released;

static void on_released(void *owner)
{
	cr_assert_eq(owner, &targets);
	released++;
}

static void set_up(void)
{
	struct session_context context = { .loop = &loop };

	released = 0;
	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(http_client_new(&http, &loop), 0);
	context.http = http;
	cr_assert_eq(targets_init(&targets, &context), 0);
	targets.on_released = on_released;
	targets.owner = &targets;
}

static void tear_down(void)
{
	targets_fini(&targets);
	http_client_free(http);
	loop_fini(&loop);
}

TestSuite(targets, .init = set_up, .fini = tear_down, .timeout = 20);

static struct target_spec spec_of(const char *name, uint16_t port)
{
	return (struct target_spec){
		.name = (char *)name,
		.address = { .family = ADDRESS_INET, .host = "127.0.0.1", .port = port },
		.poll = { .interval_ns = 5 * NS_PER_S,
			  .timeout_ns = 2 * NS_PER_S,
			  .backoff_max_ns = 60 * NS_PER_S },
	};
}

/* One source names one target, or none. */
static void offer(const char *source, const char *name, uint16_t port)
{
	struct target_spec spec = spec_of(name, port);

	cr_assert_eq(targets_replace(&targets, source, &spec, name != NULL ? 1 : 0), 0);
}

static const char *source_of(const char *name)
{
	const struct target *target = targets_find_name(&targets, name);

	return target != NULL ? target->source : "nobody";
}

Test(targets, come_and_go_with_their_source)
{
	offer("file:a", "api", 1);
	offer("file:b", "web", 2);
	cr_assert_eq(targets.count, 2);
	offer("file:a", NULL, 0);
	cr_assert_eq(targets.count, 1);
	cr_assert_null(targets_find_name(&targets, "api"));
	cr_assert_not_null(targets_find_name(&targets, "web"));
	cr_assert_eq(released, 0, "nobody wanted the name");
}

Test(targets, a_name_belongs_to_the_first_and_is_offered_again_when_it_goes)
{
	offer("file:a", "api", 1);
	offer("file:b", "api", 2);
	cr_assert_str_eq(source_of("api"), "file:a");
	cr_assert_eq(targets.refused, 1);
	offer("file:a", NULL, 0);
	cr_assert_eq(released, 1);
	offer("file:b", "api", 2);
	cr_assert_str_eq(source_of("api"), "file:b");
	offer("file:b", NULL, 0);
	cr_assert_eq(released, 1);
}

Test(targets, an_equal_spec_changes_nothing)
{
	uint64_t id;

	offer("config", "api", 1);
	id = targets_find_name(&targets, "api")->id;
	offer("config", "api", 1);
	cr_assert_eq(targets_find_name(&targets, "api")->id, id);
	offer("config", "api", 2);
	cr_assert_neq(targets_find_name(&targets, "api")->id, id,
		      "another address, another target");
}

Test(targets, the_limit_holds)
{
	targets.count_max = 1;
	offer("file:a", "api", 1);
	offer("file:b", "web", 2);
	cr_assert_eq(targets.count, 1);
	cr_assert_eq(targets.refused, 1);
}

/* ---- a changed spec ---- */

static struct target *opened(void)
{
	struct target *target;

	offer("config", "api", 1);
	target = targets_find_name(&targets, "api");
	cr_assert_eq(target_poll_now(target), 0);
	cr_assert_eq(target->session.state, SESSION_FINDING);
	return target;
}

Test(targets, time_outs_reach_a_live_session)
{
	struct target *target = opened();
	struct target_spec spec = spec_of("api", 1);

	spec.poll.timeout_ns = NS_PER_S;
	cr_assert_eq(targets_replace(&targets, "config", &spec, 1), 0);
	cr_assert_eq(target->session.limits.poll_ns, NS_PER_S);
	cr_assert_eq(target->session.state, SESSION_FINDING, "no reason to connect anew");
}

Test(targets, evaluate_never_reaches_a_live_session_and_connects_anew_after_the_attempt)
{
	struct target *target = opened();
	struct target_spec spec = spec_of("api", 1);

	spec.poll.evaluate = EVALUATE_NEVER;
	cr_assert_eq(targets_replace(&targets, "config", &spec, 1), 0);
	cr_assert_not(target->session.limits.evaluate);
	cr_assert(target->reopen);
}

Test(targets, another_policy_connects_anew)
{
	struct target *target;
	struct target_spec spec = spec_of("api", 1);

	offer("config", "api", 1);
	target = targets_find_name(&targets, "api");
	spec.poll.policy = POLICY_PER_POLL;
	cr_assert_eq(targets_replace(&targets, "config", &spec, 1), 0);
	cr_assert_eq(target->spec.poll.policy, POLICY_PER_POLL);
	cr_assert_not(target->reopen);
}

Test(targets, labels_of_ours_can_be_matched)
{
	const struct target *target;

	offer("config", "api", 9229);
	target = targets_find_name(&targets, "api");
	cr_assert_str_eq(target_label(target, "address"), "127.0.0.1:9229");
	cr_assert_str_eq(target_label(target, "target"), "api");
	cr_assert_null(target_label(target, "protocol"), "not known yet");
	cr_assert_null(target_label(target, "runtime"), "not known yet");
}
