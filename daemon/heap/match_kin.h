#pragma once

/*
 * Which plain objects may be one that has changed its shape: those that have a property in common,
 * or are so related by others. An object that has none with those that were there has come anew.
 */

struct match_children;
struct match_steps;

/*
 * Of two lists in order, none of which has a partner: the shape becomes a number of its kin in
 * both. The lists are in the order of that then. 0, -ENOMEM: they are as they were.
 */
int match_kin(struct match_children *before, const struct match_steps *base,
	      struct match_children *now, const struct match_steps *last);
