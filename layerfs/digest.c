// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 through OpenSSL's EVP, and the strict reading of digest texts. A struct digester is an EVP_MD_CTX by another
// name, so that users of this header need not know OpenSSL.
#include "layerfs/digest.h"

#include "base/hex.h"
#include "base/io.h"
#include "base/mem.h"

#include <openssl/evp.h>
#include <string.h>

enum { SHA256_SIZE = 32, SHA256_HEX = 64, QUOTE_MAX = 200, PIECE = 128 << 10 };
static const char prefix[] = "sha256:";
enum { PREFIX_LEN = sizeof(prefix) - 1 };

static bool is_lower_hex(const char *s, size_t n)
{
	return strspn(s, "0123456789abcdef") == n && !s[n];
}

int digest_check(const char *text, struct err *err)
{
	char q[QUOTE_MAX];

	if (!strncmp(text, prefix, PREFIX_LEN) && is_lower_hex(text + PREFIX_LEN, SHA256_HEX))
		return 0;
	err_quote(text, strlen(text), q, sizeof(q));
	if (!strncmp(text, "sha512:", 7) || !strncmp(text, "blake3:", 7))
		return err_set(err, ERR_UNSUPPORTED, "digest %s: only sha256 digests are read", q);
	return err_set(err, ERR_INPUT, "%s is no digest (sha256: and 64 lower-case hex digits)", q);
}

int digest_copy(const char *text, char out[DIGEST_TEXT_MAX], struct err *err)
{
	if (digest_check(text, err))
		return -1;
	memcpy(out, text, DIGEST_TEXT_MAX);
	return 0;
}

struct digester *digester_new(struct err *err)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(ctx);
		err_nomem(err);
		return NULL;
	}
	return (struct digester *)ctx;
}

int digester_add(struct digester *d, const void *p, size_t n, struct err *err)
{
	if (EVP_DigestUpdate((EVP_MD_CTX *)d, p, n) != 1)
		return err_set(err, ERR_IO, "OpenSSL's SHA-256 failed");
	return 0;
}

int digester_end(struct digester *d, char out[DIGEST_TEXT_MAX], struct err *err)
{
	unsigned char md[EVP_MAX_MD_SIZE];

	if (EVP_DigestFinal_ex((EVP_MD_CTX *)d, md, NULL) != 1)
		return err_set(err, ERR_IO, "OpenSSL's SHA-256 failed");
	memcpy(out, prefix, PREFIX_LEN);
	hex_encode(md, SHA256_SIZE, out + PREFIX_LEN);
	return 0;
}

// Without a name OpenSSL keeps the digest that it has, and need not look it up again.
int digester_restart(struct digester *d, struct err *err)
{
	if (EVP_DigestInit_ex((EVP_MD_CTX *)d, NULL, NULL) != 1)
		return err_set(err, ERR_IO, "OpenSSL's SHA-256 failed");
	return 0;
}

void digester_free(struct digester *d)
{
	EVP_MD_CTX_free((EVP_MD_CTX *)d);
}

int digest_of(const void *p, size_t n, char out[DIGEST_TEXT_MAX], struct err *err)
{
	_cleanup_digester_ struct digester *d = digester_new(err);

	if (!d || digester_add(d, p, n, err))
		return -1;
	return digester_end(d, out, err);
}

int digester_add_range(struct digester *d, int fd, uint64_t off, uint64_t size, struct err *err)
{
	_cleanup_free_ uint8_t *piece = mem_alloc(PIECE, err);

	if (!piece)
		return -1;
	while (size) {
		size_t n = size < PIECE ? (size_t)size : PIECE;

		if (io_pread_full(fd, piece, n, off, err) || digester_add(d, piece, n, err))
			return -1;
		off += n;
		size -= n;
	}
	return 0;
}

int digest_of_range(int fd, uint64_t off, uint64_t size, char out[DIGEST_TEXT_MAX], struct err *err)
{
	_cleanup_digester_ struct digester *d = digester_new(err);

	return d && !digester_add_range(d, fd, off, size, err) ? digester_end(d, out, err) : -1;
}
