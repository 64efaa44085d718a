// SPDX-License-Identifier: Apache-2.0
//
// OpenSSL calls these functions deprecated since 3.0 and ships them all the same; they run the same code as EVP's and,
// unlike EVP's, show the eight words of the state. Nothing else in this room does without EVP.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "pcr/sha384.h"

#include "base/be.h"
#include "base/mem.h"

#include <openssl/sha.h>
#include <string.h>

struct sha384 {
	SHA512_CTX c;
};

struct sha384 *sha384_new(void)
{
	struct sha384 *s = mem_zalloc(1, sizeof(*s), NULL);

	if (s)
		sha384_start(s);
	return s;
}

void sha384_free(struct sha384 *s)
{
	free(s);
}

void sha384_start(struct sha384 *s)
{
	SHA384_Init(&s->c);
}

void sha384_copy(struct sha384 *to, const struct sha384 *from)
{
	*to = *from;
}

void sha384_add(struct sha384 *s, const void *p, size_t n)
{
	SHA384_Update(&s->c, p, n);
}

void sha384_end(struct sha384 *s, uint8_t out[SHA384_DIGEST])
{
	SHA384_Final(out, &s->c);
}

void sha384_save(const struct sha384 *s, uint8_t out[SHA384_STATE])
{
	memset(out, 0, SHA384_STATE);
	for (int i = 0; i < 8; i++)
		put_be64(out + 8 * i, s->c.h[i]);
	put_be64(out + 64, s->c.Nh);
	put_be64(out + 72, s->c.Nl);
	put_be32(out + 80, s->c.num);
	memcpy(out + 84, s->c.u.p, s->c.num);
}

bool sha384_load(struct sha384 *s, const uint8_t in[SHA384_STATE])
{
	uint32_t waiting = get_be32(in + 80);

	if (waiting >= SHA512_CBLOCK || get_be64(in + 72) / 8 % SHA512_CBLOCK != waiting)
		return false;
	SHA384_Init(&s->c);
	for (int i = 0; i < 8; i++)
		s->c.h[i] = get_be64(in + 8 * i);
	s->c.Nh = get_be64(in + 64);
	s->c.Nl = get_be64(in + 72);
	s->c.num = waiting;
	memcpy(s->c.u.p, in + 84, waiting);
	return true;
}
