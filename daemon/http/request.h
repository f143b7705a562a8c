#pragma once

/* One request on its connection, from the head to the handler. */

#include <stddef.h>

struct http_connection;

/* Make room for the next request: what the last one held is dropped and freed. */
void request_forget(struct http_connection *connection);

/*
 * The head is here: judge it and find its route. It may end with an answer set, or held. 0;
 * -ENOMEM, -EIO: end the connection.
 */
int request_begin(struct http_connection *connection, const char *method);

/* What a head was held for has come out well (held is false again): it goes on. 0, -ENOMEM. */
int request_continue(struct http_connection *connection);

void request_take_body(struct http_connection *connection, const char *data, size_t size);

/* The request is whole: afterwards it is answered or held. */
void request_handle(struct http_connection *connection);

/* It was held for too long, or the server stops: drop it and answer 503. 0 or -errno. */
int request_give_up(struct http_connection *connection, const char *why);

/* An extra header set so far, or NULL. */
const char *request_answer_header(const struct http_connection *connection, const char *name);

/* Without it, if it was set. */
void request_drop_header(struct http_connection *connection, const char *name);
