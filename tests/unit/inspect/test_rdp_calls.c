/* Answers without ids: which packet answers what, and what is an event. */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "inspect/rdp_calls.h"
#include "json/tree.h"
#include "util/buf.h"

enum { MAX = 4 };

static struct rdp_call call[MAX];
static struct rdp_calls calls;

static void setup(void)
{
	rdp_calls_init(&calls, call, MAX);
}

TestSuite(rdp_calls, .init = setup, .timeout = 60);

/* What the packet answers; "" for nothing. */
static const char *takes(const char *text)
{
	struct rdp_call taken;
	struct tree *packet;
	const char *type = "";

	cr_assert_eq(tree_parse(text, strlen(text), &packet, NULL), 0, "%s", text);
	if (rdp_calls_take(&calls, packet, &taken))
		type = taken.type;
	tree_free(packet);
	return type;
}

static void add(const char *actor, const char *type, uint64_t about)
{
	cr_assert_eq(rdp_calls_add(&calls, actor, type, about), 0);
}

Test(rdp_calls, each_actor_answers_in_order)
{
	add("root", "listTabs", 0);
	add("a/memory", "measure", 1);
	add("root", "listProcesses", 0);
	cr_expect_str_eq(takes("{\"from\":\"b/memory\"}"), "");
	cr_expect_str_eq(takes("{\"from\":\"a/memory\",\"total\":1}"), "measure");
	cr_expect_str_eq(takes("{\"from\":\"a/memory\",\"total\":1}"), "", "an answer counts once");
	cr_expect_str_eq(takes("{\"from\":\"root\",\"tabs\":[]}"), "listTabs");
	cr_expect_str_eq(takes("{\"from\":\"root\",\"processes\":[]}"), "listProcesses");
	cr_expect_eq(calls.n, 0);
}

Test(rdp_calls, events_answer_nothing)
{
	add("root", "listTabs", 0);
	add("a/memory", "forceGarbageCollection", 1);
	cr_expect_str_eq(takes("{\"from\":\"root\",\"type\":\"tabListChanged\"}"), "");
	cr_expect_str_eq(takes("{\"from\":\"root\",\"type\":\"forwardingCancelled\",\"prefix\":"
			       "\"x\"}"),
			 "");
	cr_expect_str_eq(
		takes("{\"from\":\"a/memory\",\"type\":\"garbage-collection\",\"data\":{}}"), "");
	cr_expect_str_eq(takes("{\"from\":\"root\",\"type\":\"of tomorrow\"}"), "");
	cr_expect_eq(calls.n, 2);
}

/* {"type":"attached"} is an answer although it has a type, but to nothing else than attach. */
Test(rdp_calls, an_answer_may_have_a_type)
{
	add("a/memory", "attach", 1);
	cr_expect_str_eq(takes("{\"from\":\"a/memory\",\"type\":\"detached\"}"), "");
	cr_expect_str_eq(takes("{\"from\":\"a/memory\",\"type\":\"attached\"}"), "attach");
	add("a/memory", "measure", 1);
	cr_expect_str_eq(takes("{\"from\":\"a/memory\",\"type\":\"attached\"}"), "");
}

Test(rdp_calls, an_error_is_an_answer)
{
	add("a/memory", "measure", 1);
	cr_expect_str_eq(takes("{\"from\":\"a/memory\",\"type\":\"x\",\"error\":\"noSuchActor\"}"),
			 "measure");
}

Test(rdp_calls, what_is_no_packet)
{
	add("root", "listTabs", 0);
	cr_expect_str_eq(takes("[]"), "");
	cr_expect_str_eq(takes("{}"), "");
	cr_expect_str_eq(takes("{\"from\":1}"), "");
}

/* The prefix of one is the beginning of another's name. */
Test(rdp_calls, what_is_cancelled_is_not_waited_for)
{
	add("s.conn1.child1/memory", "measure", 1);
	add("s.conn1.child12/memory", "measure", 2);
	rdp_calls_cancel(&calls, "s.conn1.child1");
	cr_expect_eq(rdp_calls_of(&calls, 1), 0);
	cr_expect_eq(rdp_calls_of(&calls, 2), 1);
	rdp_calls_cancel(&calls, "");
	cr_expect_eq(calls.n, 1, "an empty prefix is that of nobody");
}

Test(rdp_calls, below)
{
	cr_expect(rdp_is_below("s.conn1.watcher10.process5//windowGlobalTarget3",
			       "s.conn1.watcher10.process5/"));
	cr_expect(rdp_is_below("a/b", "a"));
	cr_expect_not(rdp_is_below("a", "a"));
	cr_expect_not(rdp_is_below("ab/c", "a"));
	cr_expect_not(rdp_is_below("", ""));
}

Test(rdp_calls, they_have_a_limit)
{
	char long_name[RDP_ACTOR_MAX + 1];

	memset(long_name, 'x', RDP_ACTOR_MAX);
	long_name[RDP_ACTOR_MAX] = '\0';
	cr_expect_eq(rdp_calls_add(&calls, long_name, "measure", 1), -ENAMETOOLONG);
	for (int i = 0; i < MAX; i++)
		add("a", "measure", 1);
	cr_expect_eq(rdp_calls_add(&calls, "a", "measure", 1), -ENOBUFS);
	rdp_calls_drop_actor(&calls, "a");
	cr_expect_eq(calls.n, 0);
	add("a", "measure", 1);
	add("a", "measure", 2);
	rdp_calls_drop(&calls, 1);
	cr_expect_eq(rdp_calls_of(&calls, 2), 1);
	cr_expect_eq(calls.n, 1);
}

static void expect_name(const char *text, bool tab, const char *wanted)
{
	char name[RDP_ISOLATE_MAX] = "";
	struct tree *entry;
	bool is;

	cr_assert_eq(tree_parse(text, strlen(text), &entry, NULL), 0);
	is = tab ? rdp_tab_name(entry, name) : rdp_process_name(entry, name);
	cr_expect_eq(is, wanted[0] != '\0', "%s", text);
	cr_expect_str_eq(name, wanted);
	tree_free(entry);
}

Test(rdp_calls, what_is_an_isolate)
{
	expect_name("{\"browserId\":9,\"isZombieTab\":false}", true, "tab:9");
	expect_name("{\"browserId\":9,\"isZombieTab\":true}", true, "");
	expect_name("{\"isZombieTab\":false}", true, "");
	expect_name("{\"id\":14449,\"isParent\":false}", false, "process:14449");
	expect_name("{\"id\":0,\"isParent\":true}", false, "");
	expect_name("{\"id\":7}", false, "");
}

Test(rdp_calls, requests)
{
	struct buf buf;

	buf_init(&buf, 256);
	cr_assert_eq(rdp_compose(&buf, "a\"b", "getRoot", NULL, NULL), 0);
	cr_expect_str_eq(buf_text(&buf), "{\"to\":\"a\\\"b\",\"type\":\"getRoot\"}");
	buf_clear(&buf);
	cr_assert_eq(rdp_compose(&buf, "a", "transfer", "snapshotId", "66"), 0);
	cr_expect_str_eq(buf_text(&buf),
			 "{\"to\":\"a\",\"type\":\"transfer\",\"snapshotId\":\"66\"}");
	buf_fini(&buf);
}
