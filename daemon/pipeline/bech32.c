/*
 * Bech32
 */

#include "pipeline/bech32.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "util/err.h"

static const char charset[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

static uint32_t checksum_add(uint32_t sum, unsigned value)
{
	static const uint32_t generator[] = { 0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
					      0x2a1462b3 };
	uint32_t top = sum >> 25;

	sum = (sum & 0x1ffffff) << 5 ^ value;
	for (unsigned i = 0; i < 5; i++)
		if (top >> i & 1)
			sum ^= generator[i];
	return sum;
}

/* The prefix counts in two halves: its high bits, a zero, its low bits. */
static uint32_t checksum_start(const char *prefix, size_t size)
{
	uint32_t sum = 1;

	for (size_t i = 0; i < size; i++)
		sum = checksum_add(sum, (unsigned)prefix[i] >> 5);
	sum = checksum_add(sum, 0);
	for (size_t i = 0; i < size; i++)
		sum = checksum_add(sum, (unsigned)prefix[i] & 31);
	return sum;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int value_of(char c)
{
	const char *at = strchr(charset, lower(c));

	return c == '\0' || at == NULL ? -1 : (int)(at - charset);
}

static int check_characters(const char *text, struct err *err)
{
	bool has_lower = false, has_upper = false;

	for (const char *c = text; *c != '\0'; c++) {
		if (*c < 33 || *c > 126)
			return err_set(err, -EINVAL, "a character that Bech32 does not have");
		has_lower = has_lower || (*c >= 'a' && *c <= 'z');
		has_upper = has_upper || (*c >= 'A' && *c <= 'Z');
	}
	if (has_lower && has_upper)
		return err_set(err, -EINVAL, "upper and lower case are mixed");
	return 0;
}

/* Copies the prefix in lower case. The size of it, or -EINVAL. */
static int split(const char *text, char prefix[BECH32_PREFIX_MAX], struct err *err)
{
	const char *one = strrchr(text, '1');
	size_t size = one == NULL ? 0 : (size_t)(one - text);

	if (size == 0 || size >= BECH32_PREFIX_MAX)
		return err_set(err, -EINVAL, "it does not begin with a prefix and \"1\"");
	if (strlen(one + 1) < BECH32_CHECKSUM_CHARS)
		return err_set(err, -EINVAL, "it is cut short");
	for (size_t i = 0; i < size; i++)
		prefix[i] = lower(text[i]);
	prefix[size] = '\0';
	return (int)size;
}

static int check_sum(const char *prefix, const char *data, struct err *err)
{
	uint32_t sum = checksum_start(prefix, strlen(prefix));

	for (; *data != '\0'; data++) {
		int value = value_of(*data);

		if (value < 0)
			return err_set(err, -EINVAL, "a character that Bech32 does not have");
		sum = checksum_add(sum, (unsigned)value);
	}
	return sum == 1 ? 0 : err_set(err, -EINVAL, "its checksum is wrong");
}

/* Groups of 5 bits to bytes; what is left over is less than a group and zero. */
static int unpack(const char *data, size_t chars, uint8_t *ret, size_t max, size_t *ret_size,
		  struct err *err)
{
	unsigned bits = 0, bits_n = 0;
	size_t n = 0;

	for (size_t i = 0; i < chars; i++) {
		bits = (bits << 5 | (unsigned)value_of(data[i])) & 0xfff;
		bits_n += 5;
		if (bits_n < 8)
			continue;
		if (n == max)
			return err_set(err, -E2BIG, "it is too long");
		bits_n -= 8;
		ret[n++] = (uint8_t)(bits >> bits_n);
	}
	if (bits_n >= 5 || (bits & ((1u << bits_n) - 1)) != 0)
		return err_set(err, -EINVAL, "its last bits are not zero");
	*ret_size = n;
	return 0;
}

int bech32_decode(const char *text, char prefix[BECH32_PREFIX_MAX], uint8_t *ret, size_t max,
		  size_t *ret_size, struct err *err)
{
	const char *data;
	int r;

	r = check_characters(text, err);
	if (r < 0)
		return r;
	r = split(text, prefix, err);
	if (r < 0)
		return r;
	data = text + r + 1;
	r = check_sum(prefix, data, err);
	if (r < 0)
		return r;
	return unpack(data, strlen(data) - BECH32_CHECKSUM_CHARS, ret, max, ret_size, err);
}

int bech32_encode(char *dst, size_t dst_size, const char *prefix, const uint8_t *data, size_t size)
{
	size_t prefix_size = strlen(prefix), groups = (size * 8 + 4) / 5;
	uint32_t sum = checksum_start(prefix, prefix_size);
	char *out = dst + prefix_size;
	unsigned bits = 0, bits_n = 0;

	if (prefix_size + 1 + groups + BECH32_CHECKSUM_CHARS + 1 > dst_size)
		return -E2BIG;
	memcpy(dst, prefix, prefix_size);
	*out++ = '1';
	for (size_t i = 0, next = 0; i < groups; i++) {
		unsigned value;

		if (bits_n < 5) {
			bits = (bits << 8 | (next < size ? data[next] : 0)) & 0xfff;
			bits_n += 8;
			next++;
		}
		bits_n -= 5;
		value = bits >> bits_n & 31;
		sum = checksum_add(sum, value);
		*out++ = charset[value];
	}
	for (unsigned i = 0; i < BECH32_CHECKSUM_CHARS; i++)
		sum = checksum_add(sum, 0);
	sum ^= 1;
	for (unsigned i = 0; i < BECH32_CHECKSUM_CHARS; i++)
		*out++ = charset[sum >> 5 * (BECH32_CHECKSUM_CHARS - 1 - i) & 31];
	*out = '\0';
	return 0;
}
