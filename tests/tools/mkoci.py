#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a small OCI layout from trees on disk: tests/tools/mkoci.py OUT [CONFIG-JSON] DIR-OR-TAR...

Each further argument is a layer: a directory (packed in sorted order, root-owned, with its own modes and times), a
ready tar, or one that is compressed (.gz, .zst: it stays as it is). CONFIG-JSON is merged into {"architecture":"amd64","os":"linux"}; its `config` member is the image config.
The tag is `latest`. For tests that need an image in a second, without a builder."""
import hashlib, io, json, os, subprocess, sys, tarfile

UNPACK = {".gz": "gzip", ".zst": "zstd"}
MEDIA = {".gz": "+gzip", ".zst": "+zstd"}


def pack(path):
    if not os.path.isdir(path):
        return open(path, "rb").read()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for top, dirs, files in os.walk(path):
            dirs.sort()
            for name in sorted(files + [d for d in dirs if not os.path.islink(os.path.join(top, d))] +
                               [d for d in dirs if os.path.islink(os.path.join(top, d))]):
                full = os.path.join(top, name)
                info = tar.gettarinfo(full, os.path.relpath(full, path))
                info.uid = info.gid = 0
                info.uname = info.gname = ""
                info.mtime = int(info.mtime)
                with open(full, "rb") if info.isreg() else io.BytesIO() as f:
                    tar.addfile(info, f if info.isreg() else None)
    return out.getvalue()


def main():
    out, rest = sys.argv[1], sys.argv[2:]
    config = {"architecture": "amd64", "os": "linux"}
    if rest and rest[0].startswith("{"):
        config.update(json.loads(rest.pop(0)))
    os.makedirs(out + "/blobs/sha256")

    def blob(data, media):
        digest = hashlib.sha256(data).hexdigest()
        open(out + "/blobs/sha256/" + digest, "wb").write(data)
        return {"mediaType": media, "digest": "sha256:" + digest, "size": len(data)}

    def diff_id(path, layer):
        unpack = UNPACK.get(os.path.splitext(path)[1])
        if not unpack:
            return layer["digest"]
        tar = subprocess.run([unpack, "-dc", path], stdout=subprocess.PIPE, check=True).stdout
        return "sha256:" + hashlib.sha256(tar).hexdigest()

    layers = [blob(pack(p), "application/vnd.oci.image.layer.v1.tar" + MEDIA.get(os.path.splitext(p)[1], "")) for p in rest]
    config["rootfs"] = {"type": "layers", "diff_ids": [diff_id(p, l) for p, l in zip(rest, layers)]}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"), "layers": layers}
    entry = blob(json.dumps(manifest).encode(), manifest["mediaType"])
    entry["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    json.dump({"schemaVersion": 2, "manifests": [entry]}, open(out + "/index.json", "w"))
    json.dump({"imageLayoutVersion": "1.0.0"}, open(out + "/oci-layout", "w"))


main()
