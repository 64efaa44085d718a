// SPDX-License-Identifier: Apache-2.0
//
// CRC-32 of gzip and EIF files (ISO 3309, reflected), with isa-l's carry-less multiplication where it is installed: a
// tenth of zlib's time.
#ifndef LAYERFS_CRC_H
#define LAYERFS_CRC_H

#include <stddef.h>
#include <stdint.h>

// Goes on from `crc` (0 at the start). Equal to zlib's crc32_z.
uint32_t crc_add(uint32_t crc, const void *p, size_t n);

// Goes on with n zero bytes, or with n bytes whose own CRC is `next`: below a microsecond or so, whatever n is.
uint32_t crc_add_zeros(uint32_t crc, uint64_t n);
uint32_t crc_join(uint32_t crc, uint32_t next, uint64_t n);

#endif
