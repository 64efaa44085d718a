#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the image that testdata/ramdisk/small/customer.* was really measured from.

The reference ramdisk and the image beside it come from two runs of one Dockerfile, 22 seconds apart, and the second run's
builder also left a `run/` directory: the reference has other mtimes and no `rootfs/run/`. Nothing else differs. This
gives the image's layers the first run's times (testdata/ramdisk/small/customer.tsv has them), drops `run/`, and writes
an OCI layout with new digests.

Usage: retime_small.py IMAGE-DIR OUT-DIR"""
import gzip, hashlib, io, json, os, sys, tarfile

COPIED, INSTALLED = 1795302418, 1795302483  # of the two copied files; of what `busybox --install` made
src, out = sys.argv[1:]
blobs = os.path.join(out, "blobs", "sha256")
os.makedirs(blobs)


def read(digest):
    with open(os.path.join(src, "blobs", "sha256", digest.split(":")[1]), "rb") as f:
        return f.read()


def write(data):
    digest = hashlib.sha256(data).hexdigest()
    with open(os.path.join(blobs, digest), "wb") as f:
        f.write(data)
    return {"digest": "sha256:" + digest, "size": len(data)}


def retime(data):
    result = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, \
         tarfile.open(fileobj=result, mode="w", format=tarfile.USTAR_FORMAT) as new:
        for m in old:
            if m.name == "run":
                continue
            m.pax_headers = {}
            m.mtime = COPIED if m.name in ("bin/busybox", "run.sh") else INSTALLED
            new.addfile(m, old.extractfile(m) if m.isreg() else None)
    return result.getvalue()


index = json.load(open(os.path.join(src, "index.json")))
manifest = json.loads(read(index["manifests"][0]["digest"]))
config = json.loads(read(manifest["config"]["digest"]))
diff_ids = []
for layer in manifest["layers"]:
    tar = retime(gzip.decompress(read(layer["digest"])))
    diff_ids.append("sha256:" + hashlib.sha256(tar).hexdigest())
    layer.update(write(tar), mediaType="application/vnd.oci.image.layer.v1.tar")
config["rootfs"]["diff_ids"] = diff_ids
manifest["config"].update(write(json.dumps(config).encode()))
index["manifests"][0].update(write(json.dumps(manifest).encode()))
json.dump(index, open(os.path.join(out, "index.json"), "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open(os.path.join(out, "oci-layout"), "w"))
