/*
 * Programs that compile without end (eval in a loop) have scripts without end: the list stops when
 * it is too long, and is a valid one still. A source map that stands in its own URL can be larger
 * than the program and names no file, so it is left out.
 */

#include "inspect/cdp_scripts.h"

#include <string.h>

#include "inspect/cdp_message.h"
#include "inspect/download.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/str.h"
#include "util/url.h"

/* A script is some 400 bytes: this is more than a hundred thousand of them. */
#define LIST_MAX_BYTES (64ull << 20)

enum {
	/* A control character in a text becomes six. */
	SCRIPT_MAX_BYTES = 8 * (CDP_URL_MAX + CDP_URL_MAX / 2),
};

/* Queries may hold tokens and data: URLs whole programs; neither names a file. */
static void member_url(struct json_writer *w, const char *name, const char *url)
{
	char text[CDP_URL_MAX + 1];
	size_t n = strnlen(url, CDP_URL_MAX);

	text[url_strip(text, url, n, true)] = '\0';
	json_member_string(w, name, text);
}

static void compose(struct json_writer *w, const struct cdp_message *message)
{
	json_write_object(w);
	json_member_string(w, "scriptId", message->script_id);
	member_url(w, "url", message->url);
	json_write_key(w, "startLine");
	json_write_int(w, message->start_line);
	json_write_key(w, "startColumn");
	json_write_int(w, message->start_column);
	json_write_key(w, "endLine");
	json_write_int(w, message->end_line);
	json_write_key(w, "endColumn");
	json_write_int(w, message->end_column);
	json_member_string(w, "hash", message->hash);
	json_member_bool(w, "isModule", message->is_module);
	json_write_key(w, "length");
	json_write_int(w, message->length);
	if (message->source_map_url[0] != '\0' && !message->source_map_cut &&
	    !str_has_prefix(message->source_map_url, "data:"))
		member_url(w, "sourceMapURL", message->source_map_url);
	json_write_object_end(w);
}

static int put(struct download *download, struct cdp_scripts *scripts, const char *data,
	       size_t size)
{
	scripts->bytes += size;
	return download_piece(download, DOWNLOAD_SCRIPTS, data, size);
}

int cdp_scripts_add(struct download *download, struct cdp_scripts *scripts,
		    const struct cdp_message *message)
{
	struct json_writer w;
	struct buf buf;
	int r;

	if (scripts->ended)
		return 0;
	if (scripts->bytes + SCRIPT_MAX_BYTES > LIST_MAX_BYTES)
		return cdp_scripts_end(download, scripts);
	buf_init(&buf, SCRIPT_MAX_BYTES);
	buf_puts(&buf, scripts->begun ? ",\n" : "[\n");
	json_write_init(&w, &buf);
	compose(&w, message);
	r = buf.error;
	if (r == 0)
		r = put(download, scripts, buf.data, buf.size);
	buf_fini(&buf);
	if (r != 0)
		return r;
	scripts->begun = true;
	download->stats->scripts++;
	return 0;
}

int cdp_scripts_end(struct download *download, struct cdp_scripts *scripts)
{
	const char *text = scripts->begun ? "\n]\n" : "[]\n";

	if (scripts->ended)
		return 0;
	scripts->ended = true;
	return put(download, scripts, text, strlen(text));
}
