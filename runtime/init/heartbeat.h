// SPDX-License-Identifier: Apache-2.0
//
// The sign of life that the parent instance waits for before it calls an enclave started: one byte 0xB7 to vsock CID 3
// port 9000, the same byte back (facts/build.md 2.7).
#ifndef RUNTIME_INIT_HEARTBEAT_H
#define RUNTIME_INIT_HEARTBEAT_H

#include <stdint.h>

enum { INIT_HEARTBEAT_BYTE = 0xB7, INIT_HEARTBEAT_CID = 3, INIT_HEARTBEAT_PORT = 9000 };

// What there was to talk to: a missing device is a different matter from a parent that does not answer as it should.
enum init_beat { INIT_BEAT_DONE, INIT_BEAT_NO_DEVICE, INIT_BEAT_FAILED };

// Connects, exchanges the byte, closes. Takes at most some seconds. Unless DONE, *why is a constant sentence.
enum init_beat init_heartbeat(const char **why);

// The exchange alone, on a connected stream socket (borrowed). 0, or -1 with *why.
int init_heartbeat_exchange(int fd, const char **why);

#endif
