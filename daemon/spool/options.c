/*
 * Options of the spool, in systemd-coredump's words.
 */

#include "spool/settings.h"

#include <stddef.h>

#define AT(member) offsetof(struct spool_settings, member)
#define TIB        (1ull << 40)

const struct option_desc spool_options[] = {
	{ .name = "max_use",
	  .type = OPTION_BYTES,
	  .offset = AT(max_use_bytes),
	  .max = 1024 * TIB,
	  .def = "32GiB",
	  .help = "What all captures together may take; beyond that further ones are refused. 0 is "
		  "no limit." },
	{ .name = "keep_free",
	  .type = OPTION_BYTES,
	  .offset = AT(keep_free_bytes),
	  .max = 1024 * TIB,
	  .def = "2GiB",
	  .help = "What must stay free on the file system, for its other users." },
	{ .name = "max_files",
	  .type = OPTION_UINT,
	  .offset = AT(max_files),
	  .max = 1000000,
	  .def = "200",
	  .help = "How many captures are kept; beyond that further ones are refused. 0 is no "
		  "limit." },
	{ 0 },
};
