// SPDX-License-Identifier: Apache-2.0
//
// Heads on their way through: what the service sees of a request and the client of a response. A head is always written
// anew from its parts, never copied:
//
//   request   METHOD path HTTP/1.1 · Host · fields less hop-by-hop, less what we assert ourselves · framing ·
//             X-Forwarded-For, X-Forwarded-Proto, Forwarded
//   response  HTTP/1.1 status · fields less hop-by-hop · framing
//
// What a client claims about itself on the way here (X-Forwarded-*, X-Real-IP, Forwarded, also with underscores) is
// dropped, and so is the API key: it has done its work.
#ifndef RUNTIME_DATA_PLANE_FORWARD_H
#define RUNTIME_DATA_PLANE_FORWARD_H

#include "base/buf.h"
#include "runtime/common/addr.h"
#include "runtime/common/http1.h"

#include <stdbool.h>

enum { FORWARD_HEAD_MAX = HTTP1_HEAD_MAX + 4096 };

#define FORWARD_API_KEY "api-key"

// Appends the head for the service. `client` is the client's address (ADDR_NONE: not known), `tls` says whether it came
// under TLS. framing is how the content will be framed; `upgrade` carries the Upgrade field through.
int forward_request(struct buf *out, const struct http1_head *rq, enum http1_body framing, const struct addr *client,
		    bool tls, bool upgrade, struct err *err);

// May this request change protocol? It asks for it, has no content, and not for h2c, which would let requests pass
// unseen (RFC 9113 dropped it).
bool forward_may_upgrade(const struct http1_head *rq);

// Is the method idempotent (RFC 9110 9.2.2)?
bool forward_is_idempotent(const struct http1_head *rq);

// Appends the head for an HTTP/1 client of that minor version. *framing: how the content must be sent (HTTP1_CHUNKED
// turns into HTTP1_CLOSE for an HTTP/1.0 client). close says that the connection will end after it.
int forward_response(struct buf *out, const struct http1_head *rs, int client_minor, bool head_only, bool close,
		     enum http1_body *framing, struct err *err);

// Appends a whole response of our own: {"message":"…"}. head_only: without the content.
int forward_error(struct buf *out, int status, bool close, bool head_only, struct err *err);

// Its content alone: {"message":"Bad Gateway"}. Returns its length.
enum { FORWARD_ERROR_BODY_MAX = 128 };
size_t forward_error_body(char out[FORWARD_ERROR_BODY_MAX], int status);

#endif
