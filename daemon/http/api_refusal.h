#pragma once

/* How a request that the guards refuse is answered. */

struct err;
struct http_exchange;

/* refusal: enum capture_refusal, not NONE; the text is in err. */
int api_answer_refused(struct http_exchange *exchange, int refusal, const struct err *err);
