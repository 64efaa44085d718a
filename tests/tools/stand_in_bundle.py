#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A runtime bundle of the form that `make bundle` makes, with words in place of programs, so that its bytes never change.

stand_in_bundle.py DIR [SERVICE]      DIR is made if it is missing; SERVICE stands for cage-service's bytes"""
import hashlib, io, json, os, sys, tarfile

top, service = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "service"
files = {"cage-service": service.encode(), "cage-data-plane": b"plane", "cage-data-plane-no-egress": b"plane without"}
tar = io.BytesIO()
with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as t:
    for name, data in (("PROVENANCE", b"runsvdir busybox 1\n"), ("bin/runsvdir", b"tool")):
        info = tarfile.TarInfo("runtime-dependencies/" + name)
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
files["runtime-dependencies.tar"] = tar.getvalue()
os.makedirs(top, exist_ok=True)
for name, data in files.items():
    with open(os.path.join(top, name), "wb") as f:
        f.write(data)
with open(os.path.join(top, "bundle.json"), "w") as f:
    json.dump({"bundle": 1, "files": {n: hashlib.sha256(d).hexdigest() for n, d in files.items()}, "packages": {}}, f, sort_keys=True)
