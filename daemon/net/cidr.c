/* Ranges of addresses, compared by their leading bits. */

#include "net/cidr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "util/err.h"
#include "util/str.h"

enum { V4_BITS = 32, V6_BITS = 128, MAPPED_BYTES = 12 };

/* Family and bits of a numeric address. */
static bool read_bits(const char *text, enum address_family *family, uint8_t bits[16])
{
	static const uint8_t mapped[MAPPED_BYTES] = { [10] = 0xff, [11] = 0xff };

	memset(bits, 0, 16);
	if (inet_pton(AF_INET, text, bits) == 1) {
		*family = ADDRESS_INET;
		return true;
	}
	if (inet_pton(AF_INET6, text, bits) != 1)
		return false;
	*family = ADDRESS_INET6;
	if (memcmp(bits, mapped, sizeof(mapped)) == 0) {
		*family = ADDRESS_INET;
		memmove(bits, bits + MAPPED_BYTES, 4);
		memset(bits + 4, 0, MAPPED_BYTES);
	}
	return true;
}

/* The leading bits of a and b are the same. */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned prefix)
{
	unsigned bytes = prefix / 8, rest = prefix % 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0;
}

static bool is_clean(const struct cidr *cidr)
{
	uint8_t cleared[16] = { 0 };
	unsigned bytes = cidr->prefix / 8, rest = cidr->prefix % 8;

	memcpy(cleared, cidr->bits, bytes);
	if (rest != 0)
		cleared[bytes] = cidr->bits[bytes] & (uint8_t)(0xff << (8 - rest));
	return memcmp(cleared, cidr->bits, sizeof(cleared)) == 0;
}

int cidr_parse(struct cidr *cidr, const char *text, struct err *err)
{
	char host[ADDRESS_HOST_MAX];
	struct cidr parsed = { 0 };
	const char *slash = strchr(text, '/');
	size_t size = slash ? (size_t)(slash - text) : strlen(text);
	uint64_t prefix, most;

	if (strcmp(text, "unix") == 0) {
		*cidr = (struct cidr){ .family = ADDRESS_UNIX };
		return 0;
	}
	if (size >= sizeof(host))
		return err_set(err, -EINVAL, "the range is too long");
	memcpy(host, text, size);
	host[size] = '\0';
	if (!read_bits(host, &parsed.family, parsed.bits))
		return err_set(
			err, -EINVAL,
			"'%.64s' is not a range of addresses (examples: 10.0.0.0/8, fd00::/8, "
			"192.0.2.7, unix)",
			text);
	most = parsed.family == ADDRESS_INET ? V4_BITS : V6_BITS;
	prefix = most;
	if (slash && (str_parse_uint(slash + 1, &prefix) < 0 || prefix > most))
		return err_set(err, -EINVAL, "'%.64s': the prefix is a number up to %u", text,
			       (unsigned)most);
	parsed.prefix = (unsigned)prefix;
	if (!is_clean(&parsed))
		return err_set(err, -EINVAL, "'%.64s' has bits beyond its prefix", text);
	*cidr = parsed;
	return 0;
}

bool cidr_has(const struct cidr *cidr, const struct address *address)
{
	enum address_family family;
	uint8_t bits[16];

	if (address->family == ADDRESS_UNIX)
		return cidr->family == ADDRESS_UNIX;
	return read_bits(address->host, &family, bits) && family == cidr->family &&
	       same_bits(bits, cidr->bits, cidr->prefix);
}
