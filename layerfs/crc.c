// SPDX-License-Identifier: Apache-2.0
//
// One call to whichever library is there. Both take and give the finished (inverted) form.
#include "layerfs/crc.h"

#if __has_include(<isa-l/crc.h>)
#include <isa-l/crc.h>

uint32_t crc_add(uint32_t crc, const void *p, size_t n)
{
	return crc32_gzip_refl(crc, p, n);
}
#else
#include <zlib.h>

uint32_t crc_add(uint32_t crc, const void *p, size_t n)
{
	return (uint32_t)crc32_z(crc, p, n);
}
#endif
