// SPDX-License-Identifier: Apache-2.0
//
// A list of the living: each object holds its place as its first member, so that it can leave without looking for it,
// and the owner finds all that are left when it ends.
//
//   head ──► a.chain ──next──► b.chain ──next──► NULL
//     ▲──link──┘  ▲──────link────┘
#ifndef RUNTIME_CHAIN_H
#define RUNTIME_CHAIN_H

struct chain {
	struct chain *next, **link;
};

static inline void chain_enter(struct chain **head, struct chain *c)
{
	c->next = *head;
	c->link = head;
	if (c->next)
		c->next->link = &c->next;
	*head = c;
}

static inline void chain_leave(struct chain *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
}

#endif
