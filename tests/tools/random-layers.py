#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the layers of a random small image: random-layers.py SEED DIR makes DIR/layer-0.tar … from one to four of them.

Few names, so that entries, whiteouts, opaque markers, links and symlinked parents meet each other. The removals of a layer
stand before its entries, as image-spec's layer.md asks of builders, an opaque marker behind its directory: in that order
every careful reader agrees. The same seed gives the same layers."""
import io, random, sys, tarfile

NAMES = ("a", "b", "c", "d")
KINDS = {"file": 5, "dir": 8, "symlink": 3, "hardlink": 2, "fifo": 1, "whiteout": 4, "opaque": 2}


def path(r):
    return "/".join(r.choice(NAMES) for _ in range(r.randint(1, 3)))


def whiteout(r):
    head, _, tail = path(r).rpartition("/")
    return tarfile.TarInfo((head + "/" if head else "") + ".wh." + tail)


def opaque(name):
    d = tarfile.TarInfo(name)
    d.type, d.mode = tarfile.DIRTYPE, 0o711
    return d, tarfile.TarInfo(name + "/.wh..wh..opq")


def member(r, kind, number, files):
    m = tarfile.TarInfo(path(r))
    m.mtime, m.uid, m.mode = 1700000000 + number, r.choice((0, 5)), r.choice((0o644, 0o755, 0o4711))
    data = b""
    if kind == "file":
        data = b"file %d" % number
        m.size = len(data)
        files.append(m.name)
    elif kind == "dir":
        m.type = tarfile.DIRTYPE
    elif kind == "symlink":
        m.type, m.linkname = tarfile.SYMTYPE, r.choice(("", "/", "../", "../../")) + path(r)
    elif kind == "hardlink":
        m.type, m.linkname = tarfile.LNKTYPE, r.choice(files)
    elif kind == "fifo":
        m.type = tarfile.FIFOTYPE
    return m, data


def main():
    r, out = random.Random(int(sys.argv[1])), sys.argv[2]
    files = ["kept/1"]
    for layer in range(r.randint(1, 4)):
        kinds = r.choices(list(KINDS), list(KINDS.values()), k=r.randint(1, 8))
        with tarfile.open("%s/layer-%d.tar" % (out, layer), "w", format=tarfile.PAX_FORMAT) as tar:
            for kind in kinds:
                if kind == "whiteout":
                    tar.addfile(whiteout(r))
            for name in sorted(path(r) for kind in kinds if kind == "opaque"):
                for m in opaque(name):
                    tar.addfile(m)
            for name in ("kept/1", "kept/2") if layer == 0 else ():
                tar.addfile(tarfile.TarInfo(name))
            for number, kind in enumerate(kinds):
                if kind not in ("whiteout", "opaque"):
                    m, data = member(r, kind, 10 * layer + number, files)
                    tar.addfile(m, io.BytesIO(data))


main()
