/*
 * Kept originals
 *
 * Numbers of the file system use all 64 bits, which JSON's do not everywhere: they are written as
 * signed ones, and read back as what they were.
 */

#include "capture/kept.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/capture.h"
#include "json/tree.h"
#include "json/write.h"
#include "util/list.h"
#include "util/log.h"

/* Four numbers of at most 16 digits. */
enum { KEY_MAX = 4 * 17 };

struct kept {
	struct link link;
	char key[KEY_MAX]; /* of the stamp, for the map */
	struct kept_directory directory;
	struct adopt_stamp stamp;
	bool seen; /* since its directory was last about to be listed */
};

static void drop(struct captures *captures, struct kept *kept)
{
	map_remove(&captures->kept_by_stamp, kept->key);
	link_remove(&kept->link);
	captures->kept_n--;
	free(kept);
}

static void write_key(const struct adopt_stamp *stamp, char dst[KEY_MAX])
{
	snprintf(dst, KEY_MAX, "%" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64, stamp->dev,
		 stamp->ino, (uint64_t)stamp->size, (uint64_t)stamp->mtime_ns);
}

static int add(struct captures *captures, const struct kept *values)
{
	struct kept *kept;

	if (captures->kept_n == KEPT_MAX)
		drop(captures, container_of(captures->kept.next, struct kept, link));
	kept = malloc(sizeof(*kept));
	if (kept == NULL)
		return -ENOMEM;
	*kept = *values;
	write_key(&kept->stamp, kept->key);
	if (map_put(&captures->kept_by_stamp, kept->key, kept) < 0) {
		free(kept);
		return -ENOMEM;
	}
	link_init(&kept->link);
	list_append(&captures->kept, &kept->link);
	captures->kept_n++;
	return 0;
}

static bool same_directory(const struct kept_directory *a, const struct kept_directory *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

static struct kept *find(const struct captures *captures, const struct adopt_stamp *stamp)
{
	char key[KEY_MAX];

	write_key(stamp, key);
	return map_get(&captures->kept_by_stamp, key);
}

void kept_note(struct captures *captures, const struct kept_directory *directory,
	       const struct adopt_stamp *stamp)
{
	const struct kept values = { .directory = *directory, .stamp = *stamp, .seen = true };

	if (find(captures, stamp) != NULL)
		return;
	if (add(captures, &values) < 0) {
		log_error("adopt", "out of memory: a file that is kept may be adopted again");
		return;
	}
	captures->unsaved = true;
}

void kept_list(struct captures *captures, const struct kept_directory *directory)
{
	list_each (link, &captures->kept) {
		struct kept *kept = container_of(link, struct kept, link);

		if (same_directory(&kept->directory, directory))
			kept->seen = false;
	}
}

bool kept_see(struct captures *captures, const struct kept_directory *directory,
	      const struct adopt_stamp *stamp)
{
	struct kept *kept = find(captures, stamp);

	if (kept == NULL)
		return false;
	kept->seen = true;
	kept->directory = *directory; /* it may have been moved */
	return true;
}

void kept_forget_unseen(struct captures *captures, const struct kept_directory *directory)
{
	uint32_t before = captures->kept_n;

	list_each_safe (link, &captures->kept) {
		struct kept *kept = container_of(link, struct kept, link);

		if (!kept->seen && same_directory(&kept->directory, directory))
			drop(captures, kept);
	}
	if (captures->kept_n != before)
		captures->unsaved = true;
}

static void write_number(struct json_writer *w, const char *name, uint64_t value)
{
	json_write_key(w, name);
	json_write_int(w, (int64_t)value);
}

void kept_write(const struct captures *captures, struct json_writer *w)
{
	json_write_array(w);
	list_each (link, &captures->kept) {
		const struct kept *kept = container_of(link, struct kept, link);

		json_write_object(w);
		write_number(w, "directory_device", kept->directory.dev);
		write_number(w, "directory_inode", kept->directory.ino);
		write_number(w, "device", kept->stamp.dev);
		write_number(w, "inode", kept->stamp.ino);
		write_number(w, "size", (uint64_t)kept->stamp.size);
		write_number(w, "mtime_ns", (uint64_t)kept->stamp.mtime_ns);
		json_write_object_end(w);
	}
	json_write_array_end(w);
}

static bool read_number(const struct tree *node, const char *name, uint64_t *ret)
{
	int64_t value;

	if (!tree_int(node, name, &value))
		return false;
	*ret = (uint64_t)value;
	return true;
}

static int read_one(struct captures *captures, const struct tree *node)
{
	struct kept kept = { .seen = true };

	if (!read_number(node, "directory_device", &kept.directory.dev) ||
	    !read_number(node, "directory_inode", &kept.directory.ino) ||
	    !read_number(node, "device", &kept.stamp.dev) ||
	    !read_number(node, "inode", &kept.stamp.ino) ||
	    !tree_int(node, "size", &kept.stamp.size) ||
	    !tree_int(node, "mtime_ns", &kept.stamp.mtime_ns) ||
	    find(captures, &kept.stamp) != NULL)
		return 0;
	return add(captures, &kept);
}

int kept_read(struct captures *captures, const struct tree *array)
{
	size_t n = tree_size(array);
	int r = 0;

	/* The newest are last. */
	for (size_t i = n > KEPT_MAX ? n - KEPT_MAX : 0; i < n && r == 0; i++)
		r = read_one(captures, tree_at(array, i));
	return r;
}

void kept_forget_all(struct captures *captures)
{
	list_each_safe (link, &captures->kept)
		drop(captures, container_of(link, struct kept, link));
}
