#pragma once

/* Protocol Buffers' wire format (protobuf.dev/programming-guides/encoding), as far as it is met. */

#include <stdint.h>

enum pb_wire { PB_VARINT, PB_FIXED64, PB_BYTES, PB_FIXED32 = 5 };

enum { PB_VARINT_MAX = 10 }; /* bytes */

/* What of a message is left to be read. */
struct pb {
	const unsigned char *at, *end;
};

struct pb_field {
	uint64_t number;
	enum pb_wire wire;
	uint64_t value; /* of a number */
	const unsigned char *data; /* the bytes; of a number, where it stands */
	uint32_t size;
};

/* 0 and past it; -EBADMSG, at the same place, when it is too long or does not end. */
int pb_varint(struct pb *pb, uint64_t *ret);

/* 1: the next field; 0: there is none; -EBADMSG. */
int pb_next(struct pb *pb, struct pb_field *ret);
