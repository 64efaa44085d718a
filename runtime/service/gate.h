// SPDX-License-Identifier: Apache-2.0
//
// The gate between the data plane and the user's service: the service must not run before its traffic is terminated,
// checked and carried, and nobody polls for that. A FIFO carries the word and a file remembers it:
//
//   data plane's start   removes `up`, drains `ready`, hands the FIFO to the data plane as descriptor 3
//   data plane           writes one byte to descriptor 3 when it serves, and keeps it open
//   service's start      if `up` is not there: reads one byte from `ready` (waiting), makes `up`
//
// Both ends open the FIFO for reading and writing, so neither open waits, and a byte that was written stays until it is
// read. A service that is restarted later finds `up`; a data plane that is restarted takes it away first, so that a
// stale word lets nobody through.
#ifndef RUNTIME_SERVICE_GATE_H
#define RUNTIME_SERVICE_GATE_H

enum { GATE_FD = 3 };

#define GATE_DIR "/run/cage" // where the gate is in a cage; tests use another directory

// Makes dir (0755, if absent) and the FIFO dir/ready (0600). 0 or -1 with errno.
int gate_make(const char *dir);

// Takes back what an earlier data plane said and puts the FIFO at descriptor GATE_FD, inherited. 0 or -1 with errno.
int gate_close(const char *dir);

// Waits until the gate is open. 0 or -1 with errno. GATE_FD is not touched.
int gate_wait(const char *dir);

#endif
