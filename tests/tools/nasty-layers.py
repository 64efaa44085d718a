#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes layer tars whose merge trips tools: DIR/layer-0.tar, DIR/layer-1.tar, …

Links into lower layers, whiteouts before and after what they speak of, opaque directories, types that replace each other,
symlinked parents, names that are long or no UTF-8. Only what every careful reader agrees on: it is compared with umoci."""
import io, sys, tarfile

T = 1700000000


class Layer:
    def __init__(self, path, fmt=tarfile.PAX_FORMAT):
        self.tar = tarfile.open(path, "w", format=fmt, encoding="utf-8", errors="surrogateescape")
        self.n = 0

    def add(self, name, kind=tarfile.REGTYPE, data=b"", link="", mode=None, **more):
        i = tarfile.TarInfo(name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name)
        i.type, i.linkname, i.size = kind, link, len(data)
        i.mode = mode if mode is not None else 0o755 if kind == tarfile.DIRTYPE else 0o644
        self.n += 1
        i.mtime = T + self.n
        for key, value in more.items():
            setattr(i, key, value)
        self.tar.addfile(i, io.BytesIO(data))

    def dir(self, name, mode=0o755, **more):
        self.add(name, tarfile.DIRTYPE, mode=mode, **more)

    def sym(self, name, to):
        self.add(name, tarfile.SYMTYPE, link=to)

    def hard(self, name, to):
        self.add(name, tarfile.LNKTYPE, link=to)

    def gone(self, name):
        head, _, tail = name.rpartition("/")
        self.add((head + "/" if head else "") + ".wh." + tail)

    def opaque(self, name):
        self.add(name + "/.wh..wh..opq")


def layer0(a):
    a.dir("./", 0o711)
    for d in ("usr", "usr/lib", "etc", "d", "d/e", "d/e/f", "op", "op/sub", "repl", "links", "names", "gone"):
        a.dir(d, 0o755)
    a.sym("lib", "usr/lib")
    a.sym("abs", "/usr/lib")
    a.sym("dangling", "not/there")
    a.add("usr/lib/so", data=b"library")
    a.add("usr/lib/old", data=b"old")
    a.add("etc/passwd", data=b"root:x:0:0::/:/bin/sh\n", mode=0o600, uid=3, gid=4)
    a.add("d/e/f/g", data=b"deep")
    a.add("op/hidden", data=b"1")
    a.add("op/sub/hidden", data=b"2")
    for i in range(5):
        a.add("gone/%d" % i, data=b"%d" % i)
    a.add("repl/file-to-dir", data=b"x")
    a.dir("repl/dir-to-file")
    a.add("repl/dir-to-file/below", data=b"x")
    a.sym("repl/link-to-dir", "../usr/lib")
    a.dir("repl/dir-to-link")
    a.add("repl/link-to-file", tarfile.SYMTYPE, link="../etc/passwd")
    a.add("links/one", data=b"linked", mode=0o4755)
    a.hard("links/two", "links/one")
    a.hard("links/three", "./links//two")
    a.sym("links/sym", "one")
    a.hard("links/hardsym", "links/sym")
    a.add("links/stay", data=b"stay")
    a.hard("links/stay2", "links/stay")
    a.add("names/" + "n" * 255, data=b"255")
    a.add("names/deep/" + "/".join("x" * 60 for _ in range(12)) + "/leaf", data=b"deep")
    for raw in (b"names/latin-\xe9\xff", "names/nfd-e\u0301".encode(), "names/nfc-\u00e9".encode(), b"names/new\nline"):
        a.add(raw, data=raw)
    a.add("ids", data=b"", uid=4294967294, gid=2097152)
    a.add("sticky", tarfile.DIRTYPE, mode=0o1777)
    a.add("empty")
    a.add("fifo", tarfile.FIFOTYPE, mode=0o600)
    a.add("null", tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3)


def layer1(a):
    a.add("lib/new", data=b"through")
    a.add("abs/new2", data=b"through the absolute one")
    a.add("repl/file-to-dir", tarfile.DIRTYPE, mode=0o700)
    a.add("repl/file-to-dir/in", data=b"in")
    a.add("repl/dir-to-file", data=b"file now")
    a.dir("repl/link-to-dir", 0o750)
    a.add("repl/link-to-dir/own", data=b"own")
    a.sym("repl/dir-to-link", "../etc")
    a.add("repl/link-to-file", data=b"plain")
    a.hard("links/lower", "links/one")
    a.add("links/stay", data=b"replaced")
    a.gone("gone/1")
    a.gone("gone/2")
    a.add("gone/2", data=b"back at once")
    a.dir("op", 0o711)
    a.opaque("op")
    a.add("op/shown", data=b"shown")
    a.gone("lib/old")
    a.dir("etc", 0o700, uid=7)


def layer2(a):
    a.gone("d")
    a.add("gone/3", data=b"three")
    a.add("gone/3", data=b"three again")
    a.dir("gone/4")
    a.gone("links/two")
    a.add("usr/lib/so", data=b"newer library", mode=0o755)
    a.add("./usr//lib/./spelt", data=b"spelt oddly")
    a.dir("d2")


def main():
    for i, fill in enumerate((layer0, layer1, layer2)):
        fmt = (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)[i]
        a = Layer("%s/layer-%d.tar" % (sys.argv[1], i), fmt)
        fill(a)
        a.tar.close()


main()
