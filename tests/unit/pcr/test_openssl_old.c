// SPDX-License-Identifier: Apache-2.0
//
// RFC 6979 appendix A.2.5 to A.2.7: the published signatures of "sample" and "test", each curve with the digest that
// COSE gives it.
#include "pcr/openssl_old.h"

#include "base/hex.h"
#include "pcr/cert.h"
#include "tests/unit/unit.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <string.h>
#include <strings.h>

static const struct {
	int64_t alg;
	const char *x, *message, *r, *s;
} rows[] = {
	{COSE_ES256, "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721", "sample",
	 "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
	 "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"},
	{COSE_ES256, "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721", "test",
	 "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367",
	 "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083"},
	{COSE_ES384,
	 "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5", "sample",
	 "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46",
	 "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8"},
	{COSE_ES384,
	 "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5", "test",
	 "8203B63D3C853E8D77227FB377BCF7B7B772E97892A80F36AB775D509D7A5FEB0542A7F0812998DA8F1DD3CA3CF023DB",
	 "DDD0760448D42D8A43AF45AF836FCE4DE8BE06B485E9B61B827C2F13173923E06A739F040649A667BF3B828246BAA5A5"},
	{COSE_ES512,
	 "00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75CAA896EB32F1F47C70855836A6D16FCC1466F6D8FBEC67DB"
	 "89EC0C08B0E996B83538",
	 "sample",
	 "00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450606ADD152B534931D7D4E8455CC9"
	 "1F9B15BF05EC36E377FA",
	 "00617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF282623EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC"
	 "43997F1EE0E44DA4A67A"},
	{COSE_ES512,
	 "00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75CAA896EB32F1F47C70855836A6D16FCC1466F6D8FBEC67DB"
	 "89EC0C08B0E996B83538",
	 "test",
	 "013E99020ABF5CEE7525D16B69B229652AB6BDF2AFFCAEF38773B4B7D08725F10CDB93482FDCC54EDCEE91ECA4166B2A7C6265EF0CE2BD70"
	 "51B7CEF945BABD47EE6D",
	 "01FBD0013C674AA79CB39849527916CE301C66EA7CE8B80682786AD60F98F7E78A19CA69EFF5C57400E3B3A0AD66CE0978214D13BAF4E9AC"
	 "60752F7B155E2DE4DCE3"},
};

static EVP_PKEY *key_of(const struct cose_alg *alg, const char *hex)
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(alg->nid);
	EC_POINT *point = EC_POINT_new(group);
	BIGNUM *x = NULL;
	unsigned char pub[200];
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;

	BN_hex2bn(&x, hex);
	EC_POINT_mul(group, point, x, NULL, NULL, NULL);
	size_t n = EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, pub, sizeof(pub), NULL);
	OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, OBJ_nid2sn(alg->nid), 0);
	OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, pub, n);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, x);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_fromdata_init(ctx);
	ck_assert_int_eq(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	EC_POINT_free(point);
	EC_GROUP_free(group);
	BN_free(x);
	return key;
}

START_TEST(test_ecdsa_sign_rfc6979_published_vectors_come_out)
{
	struct err err = ERR_INIT;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct cose_alg *alg = cose_alg_of_id(rows[i].alg);
		_cleanup_pkey_ EVP_PKEY *key = key_of(alg, rows[i].x);
		uint8_t digest[EVP_MAX_MD_SIZE], rs[COSE_SIGNATURE_MAX];
		char want[4 * 66 + 1], have[4 * 66 + 1];

		ck_assert_ptr_eq(cose_alg_of_key(key, &err), alg);
		ck_assert(key_is_local(key));
		EVP_Digest(rows[i].message, strlen(rows[i].message), digest, NULL, alg->md(), NULL);
		assert_ok(ecdsa_sign_rfc6979(key, alg, digest, rs, &err));
		snprintf(want, sizeof(want), "%s%s", rows[i].r, rows[i].s);
		hex_encode(rs, 2 * alg->n, have);
		ck_assert_msg(!strcasecmp(want, have), "row %zu: %s", i, have);
	}
}
END_TEST

START_TEST(test_cose_sign1_verify_signs_and_refuses_every_flipped_bit)
{
	struct err err = ERR_INIT;
	const struct cose_alg *alg = cose_alg_of_id(COSE_ES256);
	_cleanup_pkey_ EVP_PKEY *key = key_of(alg, rows[0].x);
	_cleanup_buf_ struct buf tbs = BUF_INIT(0), message = BUF_INIT(0);
	uint8_t digest[EVP_MAX_MD_SIZE], rs[COSE_SIGNATURE_MAX];

	assert_ok(cose_to_be_signed(alg, "payload", 7, &tbs, digest, &err));
	assert_ok(ecdsa_sign_rfc6979(key, alg, digest, rs, &err));
	assert_ok(cose_sign1_write(alg, "payload", 7, rs, &message, &err));
	for (size_t bit = 0; bit <= 8 * message.len; bit++) { // the last round flips none
		struct cose_sign1 c = COSE_SIGN1_INIT;

		if (bit < 8 * message.len)
			message.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		int rc = cose_sign1_parse(&c, message.data, message.len, COSE_FORM_STRICT, &err) ||
			 cose_sign1_verify(&c, key, &err);
		ck_assert_msg((rc == 0) == (bit == 8 * message.len), "bit %zu", bit);
		cose_sign1_free(&c);
		if (bit < 8 * message.len)
			message.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}
END_TEST

START_TEST(test_cose_signature_from_any_der_becomes_fixed_width)
{
	struct err err = ERR_INIT;
	const struct cose_alg *alg = cose_alg_of_id(COSE_ES256);
	uint8_t out[COSE_SIGNATURE_MAX], small[] = {0x30, 6, 2, 1, 5, 2, 1, 7};

	assert_ok(cose_signature_from_any(alg, small, sizeof(small), out, &err));
	ck_assert(out[31] == 5 && out[63] == 7 && out[0] == 0);
	ck_assert_int_eq(cose_signature_from_any(alg, small, sizeof(small) - 1, out, &err), -1);
	ck_assert_int_eq(cose_signature_from_any(alg, "", 0, out, &err), -1);
}
END_TEST

UNIT_MAIN("pcr/openssl_old", ADD(test_ecdsa_sign_rfc6979_published_vectors_come_out)
	ADD(test_cose_sign1_verify_signs_and_refuses_every_flipped_bit)
	ADD(test_cose_signature_from_any_der_becomes_fixed_width))
