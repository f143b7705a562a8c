#pragma once

/* heapwatchctl keygen: a key pair for encrypted captures, as age-keygen makes one. */

/* argv[0] is "keygen". An enum ctl_exit. */
int keygen_command(int argc, char **argv);
