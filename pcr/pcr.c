// SPDX-License-Identifier: Apache-2.0
//
// Three registers in one pass. Up to the end of the first ramdisk PCR0 and PCR1 have hashed the same bytes, so one
// digest runs for both; when a second ramdisk begins its state is copied, and from there
//
//   all     -> PCR0   everything
//   split   -> PCR1   kernel and cmdline sections only (in files of odd order they may still come)
//   others  -> PCR2   the second and later ramdisks
//
// so with one ramdisk PCR1 equals PCR0 and PCR2 is the register of no data at all.
#include "pcr/pcr.h"

#include "base/mem.h"

#include <openssl/evp.h>
#include <string.h>

struct pcr_measure {
	EVP_MD_CTX *all, *split, *others;
	bool has_split;	      // a second ramdisk has begun
	enum pcr_part part;   // of the section that is open
	uint64_t ramdisks;    // begun so far
	uint8_t rest_sha384[PCR_SIZE];
};

static int digest_error(struct err *err)
{
	return err_set(err, ERR_MEMORY, "SHA-384 failed in OpenSSL");
}

static int sha384_pair(const void *a, size_t an, const void *b, size_t bn, uint8_t out[PCR_SIZE], struct err *err)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int ok = md && EVP_DigestInit_ex(md, EVP_sha384(), NULL) && EVP_DigestUpdate(md, a, an) &&
		 EVP_DigestUpdate(md, b, bn) && EVP_DigestFinal_ex(md, out, NULL);

	EVP_MD_CTX_free(md);
	return ok ? 0 : digest_error(err);
}

int pcr_extend(const uint8_t old[PCR_SIZE], const uint8_t digest[PCR_SIZE], uint8_t out[PCR_SIZE], struct err *err)
{
	uint8_t result[PCR_SIZE]; // out may be old

	if (sha384_pair(old, PCR_SIZE, digest, PCR_SIZE, result, err))
		return -1;
	memcpy(out, result, PCR_SIZE);
	return 0;
}

int pcr8_of_der(const void *der, size_t n, uint8_t out[PCR_SIZE], struct err *err)
{
	static const uint8_t zero[PCR_SIZE];
	uint8_t digest[PCR_SIZE];

	if (sha384_pair(der, n, "", 0, digest, err))
		return -1;
	return pcr_extend(zero, digest, out, err);
}

struct pcr_measure *pcr_measure_new(struct err *err)
{
	struct pcr_measure *m = mem_zalloc(1, sizeof(*m), err);

	if (!m)
		return NULL;
	m->all = EVP_MD_CTX_new();
	m->split = EVP_MD_CTX_new();
	m->others = EVP_MD_CTX_new();
	if (!m->all || !m->split || !m->others || !EVP_DigestInit_ex(m->all, EVP_sha384(), NULL) ||
	    !EVP_DigestInit_ex(m->others, EVP_sha384(), NULL)) {
		pcr_measure_free(m);
		digest_error(err);
		return NULL;
	}
	return m;
}

int pcr_measure_section(struct pcr_measure *m, enum pcr_part part, struct err *err)
{
	m->part = part;
	if (part == PCR_RAMDISK && ++m->ramdisks == 2) {
		if (!EVP_MD_CTX_copy_ex(m->split, m->all))
			return digest_error(err);
		m->has_split = true;
	}
	return 0;
}

int pcr_measure_lane(struct pcr_measure *m, enum pcr_lane lane, const void *p, size_t n, struct err *err)
{
	EVP_MD_CTX *md = m->all;

	if (lane == PCR_LANE_REST)
		md = !m->has_split ? NULL : m->part == PCR_RAMDISK ? m->others : m->split;
	return !md || EVP_DigestUpdate(md, p, n) ? 0 : digest_error(err);
}

int pcr_measure_update(struct pcr_measure *m, const void *p, size_t n, struct err *err)
{
	return pcr_measure_lane(m, PCR_LANE_ALL, p, n, err) || pcr_measure_lane(m, PCR_LANE_REST, p, n, err) ? -1 : 0;
}

static int final_register(EVP_MD_CTX *md, uint8_t digest[PCR_SIZE], uint8_t out[PCR_SIZE], struct err *err)
{
	static const uint8_t zero[PCR_SIZE];

	if (!EVP_DigestFinal_ex(md, digest, NULL))
		return digest_error(err);
	return pcr_extend(zero, digest, out, err);
}

int pcr_measure_final(struct pcr_measure *m, struct pcr_values *v, struct err *err)
{
	uint8_t digest[PCR_SIZE];

	if (!m->has_split && !EVP_MD_CTX_copy_ex(m->split, m->all))
		return digest_error(err);
	if (final_register(m->all, digest, v->pcr0, err) || final_register(m->split, digest, v->pcr1, err) ||
	    final_register(m->others, m->rest_sha384, v->pcr2, err))
		return -1;
	return 0;
}

const uint8_t *pcr_measure_rest_sha384(const struct pcr_measure *m)
{
	return m->rest_sha384;
}

void pcr_measure_free(struct pcr_measure *m)
{
	if (!m)
		return;
	EVP_MD_CTX_free(m->all);
	EVP_MD_CTX_free(m->split);
	EVP_MD_CTX_free(m->others);
	free(m);
}
