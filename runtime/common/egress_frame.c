// SPDX-License-Identifier: Apache-2.0
//
// The reader judges each field as soon as it is there, so that a peer which speaks another protocol is refused at its
// first bytes and no length that it claims is ever waited for past the sum of the fields' own limits.
#include "runtime/common/egress_frame.h"

#include "base/be.h"

#include <string.h>

enum { MAGIC_LEN = 4, TYPE_CONNECT = 1, LENGTH_END = 8 };

static const char request_magic[] = "EGR1";
static const char reply_magic[] = "EGS1";

const char *egress_status_name(unsigned status)
{
	static const char *const names[EGRESS_STATUS_COUNT] = {
	    "connected",	  "not in the allowlist", "address refused",	 "no such name",
	    "name not resolved",  "connection refused",	  "connection timed out", "unreachable",
	    "server name differs", "bad request",	  "too many connections",
	};

	return status < EGRESS_STATUS_COUNT ? names[status] : "unknown";
}

size_t egress_request_write(const struct egress_request *req, uint8_t *out)
{
	size_t nlen = strlen(req->name), off = EGRESS_REQUEST_HEAD;

	memcpy(out, request_magic, MAGIC_LEN);
	out[8] = TYPE_CONNECT;
	out[9] = req->addr.len;
	put_be16(out + 10, req->port);
	out[12] = (uint8_t)nlen;
	memcpy(out + off, req->name, nlen);
	off += nlen;
	memcpy(out + off, req->addr.bytes, req->addr.len);
	off += req->addr.len;
	put_be16(out + off, (uint16_t)req->data_len);
	off += 2;
	if (req->data_len)
		memcpy(out + off, req->data, req->data_len);
	off += req->data_len;
	put_be32(out + MAGIC_LEN, (uint32_t)(off - LENGTH_END));
	return off;
}

static int read_head(const uint8_t *b, struct err *err)
{
	uint32_t length = get_be32(b + MAGIC_LEN);
	unsigned alen = b[9], nlen = b[12];

	if (length > EGRESS_REQUEST_MAX - LENGTH_END)
		return err_set(err, ERR_INPUT, "egress request: length %u is past the limit", length);
	if (b[8] != TYPE_CONNECT)
		return err_set(err, ERR_INPUT, "egress request: type %u is unknown", b[8]);
	if (get_be16(b + 10) == 0)
		return err_set(err, ERR_INPUT, "egress request: port 0");
	if (nlen > HOSTNAME_MAX || (alen != 0 && alen != 4 && alen != 16))
		return err_set(err, ERR_INPUT, "egress request: name of %u and address of %u bytes", nlen, alen);
	if ((nlen == 0) == (alen == 0))
		return err_set(err, ERR_INPUT, "egress request: wants either a name or an address");
	return 0;
}

static int read_destination(const uint8_t *b, struct egress_request *out, struct err *err)
{
	size_t nlen = b[12], alen = b[9];
	const char *name = (const char *)b + EGRESS_REQUEST_HEAD;

	out->port = get_be16(b + 10);
	if (alen) {
		// an IPv4 address mapped into IPv6 comes back shorter: one destination has one form
		if (ip_from_bytes(b + EGRESS_REQUEST_HEAD, alen, &out->addr) < 0 || out->addr.len != alen)
			return err_set(err, ERR_INPUT, "egress request: the address is not in its normal form");
		return 0;
	}
	if (hostname_normalise(name, nlen, out->name, err) < 0)
		return err_prefix(err, "egress request: ");
	if (strlen(out->name) != nlen || memcmp(out->name, name, nlen) != 0)
		return err_set(err, ERR_INPUT, "egress request: the name is not in its normal form");
	return 0;
}

long egress_request_read(const void *p, size_t n, struct egress_request *out, struct err *err)
{
	const uint8_t *b = p;
	size_t magic = n < MAGIC_LEN ? n : MAGIC_LEN;

	if (n && memcmp(b, request_magic, magic) != 0)
		return err_set(err, ERR_INPUT, "egress request: wrong magic or version");
	if (n < EGRESS_REQUEST_HEAD)
		return 0;
	if (read_head(b, err) < 0)
		return -1;
	size_t head = EGRESS_REQUEST_HEAD + b[12] + b[9] + 2u;

	if (n < head)
		return 0;
	size_t dlen = get_be16(b + head - 2);

	if (dlen > EGRESS_DATA_MAX)
		return err_set(err, ERR_INPUT, "egress request: %zu bytes of first data", dlen);
	if (get_be32(b + MAGIC_LEN) != head + dlen - LENGTH_END)
		return err_set(err, ERR_INPUT, "egress request: the length is not the sum of its fields");
	memset(out, 0, sizeof(*out));
	if (read_destination(b, out, err) < 0)
		return -1;
	if (n < head + dlen)
		return 0;
	out->data = b + head;
	out->data_len = dlen;
	return (long)(head + dlen);
}

void egress_reply_write(enum egress_status status, uint8_t out[EGRESS_REPLY_LEN])
{
	memset(out, 0, EGRESS_REPLY_LEN);
	memcpy(out, reply_magic, MAGIC_LEN);
	out[MAGIC_LEN] = (uint8_t)status;
}

int egress_reply_read(const uint8_t p[EGRESS_REPLY_LEN], enum egress_status *status, struct err *err)
{
	if (memcmp(p, reply_magic, MAGIC_LEN) != 0)
		return err_set(err, ERR_INPUT, "egress reply: wrong magic or version");
	if (p[4] >= EGRESS_STATUS_COUNT || p[5] || p[6] || p[7])
		return err_set(err, ERR_INPUT, "egress reply: unknown status");
	*status = p[4];
	return 0;
}
