// SPDX-License-Identifier: Apache-2.0
//
// One transaction from CBOR to a line of JSON. The keys are copied in the order in which they come; what is not known
// is an error and not skipped, so that a field nobody thought of cannot carry secrets into the log.
//
//   {"event":"transaction","cage":"name","id":"…","time_ms":…,"kind":"http","method":"GET","target":"/a",…,
//    "request_headers":[["accept","*/*"],["cookie","***"]],…}
#include "runtime/control-plane/ctl_server.h"

#include "base/cbor.h"
#include "base/cleanup.h"
#include "runtime/common/log.h"

#include <cjson/cJSON.h>
#include <string.h>

enum { VALUE_MAX = 1024, HEADERS_MAX = 100, TAIL = 64 }; // TAIL: what may still follow the last header that has room

static const char *const text_keys[] = {"id", "kind", "method", "target", "remote"};
static const char *const uint_keys[] = {"time_ms", "status", "elapsed_us", "bytes_in", "bytes_out", "decrypted"};
static const char *const header_keys[] = {"request_headers", "response_headers"};

struct line {
	const struct ctl_server_options *o;
	struct buf *out;
	size_t start;         // of the line in out
	const char *seen[16]; // keys of the entry so far
	size_t n_seen;
	bool cut;             // headers were left out
};

static size_t line_length(const struct line *l)
{
	return l->out->len - l->start;
}

static const char *known(const char *const *keys, size_t n, const char *p, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (cbor_text_is(p, len, keys[i]))
			return keys[i];
	return NULL;
}
#define KNOWN(keys, p, len) known(keys, sizeof(keys) / sizeof(keys[0]), p, len)

static int put_json_text(struct buf *out, const char *s, size_t n, struct err *err)
{
	char text[6 * VALUE_MAX + 16]; // every byte as \u00XX
	size_t len = 0;

	log_json_string(text, sizeof(text), &len, 0, s, n < VALUE_MAX ? n : VALUE_MAX);
	return buf_add(out, text, len, err);
}

static int put_text(struct buf *out, const char *key, struct cbor_reader *r, struct err *err)
{
	const char *p;
	size_t n;

	if (cbor_get_text(r, &p, &n, err) < 0)
		return -1;
	if (!strcmp(key, "target"))
		n = log_target_len(p, n);
	return buf_printf(out, err, ",\"%s\":", key) < 0 ? -1 : put_json_text(out, p, n, err);
}

// Puts one header, or notes that there is no room for it.
static int put_header(struct line *l, bool first, struct cbor_reader *r, struct err *err)
{
	struct cbor_seq pair;
	const char *name, *value;
	size_t name_len, value_len, before = l->out->len;

	if (cbor_get_array(r, &pair, err) < 0)
		return -1;
	if (pair.left != 2)
		return err_set(err, ERR_INPUT, "a header is not a pair");
	if (cbor_get_text(r, &name, &name_len, err) < 0 || cbor_get_text(r, &value, &value_len, err) < 0)
		return -1;
	if (l->cut)
		return 0;
	if (!log_header_allowed(name, name_len, l->o->trusted_headers, l->o->trusted_count)) {
		value = "***";
		value_len = 3;
	}
	if (buf_add_str(l->out, first ? "[" : ",[", err) < 0 || put_json_text(l->out, name, name_len, err) < 0 ||
	    buf_add_byte(l->out, ',', err) < 0 || put_json_text(l->out, value, value_len, err) < 0 ||
	    buf_add_byte(l->out, ']', err) < 0)
		return -1;
	if (line_length(l) + TAIL > CTL_LINE_MAX) {
		l->out->len = before;
		l->cut = true;
	}
	return 0;
}

static int put_headers(struct line *l, const char *key, struct cbor_reader *r, struct err *err)
{
	struct cbor_seq seq;
	int more;

	if (cbor_get_array(r, &seq, err) < 0)
		return -1;
	if (seq.left > HEADERS_MAX)
		return err_set(err, ERR_INPUT, "more than %d headers", HEADERS_MAX);
	if (buf_printf(l->out, err, ",\"%s\":[", key) < 0)
		return -1;
	for (bool first = true; (more = cbor_seq_next(r, &seq, err)) > 0; first = false)
		if (put_header(l, first, r, err) < 0)
			return -1;
	return more < 0 ? -1 : buf_add_byte(l->out, ']', err);
}

// Two values under one key would be two truths to two readers of the log.
static int note_key(struct line *l, const char *key, struct err *err)
{
	for (size_t i = 0; i < l->n_seen; i++)
		if (l->seen[i] == key)
			return err_set(err, ERR_INPUT, "key \"%s\" twice", key);
	l->seen[l->n_seen++] = key;
	return 0;
}

static int put_member(struct line *l, struct cbor_reader *r, struct err *err)
{
	const char *p, *text, *headers, *number, *key;
	size_t n;
	uint64_t v;

	if (cbor_get_text(r, &p, &n, err) < 0)
		return -1;
	text = KNOWN(text_keys, p, n);
	headers = KNOWN(header_keys, p, n);
	number = KNOWN(uint_keys, p, n);
	key = text ? text : headers ? headers : number;
	if (!key)
		return err_set(err, ERR_INPUT, "an unknown key");
	if (note_key(l, key, err) < 0)
		return -1;
	if (text)
		return put_text(l->out, key, r, err);
	if (headers)
		return put_headers(l, key, r, err);
	if (cbor_get_uint(r, INT64_MAX, &v, err) < 0)
		return -1;
	return buf_printf(l->out, err, ",\"%s\":%llu", key, (unsigned long long)v);
}

static int put_line(struct line *l, struct cbor_reader *r, struct err *err)
{
	struct cbor_seq map;
	int more;

	if (cbor_get_map(r, &map, err) < 0)
		return -1;
	while ((more = cbor_seq_next(r, &map, err)) > 0)
		if (put_member(l, r, err) < 0)
			return -1;
	if (more < 0 || (l->cut && buf_add_str(l->out, ",\"cut\":true", err) < 0) ||
	    buf_add_str(l->out, "}\n", err) < 0)
		return -1;
	return line_length(l) > CTL_LINE_MAX ? err_set(err, ERR_LIMIT, "a line past %d bytes", CTL_LINE_MAX) : 0;
}

int ctl_transaction_line(const struct ctl_server_options *o, struct cbor_reader *r, struct buf *out, struct err *err)
{
	struct line l = {.o = o, .out = out, .start = out->len};

	if (buf_add_str(out, "{\"event\":\"transaction\"", err) < 0)
		return -1;
	if (o->name &&
	    (buf_add_str(out, ",\"cage\":", err) < 0 || put_json_text(out, o->name, strlen(o->name), err) < 0))
		return -1;
	return put_line(&l, r, err) < 0 ? err_prefix(err, "transaction: ") : 0;
}

// ---- the runtime configuration --------------------------------------------------------------------------------------

enum { JSON_DEPTH_MAX = 16 };

static int put_json(const cJSON *v, unsigned depth, struct buf *out, struct err *err)
{
	if (depth > JSON_DEPTH_MAX)
		return err_set(err, ERR_INPUT, "nested more than %d deep", JSON_DEPTH_MAX);
	if (cJSON_IsString(v))
		return cbor_put_text(out, v->valuestring, err);
	if (cJSON_IsBool(v))
		return cbor_put_bool(out, cJSON_IsTrue(v), err);
	if (cJSON_IsNull(v))
		return cbor_put_null(out, err);
	if (cJSON_IsNumber(v)) {
		// A double holds integers exactly up to 2^53; past that two numbers of the file would be one.
		if (v->valuedouble < -9007199254740992.0 || v->valuedouble > 9007199254740992.0 ||
		    v->valuedouble != (double)(int64_t)v->valuedouble)
			return err_set(err, ERR_INPUT, "a number that is no integer below 2^53");
		return cbor_put_int(out, (int64_t)v->valuedouble, err);
	}
	unsigned count = (unsigned)cJSON_GetArraySize(v);

	if ((cJSON_IsObject(v) ? cbor_put_map(out, count, err) : cbor_put_array(out, count, err)) < 0)
		return -1;
	for (const cJSON *c = v->child; c; c = c->next)
		if ((cJSON_IsObject(v) && cbor_put_text(out, c->string, err) < 0) ||
		    put_json(c, depth + 1, out, err) < 0)
			return -1;
	return 0;
}

int ctl_json_to_cbor(const char *json, struct buf *out, struct err *err)
{
	cJSON *v = cJSON_ParseWithOpts(json, NULL, 1);
	int rc;

	if (!v || !cJSON_IsObject(v))
		rc = err_set(err, ERR_INPUT, "runtime configuration: not a JSON object");
	else if ((rc = put_json(v, 0, out, err)) < 0)
		err_prefix(err, "runtime configuration: ");
	cJSON_Delete(v);
	return rc;
}
