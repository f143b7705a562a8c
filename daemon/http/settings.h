#pragma once

/* What the configuration says about the HTTP endpoint. */

#include <stdbool.h>
#include <stdint.h>
#include "conf/option.h"

struct web_settings {
	struct text_list listen_addresses;
	char *external_url;
	bool enable_lifecycle; /* POST /-/reload */
	bool allow_remote; /* listen beyond loopback without TLS and authentication (web_config.h)
			    */
	uint64_t max_connections;
	uint64_t max_connections_per_ip;
	uint64_t request_timeout_ns; /* head and body of a request must be in by then */
	uint64_t response_timeout_ns; /* a slow reader is cut off by then */
};

/*
 * Is text a listen address: HOST:PORT, [IPV6]:PORT, :PORT (numeric host or localhost) or
 * unix:/PATH? 0 with *ret_local (reachable from this machine only), or -EINVAL with the reason in
 * err.
 */
int web_address_check(const char *text, bool *ret_local, struct err *err);

extern const struct option_desc web_options[];
