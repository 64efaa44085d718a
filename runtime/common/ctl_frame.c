// SPDX-License-Identifier: Apache-2.0
//
// The writing half that the enclave needs, and the head that both read. A transaction is a map of what is known of it;
// keys come in the struct's order, so equal entries are equal bytes.
#include "runtime/common/ctl_frame.h"

#include "base/be.h"
#include "base/cbor.h"

#include <string.h>

static const char magic[] = "CTL1";

int ctl_begin(struct buf *b, size_t *start, struct err *err)
{
	uint8_t head[CTL_HEAD] = {0};

	memcpy(head, magic, 4);
	*start = b->len;
	return buf_add(b, head, sizeof(head), err);
}

void ctl_end(struct buf *b, size_t start)
{
	put_be32(b->data + start + 4, (uint32_t)(b->len - start - CTL_HEAD));
}

long ctl_head_read(const uint8_t head[CTL_HEAD], struct err *err)
{
	uint32_t n = get_be32(head + 4);

	if (memcmp(head, magic, 4) != 0)
		return err_set(err, ERR_INPUT, "control frame: wrong magic or version");
	if (n > CTL_BODY_MAX)
		return err_set(err, ERR_INPUT, "control frame: %u bytes are past the limit", n);
	return (long)n;
}

int ctl_put_request(struct buf *b, const char *op, struct err *err)
{
	size_t start;

	if (ctl_begin(b, &start, err) < 0 || cbor_put_map(b, 1, err) < 0 || cbor_put_text(b, "op", err) < 0 ||
	    cbor_put_text(b, op, err) < 0)
		return -1;
	ctl_end(b, start);
	return 0;
}

static int put_text(struct buf *b, const char *key, const char *value, struct err *err)
{
	if (!value)
		return 0;
	return cbor_put_text(b, key, err) < 0 || cbor_put_text(b, value, err) < 0 ? -1 : 0;
}

static int put_uint(struct buf *b, const char *key, uint64_t value, struct err *err)
{
	return cbor_put_text(b, key, err) < 0 || cbor_put_uint(b, value, err) < 0 ? -1 : 0;
}

// Headers may come twice with one name, so they are a list of pairs and not a map.
static int put_headers(struct buf *b, const char *key, const struct ctl_header *h, size_t n, struct err *err)
{
	if (cbor_put_text(b, key, err) < 0 || cbor_put_array(b, n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (cbor_put_array(b, 2, err) < 0 || cbor_put_text(b, h[i].name, err) < 0 ||
		    cbor_put_text(b, h[i].value, err) < 0)
			return -1;
	return 0;
}

static int put_transaction(struct buf *b, const struct ctl_transaction *t, struct err *err)
{
	unsigned texts =
	    (t->id != NULL) + (t->kind != NULL) + (t->method != NULL) + (t->target != NULL) + (t->remote != NULL);

	if (cbor_put_map(b, texts + 8, err) < 0 || put_text(b, "id", t->id, err) < 0 ||
	    put_uint(b, "time_ms", t->time_ms, err) < 0 || put_text(b, "kind", t->kind, err) < 0 ||
	    put_text(b, "method", t->method, err) < 0 || put_text(b, "target", t->target, err) < 0 ||
	    put_text(b, "remote", t->remote, err) < 0 || put_uint(b, "status", t->status, err) < 0 ||
	    put_uint(b, "elapsed_us", t->elapsed_us, err) < 0 || put_uint(b, "bytes_in", t->bytes_in, err) < 0 ||
	    put_uint(b, "bytes_out", t->bytes_out, err) < 0 || put_uint(b, "decrypted", t->decrypted, err) < 0)
		return -1;
	if (put_headers(b, "request_headers", t->request_headers, t->request_header_count, err) < 0)
		return -1;
	return put_headers(b, "response_headers", t->response_headers, t->response_header_count, err);
}

int ctl_put_transactions(struct buf *b, const struct ctl_transaction *entries, size_t count, struct err *err)
{
	size_t start;

	if (ctl_begin(b, &start, err) < 0 || cbor_put_map(b, 2, err) < 0 || cbor_put_text(b, "op", err) < 0 ||
	    cbor_put_text(b, "transactions", err) < 0 || cbor_put_text(b, "entries", err) < 0 ||
	    cbor_put_array(b, count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (put_transaction(b, &entries[i], err) < 0)
			return -1;
	if (b->len - start - CTL_HEAD > CTL_BODY_MAX)
		return err_set(err, ERR_LIMIT, "transactions: more than %d bytes in one frame", CTL_BODY_MAX);
	ctl_end(b, start);
	return 0;
}
