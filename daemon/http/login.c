/*
 * Logins
 *
 * An attempt is a name with a password that is not known yet; whoever comes with the same waits for
 * the same check. There is a check at a time, and after a wrong password a rest of three times as
 * long: who tries passwords gets a quarter of a processor at most, and nobody who is known waits
 * for it. A name that does not exist is checked against a hash of no password, for as long.
 *
 * Of those who failed addresses are kept, for the log to tell of each once a minute, and of few in
 * all.
 */

#include "http/login.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "capture/pool.h"
#include "conf/option.h"
#include "http/bcrypt.h"
#include "http/connection.h"
#include "http/proven.h"
#include "http/request.h"
#include "http/server.h"
#include "http/web_config.h"
#include "loop/loop.h"
#include "loop/wake.h"
#include "spool/digest.h"
#include "util/base64.h"
#include "util/clock.h"
#include "util/list.h"
#include "util/log.h"
#include "util/str.h"

enum {
	CREDENTIALS_BYTES_MAX = 1024, /* of name, colon and password */
	TOLD_MAX = 16, /* addresses the log has told of */
	REST_FACTOR = 3,
	WAITING_SHARE = 4, /* one connection of so many may wait for a check, of an address too */
};

#define REST_MAX_NS   (3 * NS_PER_S)
#define TELL_EVERY_NS (60 * NS_PER_S)

#define NOT_NOW "passwords cannot be checked now"

_Static_assert((int)PROVEN_MAX >= (int)WEB_USERS_MAX, "all users can be known");

enum verdict { RIGHT, WRONG, UNKNOWN, NOT_ASKED };

struct attempt {
	struct pool_job job; /* the pool's while it is checked */
	struct link link; /* on login.attempts, in order */
	struct link waiters; /* empty: nobody waits any more */
	struct in6_addr peer; /* of who came first */
	bool has_peer; /* false: over a unix socket */
	char key[PROVEN_KEY_MAX]; /* of name and password */
	char *name, *password; /* owned; password is wiped */

	/* What it is checked against, as of its beginning. */
	char hash[BCRYPT_HASH_MAX];
	bool exists; /* there is such a user */
	int cost; /* what a wrong one takes */
	enum verdict verdict; /* set by the thread */
	uint32_t generation;
	uint64_t began_ns;
};

struct waiter {
	struct link link;
	struct login *login;
	struct http_exchange *exchange; /* held */
};

struct told {
	struct in6_addr peer;
	bool has_peer;
	uint64_t at_ns; /* 0: free */
};

struct login {
	const struct text_map *users; /* borrowed, or NULL */
	int cost; /* the highest among them */
	char sum[DIGEST_HEX_MAX]; /* of users; "": not known */
	uint32_t generation; /* of users */
	struct proven proven;
	struct told told[TOLD_MAX];
	struct link attempts;
	uint32_t waiting; /* for any of them */
	uint64_t failures; /* checks that found it wrong */
	struct attempt *checking; /* on attempts, too; NULL: none */
	struct in6_addr last_peer; /* of the last one that was checked */
	bool last_has_peer;
	struct capture_pool *pool; /* owned, of one thread */
	struct loop_wake wake;
	struct loop_timer rest; /* armed after a wrong password */
};

static void begin_next(struct login *login);

/* ---- the log ---- */

static bool is_from(const struct told *told, const struct attempt *attempt)
{
	return told->at_ns != 0 && told->has_peer == attempt->has_peer &&
	       (!told->has_peer || IN6_ARE_ADDR_EQUAL(&told->peer, &attempt->peer));
}

/* Has the log been told of this address, or of enough others, in the last minute? */
static bool was_told(struct login *login, const struct attempt *attempt)
{
	struct told *oldest = &login->told[0];
	uint64_t now_ns = clock_mono_ns();

	for (size_t i = 0; i < TOLD_MAX; i++) {
		struct told *at = &login->told[i];

		if (is_from(at, attempt)) {
			oldest = at;
			break;
		}
		if (at->at_ns < oldest->at_ns)
			oldest = at;
	}
	if (oldest->at_ns != 0 && now_ns - oldest->at_ns < TELL_EVERY_NS)
		return true;
	*oldest = (struct told){ attempt->peer, attempt->has_peer, now_ns };
	return false;
}

static void tell(struct login *login, const struct attempt *attempt)
{
	char text[INET6_ADDRSTRLEN] = "unix";
	struct log_field field = { "address", text };

	if (was_told(login, attempt))
		return;
	if (attempt->has_peer && IN6_IS_ADDR_V4MAPPED(&attempt->peer))
		inet_ntop(AF_INET, &attempt->peer.s6_addr[12], text, sizeof(text));
	else if (attempt->has_peer)
		inet_ntop(AF_INET6, &attempt->peer, text, sizeof(text));
	log_event(LEVEL_WARN, "http", NULL, &field, 1,
		  "a wrong name or password (of an address this is told once a minute)");
}

/* ---- answers ---- */

/* With this header, or another answer comes without it. */
static int answer_with(struct http_exchange *exchange, int status, const char *name,
		       const char *value, const char *text)
{
	int r = http_set_header(exchange, name, value);

	if (r < 0)
		return r;
	r = http_answer_error(exchange, status, NULL, "%s", text);
	if (r < 0)
		request_drop_header(exchange->connection, name);
	return r;
}

static int refuse(struct http_exchange *exchange, const char *text)
{
	return answer_with(exchange, 401, "WWW-Authenticate",
			   "Basic realm=\"heapwatchd\", charset=\"UTF-8\"", text);
}

static int put_off(struct http_exchange *exchange)
{
	return answer_with(exchange, 429, "Retry-After", "1",
			   "too many passwords are waiting to be checked");
}

/* ---- attempts ---- */

static void free_text(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void attempt_free(struct attempt *attempt)
{
	link_remove(&attempt->link);
	free(attempt->name);
	free_text(attempt->password);
	free(attempt);
}

static void waiter_free(struct waiter *waiter)
{
	link_remove(&waiter->link);
	waiter->login->waiting--;
	waiter->exchange->held = NULL;
	waiter->exchange->drop = NULL;
	free(waiter);
}

/* Its exchange ends unanswered. An attempt that nobody waits for is left to begin_next(). */
static void on_drop(struct http_exchange *exchange)
{
	waiter_free(exchange->held);
}

static struct attempt *find_attempt(struct login *login, const char *key)
{
	list_each (at, &login->attempts) {
		struct attempt *attempt = container_of(at, struct attempt, link);

		if (strcmp(attempt->key, key) == 0)
			return attempt;
	}
	return NULL;
}

static bool is_near(const struct attempt *attempt, bool has_peer, const struct in6_addr *peer)
{
	return attempt->has_peer == has_peer && (!has_peer || peers_are_near(&attempt->peer, peer));
}

static bool has_room(struct login *login, const struct http_connection *c)
{
	uint32_t n = 0, same = 0;

	list_each (at, &login->attempts) {
		const struct attempt *attempt = container_of(at, struct attempt, link);

		n++;
		same += is_near(attempt, c->has_peer, &c->peer);
	}
	return n < LOGIN_WAITING_MAX && same < LOGIN_WAITING_PER_IP_MAX;
}

/* How many connections wait that come from where this one does. */
static uint32_t count_waiting_near(const struct login *login, const struct http_connection *c)
{
	uint32_t n = 0;

	list_each (at, &login->attempts) {
		const struct attempt *attempt = container_of(at, struct attempt, link);

		list_each (of, &attempt->waiters) {
			const struct waiter *waiter = container_of(of, struct waiter, link);
			const struct http_connection *other = waiter->exchange->connection;

			n += other->has_peer == c->has_peer &&
			     (!c->has_peer || peers_are_near(&other->peer, &c->peer));
		}
	}
	return n;
}

static uint32_t share_of(uint32_t connections)
{
	return connections < WAITING_SHARE ? 1 : connections / WAITING_SHARE;
}

/*
 * Who is held is never cut to make room (connection.c), so there are few; and of one address a
 * share of its connections only, or it would take the places of all others.
 */
static bool may_wait(const struct login *login, const struct http_connection *c)
{
	return login->waiting < share_of(c->crowd->max) &&
	       count_waiting_near(login, c) < share_of(c->crowd->max_per_ip);
}

/* Takes name and password in any case. 0 or -ENOMEM. */
static int attempt_new(struct login *login, const struct http_connection *c, const char *key,
		       char *name, char *password, struct attempt **ret)
{
	struct attempt *attempt = calloc(1, sizeof(*attempt));

	if (attempt == NULL) {
		free(name);
		free_text(password);
		return -ENOMEM;
	}
	link_init(&attempt->waiters);
	attempt->peer = c->peer;
	attempt->has_peer = c->has_peer;
	attempt->name = name;
	attempt->password = password;
	str_copy(attempt->key, sizeof(attempt->key), key);
	list_append(&login->attempts, &attempt->link);
	*ret = attempt;
	return 0;
}

static int wait_for(struct login *login, struct attempt *attempt, struct http_exchange *exchange)
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));

	if (waiter == NULL)
		return -ENOMEM;
	waiter->login = login;
	waiter->exchange = exchange;
	login->waiting++;
	list_append(&attempt->waiters, &waiter->link);
	exchange->held = waiter;
	exchange->drop = on_drop;
	http_hold(exchange);
	return 0;
}

/* ---- checks ---- */

/* As the costliest hash: 2^n, and as much again with each step. Else names could be told apart. */
static void take_as_long(const struct attempt *attempt)
{
	for (int cost = bcrypt_cost(attempt->hash); cost < attempt->cost; cost++) {
		char decoy[BCRYPT_HASH_MAX];

		bcrypt_decoy(decoy, cost);
		(void)bcrypt_is(decoy, attempt->password);
	}
}

/* On the thread. */
static void check(struct pool_job *job)
{
	struct attempt *attempt = container_of(job, struct attempt, job);
	int r = bcrypt_is(attempt->hash, attempt->password);

	if (r < 0)
		attempt->verdict = UNKNOWN;
	else
		attempt->verdict = r > 0 && attempt->exists ? RIGHT : WRONG;
	if (attempt->verdict == WRONG)
		take_as_long(attempt);
}

/*
 * For everybody who waits for it. UNKNOWN: there was nothing to check it with; NOT_ASKED: there is
 * nobody any more who would have to be known.
 */
static void settle(struct attempt *attempt, enum verdict verdict)
{
	while (!list_empty(&attempt->waiters)) {
		struct waiter *waiter = container_of(attempt->waiters.next, struct waiter, link);
		struct http_exchange *exchange = waiter->exchange;
		struct http_connection *c = exchange->connection;
		int r = 0;

		waiter_free(waiter);
		c->held = false;
		if (verdict == RIGHT)
			str_copy(c->user, sizeof(c->user), attempt->name);
		if (verdict == RIGHT || verdict == NOT_ASKED)
			r = request_continue(c);
		else if (verdict == WRONG)
			r = refuse(exchange, "wrong name or password");
		if ((r < 0 || verdict == UNKNOWN) && request_give_up(c, NOT_NOW) < 0)
			c->crowd->held_too_long(c);
	}
	attempt_free(attempt);
}

static int begin(struct login *login, struct attempt *attempt)
{
	const char *hash = text_map_get(login->users, attempt->name);

	attempt->exists = hash != NULL;
	if (hash != NULL)
		str_copy(attempt->hash, sizeof(attempt->hash), hash);
	else
		bcrypt_decoy(attempt->hash, login->cost);
	attempt->cost = login->cost;
	attempt->generation = login->generation;
	attempt->began_ns = clock_mono_ns();
	login->last_peer = attempt->peer;
	login->last_has_peer = attempt->has_peer;
	attempt->job = (struct pool_job){ .run = check };
	link_init(&attempt->job.link);
	return capture_pool_submit(login->pool, &attempt->job, 1);
}

/* The first of another place than the last one, so that nobody waits behind all of a crowd. */
static struct attempt *first_of_others(struct login *login)
{
	list_each (at, &login->attempts) {
		struct attempt *attempt = container_of(at, struct attempt, link);

		if (!is_near(attempt, login->last_has_peer, &login->last_peer))
			return attempt;
	}
	return container_of(login->attempts.next, struct attempt, link);
}

/* The next one that needs a check; those that need none any more are settled on the way. */
static void begin_next(struct login *login)
{
	while (login->checking == NULL && !login->rest.armed && !list_empty(&login->attempts)) {
		struct attempt *attempt = first_of_others(login);

		if (list_empty(&attempt->waiters)) {
			attempt_free(attempt);
			continue;
		}
		if (login->users == NULL) {
			settle(attempt, NOT_ASKED);
			continue;
		}
		if (begin(login, attempt) == 0)
			login->checking = attempt;
		else
			settle(attempt, UNKNOWN);
	}
}

static void rest(struct login *login, const struct attempt *attempt)
{
	uint64_t rest_ns = REST_FACTOR * (clock_mono_ns() - attempt->began_ns);

	/* Without a timer there is no rest. */
	(void)loop_timer_set(&login->rest, rest_ns < REST_MAX_NS ? rest_ns : REST_MAX_NS);
}

static void on_checked(void *owner)
{
	struct login *login = owner;
	struct attempt *attempt = login->checking;

	if (capture_pool_take(login->pool) == NULL)
		return;
	login->checking = NULL;
	/* By users that are no more: again, by those of now. */
	if (attempt->generation == login->generation) {
		if (attempt->verdict == RIGHT)
			proven_add(&login->proven, attempt->key);
		if (attempt->verdict == WRONG) {
			login->failures++;
			tell(login, attempt);
			rest(login, attempt);
		}
		settle(attempt, attempt->verdict);
	}
	begin_next(login);
}

static void on_rested(void *owner)
{
	begin_next(owner);
}

/* ---- what a request says ---- */

/* What size digits of base64 mean, padding left out; false: they are none, or mean a zero byte. */
static bool decode_digits(const char *text, size_t size, char *dst)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < size; i++) {
		int digit = base64_digit(text[i]);

		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		if (i % 4 == 0)
			continue;
		*dst = (char)(bits >> (6 - i % 4 * 2));
		if (*dst++ == '\0')
			return false;
	}
	return true;
}

enum { NO_CREDENTIALS = 1 };

/*
 * Owned text that is meant by one in base64 (RFC 4648 4), to be wiped. 0; NO_CREDENTIALS: it is
 * none, or longer than there may be; -ENOMEM.
 */
static int decode(const char *text, char **ret)
{
	size_t size = strlen(text), padding = 0;
	char *meant;

	if (size == 0 || size % 4 != 0 || size > CREDENTIALS_BYTES_MAX / 3 * 4)
		return NO_CREDENTIALS;
	while (padding < 2 && text[size - padding - 1] == '=')
		padding++;
	meant = calloc(1, size / 4 * 3 + 1);
	if (meant == NULL)
		return -ENOMEM;
	if (!decode_digits(text, size - padding, meant)) {
		free_text(meant);
		return NO_CREDENTIALS;
	}
	*ret = meant;
	return 0;
}

/* "name:password", owned. 0; NO_CREDENTIALS; -ENOMEM. */
static int split(const char *pair, char **ret_name, char **ret_password)
{
	const char *colon = strchr(pair, ':');
	char *name, *password;

	if (colon == NULL)
		return NO_CREDENTIALS;
	name = str_dup_span(pair, (size_t)(colon - pair));
	password = strdup(colon + 1);
	if (name == NULL || password == NULL) {
		free(name);
		free_text(password);
		return -ENOMEM;
	}
	*ret_name = name;
	*ret_password = password;
	return 0;
}

/* Owned name and password of "Basic ...". 0; NO_CREDENTIALS; -ENOMEM. */
static int read_header(const char *header, char **ret_name, char **ret_password)
{
	char *pair;
	int r;

	if (header == NULL || strncasecmp(header, "Basic ", 6) != 0)
		return NO_CREDENTIALS;
	r = decode(header + 6 + strspn(header + 6, " "), &pair);
	if (r != 0)
		return r;
	r = split(pair, ret_name, ret_password);
	free_text(pair);
	return r;
}

/* It is not known. Takes name and password. */
static int try(struct login *login, struct http_exchange *exchange, const char *key, char *name,
	       char *password)
{
	const struct http_connection *c = exchange->connection;
	struct attempt *attempt = find_attempt(login, key);
	bool room = may_wait(login, c);
	int r = 0;

	if (attempt == NULL && room && has_room(login, c)) {
		r = attempt_new(login, c, key, name, password, &attempt);
	} else {
		free(name);
		free_text(password);
	}
	if (r < 0)
		return r;
	if (attempt == NULL || !room)
		return put_off(exchange);
	r = wait_for(login, attempt, exchange);
	begin_next(login);
	/* Settled at once, and there was no memory to say so: nobody is let in by that. */
	return r == 0 && !c->held && c->status == 0 ? -ENOMEM : r;
}

static int judge(struct login *login, struct http_exchange *exchange)
{
	char *name, *password, key[PROVEN_KEY_MAX];
	int r = read_header(http_header(exchange, "Authorization"), &name, &password);

	if (r == NO_CREDENTIALS)
		return refuse(exchange, "a name and a password are needed");
	if (r < 0)
		return r;
	r = proven_key(&login->proven, name, password, key);
	if (r == 0 && !proven_has(&login->proven, key))
		return try(login, exchange, key, name, password);
	if (r == 0)
		str_copy(exchange->connection->user, sizeof(exchange->connection->user), name);
	free(name);
	free_text(password);
	return r;
}

int login_judge(struct login *login, struct http_exchange *exchange)
{
	int r = login->users != NULL ? judge(login, exchange) : 0;

	/* What we lack is nobody's mistake. */
	return r < 0 ? http_answer_error(exchange, 503, NULL, NOT_NOW ": %s", strerror(-r)) : r;
}

/* ---- all of it ---- */

/* 0, -ENOMEM, -EIO. */
static int sum_users(const struct text_map *users, char ret[DIGEST_HEX_MAX])
{
	struct digest *digest;
	int r = digest_new(&digest);

	if (r < 0)
		return r;
	for (size_t i = 0; users != NULL && i < users->n; i++) {
		const struct text_pair *user = &users->items[i];

		digest_update(digest, user->name, strlen(user->name) + 1);
		digest_update(digest, user->text, strlen(user->text) + 1);
	}
	r = digest_final(digest, ret);
	digest_free(digest);
	return r;
}

void login_set(struct login *login, const struct text_map *users)
{
	char sum[DIGEST_HEX_MAX];

	login->users = users != NULL && users->n > 0 ? users : NULL;
	login->cost = 0;
	for (size_t i = 0; login->users != NULL && i < users->n; i++) {
		if (bcrypt_cost(users->items[i].text) > login->cost)
			login->cost = bcrypt_cost(users->items[i].text);
	}
	if (sum_users(login->users, sum) < 0)
		sum[0] = '\0';
	if (sum[0] != '\0' && strcmp(sum, login->sum) == 0)
		return;
	str_copy(login->sum, sizeof(login->sum), sum);
	login->generation++;
	proven_forget(&login->proven);
}

uint64_t login_failures(const struct login *login)
{
	return login->failures;
}

int login_new(struct login **ret, struct loop *loop)
{
	struct login *login = calloc(1, sizeof(*login));
	int r;

	if (login == NULL)
		return -ENOMEM;
	link_init(&login->attempts);
	r = proven_init(&login->proven);
	if (r == 0)
		r = loop_wake_init(&login->wake, loop, on_checked, login);
	if (r == 0)
		r = loop_timer_init(&login->rest, loop, on_rested, login);
	if (r == 0)
		r = capture_pool_new(&login->pool, &login->wake);
	if (r < 0) {
		login_free(login);
		return r;
	}
	*ret = login;
	return 0;
}

void login_free(struct login *login)
{
	if (login == NULL)
		return;
	if (login->pool != NULL) {
		capture_pool_stop(login->pool);
		(void)capture_pool_take(login->pool);
		capture_pool_free(login->pool);
	}
	list_each_safe (at, &login->attempts)
		attempt_free(container_of(at, struct attempt, link));
	loop_timer_fini(&login->rest);
	loop_wake_fini(&login->wake);
	proven_fini(&login->proven);
	free(login);
}
