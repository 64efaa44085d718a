// SPDX-License-Identifier: Apache-2.0
//
// A signature that is put on a finished EIF changes five members of its record: Eif, Measurements.PCR8, Sections (the
// signature's row, always the last), Signature and nothing else. What comes out is what `build` with that key would
// have written, byte for byte.
#include "base/hex.h"
#include "eifgen/eif.h"
#include "eifgen/record.h"
#include "pcr/sha384.h"

#include <string.h>

static int set_member(cJSON *object, const char *key, cJSON *item, struct err *err)
{
	bool done =
	    item && (cJSON_HasObjectItem(object, key) ? cJSON_ReplaceItemInObjectCaseSensitive(object, key, item)
						      : cJSON_AddItemToObject(object, key, item));

	if (!done)
		cJSON_Delete(item);
	return done ? 0 : err_nomem(err);
}

static int set_text(cJSON *object, const char *key, const char *text, struct err *err)
{
	return set_member(object, key, cJSON_CreateString(text), err);
}

static int hex_of_section(const struct record_signature *s, char out[2 * SHA384_DIGEST + 1], struct err *err)
{
	struct sha384 *d = sha384_new();
	uint8_t digest[SHA384_DIGEST];

	if (!d)
		return err_nomem(err);
	sha384_start(d);
	sha384_add(d, s->section, s->section_len);
	sha384_end(d, digest);
	sha384_free(d);
	hex_encode(digest, sizeof(digest), out);
	return 0;
}

// The rows of the sections, the old signature's taken out, the new one's put behind.
static int set_section(cJSON *doc, const struct record_signature *s, struct err *err)
{
	const char *name = build_section_name(EIF_SECTION_SIGNATURE);
	cJSON *list = cJSON_GetObjectItemCaseSensitive(doc, "Sections"), *row;
	char hex[2 * SHA384_DIGEST + 1];

	if (!cJSON_IsArray(list))
		return err_set(err, ERR_INPUT, "Sections is no list");
	for (int i = cJSON_GetArraySize(list) - 1; i >= 0; i--) {
		const cJSON *type = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(list, i), "Type");

		if (cJSON_IsString(type) && !strcmp(type->valuestring, name))
			cJSON_DeleteItemFromArray(list, i);
	}
	row = cJSON_CreateObject();
	if (!row || !cJSON_AddItemToArray(list, row)) {
		cJSON_Delete(row);
		return err_nomem(err);
	}
	return hex_of_section(s, hex, err) || set_text(row, "Type", name, err) ||
			       set_member(row, "Size", cJSON_CreateNumber((double)s->section_len), err) ||
			       set_text(row, "Sha384", hex, err)
		       ? -1
		       : 0;
}

static int set_all(cJSON *doc, const struct record_signature *s, struct err *err)
{
	cJSON *measurements = cJSON_GetObjectItemCaseSensitive(doc, "Measurements"), *eif, *signature;
	char pcr8[2 * PCR_SIZE + 1];

	hex_encode(s->pcr8, PCR_SIZE, pcr8);
	if (set_text(measurements, "PCR8", pcr8, err) || set_section(doc, s, err) ||
	    set_member(doc, "Eif", cJSON_CreateObject(), err) ||
	    set_member(doc, "Signature", cJSON_CreateObject(), err))
		return -1;
	eif = cJSON_GetObjectItemCaseSensitive(doc, "Eif");
	signature = cJSON_GetObjectItemCaseSensitive(doc, "Signature");
	return set_text(eif, "Sha256", s->eif_sha256, err) ||
			       set_member(eif, "Size", cJSON_CreateNumber((double)s->eif_size), err) ||
			       set_text(signature, "CertificateSha256", s->certificate_sha256, err) ||
			       set_text(signature, "Nonce", s->nonce, err)
		       ? -1
		       : 0;
}

int record_sign(const struct record *r, const struct record_signature *s, struct buf *out, struct err *err)
{
	_cleanup_json_ cJSON *doc = cJSON_Duplicate(r->doc, true);
	char *text;
	int rc;

	if (!doc)
		return err_nomem(err);
	if (set_all(doc, s, err))
		return err_prefix(err, "%s: ", r->path);
	text = cJSON_PrintUnformatted(doc);
	if (!text)
		return err_nomem(err);
	rc = record_canonical(text, out, err);
	cJSON_free(text);
	return rc;
}
