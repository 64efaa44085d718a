// SPDX-License-Identifier: Apache-2.0
//
// The digest of what was presented is compared, never the key itself, so timing could only speak of digests; the
// comparison is constant in time all the same, over all entries.
#include "runtime/data-plane/apikey.h"

#include "base/hex.h"
#include "base/io.h"
#include "base/mem.h"
#include "runtime/common/secret.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

struct apikeys {
	size_t n;
	uint8_t digests[APIKEY_MAX][SHA512_DIGEST_LENGTH];
};

static int add_line(struct apikeys *k, const char *line, size_t n, size_t number, struct err *err)
{
	while (n && (line[n - 1] == '\r' || line[n - 1] == ' '))
		n--;
	if (n == 0 || line[0] == '#')
		return 0;
	if (k->n == APIKEY_MAX)
		return err_set(err, ERR_LIMIT, "line %zu: more than %d digests", number, APIKEY_MAX);
	if (n != 2 * SHA512_DIGEST_LENGTH || hex_decode(line, n, k->digests[k->n], SHA512_DIGEST_LENGTH))
		return err_set(err, ERR_INPUT, "line %zu: wants a SHA-512 in hex (%d digits)", number,
			       2 * SHA512_DIGEST_LENGTH);
	k->n++;
	return 0;
}

static int read_lines(struct apikeys *k, const struct buf *b, struct err *err)
{
	const char *p = (const char *)b->data, *end = p + b->len;

	for (size_t number = 1; p < end; number++) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		const char *stop = lf ? lf : end;

		if (add_line(k, p, (size_t)(stop - p), number, err))
			return -1;
		p = lf ? lf + 1 : end;
	}
	return k->n ? 0 : err_set(err, ERR_INPUT, "no digest in it");
}

struct apikeys *apikeys_load(const char *path, struct err *err)
{
	_cleanup_buf_ struct buf b = BUF_INIT(APIKEY_FILE_MAX);
	struct apikeys *k;

	if (io_slurp(path, APIKEY_FILE_MAX, &b, err))
		return NULL;
	k = mem_zalloc(1, sizeof(*k), err);
	if (k && read_lines(k, &b, err)) {
		err_prefix(err, "API keys %s: ", path);
		apikeys_free(k);
		return NULL;
	}
	return k;
}

void apikeys_free(struct apikeys *k)
{
	free(k);
}

bool apikeys_admit(const struct apikeys *k, const struct http1_head *rq)
{
	uint8_t digest[SHA512_DIGEST_LENGTH];
	size_t count;
	const struct http1_field *f = http1_find(rq, "api-key", &count);
	unsigned found = 0;

	if (count != 1 || f->value.n == 0 || f->value.n > APIKEY_MAX)
		return false;
	SHA512((const unsigned char *)f->value.p, f->value.n, digest);
	for (size_t i = 0; i < k->n; i++)
		found |= CRYPTO_memcmp(digest, k->digests[i], sizeof(digest)) == 0;
	secret_wipe(digest, sizeof(digest));
	return found != 0;
}
