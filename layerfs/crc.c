// SPDX-License-Identifier: Apache-2.0
//
// One call to whichever library is there. Both take and give the finished (inverted) form.
//
// n bytes behind a CRC multiply its register by x^8n, modulo the polynomial; that is the first half of what zlib's
// crc32_combine does. Zeros are nothing but that half, on the register itself, which is the inverted CRC.
#include "layerfs/crc.h"

#include <zlib.h>

#if __has_include(<isa-l/crc.h>) && !defined(EIFGEN_NO_ISAL)
#include <isa-l/crc.h>

uint32_t crc_add(uint32_t crc, const void *p, size_t n)
{
	return crc32_gzip_refl(crc, p, n);
}
#else
uint32_t crc_add(uint32_t crc, const void *p, size_t n)
{
	return (uint32_t)crc32_z(crc, p, n);
}
#endif

uint32_t crc_join(uint32_t crc, uint32_t next, uint64_t n)
{
	return (uint32_t)crc32_combine(crc, next, (z_off_t)(n % UINT32_MAX)); // x^8n comes again after 2^32 - 1
}

uint32_t crc_add_zeros(uint32_t crc, uint64_t n)
{
	return n ? ~crc_join(~crc, 0, n) : crc;
}
