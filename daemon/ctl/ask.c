/* The questions. All limits are small: an inspector answers each with less than a page. */

#include "ctl/ask.h"

#include <errno.h>

#include "inspect/rdp_packet.h"
#include "inspect/runtime.h"
#include "inspect/sample.h"
#include "inspect/webkit.h"
#include "json/tree.h"
#include "net/wire.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/err.h"

enum { ANSWER_MAX = 64 << 10 };

/* ---- GET /json/version ---- */

static int take_version(const struct tree *version, const struct runtime **ret_runtime,
			struct identity *ret, struct err *err)
{
	const char *browser;

	if (!tree_string(version, "Browser", &browser) ||
	    tree_get(version, "Protocol-Version") == NULL)
		return -ENOENT;
	*ret_runtime = runtime_of_version(version, ret);
	if (*ret_runtime == NULL)
		return err_set(err, ASK_E_UNSUPPORTED, "%.64s", browser);
	return 0;
}

static int parse_version(const struct buf *text, const struct runtime **ret_runtime,
			 struct identity *ret, struct err *err)
{
	struct tree *version;
	int r = tree_parse(text->data, text->size, &version, NULL);

	if (r < 0)
		return r;
	r = take_version(version, ret_runtime, ret, err);
	tree_free(version);
	return r;
}

/* ---- GET / ---- */

static int take_pages(const struct buf *text, const struct runtime **ret_runtime)
{
	if (!webkit_is_list(text->data, text->size))
		return -ENOENT;
	*ret_runtime = runtime_named("webkit");
	return 0;
}

static int ask_http(const struct address *address, enum question question, uint64_t timeout_ns,
		    const struct runtime **ret_runtime, struct identity *ret, struct err *err)
{
	const char *path = question == ASK_PAGES ? "/" : "/json/version";
	struct buf text;
	int r;

	buf_init(&text, ANSWER_MAX);
	r = wire_get(address, path, -1, timeout_ns, &text, err);
	if (r == 0)
		r = question == ASK_PAGES ? take_pages(&text, ret_runtime)
					  : parse_version(&text, ret_runtime, ret, err);
	buf_fini(&text);
	return r;
}

/* ---- what Firefox says first ---- */

struct hello {
	struct buf text;
	bool whole;
};

static int take_text(void *owner, const char *data, size_t size, bool last)
{
	struct hello *hello = owner;

	/* What comes after the first packet is not ours to read. */
	if (hello->whole)
		return 0;
	hello->whole = last;
	return buf_append(&hello->text, data, size);
}

static int parse_hello(const struct buf *text, const struct runtime **ret_runtime)
{
	struct tree *packet;
	int r = tree_parse(text->data, text->size, &packet, NULL);

	if (r < 0)
		return r;
	r = rdp_is_hello(packet) ? 0 : -ENOENT;
	if (r == 0)
		*ret_runtime = runtime_named("firefox");
	tree_free(packet);
	return r;
}

static int await_hello(struct wire *wire, struct hello *hello, uint64_t deadline_ns)
{
	uint64_t now_ns;
	int r = 0;

	while (r == 0 && !hello->whole) {
		now_ns = clock_mono_ns();
		r = now_ns < deadline_ns ? wire_receive(wire, deadline_ns - now_ns) : -ETIMEDOUT;
	}
	return r > 0 ? -ECONNRESET : r;
}

static int ask_hello(const struct address *address, uint64_t timeout_ns,
		     const struct runtime **ret_runtime, struct err *err)
{
	static const struct packet_events events = { .text = take_text };
	uint64_t deadline_ns = clock_mono_ns() + timeout_ns;
	struct hello hello = { .whole = false };
	struct wire wire;
	int r;

	buf_init(&hello.text, ANSWER_MAX);
	r = wire_open_packets(&wire, address, -1, timeout_ns, &events, &hello, err);
	if (r == 0) {
		r = await_hello(&wire, &hello, deadline_ns);
		wire_close(&wire);
	}
	if (r == 0)
		r = parse_hello(&hello.text, ret_runtime);
	buf_fini(&hello.text);
	return r;
}

int ask(const struct address *address, enum question question, uint64_t timeout_ns,
	const struct runtime **ret_runtime, struct identity *ret, struct err *err)
{
	*ret_runtime = NULL;
	*ret = (struct identity){ .pid = 0 };
	return question == ASK_HELLO
		       ? ask_hello(address, timeout_ns, ret_runtime, err)
		       : ask_http(address, question, timeout_ns, ret_runtime, ret, err);
}
