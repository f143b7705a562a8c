/*
 * peak FILE COMMAND...: runs it, and writes to the file how it exited and the most bytes that were
 * resident. The kernel counts in what a process was before it became the command: of this program
 * that is next to nothing.
 */

#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;

int main(int argc, char **argv)
{
	struct rusage usage;
	int status;
	pid_t pid;
	FILE *out;

	if (argc < 3 || posix_spawn(&pid, argv[2], NULL, NULL, &argv[2], environ) != 0 ||
	    wait4(pid, &status, 0, &usage) < 0)
		return 1;
	out = fopen(argv[1], "w");
	if (out == NULL)
		return 1;
	fprintf(out, "%d %ld\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		usage.ru_maxrss << 10);
	return fclose(out) == 0 ? 0 : 1;
}
