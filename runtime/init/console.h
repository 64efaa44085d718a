// SPDX-License-Identifier: Apache-2.0
//
// What init says, one line at a time, on the console, and the end of the machine. Every line begins `cage-init: `, the
// mark by which a build tells this init from another.
#ifndef RUNTIME_INIT_CONSOLE_H
#define RUNTIME_INIT_CONSOLE_H

// How every line begins: "cage-init: " (by which a build knows this init) unless a program that shares these parts sets
// another.
extern const char *init_program;

// Writes `cage-init: TEXT` and LF. Text past 512 bytes is cut.
void init_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// The text of an errno value, the same in every locale.
const char *init_reason(int errnum);

// `cage-init: fatal: unable to TEXT`, then init_halt.
_Noreturn void init_fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// Waits until the console has all it was given, syncs, and restarts the machine: an enclave ends by that, and so does
// a QEMU that was started with -no-reboot.
_Noreturn void init_halt(void);

#endif
