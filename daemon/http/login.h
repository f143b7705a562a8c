#pragma once

/*
 * Basic authentication: who may ask. A password is checked once (bcrypt takes long, and on purpose)
 * in a thread, one after the other, and then known by a salted sum, so that a scrape costs little.
 * Control thread only.
 */

#include <stdbool.h>
#include <stdint.h>

struct http_exchange;
struct login;
struct loop;
struct text_map;

enum {
	/*
	 * Passwords that wait for their check, in all and from one address (of IPv6: one /64; all
	 * unix sockets are one). Of connections that wait for one of them, a quarter of those that
	 * there may be, again in all and from one address.
	 */
	LOGIN_WAITING_MAX = 16,
	LOGIN_WAITING_PER_IP_MAX = 4,
};

int login_new(struct login **ret, struct loop *loop); /* 0 or -errno */

/* Waits for the check under way. No exchange may be held any more. NULL is fine. */
void login_free(struct login *login);

/*
 * Names and bcrypt hashes, borrowed until the next call; NULL or none: nobody is asked. When they
 * are others than before, what was known is forgotten, and what waits is judged by these.
 */
void login_set(struct login *login, const struct text_map *users);

/*
 * The head of a request is here: lets it pass, answers 401, 429 or (for want of memory or threads)
 * 503, or holds it until its password is checked; then it is answered, or goes on by
 * request_continue(). Of who is let in by a password, connection.user has the name. 0, or -errno:
 * it has to end unanswered.
 */
int login_judge(struct login *login, struct http_exchange *exchange);

/* Checks that found a name or its password wrong, since the start. */
uint64_t login_failures(const struct login *login);
