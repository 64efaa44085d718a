// SPDX-License-Identifier: Apache-2.0
//
// Where tests make the n-th allocation, read or write of our own code fail. mem.h and io.h ask base_fault_hit before
// each such call; without a hook (always, in a release program) that is one load and one branch. Only programs that
// are built for tests set the hook, before they start a thread.
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>

enum fault_point { FAULT_ALLOC, FAULT_READ, FAULT_WRITE, FAULT_POINTS };

// Returns true if this call is to fail (allocation: no memory; read and write: EIO). Must be callable from any thread.
typedef bool fault_hook(enum fault_point point);

extern fault_hook *base_fault_hook; // NULL: nothing ever fails by order

static inline bool base_fault_hit(enum fault_point point)
{
	return base_fault_hook && base_fault_hook(point);
}

// Where stages that run beside each other hand over, tests may put a delay, so that orders come about that are rare.
typedef void delay_hook(void);

extern delay_hook *base_delay_hook; // NULL: no delay; called from any thread

static inline void base_delay(void)
{
	if (base_delay_hook)
		base_delay_hook();
}

#endif
