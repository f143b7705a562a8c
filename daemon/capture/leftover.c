/*
 * Leftovers
 *
 * Whoever writes the files of the target may also be able to put links where we delete: what is
 * deleted is looked at first, below a directory that is held open, and must be the target's own.
 */

#include "capture/leftover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/manifest.h"
#include "util/buf.h"
#include "util/log.h"
#include "watch/procfs.h"

enum {
	DIRECTORY_MAX = 4096,
	ENTRIES_MAX = 20000, /* looked at, of a directory that is everybody's */
	NAMES_MAX = 8, /* told */
	TOLD_MAX = 1024, /* bytes of their names */
};

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

/* ---- whose name nobody knows ---- */

/* What is asked of a file, and the names of those that are so. */
struct search {
	uid_t owner;
	int64_t since_wall_ms;
	struct buf names;
	unsigned n;
};

/* "162289.fxsnapshot": the milliseconds since Firefox began. */
static bool is_snapshot(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return digits > 0 && strcmp(name + digits, ".fxsnapshot") == 0;
}

static void look_at(struct search *search, int dir_fd, const char *name)
{
	struct stat stat;

	if (!is_snapshot(name) || fstatat(dir_fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(stat.st_mode) || stat.st_uid != search->owner ||
	    stat.st_mtim.tv_sec < search->since_wall_ms / 1000)
		return;
	if (search->n++ < NAMES_MAX)
		buf_printf(&search->names, "%s%s", search->n > 1 ? ", " : "", name);
}

static int look_through(struct search *search, const char *directory)
{
	DIR *dir = opendir(directory);
	const struct dirent *entry;

	if (dir == NULL)
		return -errno;
	for (int i = 0; i < ENTRIES_MAX && (entry = readdir(dir)) != NULL; i++)
		look_at(search, dirfd(dir), entry->d_name);
	closedir(dir);
	return 0;
}

void leftover_tell(const char *target, const char *why, int64_t pid,
		   const struct process_start *start, int64_t since_wall_ms)
{
	struct search search = { .since_wall_ms = since_wall_ms };
	char directory[DIRECTORY_MAX] = "its temporary directory";
	struct process_stats stats;
	int r = procfs_read(pid, start, &stats);

	buf_init(&search.names, TOLD_MAX);
	if (r == 0)
		r = procfs_temp_directory(pid, directory, sizeof(directory));
	if (r == 0)
		r = procfs_owner(pid, &search.owner);
	if (r == 0)
		r = look_through(&search, directory);
	if (r < 0)
		log_warn("capture",
			 "%s %s, and may have left a snapshot in %s, which cannot be looked at: %s",
			 target, why, directory, strerror(-r));
	else if (search.n > 0)
		log_warn("capture",
			 "%s %s; what may be left of that, or a person's own, stays in %s: %s%s",
			 target, why, directory, buf_text(&search.names),
			 search.n > NAMES_MAX ? " and more" : "");
	buf_fini(&search.names);
}
