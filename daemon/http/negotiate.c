/*
 * Content negotiation
 *
 * An Accept header is a list of ranges with parameters. Each range is compared with the formats we
 * have; the highest q wins, the first of equals. A range Prometheus 3 sends with `escaping=` gets
 * an answer that names the escaping too: our names need none, so `underscores` is always true. A
 * range with parameters we cannot meet (another version) matches nothing; a wildcard is text 0.0.4.
 */

#include "http/negotiate.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { VALUE_MAX = 64 };

/* One element of a list header, cut out and read. */
struct range {
	char type[VALUE_MAX]; /* "text/plain", or a content coding */
	char version[16];
	bool escaping;
	int q; /* thousandths */
};

struct format {
	const char *type, *version;
	bool escaping;
	struct exposition_choice choice;
};

#define OPENMETRICS "application/openmetrics-text"

static const struct format formats[] = {
	{ OPENMETRICS,
	  "1.0.0",
	  true,
	  { EXPOSITION_OPENMETRICS,
	    OPENMETRICS "; version=1.0.0; charset=utf-8; escaping=underscores" } },
	{ OPENMETRICS,
	  "1.0.0",
	  false,
	  { EXPOSITION_OPENMETRICS, OPENMETRICS "; version=1.0.0; charset=utf-8" } },
	{ OPENMETRICS,
	  "0.0.1",
	  false,
	  { EXPOSITION_OPENMETRICS, OPENMETRICS "; version=0.0.1; charset=utf-8" } },
	{ OPENMETRICS,
	  "",
	  false,
	  { EXPOSITION_OPENMETRICS, OPENMETRICS "; version=1.0.0; charset=utf-8" } },
	{ "text/plain",
	  "1.0.0",
	  true,
	  { EXPOSITION_TEXT, "text/plain; version=1.0.0; charset=utf-8; escaping=underscores" } },
	{ "text/plain",
	  "1.0.0",
	  false,
	  { EXPOSITION_TEXT, "text/plain; version=1.0.0; charset=utf-8" } },
	{ "text/plain",
	  "0.0.4",
	  false,
	  { EXPOSITION_TEXT, "text/plain; version=0.0.4; charset=utf-8" } },
	{ "text/plain",
	  "",
	  false,
	  { EXPOSITION_TEXT, "text/plain; version=0.0.4; charset=utf-8" } },
	{ "text/*", "", false, { EXPOSITION_TEXT, "text/plain; version=0.0.4; charset=utf-8" } },
	{ "*/*", "", false, { EXPOSITION_TEXT, "text/plain; version=0.0.4; charset=utf-8" } },
};

enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

/* Copy the trimmed, unquoted span into dst; too long a value becomes one that matches nothing. */
static void copy_value(char *dst, size_t size, const char *from, const char *to)
{
	while (from < to && isspace((unsigned char)*from))
		from++;
	while (to > from && isspace((unsigned char)to[-1]))
		to--;
	if (to - from >= 2 && *from == '"' && to[-1] == '"') {
		from++;
		to--;
	}
	if ((size_t)(to - from) >= size) {
		strcpy(dst, "?");
		return;
	}
	memcpy(dst, from, (size_t)(to - from));
	dst[to - from] = '\0';
}

/* "1", "0.75" as thousandths; what is no q value counts as 0. */
static int parse_q(const char *text)
{
	int q = 0, digit = 100;

	if ((text[0] != '0' && text[0] != '1') || (text[1] != '\0' && text[1] != '.'))
		return 0;
	q = (text[0] - '0') * 1000;
	for (const char *at = text[1] == '.' ? text + 2 : text + 1; *at != '\0'; at++) {
		if (!isdigit((unsigned char)*at))
			return 0;
		q += (*at - '0') * digit;
		digit /= 10;
	}
	return q > 1000 ? 1000 : q;
}

static void read_parameter(struct range *range, const char *from, const char *to)
{
	const char *equals = memchr(from, '=', (size_t)(to - from));
	char name[16], value[16];

	if (equals == NULL)
		return;
	copy_value(name, sizeof(name), from, equals);
	copy_value(value, sizeof(value), equals + 1, to);
	if (strcasecmp(name, "q") == 0)
		range->q = parse_q(value);
	else if (strcasecmp(name, "version") == 0)
		memcpy(range->version, value, sizeof(value));
	else if (strcasecmp(name, "escaping") == 0)
		range->escaping = true;
}

/* Cut the next element off the list; false at its end. */
static bool next_range(const char **at, struct range *ret)
{
	const char *end, *part, *stop;

	if (**at == '\0')
		return false;
	*ret = (struct range){ .q = 1000 };
	end = *at + strcspn(*at, ",");
	part = *at;
	stop = part + strcspn(part, ";,");
	copy_value(ret->type, sizeof(ret->type), part, stop);
	while (stop < end) {
		part = stop + 1;
		stop = part + strcspn(part, ";,");
		read_parameter(ret, part, stop);
	}
	*at = *end == ',' ? end + 1 : end;
	return true;
}

static const struct format *find_format(const struct range *range)
{
	const struct format *found = NULL;

	for (size_t i = 0; i < FORMATS; i++) {
		const struct format *format = &formats[i];

		if (strcasecmp(format->type, range->type) != 0 ||
		    strcmp(format->version, range->version) != 0)
			continue;
		if (format->escaping == range->escaping)
			return format;
		if (!format->escaping)
			found = format;
	}
	return found;
}

struct exposition_choice negotiate_exposition(const char *accept)
{
	const struct format *best = &formats[FORMATS - 1];
	struct range range;
	int best_q = 0;

	while (accept != NULL && next_range(&accept, &range)) {
		const struct format *format = find_format(&range);

		if (format != NULL && range.q > best_q) {
			best = format;
			best_q = range.q;
		}
	}
	return best->choice;
}

bool negotiate_gzip(const char *accept_encoding)
{
	struct range range;
	int named = -1, any = 0;

	while (accept_encoding != NULL && next_range(&accept_encoding, &range)) {
		if (strcasecmp(range.type, "gzip") == 0 || strcasecmp(range.type, "x-gzip") == 0)
			named = range.q;
		else if (strcmp(range.type, "*") == 0)
			any = range.q;
	}
	return (named >= 0 ? named : any) > 0;
}

bool negotiate_zstd(const char *accept_encoding)
{
	struct range range;
	int q = 0;

	while (accept_encoding != NULL && next_range(&accept_encoding, &range)) {
		if (strcasecmp(range.type, "zstd") == 0)
			q = range.q;
	}
	return q > 0;
}
