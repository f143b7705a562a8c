/*
 * Leftovers
 *
 * Whoever writes the files of the target may also be able to put links where we delete: what is
 * deleted is looked at first, below a directory that is held open, and must be the target's own.
 */

#include "capture/leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/manifest.h"
#include "util/log.h"
#include "watch/procfs.h"

enum { DIRECTORY_MAX = 4096 };

/* The name was told by the other side: it must be nothing but a name, and the file its own. */
static int remove_own(int dir_fd, const char *name, uid_t owner)
{
	struct stat stat;

	if (name[0] == '.' || strchr(name, '/') != NULL)
		return -EINVAL;
	if (fstatat(dir_fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(stat.st_mode) || stat.st_uid != owner || stat.st_nlink != 1)
		return -EPERM;
	return unlinkat(dir_fd, name, 0) < 0 ? -errno : 0;
}

static int remove_in(const char *directory, const char *name, int64_t pid)
{
	int dir_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC), r;
	uid_t owner;

	if (dir_fd < 0)
		return -errno;
	r = procfs_owner(pid, &owner);
	if (r == 0)
		r = remove_own(dir_fd, name, owner);
	close(dir_fd);
	return r;
}

void leftover_remove(const struct manifest *manifest, const struct process_start *start,
		     const char *name)
{
	char directory[DIRECTORY_MAX] = "its temporary directory";
	struct process_stats stats;
	int r = procfs_read(manifest->pid, start, &stats);

	if (r == 0)
		r = procfs_temp_directory(manifest->pid, directory, sizeof(directory));
	if (r == 0)
		r = remove_in(directory, name, manifest->pid);
	if (r < 0)
		log_warn("capture", "%s (pid %lld) has left %s in %s, which cannot be deleted: %s",
			 manifest->target, (long long)manifest->pid, name, directory, strerror(-r));
	else
		log_debug("capture", "deleted %s, which %s left behind", name, manifest->target);
}
