/*
 * Played programs
 *
 * The linker puts these functions in the place of the daemon's (--wrap): a runtime for whatever the
 * target wants, whose one connection opens, or is refused, in the next turn of the loop.
 */

#include "played.h"

#include <errno.h>
#include <stdlib.h>

#include "inspect/channel.h"
#include "inspect/dialect.h"
#include "inspect/runtime.h"
#include "net/packet_link.h"
#include "util/clock.h"

static const struct played_cast *played;
static struct link stuck = { &stuck, &stuck };

struct packet_link {
	struct link link; /* of `stuck` */
	struct loop_deferred connecting;
	const struct packet_link_events *events;
	struct channel *owner;
	unsigned program;
};

void played_by(const struct played_cast *cast)
{
	played = cast;
}

/* ---- the dialect ---- */

static int found(struct session *session, const char *list, size_t size, struct err *err)
{
	(void)list, (void)size, (void)err;
	return session_offer(session, "", "");
}

static int hello(struct channel *channel)
{
	struct identity *identity = &channel->session->identity;
	unsigned program = channel->packets->program;

	identity->pid = program;
	identity->start_mono_ms = played->began_ms(played->owner, program);
	identity->start_wall_ms = 1600000000000 + identity->start_mono_ms;
	channel_ready(channel);
	return 0;
}

/* 0; -EPIPE: it is gone. */
static int play(struct channel *channel, bool going_on)
{
	struct packet_link *packets = channel->packets;
	struct sample sample = { .mono_ns = clock_mono_ns(), .wall_ms = clock_wall_ms() };

	link_remove(&packets->link);
	switch (played->polled(played->owner, packets->program, going_on, &sample)) {
	case PLAYED_GONE:
		return -EPIPE;
	case PLAYED_STUCK:
		list_append(&stuck, &packets->link);
		return 0;
	default:
		session_sample(channel->session, "main", &sample);
		channel_polled(channel, ACTIVITY_RUNNING, 0);
		return 0;
	}
}

static int poll_played(struct channel *channel)
{
	return play(channel, false);
}

static int message(struct channel *channel, const struct tree *tree)
{
	(void)channel, (void)tree;
	return -EPROTO;
}

static const struct dialect dialect_played = {
	.name = "played",
	.packets = true,
	.state_size = 1,
	.found = found,
	.hello = hello,
	.poll = poll_played,
	.message = message,
};

static const struct runtime runtime_played = {
	.name = "played",
	.engine = "played",
	.dialect = &dialect_played,
};

/* Each once: who is stuck still stands behind the end of those that were. */
void played_go_on(void)
{
	struct link end;

	list_append(&stuck, &end);
	while (stuck.next != &end) {
		struct packet_link *packets = container_of(stuck.next, struct packet_link, link);

		if (play(packets->owner, true) < 0)
			channel_fail(packets->owner, SESSION_END_LOST, "lost");
	}
	link_remove(&end);
}

/* ---- in place of the daemon's ---- */

const struct runtime *__wrap_runtime_of_word(int word);
int __wrap_packet_link_open(struct packet_link **ret, struct loop *loop, const struct address *to,
			    const struct packet_link_limits *limits,
			    const struct packet_link_events *events, void *owner);
void __wrap_packet_link_close(struct packet_link *packets);

const struct runtime *__wrap_runtime_of_word(int word)
{
	(void)word;
	return &runtime_played;
}

static void connect_played(void *owner)
{
	struct packet_link *packets = owner;
	const struct packet_link_events *events = packets->events;
	struct channel *channel = packets->owner;

	if (played->listens(played->owner, packets->program)) {
		events->open(channel);
		return;
	}
	free(packets);
	events->closed(channel, -ECONNREFUSED, "connection refused");
}

int __wrap_packet_link_open(struct packet_link **ret, struct loop *loop, const struct address *to,
			    const struct packet_link_limits *limits,
			    const struct packet_link_events *events, void *owner)
{
	struct packet_link *packets = calloc(1, sizeof(*packets));

	(void)limits;
	if (packets == NULL)
		return -ENOMEM;
	link_init(&packets->link);
	packets->events = events;
	packets->owner = owner;
	packets->program = to->port;
	loop_deferred_init(&packets->connecting, connect_played, packets);
	loop_defer(loop, &packets->connecting);
	*ret = packets;
	return 0;
}

void __wrap_packet_link_close(struct packet_link *packets)
{
	if (packets == NULL)
		return;
	loop_deferred_cancel(&packets->connecting);
	link_remove(&packets->link);
	free(packets);
}
