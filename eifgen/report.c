// SPDX-License-Identifier: Apache-2.0
//
// nitro-cli's answers: keys in its order, custom metadata flattened into the Metadata object, certificate texts as
// OpenSSL prints them.
#include "eifgen/report.h"

#include "base/mem.h"
#include "pcr/cert.h"

#include <string.h>

enum { ATTRIBUTES_MAX = 64 }; // of an issuer's name; real ones have a handful

void report_measurements(struct jout *o, const struct pcr_values *v)
{
	jout_open(o, "Measurements", '{');
	jout_str(o, "HashAlgorithm", "Sha384 { ... }");
	jout_hex(o, "PCR0", v->pcr0, PCR_SIZE);
	jout_hex(o, "PCR1", v->pcr1, PCR_SIZE);
	jout_hex(o, "PCR2", v->pcr2, PCR_SIZE);
	if (v->has_pcr8)
		jout_hex(o, "PCR8", v->pcr8, PCR_SIZE);
	jout_close(o, '}');
}

struct attribute {
	struct buf name, value;
};

static void free_attributes(struct attribute (*a)[ATTRIBUTES_MAX])
{
	for (size_t i = 0; i < ATTRIBUTES_MAX; i++) {
		buf_free(&(*a)[i].name);
		buf_free(&(*a)[i].value);
	}
}

// Keeps a[0..n) sorted by name without doubles: of equal names the later value stays.
static size_t place_attribute(struct attribute *a, size_t n, struct attribute *fresh)
{
	size_t i = 0;
	int c = 1;

	while (i < n && (c = strcmp((char *)a[i].name.data, (char *)fresh->name.data)) < 0)
		i++;
	if (i < n && c == 0) {
		buf_free(&a[i].value);
		a[i].value = fresh->value;
		buf_free(&fresh->name);
		return n;
	}
	memmove(a + i + 1, a + i, (n - i) * sizeof(*a));
	a[i] = *fresh;
	return n + 1;
}

static int report_issuer(struct jout *o, X509 *cert, struct err *err)
{
	_cleanup_(free_attributes) struct attribute a[ATTRIBUTES_MAX] = {0};
	int count = X509_NAME_entry_count(X509_get_issuer_name(cert));
	size_t n = 0;

	for (int i = 0; i < count && n < ATTRIBUTES_MAX; i++) {
		struct attribute fresh = {BUF_INIT(0), BUF_INIT(0)};

		if (cert_issuer_attribute(cert, i, &fresh.name, &fresh.value, err) || !buf_cstr(&fresh.name, err)) {
			buf_free(&fresh.name);
			buf_free(&fresh.value);
			return -1;
		}
		n = place_attribute(a, n, &fresh);
	}
	jout_open(o, "IssuerName", '{');
	for (size_t i = 0; i < n; i++)
		jout_strn(o, (char *)a[i].name.data, a[i].value.data, a[i].value.len);
	jout_close(o, '}');
	return 0;
}

static int report_certificate(struct jout *o, X509 *cert, struct err *err)
{
	_cleanup_buf_ struct buf before = BUF_INIT(0), after = BUF_INIT(0), signature = BUF_INIT(0);
	struct err why = ERR_INIT;

	if (cert_date_text(X509_get0_notBefore(cert), &before, err) ||
	    cert_date_text(X509_get0_notAfter(cert), &after, err) || cert_signature_text(cert, &signature, err))
		return -1;
	jout_open(o, "SigningCertificate", '{');
	if (report_issuer(o, cert, &why)) {
		if (why.class == ERR_MEMORY)
			return err_nomem(err);
		jout_str(o, "IssuerName", why.msg);
	}
	jout_str(o, "Algorithm", cert_algorithm_name(cert));
	jout_strn(o, "NotBefore", before.data, before.len);
	jout_strn(o, "NotAfter", after.data, after.len);
	jout_strn(o, "Signature", signature.data, signature.len);
	jout_close(o, '}');
	return 0;
}

static void report_text(struct jout *o, const char *key, const struct eif_file *f, const struct jval *v)
{
	jout_strn(o, key, jdoc_text(&f->meta, v), v->len);
}

static int report_metadata(struct jout *o, const struct eif_file *f, struct err *err)
{
	report_text(o, "ImageName", f, f->image_name);
	report_text(o, "ImageVersion", f, f->image_version);
	jout_open(o, "Metadata", '{');
	for (size_t i = 0; i < 5; i++)
		report_text(o, eif_build_fields[i], f, f->build[i]);
	jout_key(o, "DockerInfo", strlen("DockerInfo"));
	if (jdoc_write(&f->meta, f->docker_info, true, o, err))
		return -1;
	if (f->custom->type == JVAL_OBJECT && jdoc_write_members(&f->meta, f->custom, true, o, err))
		return -1;
	jout_close(o, '}');
	return 0;
}

int report_describe(struct jout *o, const struct eif_file *f, struct err *err)
{
	jout_uint(o, "EifVersion", f->version);
	report_measurements(o, &f->pcrs);
	jout_bool(o, "IsSigned", f->signature_count > 0);
	if (f->cert && report_certificate(o, f->cert, err))
		return -1;
	jout_bool(o, "CheckCRC", f->crc_ok);
	if (f->signature_count)
		jout_bool(o, "SignatureCheck", f->signature_ok);
	return f->has_metadata ? report_metadata(o, f, err) : 0;
}

void report_anomalies(struct jout *o, const char *key, const struct eif_file *f, enum report_kind kind)
{
	jout_open(o, key, '[');
	for (size_t i = 0; i < f->anomaly_count; i++)
		if (kind & (f->anomalies[i].tolerated ? REPORT_TOLERATED : REPORT_DEPARTURES))
			jout_str(o, NULL, f->anomalies[i].text);
	jout_close(o, ']');
}
