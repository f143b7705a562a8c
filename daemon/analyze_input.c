/*
 * What the worker reads
 */

#include "analyze_input.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "heap/load.h"
#include "pipeline/packing.h"
#include "pipeline/stage.h"
#include "util/err.h"
#include "util/list.h"

enum { STEP_BYTES = 8 << 20 };

/* Firefox's own snapshots are gzip inside of whatever we made of them. */
enum { LAYERS_MAX = 3 };

int input_map(struct v8_text *ret, int fd, struct err *err)
{
	struct stat status;
	void *data;

	*ret = (struct v8_text){ .data = "" };
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return err_set(err, -EINVAL, "descriptor %d is no file", fd);
	if (status.st_size == 0)
		return 0;
	data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return err_set(err, -errno, "mmap: %s", strerror(errno));
	*ret = (struct v8_text){ data, (uint64_t)status.st_size, .mapped = true };
	return 0;
}

void input_fini(struct v8_text *text)
{
	if (text->size > 0)
		munmap((void *)(uintptr_t)text->data, text->size);
	*text = (struct v8_text){ .data = "" };
}

/* Memory that what is expanded goes into, in steps, so that none is taken for nothing. */
struct room {
	struct stage stage;
	char *data;
	size_t size, capacity, max;
};

static int room_grow(struct room *room)
{
	size_t capacity = room->capacity + STEP_BYTES;
	void *data = room->data == NULL
			     ? mmap(NULL, capacity, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
			     : mremap(room->data, room->capacity, capacity, MREMAP_MAYMOVE);

	if (data == MAP_FAILED)
		return -ENOMEM;
	room->data = data;
	room->capacity = capacity;
	return 0;
}

static int room_put(struct stage *stage, const void *data, size_t size)
{
	struct room *room = container_of(stage, struct room, stage);

	if (size > room->max - room->size)
		return -ENOMEM;
	while (room->capacity - room->size < size) {
		int r = room_grow(room);

		if (r < 0)
			return r;
	}
	memcpy(room->data + room->size, data, size);
	room->size += size;
	return 0;
}

static int room_finish(struct stage *stage)
{
	(void)stage;
	return 0;
}

static const struct stage_ops room_ops = { .name = "room", .put = room_put, .finish = room_finish };

/* What was taken and is not used; the rest ends with the text. */
static struct v8_text room_text(struct room *room)
{
	if (room->size == 0) {
		if (room->data != NULL)
			munmap(room->data, room->capacity);
		return (struct v8_text){ .data = "" };
	}
	mremap(room->data, room->capacity, room->size, 0);
	return (struct v8_text){ room->data, room->size, .mapped = false };
}

static int expand(struct v8_text *text, const struct packing *packing, uint64_t memory_bytes,
		  struct err *err)
{
	struct room room = { .stage = { .ops = &room_ops }, .max = memory_bytes };
	struct stage *stage = NULL;
	int r = packing->expand_new(&stage, &room.stage);

	if (r == 0)
		r = stage_put(stage, text->data, text->size);
	if (r == 0)
		r = stage_finish(stage);
	if (r < 0)
		err_set(err, r, "%s",
			stage != NULL && stage->error[0] ? stage->error : strerror(-r));
	if (stage != NULL)
		stage->ops->free(stage);
	if (r < 0 && r != -EBADMSG) {
		if (room.data != NULL)
			munmap(room.data, room.capacity);
		return r;
	}
	input_fini(text);
	*text = room_text(&room);
	return r;
}

bool input_is_packed(const struct v8_text *text)
{
	return packing_of(text->data, text->size) != NULL;
}

int input_expand(struct v8_text *text, uint64_t memory_bytes, uint64_t *ret_bytes, struct err *err)
{
	struct err ignored, *told = err;
	int ret = 0;

	*ret_bytes = 0;
	for (int i = 0; i < LAYERS_MAX && input_is_packed(text); i++) {
		int r = expand(text, packing_of(text->data, text->size), memory_bytes - *ret_bytes,
			       told);

		if (ret == 0)
			ret = r;
		if (r < 0 && r != -EBADMSG)
			break;
		if (r < 0) /* of a part the layers inside break off as well: that is no news */
			told = &ignored;
		*ret_bytes = text->size;
	}
	return ret;
}

int input_damage(const struct v8_text *text, uint64_t memory_max, int r, struct err *err)
{
	const struct heap_load_options load = { .threads = 1, .memory_max = memory_max };
	struct err damage = *err;

	return r == -EBADMSG && !input_is_packed(text)
		       ? heap_load_part(text, &load, damage.text, err)
		       : r;
}
