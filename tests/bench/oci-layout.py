#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes an OCI layout of plain tars, gzipped at level 6: oci-layout.py DIR [--like OTHER] LAYER.tar…   (tag: bench)
With --like all layers of OTHER but its topmost come first, as they are there."""
import hashlib, json, os, subprocess, sys


def put(top, data):
    digest = hashlib.sha256(data).hexdigest()
    open(os.path.join(top, "blobs/sha256", digest), "wb").write(data)
    return {"digest": "sha256:" + digest, "size": len(data)}


def sha256_file(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        for piece in iter(lambda: f.read(1 << 20), b""):
            h.update(piece)
    return h.hexdigest()


def lower_layers(other, top):
    """Layers and diff_ids of OTHER but the topmost; their blobs are linked into top."""
    def load(digest):
        return json.load(open(os.path.join(other, "blobs/sha256", digest.split(":")[1])))
    manifest = load(json.load(open(os.path.join(other, "index.json")))["manifests"][0]["digest"])
    layers = manifest["layers"][:-1]
    for l in layers:
        name = os.path.join("blobs/sha256", l["digest"].split(":")[1])
        os.link(os.path.join(other, name), os.path.join(top, name))
    return layers, load(manifest["config"]["digest"])["rootfs"]["diff_ids"][:-1]


def main():
    top, tars = sys.argv[1], sys.argv[2:]
    os.makedirs(os.path.join(top, "blobs/sha256"))
    layers, diff_ids = [], []
    if tars[0] == "--like":
        layers, diff_ids = lower_layers(tars[1], top)
        tars = tars[2:]
    for tar in tars:
        tmp = os.path.join(top, "layer.gz")
        with open(tmp, "wb") as out:
            subprocess.run(["gzip", "-6nc", tar], stdout=out, check=True)
        digest = sha256_file(tmp)
        size = os.path.getsize(tmp)
        os.rename(tmp, os.path.join(top, "blobs/sha256", digest))
        layers.append({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:" + digest, "size": size})
        diff_ids.append("sha256:" + sha256_file(tar))
    config = put(top, json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/true"]},
                                  "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode())
    config["mediaType"] = "application/vnd.oci.image.config.v1+json"
    manifest = put(top, json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                                    "config": config, "layers": layers}).encode())
    manifest["mediaType"] = "application/vnd.oci.image.manifest.v1+json"
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "bench"}
    open(os.path.join(top, "oci-layout"), "w").write('{"imageLayoutVersion":"1.0.0"}')
    open(os.path.join(top, "index.json"), "w").write(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))


main()
