// SPDX-License-Identifier: Apache-2.0
//
// Reading follows what a serde-derived structure takes: a map with the two known keys by name or by number (0, 1), each
// once, anything else skipped; or an array of the two. All entries must be sound, though only the first is used.
#include "pcr/eif_sig.h"

#include "base/cbor.h"

#include <string.h>

enum {
	FIELD_CERT,
	FIELD_COSE,
	FIELD_UNKNOWN,
	PART_MAX = 1 << 20, // bytes of certificate file or COSE message; the section's own limit is far below
};

static const char *const field_names[] = {"signing_certificate", "signature"};

static int read_part(struct eif_sig *s, int field, struct cbor_reader *r, struct err *err)
{
	struct buf *out = field == FIELD_CERT ? &s->cert : &s->cose;

	out->max = PART_MAX;
	return cbor_read_ints(r, out, err) ? err_prefix(err, "%s: ", field_names[field]) : 0;
}

static int read_key(struct cbor_reader *r, int *field, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(256);
	struct cbor_item item;

	*field = FIELD_UNKNOWN;
	if (cbor_peek(r, &item, err))
		return -1;
	if (item.type == CBOR_UINT) {
		if (item.value <= FIELD_COSE)
			*field = (int)item.value;
		return cbor_skip(r, err);
	}
	if (item.type != CBOR_TEXT)
		return cbor_skip(r, err);
	if (cbor_read_string(r, CBOR_TEXT, &text, err))
		return -1;
	for (int i = 0; i < FIELD_UNKNOWN; i++)
		if (cbor_text_is((const char *)text.data, text.len, field_names[i]))
			*field = i;
	return 0;
}

static int parse_map(struct eif_sig *s, struct cbor_reader *r, struct err *err)
{
	struct cbor_seq seq = {0, false};
	bool seen[2] = {false, false};
	int more, field = FIELD_UNKNOWN;

	if (cbor_get_map(r, &seq, err))
		return -1;
	while ((more = cbor_seq_next(r, &seq, err)) > 0) {
		if (read_key(r, &field, err))
			return -1;
		if (field == FIELD_UNKNOWN) {
			if (cbor_skip(r, err))
				return -1;
			continue;
		}
		if (seen[field])
			return err_set(err, ERR_INPUT, "%s stands twice", field_names[field]);
		seen[field] = true;
		if (read_part(s, field, r, err))
			return -1;
	}
	for (int i = 0; i < 2 && more == 0; i++)
		if (!seen[i])
			return err_set(err, ERR_INPUT, "%s is missing", field_names[i]);
	return more;
}

static int parse_pair(struct eif_sig *s, struct cbor_reader *r, struct err *err)
{
	struct cbor_seq seq = {0, false};

	if (cbor_get_array(r, &seq, err))
		return -1;
	for (int i = 0; i < 2; i++) {
		int more = cbor_seq_next(r, &seq, err);

		if (more < 0)
			return -1;
		if (!more)
			return err_set(err, ERR_INPUT, "%s is missing", field_names[i]);
		if (read_part(s, i, r, err))
			return -1;
	}
	int more = cbor_seq_next(r, &seq, err);
	return more <= 0 ? more : err_set(err, ERR_INPUT, "an entry of more than two members");
}

static int parse_entry(struct eif_sig *s, struct cbor_reader *r, struct err *err)
{
	struct cbor_item item;

	if (cbor_peek(r, &item, err))
		return -1;
	return item.type == CBOR_ARRAY ? parse_pair(s, r, err) : parse_map(s, r, err);
}

static int parse(struct eif_sig *out, struct cbor_reader *r, struct err *err)
{
	struct cbor_seq seq = {0, false};
	int more;

	if (cbor_get_array(r, &seq, err))
		return -1;
	while ((more = cbor_seq_next(r, &seq, err)) > 0) {
		_cleanup_eif_sig_ struct eif_sig other = EIF_SIG_INIT;

		if (parse_entry(out->entries ? &other : out, r, err))
			return err_prefix(err, "entry %zu: ", out->entries);
		out->entries++;
	}
	if (more < 0)
		return -1;
	if (!out->entries)
		return err_set(err, ERR_INPUT, "no entry");
	return cbor_end(r, err);
}

int eif_sig_parse(struct eif_sig *out, const void *p, size_t n, struct err *err)
{
	struct cbor_reader r;

	cbor_reader_init(&r, p, n, CBOR_LENIENT);
	if (!parse(out, &r, err))
		return 0;
	eif_sig_free(out);
	return -1;
}

void eif_sig_free(struct eif_sig *s)
{
	buf_free(&s->cert);
	buf_free(&s->cose);
	*s = (struct eif_sig)EIF_SIG_INIT;
}

static int put_ints(struct buf *out, const uint8_t *p, size_t n, struct err *err)
{
	if (cbor_put_array(out, n, err))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (cbor_put_uint(out, p[i], err))
			return -1;
	return 0;
}

int eif_sig_write(const void *cert, size_t cert_len, const void *cose, size_t cose_len, struct buf *out,
		  struct err *err)
{
	if (cbor_put_array(out, 1, err) || cbor_put_map(out, 2, err) ||
	    cbor_put_text(out, field_names[FIELD_CERT], err) || put_ints(out, cert, cert_len, err) ||
	    cbor_put_text(out, field_names[FIELD_COSE], err) || put_ints(out, cose, cose_len, err))
		return -1;
	return 0;
}

int eif_sig_payload(const uint8_t pcr0[PCR_SIZE], struct buf *out, struct err *err)
{
	if (cbor_put_map(out, 2, err) || cbor_put_text(out, "register_index", err) || cbor_put_uint(out, 0, err) ||
	    cbor_put_text(out, "register_value", err) || put_ints(out, pcr0, PCR_SIZE, err))
		return -1;
	return 0;
}
