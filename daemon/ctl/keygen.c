/*
 * keygen
 */

#include "ctl/keygen.h"

#include <stdio.h>

#include "ctl/options.h"

int keygen_command(int argc, char **argv)
{
	(void)argc;
	fprintf(stderr, "heapwatchctl: %s: this build makes no keys\n", argv[0]);
	return CTL_FAILURE;
}
