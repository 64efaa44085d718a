// SPDX-License-Identifier: Apache-2.0
//
// One kind of address for every socket of the two planes. The text forms, which configuration and options use:
//
//   vsock:CID:PORT    CID a number, or `any` (listen on every CID)
//   tcp:HOST:PORT     HOST numeric only: 127.0.0.1, 0.0.0.0, [::1]; nothing here ever asks a resolver
//   unix:PATH         a stream socket in the file system
//
// All sockets made here are non-blocking and close-on-exec.
#ifndef RUNTIME_ADDR_H
#define RUNTIME_ADDR_H

#include "base/err.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
// clang-format off: linux/vm_sockets.h needs sys/socket.h first
#include <linux/vm_sockets.h>
// clang-format on

enum addr_kind { ADDR_NONE, ADDR_VSOCK, ADDR_TCP, ADDR_UNIX };

enum {
	ADDR_TEXT_MAX = 128, // the longest text form: unix: and a 107-byte path
	// The largest single write to a vsock: newer kernels were reported to corrupt more on Nitro (facts 6.2, rule
	// 12).
	ADDR_VSOCK_WRITE_MAX = 32 * 1024,
};

struct addr {
	enum addr_kind kind;
	socklen_t len; // of the member of `u` in use
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
		struct sockaddr_vm vm;
	} u;
};

// Reads a text form. 0, or -1 with ERR_USAGE and the text quoted.
int addr_parse(const char *text, struct addr *out, struct err *err);

// Writes the text form of an address (also of one that accept gave) into out. Returns out.
char *addr_format(const struct addr *a, char out[ADDR_TEXT_MAX]);

// Takes over what accept4, getpeername or getsockname filled in: `sa` of `len` bytes; an unknown family is ADDR_NONE.
void addr_from_sockaddr(struct addr *out, const struct sockaddr *sa, socklen_t len);

// The host part of a TCP address alone (no brackets), "" for other kinds. Returns out.
char *addr_host(const struct addr *a, char out[INET6_ADDRSTRLEN]);
unsigned addr_port(const struct addr *a); // 0 for unix

// A listening socket. A unix path is unlinked first if a socket that nobody serves stands there, and made 0600.
// The descriptor, or -1 with the address in the message.
int addr_listen(const struct addr *a, int backlog, struct err *err);

// Begins to connect. The descriptor; *pending says whether the answer is still to come (wait until it is writable,
// then addr_connect_result). -1 with the address in the message when the kernel refuses at once.
int addr_connect(const struct addr *a, bool *pending, struct err *err);

// The outcome of a pending connect: 0 or an errno.
int addr_connect_result(int fd);

// TCP_NODELAY on TCP, so that a small answer does not wait for an acknowledgement; nothing on the others. A failure is
// of no consequence and not reported.
void addr_tune(int fd, enum addr_kind kind);

// The largest write this kind of socket should be given at once.
size_t addr_write_max(enum addr_kind kind);

// The kind of a connected or listening descriptor, by its family.
enum addr_kind addr_kind_of(int fd);

#endif
