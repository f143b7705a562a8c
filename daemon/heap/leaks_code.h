#pragma once

/*
 * What functions are written as, by which those are told apart whose names and places the engine
 * does not tell: all closures of one function of the source share it.
 */

#include <stdint.h>

struct heap_graph;

/* The code of a function, where its name says nothing; UINT32_MAX: there is none. */
uint32_t leaks_code_of(const struct heap_graph *graph, uint32_t node);
