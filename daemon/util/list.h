#pragma once

/* Intrusive doubly linked list: the owner embeds the link, nothing allocates. */

#include <stdbool.h>
#include <stddef.h>

struct link {
	struct link *prev, *next;
};

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Walk all links of a list; the safe form allows removing `pos` in the body. */
#define list_each(pos, list) for (struct link *pos = (list)->next; pos != (list); pos = pos->next)
#define list_each_safe(pos, list)                                                                  \
	for (struct link *pos = (list)->next, *pos##_next = pos->next; pos != (list);              \
	     pos = pos##_next, pos##_next = pos->next)

static inline void link_init(struct link *l)
{
	l->prev = l->next = l;
}

static inline bool list_empty(const struct link *list)
{
	return list->next == list;
}

/* Safe on an initialised link that is on no list. */
static inline void link_remove(struct link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	link_init(l);
}

static inline void list_append(struct link *list, struct link *l)
{
	l->prev = list->prev;
	l->next = list;
	list->prev->next = l;
	list->prev = l;
}
