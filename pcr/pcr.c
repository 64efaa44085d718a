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

#include "base/be.h"
#include "base/mem.h"
#include "pcr/sha384.h"

#include <openssl/evp.h>
#include <string.h>

struct pcr_measure {
	struct sha384 *all, *split, *others;
	bool has_split;	      // a second ramdisk has begun
	enum pcr_part part;   // of the section that is open
	uint64_t ramdisks;    // begun so far
	uint8_t rest_sha384[PCR_SIZE];
};

const uint8_t *pcr_value(const struct pcr_values *v, unsigned index)
{
	switch (index) {
	case 0:
		return v->pcr0;
	case 1:
		return v->pcr1;
	case 2:
		return v->pcr2;
	case 8:
		return v->has_pcr8 ? v->pcr8 : NULL;
	default:
		return NULL;
	}
}

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
	m->all = sha384_new();
	m->split = sha384_new();
	m->others = sha384_new();
	if (!m->all || !m->split || !m->others) {
		pcr_measure_free(m);
		err_nomem(err);
		return NULL;
	}
	return m;
}

int pcr_measure_section(struct pcr_measure *m, enum pcr_part part, struct err *err)
{
	(void)err;
	m->part = part;
	if (part == PCR_RAMDISK && ++m->ramdisks == 2) {
		sha384_copy(m->split, m->all);
		m->has_split = true;
	}
	return 0;
}

int pcr_measure_lane(struct pcr_measure *m, enum pcr_lane lane, const void *p, size_t n, struct err *err)
{
	struct sha384 *md = m->all;

	(void)err;
	if (lane == PCR_LANE_REST)
		md = !m->has_split ? NULL : m->part == PCR_RAMDISK ? m->others : m->split;
	if (md)
		sha384_add(md, p, n);
	return 0;
}

int pcr_measure_update(struct pcr_measure *m, const void *p, size_t n, struct err *err)
{
	return pcr_measure_lane(m, PCR_LANE_ALL, p, n, err) || pcr_measure_lane(m, PCR_LANE_REST, p, n, err) ? -1 : 0;
}

static int final_register(struct sha384 *md, uint8_t digest[PCR_SIZE], uint8_t out[PCR_SIZE], struct err *err)
{
	static const uint8_t zero[PCR_SIZE];

	sha384_end(md, digest);
	return pcr_extend(zero, digest, out, err);
}

int pcr_measure_final(struct pcr_measure *m, struct pcr_values *v, struct err *err)
{
	uint8_t digest[PCR_SIZE];

	if (!m->has_split)
		sha384_copy(m->split, m->all);
	if (final_register(m->all, digest, v->pcr0, err) || final_register(m->split, digest, v->pcr1, err) ||
	    final_register(m->others, m->rest_sha384, v->pcr2, err))
		return -1;
	return 0;
}

// all | split | others | has_split | part | ramdisks
void pcr_measure_save_lane(const struct pcr_measure *m, enum pcr_lane lane, uint8_t out[PCR_MEASURE_STATE])
{
	_Static_assert(PCR_MEASURE_STATE == 3 * SHA384_STATE + 10, "three digests, two bytes, a count");
	if (lane == PCR_LANE_ALL) {
		sha384_save(m->all, out);
		return;
	}
	sha384_save(m->split, out + SHA384_STATE);
	sha384_save(m->others, out + 2 * SHA384_STATE);
	out += 3 * SHA384_STATE;
	out[0] = m->has_split;
	out[1] = (uint8_t)m->part;
	put_be64(out + 2, m->ramdisks);
}

void pcr_measure_save(const struct pcr_measure *m, uint8_t out[PCR_MEASURE_STATE])
{
	pcr_measure_save_lane(m, PCR_LANE_ALL, out);
	pcr_measure_save_lane(m, PCR_LANE_REST, out);
}

int pcr_measure_load(struct pcr_measure *m, const uint8_t in[PCR_MEASURE_STATE], struct err *err)
{
	const uint8_t *rest = in + 3 * SHA384_STATE;

	if (!sha384_load(m->all, in) || !sha384_load(m->split, in + SHA384_STATE) ||
	    !sha384_load(m->others, in + 2 * SHA384_STATE) || rest[0] > 1 || rest[1] > PCR_RAMDISK)
		return err_set(err, ERR_INPUT, "no state of a measurement");
	m->has_split = rest[0];
	m->part = (enum pcr_part)rest[1];
	m->ramdisks = get_be64(rest + 2);
	return 0;
}

int pcr_measure_so_far(const struct pcr_measure *m, uint8_t out[PCR_SIZE], struct err *err)
{
	struct sha384 *copy = sha384_new();

	if (!copy)
		return err_nomem(err);
	sha384_copy(copy, m->all);
	sha384_end(copy, out);
	sha384_free(copy);
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
	sha384_free(m->all);
	sha384_free(m->split);
	sha384_free(m->others);
	free(m);
}
