// SPDX-License-Identifier: Apache-2.0
//
// Reading a record, and holding a build's inputs against one. For the latter the inputs of the build at hand are
// written as a record themselves and the two documents compared member by member, so that no field can be forgotten
// here.
//
// Not compared: how the image was named and how its layers are compressed (its config names them by their content), the
// tool's own version (its rules have versions of their own), where the epoch came from (the epoch itself is), package
// versions of the runtime (its digests are).
#include "base/hex.h"
#include "base/mem.h"
#include "eifgen/record.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int check_pcrs(struct record *r, struct err *err)
{
	uint8_t *const values[] = {r->pcrs.pcr0, r->pcrs.pcr1, r->pcrs.pcr2};
	char key[32];
	const char *hex;

	for (int i = 0; i < 3; i++) {
		snprintf(key, sizeof(key), "Measurements.PCR%d", i);
		hex = record_text(r, key);
		if (!hex || hex_decode(hex, strlen(hex), values[i], PCR_SIZE))
			return err_set(err, ERR_INPUT, "%s is no SHA-384 in hex", key);
	}
	hex = record_text(r, "Measurements.PCR8");
	r->pcrs.has_pcr8 = hex != NULL;
	if (hex && hex_decode(hex, strlen(hex), r->pcrs.pcr8, PCR_SIZE))
		return err_set(err, ERR_INPUT, "Measurements.PCR8 is no SHA-384 in hex");
	return 0;
}

static int load(struct record *r, const char *path, struct err *err)
{
	const char *schema;

	r->path = mem_strdup(path, err);
	if (!r->path || json_parse_file(path, RECORD_FILE_MAX, &r->doc, err))
		return -1;
	schema = record_text(r, "Schema");
	if (!schema)
		return err_set(err, ERR_INPUT, "%s: no record of a build (it has no Schema)", path);
	if (strcmp(schema, RECORD_SCHEMA))
		return err_set(err, ERR_UNSUPPORTED,
			       "%s: a record of schema \"%.60s\", this program knows " RECORD_SCHEMA, path, schema);
	return check_pcrs(r, err) ? err_prefix(err, "%s: ", path) : 0;
}

int record_load(const char *path, struct record **out, struct err *err)
{
	_cleanup_(record_freep) struct record *r = mem_zalloc(1, sizeof(*r), err);

	if (!r || load(r, path, err))
		return -1;
	*out = steal_ptr(&r);
	return 0;
}

void record_free(struct record *r)
{
	if (!r)
		return;
	cJSON_Delete(r->doc);
	free(r->path);
	free(r);
}

static const cJSON *member(const cJSON *obj, const char *key, size_t n)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, obj)
		if (item->string && strlen(item->string) == n && !memcmp(item->string, key, n))
			return item;
	return NULL;
}

const cJSON *record_get(const struct record *r, const char *path)
{
	const cJSON *at = r->doc;

	while (at && *path) {
		size_t n = strcspn(path, ".");

		at = cJSON_IsObject(at) ? member(at, path, n) : NULL;
		path += n + (path[n] == '.');
	}
	return at && !cJSON_IsNull(at) ? at : NULL;
}

const char *record_text(const struct record *r, const char *path)
{
	const cJSON *item = record_get(r, path);

	return cJSON_IsString(item) ? item->valuestring : NULL;
}

int record_number(const struct record *r, const char *path, uint64_t *out, struct err *err)
{
	const cJSON *item = record_get(r, path);

	if (!cJSON_IsNumber(item) || item->valuedouble < 0 || item->valuedouble > 9007199254740991.0 ||
	    item->valuedouble != (double)(uint64_t)item->valuedouble)
		return err_set(err, ERR_INPUT, "%s: %s is no number", r->path, path);
	*out = (uint64_t)item->valuedouble;
	return 0;
}

// ---- inputs --------------------------------------------------------------------------------------------------------

static const char *const inputs[] = {"Layout", "Arch", "Mtime", "Image.Config", "Platform", "Epoch.Seconds",
				     "Overrides", "Scrub.Version", "Scrub.Rules", "Cage", "Metadata", "Signature"};

static void show(const cJSON *item, char *out, size_t cap)
{
	char *text = item ? cJSON_PrintUnformatted(item) : NULL;

	snprintf(out, cap, "%.200s", text ? text : "null");
	cJSON_free(text);
}

// True if the two are the same; else `where` holds the path of the first member that is not.
static bool same(const cJSON *a, const cJSON *b, char *where, size_t cap, const cJSON **va, const cJSON **vb)
{
	const cJSON *item, *other;
	size_t at = strlen(where);

	*va = a;
	*vb = b;
	if (!cJSON_IsObject(a) || !cJSON_IsObject(b))
		return (!a && !b) || (a && b && cJSON_Compare(a, b, true));
	cJSON_ArrayForEach(item, a) {
		other = member(b, item->string, strlen(item->string));
		snprintf(where + at, cap - at, ".%s", item->string);
		if (!same(item, other, where, cap, va, vb))
			return false;
		where[at] = 0;
	}
	*va = a;
	*vb = b;
	return cJSON_GetArraySize(a) == cJSON_GetArraySize(b);
}

int record_check_inputs(const struct record *r, const struct record_source *now, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	_cleanup_json_ cJSON *doc = NULL;
	struct record_source alone = *now;
	struct record mine = {0};
	char where[256], is[256], was[256];
	const cJSON *a, *b;

	alone.output = NULL;
	if (record_write(&alone, &text, err) || json_parse(text.data, text.len, RECORD_FILE_MAX, &doc, err))
		return -1;
	mine.doc = doc;
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		snprintf(where, sizeof(where), "%s", inputs[i]);
		if (now->ignore_signature && !strcmp(inputs[i], "Signature"))
			continue;
		if (same(record_get(&mine, inputs[i]), record_get(r, inputs[i]), where, sizeof(where), &a, &b))
			continue;
		show(a, is, sizeof(is));
		show(b, was, sizeof(was));
		return err_set(err, ERR_MISMATCH, "%s is %s, but %s has %s", where, is, r->path, was);
	}
	return 0;
}
