#pragma once

/* What a client wants to get, from its Accept headers (RFC 9110, q values). Pure functions. */

#include <stdbool.h>

enum exposition { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS };

struct exposition_choice {
	enum exposition format;
	const char *content_type; /* constant; says the version that was asked for */
};

/* accept NULL: anything. When nothing fits, text 0.0.4, as Prometheus' own libraries do. */
struct exposition_choice negotiate_exposition(const char *accept);

/* accept_encoding NULL: no. */
bool negotiate_gzip(const char *accept_encoding);

/* Only when it is named: who says "*" rarely means zstd. */
bool negotiate_zstd(const char *accept_encoding);
