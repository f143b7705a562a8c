#pragma once

/*
 * Ranges of addresses (RFC 4632, RFC 4291 2.3): 10.0.0.0/8, fd00::/8, a lone address, or "unix" for
 * all unix sockets. An IPv4 address that is written as IPv6 (::ffff:10.0.0.1) is the IPv4 address:
 * that is where the kernel connects to.
 */

#include <stdbool.h>
#include <stdint.h>
#include "net/address.h"

struct err;

struct cidr {
	enum address_family family;
	uint8_t bits[16]; /* network order; of IPv4 the first four */
	unsigned prefix; /* leading bits that count */
};

/* 0, or -EINVAL with the reason in err. Bits beyond the prefix must be zero. */
int cidr_parse(struct cidr *cidr, const char *text, struct err *err);

bool cidr_has(const struct cidr *cidr, const struct address *address);
