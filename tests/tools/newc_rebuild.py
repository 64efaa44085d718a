#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a ramdisk again from `eifgen ls FILE.eif --json` (stdin) and the directory that `eifgen extract` made: headers
from the listing alone, only file contents from ramdisk-N.cpio. What comes out equals the ramdisk if the listing is
complete and true. Every sha256 is checked on the way.

Usage: newc_rebuild.py RAMDISK-NUMBER EXTRACT-DIR < LISTING > RAMDISK"""
import hashlib, json, os, sys

TYPES = {"file": 0o100000, "dir": 0o040000, "symlink": 0o120000, "char": 0o020000, "block": 0o060000, "fifo": 0o010000}
number, listing = int(sys.argv[1]), json.load(sys.stdin)
content = open(os.path.join(sys.argv[2], "ramdisk-%d.cpio" % number), "rb").read()
out = bytearray()


def pad(to):
    out.extend(bytes(-len(out) % to))


def emit(name, data, **f):
    dev, rdev = f.get("dev", "0:0").split(":"), f.get("rdev", "0:0").split(":")
    fields = [f["ino"], f.get("mode", 0), f.get("uid", 0), f.get("gid", 0), f["nlink"], f.get("mtime", 0), len(data),
              int(dev[0]), int(dev[1]), int(rdev[0]), int(rdev[1]), len(name) + 1, 0]
    out.extend(b"070701" + b"".join(b"%08x" % v for v in fields) + name + b"\0")
    pad(4)
    out.extend(data)
    pad(4)


def raw(e, key):
    return bytes.fromhex(e[key + "_hex"]) if key + "_hex" in e else e[key].encode()


for e in listing["entries"]:
    if e["ramdisk"] != number:
        continue
    data = b""
    if e["type"] == "symlink":
        data = raw(e, "target")
    elif e["type"] == "file":
        data = content[e["offset"]:e["offset"] + e["size"]]
        assert "sha256" not in e or hashlib.sha256(data).hexdigest() == e["sha256"], e
    assert len(data) == e["size"], e
    emit(raw(e, "path"), data, **dict(e, mode=TYPES[e["type"]] | int(e["mode"], 8)))
emit(b"TRAILER!!!", b"", **next(r for r in listing["ramdisks"] if r["ramdisk"] == number)["trailer"])
pad(512)
sys.stdout.buffer.write(out)
