// SPDX-License-Identifier: Apache-2.0
//
// Does a byte stream begin with a TLS ClientHello, and which server name does it ask for? Read from a prefix of the
// stream, without state: the caller keeps what it has received and asks again with more.
//
//   record:    16 vv vv | u16 length | fragment         one handshake message may span records
//   handshake: 01 | u24 length | u16 version | random[32] | u8 n, session id | u16 n, suites | u8 n, compression
//              | u16 n, extensions: { u16 type | u16 n | body }          (RFC 8446 4.1.2, 5.1)
//   server_name (type 0): u16 n | { u8 type = 0 | u16 n | host name }    (RFC 6066 3)
//
// What a stream is, is told by its first six bytes: the type of the record and the first byte of its fragment. The
// version between them decides nothing in favour of a stream: servers are told to ignore it, so a hello under one that
// no client writes is BAD, not NOT.
#ifndef RUNTIME_COMMON_TLS_HELLO_H
#define RUNTIME_COMMON_TLS_HELLO_H

#include "runtime/common/hostname.h"

#include <stddef.h>

// A hello with post-quantum key shares is under 2 KiB, one with a resumption ticket and padding under 4; what has not
// ended in 16 KiB is not meant to be understood.
enum { TLS_HELLO_MAX = 16 * 1024 };

enum tls_hello {
	TLS_HELLO_MORE,	   // so far it looks like one; more bytes are needed (never with n >= TLS_HELLO_MAX)
	TLS_HELLO_NOT,	   // the stream is no TLS
	TLS_HELLO_NO_NAME, // a whole hello that asks for no name
	TLS_HELLO_NAME,	   // a whole hello; `name` holds the host name in hostname.h's form
	TLS_HELLO_BAD, // begins as TLS, but breaks its rules, is too long, is behind another record, or names no host
};

// Looks at the first n bytes of a stream. `name` is "" but with TLS_HELLO_NAME.
enum tls_hello tls_hello_read(const void *p, size_t n, char name[HOSTNAME_MAX + 1]);

#endif
