#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares an unpacked root file system with `eifgen ls --json`: compare-rootfs.py ROOTFS LS.json

Every path, type, mode, owner, size, content, link target, and which names are one file. Times too, but for directories
(an unpacker touches them as it goes) and what no layer lists (`layer` absent), whose attributes are the unpacker's own."""
import hashlib, json, os, stat, sys

TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink", stat.S_IFCHR: "char", stat.S_IFBLK: "block",
         stat.S_IFIFO: "fifo"}


def disk(root):
    out, inodes = {}, {}
    top = os.fsencode(root)
    for where, dirs, files in os.walk(top):
        for name in dirs + files:
            full = os.path.join(where, name)
            path, st = os.path.relpath(full, top), os.lstat(full)
            e = {"type": TYPES.get(stat.S_IFMT(st.st_mode), "?"), "mode": "%04o" % stat.S_IMODE(st.st_mode),
                 "uid": st.st_uid, "gid": st.st_gid, "mtime": int(st.st_mtime // 1)}
            if e["type"] == "file":
                e["size"] = st.st_size
                e["sha256"] = hashlib.sha256(open(full, "rb").read()).hexdigest()
            if e["type"] == "symlink":
                e["target"] = os.readlink(full)
            out[path] = e
            if e["type"] != "dir":
                inodes.setdefault((st.st_dev, st.st_ino), []).append(path)
    return out, {min(v): sorted(v) for v in inodes.values() if len(v) > 1}


def raw(entry, key):
    """A name in the listing: text, or hex under KEY_hex where it is no UTF-8."""
    return bytes.fromhex(entry[key + "_hex"]) if key + "_hex" in entry else entry[key].encode()


def listed(path):
    out, first, links = {}, {}, {}
    for e in json.load(open(path))["entries"]:
        name = raw(e, "path")
        if name in (b"", b"."):
            continue
        out[name] = e
        if "hardlink" in e or "hardlink_hex" in e:
            links.setdefault(raw(e, "hardlink"), []).append(name)
    return out, {min([k] + v): sorted([k] + v) for k, v in links.items()}


def main():
    want, want_links = disk(sys.argv[1])
    got, got_links = listed(sys.argv[2])
    bad = ["only unpacked: %r" % p for p in sorted(set(want) - set(got))]
    bad += ["only listed: %r" % p for p in sorted(set(got) - set(want))]
    for p in sorted(set(want) & set(got)):
        w, g = want[p], got[p]
        for key in w:
            theirs = raw(g, "target") if key == "target" else g.get(key)
            if "layer" not in g and key in ("mode", "mtime", "uid", "gid"):
                continue
            if key == "mtime" and w["type"] == "dir":
                continue
            if key == "sha256" and theirs is None:
                continue
            if theirs != w[key]:
                bad.append("%r: %s is %r unpacked, %r listed" % (p, key, w[key], theirs))
    if want_links != got_links:
        bad.append("hard links: %r unpacked, %r listed" % (want_links, got_links))
    print("\n".join(bad) or "%d entries alike" % len(want))
    return 1 if bad or len(want) < 3 else 0


sys.exit(main())
