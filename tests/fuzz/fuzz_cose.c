// SPDX-License-Identifier: Apache-2.0
//
// EIF signature sections and COSE messages from any bytes, in both forms: no crash, no read past the end; what the
// strict form takes, the lenient form takes too, with the same members.
#include "pcr/cert.h"
#include "pcr/cose.h"
#include "pcr/eif_sig.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void both_forms(const uint8_t *data, size_t size)
{
	_cleanup_cose_ struct cose_sign1 strict = COSE_SIGN1_INIT, lenient = COSE_SIGN1_INIT;
	struct err err = ERR_INIT;

	if (cose_sign1_parse(&strict, data, size, COSE_FORM_STRICT, &err))
		return;
	if (cose_sign1_parse(&lenient, data, size, COSE_FORM_EIF, &err) || strict.alg != lenient.alg ||
	    strict.payload.len != lenient.payload.len || strict.signature.len != lenient.signature.len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_eif_sig_ struct eif_sig sig = EIF_SIG_INIT;
	_cleanup_cose_ struct cose_sign1 c = COSE_SIGN1_INIT;
	_cleanup_x509_ X509 *cert = NULL;
	struct err err = ERR_INIT;

	both_forms(data, size);
	if (eif_sig_parse(&sig, data, size, &err))
		return 0;
	cert = cert_from_pem(sig.cert.data, sig.cert.len, &err);
	if (cert && X509_get0_pubkey(cert) && !cose_sign1_parse(&c, sig.cose.data, sig.cose.len, COSE_FORM_EIF, &err))
		cose_sign1_verify(&c, X509_get0_pubkey(cert), &err);
	return 0;
}
