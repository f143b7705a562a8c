#pragma once

/*
 * The list of scripts a program has loaded, as Debugger.enable tells it: one event per script,
 * written on as one object of a JSON array. A snapshot names functions by script id, line and
 * column; this list turns the id into a file.
 */

#include <stdbool.h>
#include <stdint.h>

struct cdp_message;
struct download;

struct cdp_scripts {
	uint64_t bytes;
	bool begun, ended;
};

/* Called for each Debugger.scriptParsed until the end; 0 or the sink's failure. */
int cdp_scripts_add(struct download *download, struct cdp_scripts *scripts,
		    const struct cdp_message *message);

/* Closes the array, also an empty one. */
int cdp_scripts_end(struct download *download, struct cdp_scripts *scripts);
