/*
 * Protocol Buffers' wire format
 */

#include "util/protobuf.h"

#include <errno.h>

enum { MORE = 0x80, BITS = 7, WIRE_BITS = 3, WIRE_MASK = 7, LAST_MAX = 1 };

int pb_varint(struct pb *pb, uint64_t *ret)
{
	uint64_t value = 0;
	unsigned i = 0;

	for (; i < PB_VARINT_MAX && i < (uint64_t)(pb->end - pb->at); i++) {
		unsigned char c = pb->at[i];

		/* The tenth byte has room for the last bit only. */
		if (i == PB_VARINT_MAX - 1 && c > LAST_MAX)
			return -EBADMSG;
		value |= (uint64_t)(c & (MORE - 1)) << (BITS * i);
		if (c < MORE) {
			pb->at += i + 1;
			*ret = value;
			return 0;
		}
	}
	*ret = 0;
	return -EBADMSG;
}

static int take(struct pb *pb, struct pb_field *ret, uint64_t size)
{
	if (size > (uint64_t)(pb->end - pb->at) || size > UINT32_MAX)
		return -EBADMSG;
	ret->data = pb->at;
	ret->size = (uint32_t)size;
	pb->at += size;
	return 1;
}

int pb_next(struct pb *pb, struct pb_field *ret)
{
	uint64_t key, size;

	if (pb->at == pb->end)
		return 0;
	if (pb_varint(pb, &key) < 0 || key >> WIRE_BITS == 0)
		return -EBADMSG;
	*ret = (struct pb_field){ .number = key >> WIRE_BITS,
				  .wire = (enum pb_wire)(key & WIRE_MASK),
				  .data = pb->at };
	switch (ret->wire) {
	case PB_VARINT:
		return pb_varint(pb, &ret->value) < 0 ? -EBADMSG : 1;
	case PB_BYTES:
		return pb_varint(pb, &size) < 0 ? -EBADMSG : take(pb, ret, size);
	case PB_FIXED64:
		return take(pb, ret, sizeof(uint64_t));
	case PB_FIXED32:
		return take(pb, ret, sizeof(uint32_t));
	default:
		return -EBADMSG;
	}
}
