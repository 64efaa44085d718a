// SPDX-License-Identifier: Apache-2.0
//
// One element of egress.destinations, by the grammar of the enclave's allowlist (runtime/common/allowlist.h, which
// cannot be called from here: the runtime stands below no one). What that would refuse at the start of an enclave is
// refused when it is built; a test holds the two against each other. Refused besides: what allows all by accident.
//
//   HOST[:PORT[-PORT]]    HOST: a name, *.NAME, an address, ADDRESS/BITS, [IPv6], [IPv6/BITS]; or `*`
#ifndef EIFGEN_CAGE_DESTINATION_H
#define EIFGEN_CAGE_DESTINATION_H

#include <stddef.h>

// What is wrong with text, as words that follow its key ("is empty"); NULL: nothing. count: elements of the whole list.
const char *cage_destination_fault(const char *text, size_t count);

#endif
