#pragma once

/* Digits of base64 (RFC 4648 4); what a text of them means differs too much to be read here. */

/* 0 to 63; -1: it is none. */
static inline int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}
