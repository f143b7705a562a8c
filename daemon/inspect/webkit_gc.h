#pragma once

/* Heap.garbageCollected of the WebKit inspector protocol, as Bun and WebKit say it. */

#include <stdbool.h>

struct gc_event;
struct tree;

/*
 * The collection, a span: JavaScriptCore lets the program run meanwhile. False when it tells none
 * that can be; WebKit's are all 0 before Page.enable.
 */
bool webkit_gc_read(const struct tree *params, struct gc_event *ret);
