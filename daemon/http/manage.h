#pragma once

/* Handlers that are not of the API. */

struct http_exchange;

int manage_healthy(struct http_exchange *exchange);
int manage_ready(struct http_exchange *exchange);
int manage_reload(struct http_exchange *exchange);
int probe_handle(struct http_exchange *exchange);
