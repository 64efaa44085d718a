// SPDX-License-Identifier: Apache-2.0
//
// Strict CBOR; a key that comes twice is an error, since two readers could take it for different things.
#include "runtime/data-plane/advice.h"

#include "base/cbor.h"

#include <string.h>

enum {
	SECONDS_MIN = 1577836800, // 2020: before it the host has no clock at all
};
#define SECONDS_MAX 4102444800u // 2100

// Opens the map of a reply and reads {"ok": true. An error of the host's is said as such.
static int open_reply(struct cbor_reader *r, const void *body, size_t n, struct cbor_seq *map, struct err *err)
{
	const char *key;
	size_t len;
	bool ok;

	cbor_reader_init(r, body, n, CBOR_STRICT);
	if (cbor_get_map(r, map, err) || cbor_seq_next(r, map, err) <= 0 || cbor_get_text(r, &key, &len, err))
		return err_set(err, ERR_INPUT, "the host's reply is no map");
	if (!cbor_text_is(key, len, "ok") || cbor_get_bool(r, &ok, err))
		return err_set(err, ERR_INPUT, "the host's reply does not begin with ok");
	return ok ? 0 : err_set(err, ERR_INPUT, "the host refuses to answer");
}

static int close_reply(const struct cbor_reader *r, int more, struct err *err)
{
	return more < 0 || cbor_end(r, err) ? -1 : 0;
}

static int take_level(struct cbor_reader *r, struct advice *a, struct err *err)
{
	static const char *const words[] = {"debug", "info", "warn", "error"};
	const char *p;
	size_t n;

	if (cbor_get_text(r, &p, &n, err))
		return -1;
	for (unsigned i = 0; i < 4; i++)
		if (cbor_text_is(p, n, words[i])) {
			a->log_level = (enum log_level)i;
			return 0;
		}
	return err_set(err, ERR_INPUT, "wants debug, info, warn or error");
}

static int take_number(struct cbor_reader *r, uint64_t *out, struct err *err)
{
	if (cbor_get_uint(r, ADVICE_NUMBER_MAX, out, err))
		return -1;
	return *out ? 0 : err_set(err, ERR_INPUT, "wants a number from 1 on");
}

static int take_member(struct cbor_reader *r, struct advice *a, unsigned *seen, struct err *err)
{
	static const char *const keys[] = {"log_level", "draining", "transaction_sample", "max_connections"};
	const char *p;
	size_t n;
	unsigned i = 0;
	int rc;

	if (cbor_get_text(r, &p, &n, err))
		return -1;
	while (i < 4 && !cbor_text_is(p, n, keys[i]))
		i++;
	if (i == 4) {
		a->unknown++;
		return cbor_skip(r, err);
	}
	if (*seen & 1u << i)
		return err_set(err, ERR_INPUT, "key \"%s\" twice", keys[i]);
	*seen |= 1u << i;
	if (i == 0)
		rc = take_level(r, a, err);
	else if (i == 1)
		rc = cbor_get_bool(r, &a->draining, err);
	else
		rc = take_number(r, i == 2 ? &a->transaction_sample : &a->max_connections, err);
	return rc ? err_prefix(err, "key \"%s\": ", keys[i]) : 0;
}

int advice_read(const void *body, size_t n, struct advice *out, struct err *err)
{
	struct advice a = ADVICE_INIT;
	struct cbor_reader r;
	struct cbor_seq reply, config;
	const char *key;
	size_t len;
	unsigned seen = 0;
	int more;

	if (open_reply(&r, body, n, &reply, err))
		return -1;
	if (cbor_seq_next(&r, &reply, err) <= 0 || cbor_get_text(&r, &key, &len, err) ||
	    !cbor_text_is(key, len, "config") || cbor_get_map(&r, &config, err))
		return err_set(err, ERR_INPUT, "the host's reply has no config");
	while ((more = cbor_seq_next(&r, &config, err)) > 0)
		if (take_member(&r, &a, &seen, err))
			return -1;
	if (more < 0 || close_reply(&r, cbor_seq_next(&r, &reply, err), err))
		return -1;
	*out = a;
	return 0;
}

int advice_read_time(const void *body, size_t n, int64_t *unix_us, struct err *err)
{
	static const char *const keys[] = {"seconds", "nanoseconds"};
	static const uint64_t most[] = {SECONDS_MAX, 999999999};
	uint64_t v[2];
	struct cbor_reader r;
	struct cbor_seq reply;
	const char *key;
	size_t len;

	if (open_reply(&r, body, n, &reply, err))
		return -1;
	for (int i = 0; i < 2; i++)
		if (cbor_seq_next(&r, &reply, err) <= 0 || cbor_get_text(&r, &key, &len, err) ||
		    !cbor_text_is(key, len, keys[i]) || cbor_get_uint(&r, most[i], &v[i], err))
			return err_set(err, ERR_INPUT, "the host's reply has no sound %s", keys[i]);
	if (close_reply(&r, cbor_seq_next(&r, &reply, err), err))
		return -1;
	if (v[0] < SECONDS_MIN)
		return err_set(err, ERR_INPUT, "the host's clock is before 2020");
	*unix_us = (int64_t)v[0] * 1000000 + (int64_t)(v[1] / 1000);
	return 0;
}
