#pragma once

/* The column of a place in a text as an editor counts it: characters, from 1. */

static inline int column_at(const char *text, const char *at)
{
	int column = 1;

	for (; text < at; text++)
		column += ((unsigned char)*text & 0xc0) != 0x80;
	return column;
}
