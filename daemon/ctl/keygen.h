#pragma once

/*
 * `heapwatchctl keygen [-o FILE]`: a pair of keys as age-keygen makes them, for `capture.encrypt`
 * and `export --identity`.
 */

/* argv[0] is the command. The exit status: 0; 1 when it failed; 2 when it was asked wrongly. */
int keygen_command(int argc, char **argv);
