// SPDX-License-Identifier: Apache-2.0
//
// The CBOR codec against the examples of RFC 8949 appendix A that it covers, and against what must be refused.
#include "base/cbor.h"

#include "base/hex.h"
#include "tests/unit/unit.h"

#include <string.h>

// Decodes hex into a malloc'd block of exactly its size, so that ASan sees any read past the end.
static uint8_t *unhex(const char *text, size_t *n)
{
	*n = strlen(text) / 2;
	uint8_t *p = malloc(*n ? *n : 1);
	ck_assert_int_eq(hex_decode(text, strlen(text), p, *n), 0);
	return p;
}

static int skip_hex(const char *text, unsigned flags)
{
	struct err err = ERR_INIT;
	struct cbor_reader r;
	size_t n;
	uint8_t *p = unhex(text, &n);

	cbor_reader_init(&r, p, n, flags);
	int rc = cbor_skip(&r, &err) || cbor_end(&r, &err) ? -1 : 0;
	free(p);
	return rc;
}

static const char *const sound[] = {
	"00", "17", "1818", "1903e8", "1a000f4240", "1b000000e8d4a51000", "1bffffffffffffffff", "3bffffffffffffffff", "20",
	"3863", "f4", "f5", "f6", "f7", "f0", "f8ff", "f90000", "fa47c35000", "fb3ff199999999999a", "c074323031332d30332d32315432303a30343a30305a",
	"40", "4401020304", "60", "6161", "62c3bc", "63e6b0b4", "64f0908591", "80", "83010203", "8301820203820405", "a0",
	"a201020304", "a26161016162820203", "826161a161626163", "d82076687474703a2f2f7777772e6578616d706c652e636f6d",
};
static const char *const indefinite[] = {
	"5f42010243030405ff", "7f657374726561646d696e67ff", "9fff", "9f018202039f0405ffff", "83018202039f0405ff",
	"bf61610161629f0203ffff", "826161bf61626163ff", "bf6346756ef563416d7421ff", "1800", "190001", "1a00000001",
	"1b0000000000000001", "5800", "9800", "b800",
};
static const char *const broken[] = {
	"", "18", "19ff", "1a000000", "1b00000000000000", "1c", "1d", "1e", "1f", "3f", "dc", "df", "41", "4201", "61",
	"61ff", "62c328", "63eda080", "81", "8201", "a1", "a100", "a20102", "c0", "d8", "f800", "f81f", "f9", "fa000000",
	"fb00000000000000", "ff", "0000", "5bffffffffffffffff", "9bffffffffffffffff", "bbffffffffffffffff",
	"bb8000000000000000", "bb7fffffffffffffff", "5f00ff", "5f6161ff", "5f5f4100ffff", "7f4100ff", "bf00ff", "9f",
	"5f4100", "82ff", "81ff", "bf0000",
};

START_TEST(test_cbor_skip_sound_items_pass_in_both_modes)
{
	for (size_t i = 0; i < sizeof(sound) / sizeof(*sound); i++) {
		ck_assert_msg(skip_hex(sound[i], CBOR_STRICT) == 0, "%s", sound[i]);
		ck_assert_msg(skip_hex(sound[i], CBOR_LENIENT) == 0, "%s", sound[i]);
	}
}
END_TEST

START_TEST(test_cbor_skip_indefinite_or_not_minimal_needs_lenient)
{
	for (size_t i = 0; i < sizeof(indefinite) / sizeof(*indefinite); i++) {
		ck_assert_msg(skip_hex(indefinite[i], CBOR_STRICT) == -1, "%s", indefinite[i]);
		ck_assert_msg(skip_hex(indefinite[i], CBOR_LENIENT) == 0, "%s", indefinite[i]);
	}
}
END_TEST

START_TEST(test_cbor_skip_broken_items_are_refused_in_both_modes)
{
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
		ck_assert_msg(skip_hex(broken[i], CBOR_STRICT) == -1, "%s", broken[i]);
		ck_assert_msg(skip_hex(broken[i], CBOR_LENIENT) == -1, "%s", broken[i]);
	}
}
END_TEST

START_TEST(test_cbor_skip_depth_is_capped)
{
	struct err err = ERR_INIT;
	uint8_t deep[CBOR_MAX_DEPTH + 2];
	struct cbor_reader r;

	memset(deep, 0x81, sizeof(deep));
	deep[CBOR_MAX_DEPTH] = 0;
	cbor_reader_init(&r, deep, CBOR_MAX_DEPTH + 1, CBOR_STRICT);
	assert_ok(cbor_skip(&r, &err));
	deep[CBOR_MAX_DEPTH] = 0x81;
	deep[CBOR_MAX_DEPTH + 1] = 0;
	cbor_reader_init(&r, deep, CBOR_MAX_DEPTH + 2, CBOR_STRICT);
	ck_assert_int_eq(cbor_skip(&r, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "nested too deeply"));
}
END_TEST

START_TEST(test_cbor_get_each_type_reads_back_what_was_put)
{
	struct err err = ERR_INIT;
	_cleanup_buf_ struct buf b = BUF_INIT(0);
	struct cbor_reader r;
	struct cbor_seq seq;
	const uint8_t *p;
	const char *s;
	size_t n;
	uint64_t u;
	int64_t i;
	bool t;

	cbor_put_map(&b, 2, &err);
	cbor_put_text(&b, "k\xc3\xbc", &err);
	cbor_put_array(&b, 6, &err);
	cbor_put_uint(&b, UINT64_MAX, &err);
	cbor_put_int(&b, INT64_MIN, &err);
	cbor_put_int(&b, 24, &err);
	cbor_put_bool(&b, true, &err);
	cbor_put_null(&b, &err);
	cbor_put_tag(&b, 18, &err);
	cbor_put_bytes(&b, "\0\1", 2, &err);
	cbor_put_text(&b, "", &err);
	cbor_put_array(&b, 0, &err);

	cbor_reader_init(&r, b.data, b.len, CBOR_STRICT);
	assert_ok(cbor_get_map(&r, &seq, &err));
	ck_assert_uint_eq(seq.left, 2);
	ck_assert_int_eq(cbor_seq_next(&r, &seq, &err), 1);
	assert_ok(cbor_get_text(&r, &s, &n, &err));
	ck_assert(cbor_text_is(s, n, "k\xc3\xbc") && !cbor_text_is(s, n, "k"));
	struct cbor_seq inner;
	assert_ok(cbor_get_array(&r, &inner, &err));
	ck_assert_uint_eq(inner.left, 6);
	assert_ok(cbor_get_uint(&r, UINT64_MAX, &u, &err));
	ck_assert(u == UINT64_MAX);
	assert_ok(cbor_get_int(&r, &i, &err));
	ck_assert(i == INT64_MIN);
	ck_assert_int_eq(cbor_get_uint(&(struct cbor_reader){r.start, r.p, r.end, 0}, 23, &u, &err), -1);
	assert_ok(cbor_get_uint(&r, 24, &u, &err));
	assert_ok(cbor_get_bool(&r, &t, &err));
	ck_assert(t);
	ck_assert(cbor_take_null(&r) && !cbor_take_null(&r));
	struct cbor_item item;
	assert_ok(cbor_next(&r, &item, &err));
	ck_assert(item.type == CBOR_TAG && item.value == 18);
	assert_ok(cbor_get_bytes(&r, &p, &n, &err));
	ck_assert(n == 2 && p[1] == 1);
	ck_assert_int_eq(cbor_seq_next(&r, &seq, &err), 1);
	ck_assert_int_eq(cbor_get_bytes(&(struct cbor_reader){r.start, r.p, r.end, 0}, &p, &n, &err), -1);
	assert_ok(cbor_get_text(&r, &s, &n, &err));
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(cbor_end(&r, &err), -1);
	assert_ok(cbor_skip(&r, &err));
	ck_assert_int_eq(cbor_seq_next(&r, &seq, &err), 0);
	assert_ok(cbor_end(&r, &err));
	ck_assert_int_eq(cbor_next(&r, &item, &err), -1);
}
END_TEST

START_TEST(test_cbor_put_heads_are_minimal)
{
	static const struct {
		uint64_t v;
		const char *hex;
	} rows[] = {{0, "00"},
		    {23, "17"},
		    {24, "1818"},
		    {255, "18ff"},
		    {256, "190100"},
		    {65535, "19ffff"},
		    {65536, "1a00010000"},
		    {UINT32_MAX, "1affffffff"},
		    {(uint64_t)UINT32_MAX + 1, "1b0000000100000000"},
		    {UINT64_MAX, "1bffffffffffffffff"}};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		_cleanup_buf_ struct buf b = BUF_INIT(0);
		char hex[32];

		assert_ok(cbor_put_uint(&b, rows[i].v, &err));
		ck_assert_str_eq(hex_encode(b.data, b.len, hex), rows[i].hex);
	}
}
END_TEST

START_TEST(test_cbor_read_string_indefinite_chunks_are_joined_up_to_the_ceiling)
{
	struct err err = ERR_INIT;
	_cleanup_buf_ struct buf out = BUF_INIT(5);
	struct cbor_reader r;
	size_t n;
	uint8_t *p = unhex("5f42010243030405ff", &n);

	cbor_reader_init(&r, p, n, CBOR_LENIENT);
	assert_ok(cbor_read_string(&r, CBOR_BYTES, &out, &err));
	ck_assert(out.len == 5 && !memcmp(out.data, "\1\2\3\4\5", 5));
	cbor_reader_init(&r, p, n, CBOR_LENIENT);
	ck_assert_int_eq(cbor_read_string(&r, CBOR_BYTES, &out, &err), -1); // past the ceiling of 5
	ck_assert_int_eq(err.class, ERR_LIMIT);
	cbor_reader_init(&r, p, n, CBOR_LENIENT);
	ck_assert_int_eq(cbor_read_string(&r, CBOR_TEXT, &out, &err), -1);
	free(p);
}
END_TEST

START_TEST(test_cbor_seq_next_indefinite_ends_at_its_break)
{
	struct err err = ERR_INIT;
	struct cbor_reader r;
	struct cbor_seq seq;
	uint64_t v, sum = 0;
	size_t n;
	uint8_t *p = unhex("9f010203ff", &n);

	cbor_reader_init(&r, p, n, CBOR_LENIENT);
	assert_ok(cbor_get_array(&r, &seq, &err));
	while (cbor_seq_next(&r, &seq, &err) > 0) {
		assert_ok(cbor_get_uint(&r, 3, &v, &err));
		sum += v;
	}
	ck_assert_uint_eq(sum, 6);
	ck_assert_int_eq(cbor_seq_next(&r, &seq, &err), 0);
	assert_ok(cbor_end(&r, &err));
	cbor_reader_init(&r, p, n - 1, CBOR_LENIENT);
	assert_ok(cbor_get_array(&r, &seq, &err));
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(cbor_seq_next(&r, &seq, &err), 1);
		assert_ok(cbor_skip(&r, &err));
	}
	ck_assert_int_eq(cbor_seq_next(&r, &seq, &err), -1);
	free(p);
}
END_TEST

START_TEST(test_cbor_read_ints_a_byte_each_up_to_the_ceiling)
{
	static const struct {
		const char *hex;
		unsigned flags;
		int rc;
	} rows[] = {
		{"83001818ff", CBOR_STRICT, -1},    {"8300181818ff", CBOR_STRICT, 0}, {"9f00181818ffff", CBOR_LENIENT, 0},
		{"9f00181818ffff", CBOR_STRICT, -1}, {"83001818190100", CBOR_STRICT, -1}, {"83002018ff", CBOR_STRICT, -1},
		{"8400181818ff00", CBOR_STRICT, -1}, {"43001818", CBOR_STRICT, -1}, {"9f00181818ff", CBOR_LENIENT, -1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf out = BUF_INIT(3); // three bytes, not four
		struct cbor_reader r;
		struct err err = ERR_INIT;
		size_t n;
		uint8_t *p = unhex(rows[i].hex, &n);

		cbor_reader_init(&r, p, n, rows[i].flags);
		ck_assert_msg(cbor_read_ints(&r, &out, &err) == rows[i].rc, "row %zu: %s", i, err.msg);
		ck_assert(rows[i].rc || (out.len == 3 && !memcmp(out.data, "\x00\x18\xff", 3) && cbor_at_end(&r)));
		buf_free(&out);
		free(p);
	}
}
END_TEST

UNIT_MAIN("base/cbor", ADD(test_cbor_read_ints_a_byte_each_up_to_the_ceiling) ADD(test_cbor_skip_sound_items_pass_in_both_modes)
	ADD(test_cbor_skip_indefinite_or_not_minimal_needs_lenient)
	ADD(test_cbor_skip_broken_items_are_refused_in_both_modes) ADD(test_cbor_skip_depth_is_capped)
	ADD(test_cbor_get_each_type_reads_back_what_was_put) ADD(test_cbor_put_heads_are_minimal)
	ADD(test_cbor_read_string_indefinite_chunks_are_joined_up_to_the_ceiling)
	ADD(test_cbor_seq_next_indefinite_ends_at_its_break))
