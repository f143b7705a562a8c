#pragma once

/* The commands of heapwatchctl, one file each or a few that belong together. */

#include "ctl/options.h"

struct err;
struct source;

/*
 * An enum ctl_exit; what is not CTL_OK has its reason in err, unless that is empty. source is
 * NULL for a command that has nothing to do with captures.
 */
typedef int command_fn(struct source *source, const struct ctl_options *options, struct err *err);

command_fn command_list;
command_fn command_info;
command_fn command_export;
command_fn command_rm;
command_fn command_pin;
command_fn command_unpin;
command_fn command_verify;
command_fn command_vacuum;
command_fn command_gc;
command_fn command_discover;
command_fn command_capture;
command_fn command_peek;

/* These look at files and get no source. */
command_fn command_analyze;
command_fn command_diff;
command_fn command_retainers;
command_fn command_leaks;
command_fn command_convert;
command_fn command_profile;

/* This looks at rule files, and judges samples as the daemon would. */
command_fn command_rules;

/* The command line, run to its end. version and revision are printed by --version. */
int ctl_run(int argc, char **argv, const char *version, const char *revision);
