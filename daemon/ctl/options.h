#pragma once

/* The command line of heapwatchctl, in coredumpctl's manners. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How heapwatchctl ends. */
enum ctl_exit {
	CTL_OK,
	CTL_FAILURE, /* or nothing was found */
	CTL_USAGE,
	CTL_UNREACHABLE, /* no daemon answers */
	CTL_REFUSED, /* by a guard or a limit */
};

enum json_mode { JSON_OFF, JSON_SHORT, JSON_PRETTY };

enum { IDENTITY_FILES_MAX = 20 };

/* What vacuum is to keep to; the daemon's own limits where it is not said. */
struct vacuum_wish {
	uint64_t max_use_bytes, keep_free_bytes, max_files, max_age_ns;
	bool has_max_use, has_keep_free, has_max_files, has_max_age;
};

/* What is wanted of heap snapshots. */
struct heap_wish {
	uint64_t top; /* rows; 0: all */
	const char *class; /* or NULL */
	uint64_t node; /* its id */
	bool has_node;
	uint64_t threads; /* 1 or 2; 0: as there are processors */
	uint64_t memory_max_bytes; /* 0: what there is */
	const char *index; /* folder for indexes; NULL: beside the snapshot, or the cache */
	bool no_index;
	const char *spill; /* folder for arrays in place of memory; or NULL */
	const char *match; /* "auto", "ids", "paths" or "classes": of leaks, and of diff */
	const char *scripts_file; /* or NULL: by the name of the snapshot */
	const char *source_map_dir; /* or NULL */
	bool extras; /* what strings, collections and detached nodes come to */
	bool strings, collections, variables, allocations; /* tables of their own */
};

/* What is wanted of a capture, as the API takes it; NULL: as the daemon's default is. */
struct capture_wish {
	const char *isolate, *duration, *interval, *objects, *format, *stack_depth;
	bool stacks; /* of a timeline */
	bool wait; /* until it is in the spool */
};

enum { CTL_PATH_MAX = 1024 };

/* How the daemon lets us in. */
struct login_wish {
	const char *ca_file; /* NULL: the system's */
	const char *cert_file, *key_file; /* ours; key_file NULL: in cert_file */
	const char *user, *password_file; /* both or neither */
};

struct ctl_options {
	const char *host; /* http://..., https://..., unix:/... */
	struct login_wish login;
	const char *directory; /* the spool itself, without a daemon; or NULL */
	char root[CTL_PATH_MAX]; /* what directory is, when it is below a root */
	enum json_mode json;
	bool pager, legend, quiet, reverse;
	bool raw, scripts, off;
	uint64_t count; /* the newest so many; 0: all */
	int64_t since_ms, until_ms; /* 0: no limit */
	const char *field; /* print this member only; or NULL */
	const char *output; /* "-": stdout; NULL: by the capture's name */
	const char *identities[IDENTITY_FILES_MAX];
	size_t identities_n;
	struct vacuum_wish vacuum;
	struct heap_wish heap;
	const char *samples; /* rules test: a table of samples; or NULL */
	bool explain;
	struct capture_wish capture;
	const char *command; /* "list" when none is given */
	char **args; /* after the command */
	size_t args_n;
	bool help, version;
};

/* CTL_OK; CTL_USAGE, having said why. args point into argv. */
int ctl_options_parse(struct ctl_options *ret, int argc, char **argv);
