/*
 * The registry of targets and what a changed spec does to one: who has a name, who gets it next,
 * when a connection is made anew. Nothing is listening; what is said to inspectors is other suites'
 * matter.
 */

#include "watch/target.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/runtime.h"
#include "net/http_call.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/str.h"

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

/* ---- a page that a person may have ---- */

static struct {
	unsigned n; /* lines that tell of a policy */
	char reason[160];
} unfollowed;

static void on_policy_log(const struct log_record *record)
{
	if (strcmp(record->message, "policy: per_poll is not followed") != 0)
		return;
	unfollowed.n++;
	for (size_t i = 0; i < record->fields_n; i++) {
		if (strcmp(record->fields[i].name, "reason") == 0)
			str_copy(unfollowed.reason, sizeof(unfollowed.reason),
				 record->fields[i].value);
	}
}

/* ---- collections that cannot be told ---- */

static struct {
	unsigned n; /* lines that tell of none */
	char reason[SESSION_GC_REASON_MAX];
} untold;

static void on_log(const struct log_record *record)
{
	if (strcmp(record->message, "collections are not told") != 0)
		return;
	untold.n++;
	for (size_t i = 0; i < record->fields_n; i++) {
		if (strcmp(record->fields[i].name, "reason") == 0)
			str_copy(untold.reason, sizeof(untold.reason), record->fields[i].value);
	}
}

static struct target_spec spec_events(int policy, int gc_events)
{
	struct target_spec spec = spec_of("api", 1);

	spec.poll.policy = policy;
	spec.poll.gc_events = gc_events;
	return spec;
}

static struct target *watched(int policy, int gc_events)
{
	struct target_spec spec = spec_events(policy, gc_events);

	untold.n = 0;
	log_set_sink(on_log);
	cr_assert_eq(targets_replace(&targets, "config", &spec, 1), 0);
	return targets_find_name(&targets, "api");
}

/* It has been connected to and greeted. */
static void greeted(struct target *target, const char *runtime, const char *version)
{
	struct identity identity = { .pid = 1 << 30 };

	str_copy(identity.runtime, sizeof(identity.runtime), runtime);
	str_copy(identity.runtime_version, sizeof(identity.runtime_version), version);
	target->session.runtime = runtime_named(runtime);
	target->session.events->identified(target, &identity);
}

Test(targets, what_a_person_may_have_is_not_connected_to_for_each_poll)
{
	struct target *target = watched(POLICY_PER_POLL, GC_EVENTS_NEVER);

	unfollowed.n = 0;
	log_set_sink(on_policy_log);
	greeted(target, "node", "26.0.0");
	cr_expect(target_leaves_after_poll(target));
	cr_expect_eq(unfollowed.n, 0);
	for (int i = 0; i < 3; i++)
		greeted(target, "webkit", "");
	cr_expect_not(target_leaves_after_poll(target));
	cr_expect_eq(unfollowed.n, 1, "not with each of its connections");
	cr_expect_str_eq(unfollowed.reason,
			 "not supported by webkit: each connection would take the page from a "
			 "person's Web Inspector; it stays connected");
	target = watched(POLICY_ATTACHED, GC_EVENTS_NEVER);
	log_set_sink(on_policy_log);
	greeted(target, "safari", "");
	cr_expect_eq(unfollowed.n, 1, "it is not asked for");
	log_set_sink(NULL);
}

Test(targets, a_runtime_that_tells_no_collections_is_told_once)
{
	static const char deno[] = "gc_events: not supported by deno 2.9.3: it has no tracing, and "
				   "its GCProfiler would load its node:v8 into the program";
	struct target *target = watched(POLICY_AUTO, GC_EVENTS_ALWAYS);

	for (int i = 0; i < 3; i++)
		greeted(target, "deno", "2.9.3");
	cr_assert_eq(untold.n, 1, "not with each of its connections");
	cr_expect_str_eq(untold.reason, deno);
	cr_expect_str_eq(target->gc_untold, deno);
	greeted(target, "deno", "2.10.0");
	cr_assert_eq(untold.n, 2, "it is another one");
	greeted(target, "workerd", "");
	cr_expect(str_has_prefix(untold.reason, "gc_events: not supported by workerd: "), "%s",
		  untold.reason);
	greeted(target, "node", "26.0.0");
	cr_assert_eq(untold.n, 3);
	cr_expect_str_eq(target->gc_untold, "");
	log_set_sink(NULL);
}

Test(targets, who_is_left_after_each_poll_tells_no_collections)
{
	struct target *target = watched(POLICY_PER_POLL, GC_EVENTS_ALWAYS);
	struct target_spec spec = spec_events(POLICY_ATTACHED, GC_EVENTS_ALWAYS);

	for (size_t i = 0; runtime_all[i] != NULL; i++) {
		greeted(target, runtime_all[i]->name, "");
		/* The connection to one that yields stays whatever the policy is. */
		cr_expect_eq(target->gc_untold[0] == '\0', runtime_all[i]->yields, "%s",
			     runtime_all[i]->name);
		cr_expect_lt(strlen(target->gc_untold), sizeof(target->gc_untold) - 1,
			     "cut off: %s", target->gc_untold);
	}
	greeted(target, "bun", "1.4.5");
	cr_expect_str_eq(
		target->gc_untold,
		"gc_events: not supported by bun 1.4.5 with a connection for each poll: what "
		"comes between two is told to nobody; with policy: attached they can be "
		"had");
	cr_assert_eq(targets_replace(&targets, "config", &spec, 1), 0);
	cr_expect_str_eq(target->gc_untold, "");
	log_set_sink(NULL);
}

Test(targets, who_is_polled_too_rarely_keeps_no_collections_for_us)
{
	struct target *target = watched(POLICY_AUTO, GC_EVENTS_ALWAYS);
	struct target_spec spec = spec_events(POLICY_AUTO, GC_EVENTS_ALWAYS);

	greeted(target, "node", "26.0.0");
	cr_assert_eq(untold.n, 0);
	spec.poll.interval_ns = GC_EVENTS_INTERVAL_MAX_NS + 1;
	cr_assert_eq(targets_replace(&targets, "config", &spec, 1), 0);
	cr_assert_eq(untold.n, 1);
	cr_expect_str_eq(untold.reason, "gc_events: wants an interval of at most 1m");
	log_set_sink(NULL);
}

Test(targets, who_wants_no_collections_hears_nothing_of_them)
{
	struct target *target = watched(POLICY_PER_POLL, GC_EVENTS_NEVER);
	struct target_spec spec = spec_events(POLICY_PER_POLL, GC_EVENTS_ALWAYS);

	greeted(target, "deno", "2.9.3");
	cr_expect_str_eq(target->gc_untold, "");
	cr_assert_eq(targets_replace(&targets, "config", &spec, 1), 0);
	cr_assert_eq(untold.n, 1, "as soon as it is wished");
	spec.poll.gc_events = GC_EVENTS_NEVER;
	cr_assert_eq(targets_replace(&targets, "config", &spec, 1), 0);
	cr_expect_str_eq(target->gc_untold, "");
	cr_assert_eq(untold.n, 1);
	log_set_sink(NULL);
}

/* What the session finds out stays, whatever the configuration permits. */
Test(targets, who_cannot_be_traced_now_is_left_so_by_the_next_connection)
{
	struct target *target = watched(POLICY_AUTO, GC_EVENTS_ALWAYS);

	greeted(target, "chromium", "156");
	target->session.events->gc_told(target, "somebody else traces it");
	greeted(target, "chromium", "156");
	cr_expect_str_eq(target->gc_untold, "somebody else traces it");
	cr_assert_eq(untold.n, 1);
	log_set_sink(NULL);
}

/* ---- one host by several addresses ---- */

Test(targets, our_own_addresses_are_one_host)
{
	struct target_spec specs[] = { spec_of("a", 1), spec_of("b", 2), spec_of("c", 3) };
	const struct target *a, *b, *c;
	struct ifaddrs *all;

	cr_assert_eq(getifaddrs(&all), 0);
	for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
		/* Where there is no other interface it is loopback's. */
		if (one->ifa_addr != NULL && one->ifa_addr->sa_family == AF_INET)
			inet_ntop(AF_INET, &((struct sockaddr_in *)one->ifa_addr)->sin_addr,
				  specs[1].address.host, sizeof(specs[1].address.host));
	}
	freeifaddrs(all);
	str_copy(specs[2].address.host, sizeof(specs[2].address.host), "198.51.100.7");
	cr_assert_eq(targets_replace(&targets, "config", specs, 3), 0);
	a = targets_find_name(&targets, "a");
	b = targets_find_name(&targets, "b");
	c = targets_find_name(&targets, "c");
	cr_expect(target_same_host(a, b), "%s", b->address);
	cr_expect_not(target_same_host(a, c));
	cr_expect_not(target_same_host(b, c));
	cr_expect(target_same_host(c, c));
}

/* ---- paused ---- */

/* A poll that ended after so long found the program so. */
static enum target_state polled_after(struct target *target, uint64_t ns,
				      enum session_activity activity)
{
	static uint64_t now_ns = 1000 * NS_PER_S;

	now_ns += ns;
	clock_simulate(now_ns, 1700000000000 + (int64_t)(now_ns / NS_PER_MS));
	target->session.events->polled(target, activity, 0);
	return target->state;
}

/* Two polls in a row find a program where it was that only waits for a processor. */
Test(targets, who_has_not_moved_for_a_moment_is_not_paused)
{
	struct target *target = watched(POLICY_AUTO, GC_EVENTS_NEVER);

	greeted(target, "node", "20.0.0");
	cr_expect_eq(polled_after(target, 0, ACTIVITY_UNKNOWN), TARGET_UP);
	cr_expect_eq(polled_after(target, 300 * NS_PER_MS, ACTIVITY_PAUSED), TARGET_UP);
	cr_expect_eq(polled_after(target, 600 * NS_PER_MS, ACTIVITY_PAUSED), TARGET_UP);
	cr_expect_eq(polled_after(target, 200 * NS_PER_MS, ACTIVITY_PAUSED), TARGET_PAUSED);
	cr_expect_eq(polled_after(target, NS_PER_MS, ACTIVITY_PAUSED), TARGET_PAUSED);
	cr_expect_eq(polled_after(target, NS_PER_S, ACTIVITY_RUNNING), TARGET_UP);
	cr_expect_eq(polled_after(target, NS_PER_MS, ACTIVITY_PAUSED), TARGET_UP);
	cr_expect_eq(polled_after(target, 10 * NS_PER_S, ACTIVITY_PAUSED), TARGET_PAUSED,
		     "with the usual interval at once");
	log_set_sink(NULL);
}
