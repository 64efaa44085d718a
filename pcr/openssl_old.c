// SPDX-License-Identifier: Apache-2.0
//
// RFC 6979 3.2 over HMAC with the digest's own hash H, q the group's order, qlen its bits, x the key, h1 the digest:
//
//   K = 00…00, V = 01…01
//   K = HMAC_K(V || 00 || int2octets(x) || bits2octets(h1)), V = HMAC_K(V); once more with 01 for 00
//   until 1 <= k < q:  T = HMAC_K(V) || …  of qlen bits, k = bits2int(T)      (else K = HMAC_K(V || 00), V = HMAC_K(V))
//
// The inverse of k is k^(q-2) mod q by constant-time exponentiation (q is prime), so that no branch depends on k.
// ECDSA_do_sign_ex takes the inverse and r = (kG).x mod q, and blinds the rest itself.
#define OPENSSL_API_COMPAT 0x10100000L

#include "pcr/openssl_old.h"

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/mem.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/ui.h>
#include <string.h>

enum {
	HASH_MAX = 64,	// SHA-512
	ORDER_MAX = 66, // bytes of P-521's order
	TRIES = 64,	// candidates for k: each is out of range with a probability below 2^-30 on these curves
};

bool key_is_local(EVP_PKEY *key)
{
	const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key);

	// An engine's key holds a placeholder for the private number, and methods of its own.
	return ec && EC_KEY_get_method(ec) == EC_KEY_OpenSSL() && EC_KEY_get0_private_key(ec);
}

struct drbg {
	const EVP_MD *md;
	int len; // of the hash
	uint8_t k[HASH_MAX], v[HASH_MAX];
};

// K = HMAC_K(V || tag || seed) unless tag < 0, then V = HMAC_K(V).
static bool drbg_step(struct drbg *d, int tag, const uint8_t *seed, size_t seed_len)
{
	uint8_t in[HASH_MAX + 1 + 2 * ORDER_MAX], out[HASH_MAX];
	size_t n = (size_t)d->len;

	if (tag >= 0) {
		memcpy(in, d->v, n);
		in[n++] = (uint8_t)tag;
		if (seed_len)
			memcpy(in + n, seed, seed_len);
		if (!HMAC(d->md, d->k, d->len, in, n + seed_len, out, NULL))
			return false;
		memcpy(d->k, out, (size_t)d->len);
		OPENSSL_cleanse(in, sizeof(in));
	}
	if (!HMAC(d->md, d->k, d->len, d->v, (size_t)d->len, out, NULL))
		return false;
	memcpy(d->v, out, (size_t)d->len);
	OPENSSL_cleanse(out, sizeof(out));
	return true;
}

// The leftmost qlen bits of n bytes as a number (RFC 6979 2.3.2).
static bool bits2int(const uint8_t *p, size_t n, int qlen, BIGNUM *out)
{
	int surplus = (int)n * 8 - qlen;

	return BN_bin2bn(p, (int)n, out) && (surplus <= 0 || BN_rshift(out, out, surplus));
}

static bool drbg_seed(struct drbg *d, const BIGNUM *x, const BIGNUM *q, const uint8_t *digest, size_t digest_len,
		      BN_CTX *ctx)
{
	int qbytes = BN_num_bytes(q);
	uint8_t seed[2 * ORDER_MAX];
	BIGNUM *h = BN_CTX_get(ctx);
	bool ok = h && bits2int(digest, digest_len, BN_num_bits(q), h) && BN_nnmod(h, h, q, ctx) &&
		  BN_bn2binpad(x, seed, qbytes) == qbytes && BN_bn2binpad(h, seed + qbytes, qbytes) == qbytes;

	memset(d->k, 0, sizeof(d->k));
	memset(d->v, 1, sizeof(d->v));
	ok = ok && drbg_step(d, 0, seed, 2 * (size_t)qbytes) && drbg_step(d, 1, seed, 2 * (size_t)qbytes);
	OPENSSL_cleanse(seed, sizeof(seed));
	return ok;
}

static bool next_nonce(struct drbg *d, const BIGNUM *q, BIGNUM *k)
{
	uint8_t t[ORDER_MAX + HASH_MAX];
	size_t want = (size_t)BN_num_bytes(q);

	for (int i = 0; i < TRIES; i++) {
		size_t have = 0;

		for (; have < want; have += (size_t)d->len) {
			if (!drbg_step(d, -1, NULL, 0))
				return false;
			memcpy(t + have, d->v, (size_t)d->len);
		}
		if (!bits2int(t, want, BN_num_bits(q), k))
			return false;
		OPENSSL_cleanse(t, sizeof(t));
		if (!BN_is_zero(k) && BN_cmp(k, q) < 0)
			return true;
		if (!drbg_step(d, 0, NULL, 0))
			return false;
	}
	return false;
}

// kinv = k^(q-2) mod q; r = (k * G).x mod q.
static bool nonce_values(const EC_GROUP *group, const BIGNUM *q, BIGNUM *k, BIGNUM *kinv, BIGNUM *r, BN_CTX *ctx)
{
	BIGNUM *e = BN_CTX_get(ctx);
	BN_MONT_CTX *mont = BN_MONT_CTX_new();
	EC_POINT *point = EC_POINT_new(group);
	bool ok;

	BN_set_flags(k, BN_FLG_CONSTTIME);
	ok = e && mont && point && BN_MONT_CTX_set(mont, q, ctx) && BN_copy(e, q) && BN_sub_word(e, 2) &&
	     BN_mod_exp_mont_consttime(kinv, k, e, q, ctx, mont) && EC_POINT_mul(group, point, k, NULL, NULL, ctx) &&
	     EC_POINT_get_affine_coordinates(group, point, r, NULL, ctx) && BN_nnmod(r, r, q, ctx) && !BN_is_zero(r);
	EC_POINT_free(point);
	BN_MONT_CTX_free(mont);
	return ok;
}

static bool sign(EC_KEY *ec, const struct cose_alg *alg, const uint8_t *digest, uint8_t *out, BN_CTX *ctx)
{
	struct drbg d = {.md = alg->md(), .len = (int)alg->digest_len};
	const EC_GROUP *group = EC_KEY_get0_group(ec);
	const BIGNUM *q = EC_GROUP_get0_order(group);
	BIGNUM *k = BN_secure_new(), *kinv = BN_secure_new(), *r = BN_CTX_get(ctx);
	ECDSA_SIG *sig = NULL;
	bool ok = k && kinv && r &&
		  drbg_seed(&d, EC_KEY_get0_private_key(ec), q, digest, alg->digest_len, ctx) && next_nonce(&d, q, k) &&
		  nonce_values(group, q, k, kinv, r, ctx);

	if (ok)
		sig = ECDSA_do_sign_ex(digest, (int)alg->digest_len, kinv, r, ec);
	ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, (int)alg->n) >= 0 &&
	     BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + alg->n, (int)alg->n) >= 0;
	ECDSA_SIG_free(sig);
	BN_clear_free(k);
	BN_clear_free(kinv);
	OPENSSL_cleanse(&d, sizeof(d));
	return ok;
}

int ecdsa_sign_rfc6979(EVP_PKEY *key, const struct cose_alg *alg, const uint8_t *digest, uint8_t *out, struct err *err)
{
	EC_KEY *ec = EVP_PKEY_get1_EC_KEY(key);
	BN_CTX *ctx = BN_CTX_secure_new();
	bool ok = false;

	if (ec && ctx) {
		BN_CTX_start(ctx);
		ok = sign(ec, alg, digest, out, ctx);
		BN_CTX_end(ctx);
	}
	BN_CTX_free(ctx);
	EC_KEY_free(ec);
	ERR_clear_error();
	return ok ? 0 : err_set(err, ERR_UNSUPPORTED, "OpenSSL refused to sign with this key");
}

// ---- tokens --------------------------------------------------------------------------------------------------------

static void free_secret(char **text)
{
	if (*text)
		OPENSSL_cleanse(*text, strlen(*text));
	free(*text);
}
#define _cleanup_secret_ __attribute__((cleanup(free_secret)))

// %XX becomes its byte, in place. False for what is no such thing, and for a NUL.
static bool percent_decode(char *text)
{
	char *out = text;

	for (const char *in = text; *in; in++) {
		*out = *in;
		if (*in == '%') {
			if (strnlen(in, 3) < 3 || hex_decode(in + 1, 2, out, 1) || !*out)
				return false;
			in += 2;
		}
		out++;
	}
	memset(out, 0, strlen(out));
	return true;
}

// The value of a query attribute of the URI ("module-path=/x" behind '?' or '&'; RFC 7512 2.4), decoded; *out stays
// NULL if it is absent. The caller frees it.
static int query_attribute(const char *uri, const char *name, char **out, struct err *err)
{
	size_t n = strlen(name);

	for (const char *p = strchr(uri, '?'); p; p = strchr(p, '&')) {
		p++;
		if (strncmp(p, name, n) != 0 || p[n] != '=')
			continue;
		*out = mem_dup(p + n + 1, strcspn(p + n + 1, "&"), err);
		if (!*out)
			return -1;
		return percent_decode(*out) ? 0 : err_set(err, ERR_USAGE, "%s is not percent-encoded", name);
	}
	return 0;
}

static int pkcs11_error(struct err *err, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code), *data = NULL;
	int flags = 0;

	ERR_peek_last_error_data(&data, &flags);
	err_set(err, ERR_INPUT, "%s%s%s%s%s", what, reason ? ": " : "", reason ? reason : "",
		data && *data && (flags & ERR_TXT_STRING) ? ": " : "", data && (flags & ERR_TXT_STRING) ? data : "");
	ERR_clear_error();
	return -1;
}

static int ctrl(ENGINE *e, const char *cmd, const char *value, const char *what, struct err *err)
{
	return ENGINE_ctrl_cmd_string(e, cmd, value, 0) ? 0 : pkcs11_error(err, what);
}

// The engine knows only the URI's path; what stands in its query is told to it by commands.
static int set_up_engine(ENGINE *e, const char *uri, const char *pin, struct err *err)
{
	_cleanup_secret_ char *module = NULL, *value = NULL, *source = NULL;

	if (query_attribute(uri, "module-path", &module, err) || query_attribute(uri, "pin-value", &value, err) ||
	    query_attribute(uri, "pin-source", &source, err))
		return -1;
	if (source)
		return err_set(err, ERR_UNSUPPORTED, "pin-source is not read: name the file by --passphrase-file");
	if (ctrl(e, "QUIET", NULL, "QUIET", err) || // it would write to stderr itself
	    (module && ctrl(e, "MODULE_PATH", module, "PKCS#11 module", err)))
		return -1;
	return value || pin ? ctrl(e, "PIN", value ? value : pin, "PIN", err) : 0;
}

static EVP_PKEY *load_from_engine(ENGINE *e, const char *uri, const char *pin, struct err *err)
{
	_cleanup_free_ char *path = mem_strdup(uri, err);
	UI_METHOD *mute = NULL; // a method without functions: nothing is ever asked on a terminal
	EVP_PKEY *key = NULL;

	if (!path || set_up_engine(e, uri, pin, err))
		return NULL;
	path[strcspn(path, "?")] = '\0';
	if (!ENGINE_init(e)) {
		pkcs11_error(err, "the engine pkcs11 does not start");
		return NULL;
	}
	mute = UI_create_method("mute");
	key = mute ? ENGINE_load_private_key(e, path, mute, NULL) : NULL;
	UI_destroy_method(mute);
	if (!key)
		pkcs11_error(err, "no such private key in a token, or its PIN is wrong");
	ENGINE_finish(e);
	return key;
}

EVP_PKEY *key_from_pkcs11(const char *uri, const char *pin, struct err *err)
{
	EVP_PKEY *key = NULL;
	ENGINE *e;

	ENGINE_load_dynamic();
	e = ENGINE_by_id("pkcs11");
	if (e) {
		key = load_from_engine(e, uri, pin, err);
		ENGINE_free(e);
	} else {
		err_set(err, ERR_UNSUPPORTED, "the engine pkcs11 is missing: install libengine-pkcs11-openssl");
	}
	ERR_clear_error();
	return key;
}
