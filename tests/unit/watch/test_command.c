/* Command lines: what may be shown of them, and nothing else. */

#include "watch/command.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "watch/procfs.h"

/* Arguments are written with | between them. */
static void expect(const char *args, const char *shown)
{
	char text[512], dst[512];
	size_t size = strlen(args) + 1;

	cr_assert_leq(size, sizeof(text));
	memcpy(text, args, size);
	for (char *at = strchr(text, '|'); at != NULL; at = strchr(at, '|'))
		*at++ = '\0';
	command_describe(text, size, dst, sizeof(dst));
	cr_expect_str_eq(dst, shown, "%s: %s", args, dst);
}

Test(command, program_script_and_memory)
{
	expect("node|--inspect=127.0.0.1:9229|--max-old-space-size=400|/srv/api/server.mjs",
	       "node --inspect=127.0.0.1:9229 --max-old-space-size=400 /srv/api/server.mjs");
	expect("/usr/bin/node|--max_old_space_size=400|--expose-gc|app.js",
	       "/usr/bin/node --max_old_space_size=400 --expose-gc app.js");
	expect("node|--enable-source-maps|dist/main.js", "node --enable-source-maps dist/main.js");
	expect("node|--inspect-brk=0|--diagnostic-dir=/var/dumps|a.ts",
	       "node --inspect-brk=0 --diagnostic-dir=/var/dumps a.ts");
}

Test(command, secrets)
{
	expect("node|app.js|--token=hunter2", "node app.js --token=***");
	expect("node|app.js|--token|hunter2", "node app.js --token ***");
	expect("node|app.js|-phunter2", "node app.js -p***");
	expect("node|app.js|PASSWORD=hunter2", "node app.js ***");
	expect("node|app.js|aHVudGVyMg==", "node app.js ***");
	expect("node|app.js|https://me:hunter2@db.example/app.js", "node app.js ***");
	expect("node|app.js|other.js", "node app.js ***");
	expect("node|-e|fetch('https://x/?key=hunter2')//a.js", "node -e ***");
	expect("node|-e|hunter2", "node -e ***");
	expect("node|--eval=hunter2", "node --eval=***");
	expect("node|--hunter2:secret", "node ***");
	expect("node|--|hunter2", "node *** ***");
	expect("node|app.js|--user:hunter2=x", "node app.js ***");
	expect("node: serving hunter2", "node: ***");
	expect("node|app.js|", "node app.js");
	expect("node|app.js||x", "node app.js *** ***");
	expect("", "");
}

Test(command, control_characters)
{
	expect("no\nde|x\x1b[31m.js", "no?de x?[31m.js");
}

Test(command, what_does_not_fit_is_left_out)
{
	static const char args[] = "node\0app.js\0--a\0--bcdefghij\0--k";
	char dst[16];

	command_describe(args, sizeof(args), dst, sizeof(dst));
	cr_expect_str_eq(dst, "node app.js --a");
	command_describe(args, sizeof(args), dst, 4);
	cr_expect_str_eq(dst, "");
	command_describe(args, 0, dst, sizeof(dst));
	cr_expect_str_eq(dst, "");
}

Test(command, of_real_processes)
{
	char dst[1024];

	cr_expect_eq(procfs_command(getpid(), dst, sizeof(dst)), 0);
	cr_expect_gt(strlen(dst), 0);
	cr_expect_eq(procfs_command(INT64_MAX, dst, sizeof(dst)), -ESRCH);
	/* A thread of the kernel has none, where there are any to be seen. */
	cr_expect_eq(procfs_command(0, dst, sizeof(dst)), -ESRCH);
}
