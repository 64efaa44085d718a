// SPDX-License-Identifier: Apache-2.0
//
// The signature section of a file: certificate, PCR8, COSE signature, and whether it signs this file's PCR0. The
// section is read as leniently as AWS's reader does; what a writer would not have written is a departure all the same.
// With more than one such section the last is checked and PCR8 runs over all certificates, as there
// (facts/eif-format.md 2).
#include "eifgen/eif_reader.h"

#include "pcr/cert.h"
#include "pcr/cose.h"

#include <string.h>

enum { SECTION_MAX = 1 << 20 }; // bytes that are read at all; EIF_SIG_MAX is what a file should hold

// What is broken in the file is noted; trouble of ours (memory, the disk) is an error.
static int note_or_fail(struct eif_file *f, const struct err *why, const char *what, struct err *err)
{
	if (why->class == ERR_MEMORY || why->class == ERR_IO) {
		*err = *why;
		return -1;
	}
	return eif_note(f, false, err, "%s%s", what, why->msg);
}

// Equal to what a writer makes of the same certificate and message?
static int check_form(struct eif_file *f, const struct buf *section, const struct cose_sign1 *c, struct err *err)
{
	_cleanup_buf_ struct buf again = BUF_INIT(0), message = BUF_INIT(0);
	const struct cose_alg *alg = cose_alg_of_id(c->alg);

	if (f->sig.entries > 1 &&
	    eif_note(f, false, err, "the signature section has %zu entries, not one", f->sig.entries))
		return -1;
	if (!alg || c->signature.len != 2 * alg->n)
		return 0; // verification says it better
	if (cose_sign1_write(alg, c->payload.data, c->payload.len, c->signature.data, &message, err) ||
	    eif_sig_write(f->sig.cert.data, f->sig.cert.len, message.data, message.len, &again, err))
		return -1;
	if (f->sig.entries == 1 && (again.len != section->len || memcmp(again.data, section->data, again.len) != 0))
		return eif_note(f, false, err, "the signature section is not encoded as writers encode it");
	return 0;
}

static int check_signature(struct eif_file *f, const struct buf *section, struct err *err)
{
	_cleanup_cose_ struct cose_sign1 c = COSE_SIGN1_INIT;
	_cleanup_buf_ struct buf payload = BUF_INIT(0);
	struct err why = ERR_INIT;
	EVP_PKEY *key = X509_get0_pubkey(f->cert);

	if (cose_sign1_parse(&c, f->sig.cose.data, f->sig.cose.len, COSE_FORM_EIF, &why))
		return note_or_fail(f, &why, "signature: ", err);
	if (check_form(f, section, &c, err))
		return -1;
	if (!key)
		return eif_note(f, false, err, "signature: the certificate's public key cannot be read");
	if (cose_sign1_verify(&c, key, &why))
		return note_or_fail(f, &why, "signature: ", err);
	f->cose_ok = true;
	if (eif_sig_payload(f->pcrs.pcr0, &payload, err))
		return -1;
	f->signature_ok = payload.len == c.payload.len && !memcmp(payload.data, c.payload.data, payload.len);
	if (!f->signature_ok)
		return eif_note(f, false, err, "the signature is for something else than this file's PCR0");
	return 0;
}

// Reads one section into f->sig and f->cert; appends the certificate's DER to `ders`. 1: there it is; 0: noted; -1.
static int read_section(struct eif_file *f, const struct eif_section *s, struct buf *raw, struct buf *ders,
			struct err *err)
{
	struct err why = ERR_INIT;

	raw->len = 0;
	eif_sig_free(&f->sig);
	X509_free(f->cert);
	f->cert = NULL;
	if (s->size > EIF_SIG_MAX &&
	    eif_note(f, false, err, "signature section of %llu bytes, more than %d%s", (unsigned long long)s->size,
		     EIF_SIG_MAX, s->size > SECTION_MAX ? ": not read" : ""))
		return -1;
	if (s->size > SECTION_MAX)
		return 0;
	if (eif_file_copy(f, s, sink_buf(raw), err))
		return -1;
	if (eif_sig_parse(&f->sig, raw->data, raw->len, &why))
		return note_or_fail(f, &why, "signature section: ", err);
	if (cert_text_has_private_key(f->sig.cert.data, f->sig.cert.len) &&
	    eif_note(f, false, err, "a private key stands beside the certificate: it is public now"))
		return -1;
	f->cert = cert_from_pem(f->sig.cert.data, f->sig.cert.len, &why);
	if (!f->cert)
		return note_or_fail(f, &why, "signature section: ", err);
	return cert_der(f->cert, ders, err) ? -1 : 1;
}

int eif_read_signature(struct eif_file *f, struct err *err)
{
	_cleanup_buf_ struct buf raw = BUF_INIT(SECTION_MAX), ders = BUF_INIT(0);
	bool all_read = true;

	for (size_t i = 0; i < f->section_count; i++) {
		int rc;

		if (f->sections[i].type != EIF_SECTION_SIGNATURE)
			continue;
		f->signature_count++;
		rc = read_section(f, &f->sections[i], &raw, &ders, err);
		if (rc < 0)
			return -1;
		all_read = all_read && rc > 0;
	}
	if (!f->signature_count || !all_read)
		return 0;
	if (pcr8_of_der(ders.data, ders.len, f->pcrs.pcr8, err))
		return -1;
	f->pcrs.has_pcr8 = true;
	return check_signature(f, &raw, err);
}
