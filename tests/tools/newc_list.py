#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lists a newc archive in the form of testdata/ramdisk/*/customer.tsv, one entry a line:
mode uid gid nlink ino mtime size devmajor devminor rdevmajor rdevminor sha256_of_data name_hex

Usage: newc_list.py FILE"""
import hashlib, sys

data, at = open(sys.argv[1], "rb").read(), 0
while True:
    assert data[at:at + 6] == b"070701", at
    (ino, mode, uid, gid, nlink, mtime, size, dmaj, dmin, rmaj, rmin, namesize, _) = \
        [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
    name = data[at + 110:at + 109 + namesize]
    start = (at + 110 + namesize + 3) & ~3
    body = data[start:start + size]
    at = (start + size + 3) & ~3
    if name == b"TRAILER!!!":
        break
    print("%o" % mode, uid, gid, nlink, ino, mtime, size, dmaj, dmin, rmaj, rmin,
          hashlib.sha256(body).hexdigest() if size else "-", name.hex(), sep="\t")
