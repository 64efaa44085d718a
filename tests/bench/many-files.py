#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes to stdout a tar of N small files, a hundred a directory: many-files.py N"""
import io, sys, tarfile


def main():
    n = int(sys.argv[1])
    out = tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.USTAR_FORMAT)
    for i in range(n):
        if i % 100 == 0:
            d = tarfile.TarInfo("data/%03d/%05d" % (i // 100 % 97, i // 100))
            d.type, d.mode, d.mtime = tarfile.DIRTYPE, 0o755, 1700000000
            out.addfile(d)
        text = b"file number %d\n" % i * (1 + i % 13)
        f = tarfile.TarInfo("data/%03d/%05d/file-%07d" % (i // 100 % 97, i // 100, i))
        f.size, f.mode, f.mtime = len(text), 0o644, 1700000000
        out.addfile(f, io.BytesIO(text))
    out.close()


main()
