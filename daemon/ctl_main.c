/* The command line of heapwatchctl. */

#include "ctl/command.h"

int main(int argc, char **argv)
{
	return ctl_run(argc, argv, VERSION, REVISION);
}
