#pragma once

/*
 * Redaction of Gecko's heap snapshots, once gunzip has expanded them. They have no value of a
 * string, but the addresses of scripts as the page loaded them, and names that may be addresses:
 * what url_strip() cuts is taken out of both. The text keeps its size, for the messages it stands
 * in have their lengths before them: what is left of it is filled up with "#". So all else stays as
 * it is, byte for byte, and memory is constant however long a message is.
 */

struct stage;

enum {
	REDACT_GECKO_TEXT_MAX = 16 << 10, /* bytes that are looked at; a longer text is all "#" */
	REDACT_GECKO_DEPTH_MAX = 1 << 16, /* messages in one another: two per frame of a stack */
};

/* -EBADMSG (put, finish): not as Gecko writes it. 0, -ENOMEM. */
int redact_gecko_new(struct stage **ret, struct stage *next);
