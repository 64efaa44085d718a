#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the golden images: small OCI layouts by hand, one trick beside the other. Each directory here is what this script
wrote once; the tests use those bytes, so that no later tarfile or zlib can move a golden hash.

  plain    one layer, one file, a root entry (`./`)
  user     USER by name, WORKDIR to be made, ENTRYPOINT and CMD, no PATH; a gzip layer of two members
  links    hard links (to a lower layer too), symlinks, nodes, fifos, odd modes and owners, names that are no UTF-8
  layers   whiteouts, opaque markers, types replaced, a write through a symlink, implied parents

Usage: make.py OUT-DIR"""
import gzip, hashlib, io, json, os, sys, tarfile

out = sys.argv[1]
T = 1600000000


class Layer:
    def __init__(self, compress=None):
        self.raw, self.compress = io.BytesIO(), compress
        self.tar = tarfile.open(fileobj=self.raw, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape",
                                encoding="utf-8")

    def add(self, name, data=None, kind=None, mode=None, uid=0, gid=0, mtime=T, target="", dev=(0, 0)):
        m = tarfile.TarInfo(name)
        m.type = kind or (tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE)
        m.mode = mode if mode is not None else {tarfile.DIRTYPE: 0o755, tarfile.SYMTYPE: 0o777}.get(m.type, 0o644)
        m.uid, m.gid, m.mtime, m.linkname = uid, gid, mtime, target
        m.devmajor, m.devminor = dev
        data = (data or "").encode() if not isinstance(data, bytes) else data
        m.size = len(data) if m.type == tarfile.REGTYPE else 0
        self.tar.addfile(m, io.BytesIO(data) if m.size else None)
        return self

    def link(self, name, target, **kw):
        return self.add(name, kind=tarfile.LNKTYPE, target=target, **kw)

    def sym(self, name, target, **kw):
        return self.add(name, kind=tarfile.SYMTYPE, target=target, **kw)

    def blobs(self):
        self.tar.close()
        tar = self.raw.getvalue()
        if self.compress != "gzip":
            return tar, tar, "application/vnd.oci.image.layer.v1.tar"
        half = len(tar) // 2  # two members, as concatenated gzip files are
        packed = gzip.compress(tar[:half], mtime=0) + gzip.compress(tar[half:], mtime=0)
        return tar, packed, "application/vnd.oci.image.layer.v1.tar+gzip"


def put(name, data):
    digest = hashlib.sha256(data).hexdigest()
    with open(os.path.join(out, name, "blobs", "sha256", digest), "wb") as f:
        f.write(data)
    return {"digest": "sha256:" + digest, "size": len(data)}


def dump(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def image(name, config, *layers):
    os.makedirs(os.path.join(out, name, "blobs", "sha256"))
    diff_ids, descriptors = [], []
    for layer in layers:
        tar, blob, media = layer.blobs()
        diff_ids.append("sha256:" + hashlib.sha256(tar).hexdigest())
        descriptors.append(dict(put(name, blob), mediaType=media))
    config = dump({"architecture": "amd64", "os": "linux", "created": "2020-09-13T12:26:40Z", "config": config,
                   "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    manifest = dump({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                     "config": dict(put(name, config), mediaType="application/vnd.oci.image.config.v1+json"),
                     "layers": descriptors})
    index = {"schemaVersion": 2, "manifests": [
        dict(put(name, manifest), mediaType="application/vnd.oci.image.manifest.v1+json",
             annotations={"org.opencontainers.image.ref.name": "latest"})]}
    for file, value in (("index.json", index), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
        with open(os.path.join(out, name, file), "wb") as f:
            f.write(dump(value))


image("plain", {"Cmd": ["/hello"]},
      Layer().add("./", mode=0o711, uid=3, gid=4).add("./hello", "#!/bin/sh\necho hello\n", mode=0o755))

image("user", {"Entrypoint": ["/bin/app", "-v"], "Cmd": ["serve"], "Env": ["LANG=C.UTF-8", "EMPTY="], "User": "app",
               "WorkingDir": "/srv/link/new/dir"},
      Layer("gzip").add("etc/").add("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnonsense\n"
                                    "app:x:1000:1001:App:/home/app:/sbin/nologin\n")
      .add("etc/group", "root:x:0:\nvideo:x:44:app,other\napp:x:1001:\naudio:x:29:other,app\n")
      .add("bin/").add("bin/app", b"\x7fELF" + bytes(range(256)) * 40, mode=0o4755)
      .add("srv/").add("srv/real/", uid=1000, gid=1001, mode=0o2775).sym("srv/link", "real")
      .add("tmp/", mode=0o1777).add("tmp/left", "stays\n"))

image("links", {"Cmd": ["/x"]},
      Layer().add("a/").add("a/file", "hard\n", mode=0o640, uid=7, gid=8).link("a/again", "a/file")
      .add("b/").link("b/far", "a/file").sym("b/sym", "../a/file").link("b/symtoo", "b/sym")
      .add("dev/").add("dev/null", kind=tarfile.CHRTYPE, mode=0o666, dev=(1, 3))
      .add("dev/disk", kind=tarfile.BLKTYPE, mode=0o660, gid=6, dev=(259, 1048575))
      .add("pipe", kind=tarfile.FIFOTYPE).add("x", "#!/bin/sh\n", mode=0o755)
      .add("modes/", mode=0o1777).add("modes/zero", "0\n", mode=0).add("modes/suid", "s\n", mode=0o6711)
      .add("ids/").add("ids/large", "l\n", uid=4294967294, gid=2097152)
      .add("names/").add("names/caf\u00e9", "utf8\n").add("names/latin-\udce9\udcff", "bytes\n")
      .add("names/new\nline", "lf\n").add("names/sp ace", "sp\n").add("names/" + "n" * 255, "long\n")
      .add("sorted/").add("sorted/a/").add("sorted/a/z", "z\n").add("sorted/a-b", "-\n").add("sorted/a.txt", ".\n"),
      Layer().link("b/late", "a/file").add("times/").add("times/old", "o\n", mtime=1)
      .add("times/new", "n\n", mtime=2000000000))

image("layers", {"Cmd": ["/run"]},
      Layer().add("run", kind=tarfile.DIRTYPE).add("gone", "1\n").add("gonedir/").add("gonedir/x", "1\n")
      .add("opaque/").add("opaque/old", "1\n").add("opaque/sub/").add("opaque/sub/old", "1\n")
      .add("filetodir", "1\n").add("dirtofile/").add("dirtofile/x", "1\n").add("back", "1\n")
      .add("real/").sym("through", "real").add("implied/deep/file", "1\n").add("attrs/", mode=0o700)
      .add("pair1", "pair\n").link("pair2", "pair1").add("twice", "first\n").add("twice", "second\n"),
      Layer().add(".wh.gone").add(".wh.gonedir").add("opaque/").add("opaque/new", "2\n").add("opaque/.wh..wh..opq")
      .add(".wh.back").add("filetodir/").add("filetodir/in", "2\n").add("dirtofile", "2\n")
      .add("through/file", "2\n").add("pair1", "alone\n"),
      Layer().add("back", "3\n").add("attrs/", mode=0o711, uid=5).add("implied/deep/other", "3\n")
      .add("./opaque//later", "3\n"))

# The platform of the golden EIFs: made-up bytes with the marks that eifgen looks for.
os.makedirs(os.path.join(out, "platform"))
kernel = bytearray(bytes(range(256)) * 8)
kernel[0x202:0x206] = b"HdrS"
for file, data in (("bzImage", bytes(kernel)), ("cmdline", b"console=ttyS0 quiet\n"), ("nsm.ko", b"not a module\n"),
                   ("bzImage.config", b"#\n# Generated\n# Linux/x86_64 6.1.0-golden Kernel Configuration\n#\n"),
                   ("init", b"\x7fELF made-up cage-init: bytes\n")):
    with open(os.path.join(out, "platform", file), "wb") as f:
        f.write(data)
