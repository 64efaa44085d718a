// SPDX-License-Identifier: Apache-2.0
//
// A ceiling on how many of something live at once (connections, handshakes), with counters. Over the ceiling the
// newcomer is shed at once: waiting would hold memory for a peer that may never speak.
#ifndef RUNTIME_CONNCAP_H
#define RUNTIME_CONNCAP_H

#include <stdbool.h>
#include <stdint.h>

struct conncap {
	uint32_t max; // 0: no ceiling
	uint32_t in_use, peak;
	uint64_t admitted, shed;
};

// Takes a unit. False: at the ceiling, counted as shed. NULL cap: always true.
static inline bool conncap_take(struct conncap *c)
{
	if (!c)
		return true;
	if (c->max && c->in_use >= c->max) {
		c->shed++;
		return false;
	}
	c->admitted++;
	if (++c->in_use > c->peak)
		c->peak = c->in_use;
	return true;
}

static inline void conncap_release(struct conncap *c)
{
	if (c && c->in_use)
		c->in_use--;
}

#endif
