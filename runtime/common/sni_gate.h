// SPDX-License-Identifier: Apache-2.0
//
// Holds back what a client says at the start of a connection until it is known whether it is a TLS hello and for whom:
// the server name must be the name that the connection was made for. Both sides of egress stand at such a gate, each
// for itself.
//
//   client says                          verdict
//   nothing, and the server speaks first  pass: no TLS server does, so this is no TLS (or STARTTLS, its hello later)
//   nothing within wait_ms                undecided: the caller goes on and comes back
//   something that is no TLS              pass
//   a hello for the name, or without one  pass
//   a hello for another name, or broken   refused (broken is also: behind an alert, which some servers would drop)
//   a part of a hello for hello_ms        refused
//   end of stream before a byte           pass: the relay carries it on
//
// What the client said is handed out with the verdict; nothing that was read is ever lost or passed on unseen.
// Encrypted ClientHello shows only its outer name, a server that asks for a second hello may read another name there,
// and a server that serves two names on one address cannot be told apart from here: all of it is outside of what a gate
// on the path can see or decide.
#ifndef RUNTIME_COMMON_SNI_GATE_H
#define RUNTIME_COMMON_SNI_GATE_H

#include "runtime/common/loop.h"
#include "runtime/common/tls_hello.h"

enum sni_verdict { SNI_PASS, SNI_UNDECIDED, SNI_REFUSED };

struct sni_gate_options {
	int client;	    // read from; borrowed
	int server;	    // watched for the server's first byte; -1 while there is none; borrowed
	const char *name;   // what the hello must ask for; "" when the connection goes to an address: any; copied
	const void *first;  // bytes of the client that were read before; copied
	size_t first_len;   // at most TLS_HELLO_MAX
	unsigned wait_ms;   // 0: no limit
	unsigned hello_ms;  // from the first byte of a hello to its last; 0: no limit
};

// data is borrowed for the call. Called once, possibly from within sni_gate_start; the gate is gone by then.
typedef void sni_gate_fn(void *ctx, enum sni_verdict verdict, const uint8_t *data, size_t n);

struct sni_gate;

// Starts to watch. 0 with *gate set (NULL if fn was called already), or -1 without a call.
int sni_gate_start(struct loop *l, const struct sni_gate_options *options, sni_gate_fn *fn, void *ctx,
		   struct sni_gate **gate, struct err *err);
void sni_gate_cancel(struct sni_gate *g); // without a call; free(NULL) is fine

// The verdict on the first n bytes alone: SNI_UNDECIDED wants more.
enum sni_verdict sni_judge(const void *p, size_t n, const char *name);

#endif
