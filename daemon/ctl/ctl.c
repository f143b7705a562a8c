/*
 * heapwatchctl
 */

#include "ctl/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/keygen.h"
#include "ctl/show.h"
#include "ctl/source.h"
#include "heap/alloc.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/log.h"
#include "util/str.h"

enum { ANY_NUMBER = 1000000 };

static const struct command {
	const char *name;
	size_t args_min, args_max;
	command_fn *run;
	bool local; /* works on files, not on captures of a daemon */
	const char *wants; /* of whom has said too little; NULL: files, or captures */
} commands[] = {
	{ "list", 0, ANY_NUMBER, command_list },
	{ "info", 0, ANY_NUMBER, command_info },
	{ "export", 1, 1, command_export },
	{ "rm", 1, ANY_NUMBER, command_rm },
	{ "pin", 1, ANY_NUMBER, command_pin },
	{ "unpin", 1, ANY_NUMBER, command_unpin },
	{ "verify", 0, ANY_NUMBER, command_verify },
	{ "vacuum", 0, 0, command_vacuum },
	{ "gc", 1, 1, command_gc, .wants = "target?" },
	{ "analyze", 1, 1, command_analyze, true },
	{ "diff", 2, 2, command_diff, true },
	{ "retainers", 1, 1, command_retainers, true },
	{ "leaks", 2, 3, command_leaks, true },
	{ "discover", 0, 0, command_discover, true },
	{ "convert", 1, 1, command_convert, true },
	{ "rules", 2, ANY_NUMBER, command_rules, true, "rule files? (rules test FILE...)" },
	{ "capture", 2, 2, command_capture, .wants = "kind, and of which target?" },
	{ "peek", 1, 1, command_peek, .wants = "capture?" },
	{ "profile", 2, ANY_NUMBER, command_profile, true,
	  "of top, diff, flame and pprof, of which file?" },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static const char usage[] =
	"usage: heapwatchctl [flags] [command]\n"
	"\n"
	"Looks through the heap captures of heapwatchd, and gets them out of its spool.\n"
	"\n"
	"  list [MATCH...]        captures, oldest first (default)\n"
	"  info [ID...]           all that is known of them\n"
	"  export ID              the capture, decrypted and decompressed\n"
	"  verify [ID...]         read them and compare with their SHA-256\n"
	"  pin ID...              vacuum leaves them alone; unpin, or pin --off: no longer\n"
	"  rm ID...               delete them\n"
	"  vacuum                 delete the oldest down to the limits of the spool, or those "
	"given\n"
	"  gc TARGET              have a target collect its garbage now, and say what that freed\n"
	"  keygen                 make a key pair for encrypted captures\n"
	"  analyze FILE           what a heap snapshot holds: classes, sizes retained\n"
	"  diff BASE FILE         objects that came and went between two snapshots of one "
	"program\n"
	"  retainers FILE         why an object is there: --node=@ID, or the largest of "
	"--class=NAME\n"
	"  leaks FILE FILE [FILE] where memory accumulates, from two or three snapshots in turn\n"
	"  capture KIND TARGET    have the daemon take a capture: snapshot, diagnostics, "
	"sampling,\n"
	"                         timeline, tracking\n"
	"  peek ID                what a sampling profile that runs has so far, while it goes on\n"
	"  profile top FILE...    what .heapprofile or .pb.gz files say was allocated\n"
	"  profile diff BASE FILE how that changed between two profiles\n"
	"  profile flame [BASE] FILE   a profile as a flame graph (SVG)\n"
	"  profile pprof FILE...  profiles, added up, for go tool pprof\n"
	"  discover               find the inspectors of this host: a list for file_sd_configs\n"
	"  convert FILE           a heap snapshot of any engine as V8's, for DevTools and "
	"MemLab\n"
	"  rules test FILE...     are these rule files right, and with --samples=CSV: what would "
	"fire\n"
	"\n"
	"An ID is an id, the first digits (at least 4) of it, or the name of a file. A MATCH is a\n"
	"target's name, which may have wildcards, or MEMBER=VALUE (rule=, kind=, runtime=, ...).\n"
	"\n"
	"  -H --host=URL          the daemon (default: $HEAPWATCH_HOST, else "
	"http://127.0.0.1:19229;\n"
	"                         also https://..., unix:/run/heapwatch/ctl.sock)\n"
	"     --ca-file=FILE --cert-file=FILE --key-file=FILE   of https: authorities of the "
	"daemon\n"
	"                         (default: the system's); our certificate and its key, PEM\n"
	"     --user=NAME --password-file=FILE   who asks; the password is the one line of the "
	"file\n"
	"  -D --directory=FOLDER  the spool itself, without a daemon\n"
	"     --root=FOLDER       that of the system below this folder\n"
	"  -S --since=TIME, -U --until=TIME   captures of that time only (\"yesterday\", -1h)\n"
	"  -1, -n NUMBER          the newest, the newest so many\n"
	"  -r --reverse           newest first\n"
	"  -F --field=MEMBER      print this member of each only\n"
	"     --json=MODE         short, pretty or off\n"
	"     --no-pager, --no-legend\n"
	"  -q --quiet             say nothing but what was asked for\n"
	"  -o --output=FILE       export, convert: to this file, - is stdout (default: by the "
	"capture's "
	"name)\n"
	"  -i --identity=FILE     export, analyze, ...: key file; may be repeated\n"
	"     --isolate=NAME      gc: of this isolate (worker:3; default: the main one)\n"
	"     --raw               export: as it is on the disk\n"
	"     --scripts           export: the list of scripts kept beside it\n"
	"     --scripts=FILE      analyze, retainers, leaks: that list (default: the one beside "
	"the\n"
	"                         last snapshot)\n"
	"     --match=HOW         leaks: auto, ids, paths or classes; diff: all but paths\n"
	"     --top=NUMBER        analyze, diff, retainers, leaks: so many rows (default: 20; 0: "
	"all)\n"
	"     --class=NAME        analyze, diff, leaks: the rows of this class only\n"
	"     --node=@ID          analyze, retainers: this object; leaks: what accumulates in it\n"
	"     --extras            analyze: what duplicated strings, collections, detached nodes, "
	"dead\n"
	"                         variables come to\n"
	"     --strings, --collections   analyze: duplicated strings, large collections\n"
	"     --variables         analyze: what functions keep and none can use any more\n"
	"     --allocations       analyze: which functions allocated what, where stacks were "
	"recorded\n"
	"     --collections, --extras    diff: collections that have more entries, too\n"
	"     --source-map-dir=FOLDER    analyze, retainers, leaks: places in the sources\n"
	"     --threads=1|2 --memory-max=BYTES   analyze, diff, ...: what may be used (default: "
	"what "
	"is there)\n"
	"     --index=FOLDER --no-index   analyze, diff, ...: where indexes are kept (default: "
	"beside\n"
	"                         the snapshot, else in the cache); keep and use none\n"
	"     --samples=CSV       rules test: samples to try the rules on, one a line\n"
	"     --explain           rules test: why each rule fires or does not\n"
	"     --spill=FOLDER      analyze, diff, ...: arrays into files there, not into memory\n"
	"     --isolate=NAME --wait   capture: of this isolate; also peek: until it is in the "
	"spool\n"
	"     --duration=SPAN --interval=BYTES --objects=live|all --format=heapprofile,pprof\n"
	"     --stack-depth=NUMBER    capture sampling: for how long, how fine, of what, which "
	"files\n"
	"     --duration=SPAN --stacks   capture timeline: for how long; with stacks of "
	"allocations\n"
	"     --duration=SPAN     capture tracking: from the first snapshot to the second\n"
	"     --max-use=BYTES --keep-free=BYTES --max-age=SPAN --max-files=NUMBER   of vacuum\n"
	"  -h --help, --version\n"
	"\n"
	"Exit: 0 done; 1 failed, or nothing found; 2 usage; 3 no daemon answers; 4 refused by a "
	"guard\nor limit.\n";

static const struct command *find(const char *name)
{
	const char *names[COMMANDS + 1];

	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
		names[i] = commands[i].name;
	}
	names[COMMANDS] = "keygen";
	name = str_closest(name, names, COMMANDS + 1);
	if (name != NULL)
		fprintf(stderr, "heapwatchctl: no such command; did you mean '%s'?\n", name);
	else
		fputs("heapwatchctl: no such command; try: heapwatchctl --help\n", stderr);
	return NULL;
}

static int check_args(const struct command *command, const struct ctl_options *options)
{
	if (options->args_n < command->args_min) {
		fprintf(stderr, "heapwatchctl: %s: which %s\n", command->name,
			command->wants != NULL ? command->wants
			: command->local       ? "file?"
					       : "capture? (see heapwatchctl list)");
		return CTL_USAGE;
	}
	if (options->args_n > command->args_max) {
		fprintf(stderr, "heapwatchctl: %s: '%.64s' is too much\n", command->name,
			options->args[command->args_max]);
		return CTL_USAGE;
	}
	return CTL_OK;
}

/* The reason may quote what a target or a stranger's server calls itself. */
static void complain(const struct err *err)
{
	struct buf buf;

	buf_init(&buf, sizeof(err->text));
	show_text(&buf, err->text);
	fprintf(stderr, "heapwatchctl: %s\n", buf_text(&buf) != NULL ? buf_text(&buf) : "failed");
	buf_fini(&buf);
}

/* Of the whole process, so before anything else. */
static int spill(const struct ctl_options *options, struct err *err)
{
	const char *folder = options->heap.spill;
	int r = folder != NULL ? heap_spill_to(folder) : 0;

	return r == 0 ? CTL_OK
		      : source_fail(err, CTL_FAILURE, r, "--spill: %s: %s", folder, strerror(-r));
}

static int run(const struct command *command, const struct ctl_options *options)
{
	struct source *source = NULL;
	struct err err = { .text = "" };
	int exit = command->local ? spill(options, &err) : source_open(&source, options, &err);

	if (exit == CTL_OK)
		exit = command->run(source, options, &err);
	/* That nothing was found is an answer, which --quiet leaves to the exit. */
	if (exit != CTL_OK && err.text[0] != '\0' &&
	    !(options->quiet && exit == CTL_FAILURE && err.code == -ENOENT))
		complain(&err);
	source_free(source);
	return exit;
}

int ctl_run(int argc, char **argv, const char *version, const char *revision)
{
	const struct command *command;
	struct ctl_options options;
	int exit;

	/* Who reads may have seen enough. */
	signal(SIGPIPE, SIG_IGN);
	log_setup(LEVEL_ERROR, LOG_LOGFMT);
	/* It has flags of its own. */
	if (argc > 1 && strcmp(argv[1], "keygen") == 0)
		return keygen_command(argc - 1, argv + 1);
	argv[0] = program_invocation_short_name; /* as getopt calls us in what it says */
	exit = ctl_options_parse(&options, argc, argv);
	if (exit != CTL_OK)
		return exit;
	if (options.help)
		return fputs(usage, stdout) < 0 || fflush(stdout) != 0 ? CTL_FAILURE : CTL_OK;
	if (options.version) {
		printf("heapwatchctl %s (revision %s)\n", version, revision);
		return fflush(stdout) != 0 ? CTL_FAILURE : CTL_OK;
	}
	command = find(options.command);
	if (command == NULL)
		return CTL_USAGE;
	exit = check_args(command, &options);
	return exit == CTL_OK ? run(command, &options) : exit;
}
