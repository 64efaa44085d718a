// SPDX-License-Identifier: Apache-2.0
//
// TLS as we serve and dial it: 1.2 and 1.3, forward secrecy and AEAD only, no renegotiation, no compression, no early
// data, resumption by tickets (stateless: an idle client costs no memory here; the ticket key lives and dies with the
// process). Buffers are given back while a connection idles.
#ifndef RUNTIME_TLS_H
#define RUNTIME_TLS_H

#include "base/err.h"
#include "runtime/common/secret.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

// Must run before any other use of OpenSSL: no configuration file, no engines, no atexit work. 0 or -1.
int tls_init(struct err *err);

// What is agreed on with a client that offers protocols (RFC 7301).
enum tls_alpn {
	TLS_ALPN_HTTP,  // h2 before http/1.1; a client that offers neither is refused
	TLS_ALPN_HTTP1, // http/1.1 where it is offered, else none: it need not be HTTP
	TLS_ALPN_NONE,  // none: the bytes are the service's
};

// A server context. `chain` is PEM, the leaf first; `key` PEM of its private key (unencrypted; wiped by the caller).
// The two must belong together.
SSL_CTX *tls_server_new(const struct secret *chain, const struct secret *key, enum tls_alpn alpn, struct err *err);

// A session for an accepted connection; NULL without memory.
SSL *tls_server_session(SSL_CTX *ctx);

// Was h2 agreed on?
bool tls_is_h2(const SSL *ssl);

// The first reason in OpenSSL's queue as a short text without locale, which is emptied; "" if none.
const char *tls_reason(char *out, size_t cap);

#endif
