/*
 * Redaction: what becomes of a name
 *
 * Names come as JSON has them, between the quotes. V8 writes printable ASCII as it is and escapes
 * all else, so what the rules look for always stands there plainly; a name that hides it in escapes
 * was not written by V8 and is dropped.
 */

#include <stdio.h>
#include <string.h>

#include "pipeline/redact_parts.h"
#include "util/str.h"
#include "util/url.h"

/* An allowed name has room for one more character of any size, and its end. */
enum { FUNCTION_NAME_MAX = 64, CLASS_NAME_MAX = 128, ALLOWED_MAX = REDACT_ALLOW_BYTES_MAX + 4 };

struct span {
	const char *data;
	size_t size;
};

/* ---- what is made of a name: redact->name, as long as the name at most, or a few digits ---- */

static bool drop(struct redact *redact)
{
	redact->name_size = 0;
	return false;
}

static void add(struct redact *redact, const char *data, size_t size)
{
	if (size > REDACT_NAME_MAX - redact->name_size)
		size = REDACT_NAME_MAX - redact->name_size;
	memcpy(redact->name + redact->name_size, data, size);
	redact->name_size += size;
}

static void add_text(struct redact *redact, const char *text)
{
	add(redact, text, strlen(text));
}

/* ---- text ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_made_of(const char *text, size_t size, const char *others)
{
	for (size_t i = 0; i < size; i++) {
		if (!is_letter(text[i]) && !is_digit(text[i]) &&
		    (text[i] == '\0' || strchr(others, text[i]) == NULL))
			return false;
	}
	return true;
}

static bool begins(struct span text, const char *with)
{
	size_t n = strlen(with);

	return text.size >= n && memcmp(text.data, with, n) == 0;
}

static const char *find(struct span text, const char *what)
{
	return text.size == 0 ? NULL : memmem(text.data, text.size, what, strlen(what));
}

static struct span after(struct span text, size_t n)
{
	return (struct span){ text.data + n, text.size - n };
}

static int hex_of(char c)
{
	if (is_digit(c))
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four digits of \uXXXX; -1 when they are none. */
static int code_unit(struct span text)
{
	int unit = 0;

	if (text.size < 6)
		return -1;
	for (int i = 2; i < 6; i++) {
		int digit = hex_of(text.data[i]);

		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

/* Bytes of the escape at the start; 0: none that V8 writes. */
static size_t escape_size(struct span text)
{
	int unit;

	if (text.size < 2)
		return 0;
	if (text.data[1] != 'u')
		return memchr("\"\\bfnrt", text.data[1], 7) != NULL ? 2 : 0;
	unit = code_unit(text);
	return unit < 0 || (unit >= ' ' && unit <= '~') ? 0 : 6;
}

/* JSON, and nothing that could be written plainly is escaped. */
static bool is_canonical(struct span text)
{
	while (text.size > 0) {
		unsigned char c = (unsigned char)*text.data;
		size_t n = c == '\\'  ? escape_size(text)
			   : c < 0x80 ? c >= ' '
				      : str_utf8_sequence(text.data, text.size);

		if (n == 0)
			return false;
		text = after(text, n);
	}
	return true;
}

/* ---- WeakMap entries: "N / part of key (KEY @1) -> value (VALUE @2) pair in WeakMap (table @3)"
 */

/* Takes "@digits" from the end; the rest of text stands before it. */
static bool take_id(struct span *text, struct span *ret_id)
{
	size_t n = text->size;

	while (n > 0 && is_digit(text->data[n - 1]))
		n--;
	if (n == text->size || n == 0 || text->data[n - 1] != '@')
		return false;
	*ret_id = (struct span){ text->data + n - 1, text->size - n + 1 };
	text->size = n - 1;
	return true;
}

static bool take_end(struct span *text, const char *end)
{
	size_t n = strlen(end);

	if (text->size < n || memcmp(text->data + text->size - n, end, n) != 0)
		return false;
	text->size -= n;
	return true;
}

/* The id of the key, when there is but one that it can be: a string may hold the same words. */
static struct span id_of_key(struct span pair)
{
	static const char between[] = ") -> value (";
	struct span none = { "@0", 2 }, id = none;
	unsigned found = 0;

	for (const char *at = find(pair, between); at != NULL; at = find(pair, between)) {
		struct span key = { pair.data, (size_t)(at - pair.data) }, candidate;

		if (take_id(&key, &candidate)) {
			id = candidate;
			found++;
		}
		pair = after(pair, (size_t)(at - pair.data) + 1);
	}
	return found == 1 ? id : none;
}

/* What key and value say of themselves may be their text: only the ids stay. */
static bool mask_pair(struct redact *redact, struct span text)
{
	static const char part[] = " / part of key (";
	struct span number = text, table, value, pair = text;
	const char *at = find(text, part);

	redact->name_size = 0;
	if (at == NULL)
		return false;
	number.size = (size_t)(at - text.data);
	pair = after(text, number.size + sizeof(part) - 1);
	if (number.size == 0 || !is_made_of(number.data, number.size, "") ||
	    !take_end(&pair, ")") || !take_id(&pair, &table) ||
	    !take_end(&pair, ") pair in WeakMap (table ") || !take_id(&pair, &value))
		return false;
	add(redact, number.data, number.size);
	add_text(redact, " / part of key ( ");
	pair = id_of_key(pair);
	add(redact, pair.data, pair.size);
	add_text(redact, ") -> value ( ");
	add(redact, value.data, value.size);
	add_text(redact, ") pair in WeakMap (table ");
	add(redact, table.data, table.size);
	add_text(redact, ")");
	return false;
}

static bool may_be_pair(struct span text)
{
	return find(text, "part of key (") != NULL || find(text, "WeakMap (table") != NULL ||
	       find(text, ") -> value (") != NULL;
}

/* ---- URLs, elements ---- */

static bool cut_url(struct redact *redact, struct span text, bool whole)
{
	redact->name_size = url_strip(redact->name, text.data, text.size, whole);
	return redact->name_size == text.size && memcmp(redact->name, text.data, text.size) == 0;
}

/* Elements of a page: "<div id=x>" is "<div>", as the class that DevTools makes of it. */
static bool cut_element(struct redact *redact, struct span text)
{
	size_t skip = begins(text, "Detached <") ? 10 : 0;
	const char *space = memchr(text.data + skip, ' ', text.size - skip);

	if (space == NULL)
		return true;
	redact->name_size = 0;
	add(redact, text.data, (size_t)(space - text.data));
	add_text(redact, ">");
	return false;
}

/* ---- what REDACT_ALL lets through ---- */

static struct span skip_words(struct span text)
{
	static const char *const words[] = { "get ", "set ", "bound ", "static " };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (begins(text, words[i]))
			return skip_words(after(text, strlen(words[i])));
	}
	return text;
}

bool redact_name_is_function(const char *text, size_t size)
{
	struct span name = skip_words((struct span){ text, size });

	return size <= FUNCTION_NAME_MAX && (name.size == 0 || !is_digit(*name.data)) &&
	       is_made_of(name.data, name.size, "_$.#[]<>");
}

bool redact_name_is_code(const char *text, size_t size)
{
	struct span name = { text, size };

	if (redact_name_is_function(text, size) || memchr(text, '/', size) != NULL ||
	    begins(name, "node:") || (size == 5 && begins(name, "data:")))
		return true;
	return begins(name, "(") && redact_name_is_class(text, size);
}

bool redact_name_is_class(const char *text, size_t size)
{
	return size <= CLASS_NAME_MAX && is_made_of(text, size, "_$.#[]<> ():/,-");
}

/* The text of a name without escapes; false: too long, or of odd characters. */
static bool unescape(struct span text, char dst[ALLOWED_MAX])
{
	size_t n = 0;

	while (text.size > 0 && n + 4 < ALLOWED_MAX) {
		int unit;

		if (*text.data != '\\') {
			dst[n++] = *text.data;
			text = after(text, 1);
			continue;
		}
		unit = text.size > 1 && text.data[1] == 'u' ? code_unit(text) : -1;
		if (unit < 0x80 || (unit >= 0xd800 && unit <= 0xdfff))
			return false;
		if (unit >= 0x800)
			dst[n++] = (char)(0xe0 | unit >> 12);
		dst[n++] = (char)(unit >= 0x800 ? 0x80 | (unit >> 6 & 0x3f) : 0xc0 | unit >> 6);
		dst[n++] = (char)(0x80 | (unit & 0x3f));
		text = after(text, 6);
	}
	dst[n] = '\0';
	return text.size == 0;
}

/* Accessors and symbols are known by what they are of. */
static bool is_allowed(const struct redact *redact, struct span text)
{
	char name[ALLOWED_MAX];

	if (begins(text, "get ") || begins(text, "set "))
		text = after(text, 4);
	if (begins(text, "<symbol ") && text.data[text.size - 1] == '>') {
		text = after(text, 8);
		text.size--;
	}
	return unescape(text, name) && map_get(&redact->allow, name) != NULL;
}

static bool passes(unsigned marks, struct span text)
{
	if ((marks & NAMED_BY_NODE) == 0 || (marks & (NAMED_BY_HEAP | NAMED_BY_NATIVE)) != 0)
		return true;
	return ((marks & NAMED_BY_OBJECT) != 0 && redact_name_is_class(text.data, text.size)) ||
	       ((marks & NAMED_BY_CLOSURE) != 0 && redact_name_is_function(text.data, text.size)) ||
	       ((marks & NAMED_BY_CODE) != 0 && redact_name_is_code(text.data, text.size));
}

/* A property's name that is not allowed is told from others by its index only. */
static bool put_index(struct redact *redact)
{
	redact->name_size = (size_t)snprintf(redact->name, REDACT_NAME_MAX, "#%llu",
					     (unsigned long long)redact->string);
	return false;
}

/* ---- all rules ---- */

static bool is_plain(struct span text)
{
	return is_made_of(text.data, text.size, "_$ .,/()[]-+*!&;='>|^~`{}");
}

/* A path with a query or a fragment that is no URL. "#x" alone is a private name. */
static bool is_cut_path(struct span text)
{
	const char *slash = memchr(text.data, '/', text.size);
	size_t skip = slash != NULL ? (size_t)(slash - text.data) : text.size;

	return memchr(text.data, '?', text.size) != NULL ||
	       memchr(text.data + skip, '#', text.size - skip) != NULL;
}

/* The name of a script may be a path. */
static bool judge(struct redact *redact, unsigned marks, struct span text)
{
	bool is_code = (marks & NAMED_BY_CODE) != 0 && is_cut_path(text);

	if (is_plain(text))
		return true;
	if (!is_canonical(text))
		return drop(redact);
	if (memchr(text.data, '@', text.size) != NULL && may_be_pair(text))
		return mask_pair(redact, text);
	if (is_code || find(text, "://") != NULL || find(text, "data:") != NULL)
		return cut_url(redact, text, is_code);
	if ((marks & NAMED_BY_NATIVE) != 0 && (begins(text, "<") || begins(text, "Detached <")))
		return cut_element(redact, text);
	return true;
}

bool redact_name(struct redact *redact, const char *text, size_t size)
{
	unsigned marks = redact->marks[redact->string];
	struct span name = { text, size };
	bool same;

	if (redact->level == REDACT_STRINGS)
		return judge(redact, marks, name);
	if ((marks & NAMED_BY_PROPERTY) != 0 && !is_allowed(redact, name))
		return put_index(redact);
	same = judge(redact, marks, name);
	if (!passes(marks, same ? name : (struct span){ redact->name, redact->name_size }))
		return drop(redact);
	return same;
}
