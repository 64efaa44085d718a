#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A second implementation of the canonical layout, version 1: an OCI layout in, the two ramdisks out.

It is written from the layout's description alone and shares no code with eifgen; the golden tests hold both against
each other. Standard library only; zstd layers are handed to the `zstd` program. Files are held in memory, which the
test images allow.

Usage: canonical_ramdisk.py --epoch N [--mtime set|clamp]
         [--bootstrap OUT1 --init FILE [--nsm FILE] [--module FILE ...]]
         [--app OUT2 --oci DIR[:TAG] [--platform OS/ARCH] [--cmd JSON] [--user U] [--workdir D]]

How it works: each layer is applied in two passes (first its whiteouts, against what the lower layers left, then its
entries in their order) to a tree of nodes; two names of one inode are two references to one node. The layout's own
entries are added, and one walk writes newc. Any departure from the rules is a Refusal, exit 2."""
import argparse, gzip, hashlib, io, json, os, re, subprocess, sys, tarfile
from decimal import Decimal, ROUND_FLOOR

MAX32 = 2**32 - 1
INDEX_TYPES = ("application/vnd.oci.image.index.v1+json",
               "application/vnd.docker.distribution.manifest.list.v2+json")
REF_NAME = "org.opencontainers.image.ref.name"
S_IFIFO, S_IFCHR, S_IFDIR, S_IFBLK, S_IFREG, S_IFLNK = 0o010000, 0o020000, 0o040000, 0o060000, 0o100000, 0o120000
DEFAULT_PATH = b"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Refusal(Exception):
    """The input cannot be carried; the text names the path."""


class Node:
    """One inode. mtime None: the image did not bring it. children only in directories, by name in bytes."""

    def __init__(self, kind, mode=0o755, uid=0, gid=0, mtime=None, data=b"", rdev=(0, 0)):
        self.kind, self.mode, self.uid, self.gid, self.mtime = kind, mode & 0o7777, uid, gid, mtime
        self.data, self.rdev = data, rdev  # data: a file's bytes or a symlink's target
        self.children = {} if kind == S_IFDIR else None


# ---- the image ------------------------------------------------------------------------------------------------------

def blob(layout, descriptor):
    algorithm, _, digest = descriptor["digest"].partition(":")
    if algorithm != "sha256" or not re.fullmatch("[0-9a-f]{64}", digest):
        raise Refusal("digest %r" % descriptor["digest"])
    with open(os.path.join(layout, "blobs", "sha256", digest), "rb") as f:
        data = f.read()
    if hashlib.sha256(data).hexdigest() != digest or len(data) != descriptor["size"]:
        raise Refusal("blob %s does not match its descriptor" % digest)
    return data


def choose(layout, manifests, tag, platform):
    """The one manifest below these descriptors, index in index, that tag and platform leave."""
    if tag is not None:
        manifests = [m for m in manifests if m.get("annotations", {}).get(REF_NAME) == tag]
    found = []
    for m in manifests:
        if m.get("mediaType") in INDEX_TYPES:
            found += choose(layout, json.loads(blob(layout, m))["manifests"], None, platform)
            continue
        p = m.get("platform")
        if p is None or (p.get("os"), p.get("architecture")) == platform:
            found.append(m)
    return found


def load_image(reference, platform):
    layout, tag = reference, None
    if not os.path.isdir(layout):
        layout, _, tag = reference.rpartition(":")
    with open(os.path.join(layout, "index.json"), encoding="utf-8") as f:
        found = choose(layout, json.load(f)["manifests"], tag, platform)
    if not found or len({m["digest"] for m in found}) > 1:
        raise Refusal("%d images fit %s" % (len(found), reference))
    manifest = json.loads(blob(layout, found[0]))
    config = json.loads(blob(layout, manifest["config"]))
    diff_ids = config["rootfs"]["diff_ids"]
    if len(diff_ids) != len(manifest["layers"]):
        raise Refusal("%d diff_ids for %d layers" % (len(diff_ids), len(manifest["layers"])))
    layers = []
    for descriptor, diff_id in zip(manifest["layers"], diff_ids):
        data = blob(layout, descriptor)
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        elif data[:4] == b"\x28\xb5\x2f\xfd":
            data = subprocess.run(["zstd", "-dc"], input=data, stdout=subprocess.PIPE, check=True).stdout
        if "sha256:" + hashlib.sha256(data).hexdigest() != diff_id:
            raise Refusal("layer %s: diff_id differs" % descriptor["digest"])
        layers.append(data)
    return config.get("config") or {}, layers


# ---- the merge ------------------------------------------------------------------------------------------------------

def clean(path):
    """Components of a name in an archive, or of any path inside the tree; `..` above the root is refused."""
    parts = []
    for part in path.split(b"/"):
        if part == b"..":
            if not parts:
                raise Refusal("%r leaves the root" % path)
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    return parts


def resolve(root, parts, create):
    """The node at `parts`, symlinks followed inside the tree, the last one too. A missing component is made as an
    implied directory if `create`, else the answer is None. Something that is no directory on the way: refused if
    `create`, else None."""
    todo, trail, hops = list(parts), [root], 0
    while todo:
        part = todo.pop(0)
        if part in (b"", b"."):
            continue
        if part == b"..":
            if len(trail) > 1:
                trail.pop()
            continue
        here = trail[-1]
        if here.kind != S_IFDIR:
            if create:
                raise Refusal("%r: a parent is no directory" % b"/".join(parts))
            return None
        node = here.children.get(part)
        if node is None:
            if not create:
                return None
            node = here.children[part] = Node(S_IFDIR)
        if node.kind == S_IFLNK:
            hops += 1
            if hops > 255:
                raise Refusal("%r: symlinks without end" % b"/".join(parts))
            if node.data.startswith(b"/"):
                trail = [root]
            todo = node.data.split(b"/") + todo
            continue
        trail.append(node)
    if create and trail[-1].kind != S_IFDIR:
        raise Refusal("%r: a parent is no directory" % b"/".join(parts))
    return trail[-1]


def raw(text):
    return text.encode("utf-8", "surrogateescape")


def apply_whiteouts(root, members):
    for m in members:
        parts = clean(raw(m.name))
        if not parts or not parts[-1].startswith(b".wh."):
            continue
        parent = resolve(root, parts[:-1], create=False)
        if parent is None or parent.kind != S_IFDIR:
            continue
        if parts[-1] == b".wh..wh..opq":
            parent.children.clear()
        else:
            parent.children.pop(parts[-1][4:], None)


def member_mtime(m):
    return int(Decimal(m.pax_headers.get("mtime", str(m.mtime))).to_integral_value(ROUND_FLOOR))


def make_node(tar, m):
    common = dict(mode=m.mode, uid=m.uid, gid=m.gid, mtime=member_mtime(m))
    if m.type == tarfile.SYMTYPE:
        return Node(S_IFLNK, data=raw(m.linkname), **dict(common, mode=0o777))  # as on every Linux file system
    if m.type in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        kind = S_IFCHR if m.type == tarfile.CHRTYPE else S_IFBLK
        return Node(kind, rdev=(m.devmajor, m.devminor), **common)
    if m.type == tarfile.FIFOTYPE:
        return Node(S_IFIFO, **common)
    if m.isreg():
        return Node(S_IFREG, data=tar.extractfile(m).read(), **common)
    raise Refusal("%r: entry type %r" % (m.name, m.type))


def apply_entry(root, tar, m):
    parts = clean(raw(m.name))
    if parts and parts[-1].startswith(b".wh."):
        return
    if not parts:
        if m.type != tarfile.DIRTYPE:
            raise Refusal("the root is no directory")
        root.mode, root.uid, root.gid, root.mtime = m.mode & 0o7777, m.uid, m.gid, member_mtime(m)
        return
    link = None
    if m.type == tarfile.LNKTYPE:
        target = clean(raw(m.linkname))
        above = resolve(root, target[:-1], create=False) if target else None
        link = above.children.get(target[-1]) if above is not None and above.kind == S_IFDIR else None
        if link is None or link.kind == S_IFDIR or target == parts:
            raise Refusal("%r: hard link to %r, which is no file" % (m.name, m.linkname))
    parent, name = resolve(root, parts[:-1], create=True), parts[-1]
    old = parent.children.get(name)
    if link is not None:
        parent.children[name] = link
    elif m.type == tarfile.DIRTYPE:
        node = old if old is not None and old.kind == S_IFDIR else Node(S_IFDIR)
        node.mode, node.uid, node.gid, node.mtime = m.mode & 0o7777, m.uid, m.gid, member_mtime(m)
        parent.children[name] = node
    else:
        parent.children[name] = make_node(tar, m)


def merge(layers):
    root = Node(S_IFDIR)
    for data in layers:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:", encoding="utf-8", errors="surrogateescape") as tar:
            members = tar.getmembers()
            apply_whiteouts(root, members)
            for m in members:
                apply_entry(root, tar, m)
    return root


# ---- user, workdir, cmd, env ------------------------------------------------------------------------------------------

def text_lines(values, what):
    out = b""
    for value in values:
        value = raw(value) if isinstance(value, str) else value
        if b"\n" in value or b"\0" in value:
            raise Refusal("%s: an element holds a line feed or a NUL" % what)
        out += value + b"\n"
    return out


def number(text):
    return int(text) if re.fullmatch(rb"[0-9]{1,10}", text) and int(text) < MAX32 else None


def database(root, name, fields, numbers):
    """Lines of /etc/passwd or /etc/group with at least so many fields whose numeric ones are numbers."""
    node = resolve(root, [b"etc", name], create=False)
    if node is None or node.kind != S_IFREG:
        return []
    rows = [line.split(b":") for line in node.data.split(b"\n")]
    return [r for r in rows if len(r) >= fields and r[0] and all(number(r[i]) is not None for i in numbers)]


def find(rows, word):
    return next((r for r in rows if r[0] == word or (number(word) is not None and number(r[2]) == number(word))), None)


def user_line(root, user):
    name, colon, group = raw(user).partition(b":")
    passwd, groups = database(root, b"passwd", 4, (2, 3)), database(root, b"group", 3, (2,))
    row = find(passwd, name)
    if row is None and number(name) is None:
        raise Refusal("user %r is not in the image's /etc/passwd" % user)
    uid = number(row[2]) if row else number(name)
    gid, extra = (number(row[3]) if row else 0), []
    if group:
        entry = find(groups, group)
        if entry is None and number(group) is None:
            raise Refusal("group of user %r is not in the image's /etc/group" % user)
        gid = number(entry[2]) if entry else number(group)
    elif row:
        extra = {number(g[2]) for g in groups if len(g) > 3 and row[0] in g[3].split(b",")} - {gid}
    return b"%d:%d:%s\n" % (uid, gid, b",".join(b"%d" % g for g in sorted(extra)))


def home(root, user):
    row = find(database(root, b"passwd", 4, (2, 3)), raw(user).partition(b":")[0] or b"0")
    return row[5] if row and len(row) > 5 and row[5] else b"/"


def app_tree(root, config, args):
    top = Node(S_IFDIR)

    def add(name, data):
        top.children[name] = Node(S_IFREG, mode=0o644, data=data)

    for name in (b"dev", b"proc", b"run", b"sys", b"tmp"):
        if name not in root.children:
            root.children[name] = Node(S_IFDIR, mode=0o1777 if name == b"tmp" else 0o755)
        end = resolve(root, [name], create=False)
        if end is None or end.kind != S_IFDIR:
            raise Refusal("/%s is no directory" % name.decode())
    cmd = json.loads(args.cmd) if args.cmd else (config.get("Entrypoint") or []) + (config.get("Cmd") or [])
    if not cmd:
        raise Refusal("nothing to run: ENTRYPOINT and CMD are empty")
    add(b"cmd", text_lines(cmd, "cmd"))
    user = config.get("User") or "" if args.user is None else args.user
    workdir = config.get("WorkingDir") or "" if args.workdir is None else args.workdir
    env = [raw(e) for e in config.get("Env") or []]
    if not any(e.startswith(b"PATH=") for e in env):
        env.append(DEFAULT_PATH)
    if not any(e.startswith(b"HOME=") for e in env):
        env.append(b"HOME=" + home(root, user))
    add(b"env", text_lines(env, "env"))
    if user:
        add(b"user", user_line(root, user))
    if workdir:
        add(b"workdir", text_lines([workdir], "workdir"))
        resolve(root, raw(workdir).split(b"/"), create=True)
    top.children[b"rootfs"] = root
    return top


def bootstrap_tree(args):
    def given(path, mode):
        with open(path, "rb") as f:
            return Node(S_IFREG, mode=mode, data=f.read())

    top = Node(S_IFDIR)
    top.children[b"dev"] = Node(S_IFDIR)
    top.children[b"init"] = given(args.init, 0o755)
    if args.nsm:
        top.children[b"nsm.ko"] = given(args.nsm, 0o644)
    if args.module:
        names = [os.fsencode(os.path.basename(m)) for m in args.module]
        if len(set(names)) != len(names):
            raise Refusal("two modules have one name")
        top.children[b"modules"] = Node(S_IFREG, mode=0o644, data=text_lines(names, "modules"))
        top.children[b"modules.d"] = Node(S_IFDIR)
        for name, path in zip(names, args.module):
            top.children[b"modules.d"].children[name] = given(path, 0o644)
    return top


# ---- newc -----------------------------------------------------------------------------------------------------------

def walk(node, prefix=b""):
    for name in sorted(node.children):
        child = node.children[name]
        yield prefix + name, child
        if child.kind == S_IFDIR:
            yield from walk(child, prefix + name + b"/")


def stamp(path, node, args):
    if args.mtime == "set" or node.mtime is None:
        return args.epoch
    if node.mtime > MAX32:
        raise Refusal("%r: after 2106" % path)
    return min(max(node.mtime, 0), args.epoch)


def check_carried(path, node):
    if any(len(part) > 255 for part in path.split(b"/")) or len(path) > 4095:
        raise Refusal("%r: name too long" % path)
    if len(node.data) > (4095 if node.kind == S_IFLNK else MAX32):
        raise Refusal("%r: too large" % path)
    if max(node.uid, node.gid) > MAX32 - 1 or max(node.rdev) > MAX32:
        raise Refusal("%r: a number does not fit newc" % path)


def header(path, ino=0, mode=0, uid=0, gid=0, nlink=0, mtime=0, size=0, rdev=(0, 0)):
    values = (ino, mode, uid, gid, nlink, mtime, size, 0, 0, rdev[0], rdev[1], len(path) + 1, 0)
    return b"070701" + b"".join(b"%08x" % v for v in values) + path + b"\0"


def write_newc(top, args):
    entries = list(walk(top))
    names, inodes, out = {}, {}, bytearray()
    for _, node in entries:
        names[id(node)] = names.get(id(node), 0) + 1
    for path, node in entries:
        check_carried(path, node)
        first = id(node) not in inodes
        ino = inodes.setdefault(id(node), len(inodes) + 1)
        data = node.data if first or node.kind != S_IFREG else b""
        out += header(path, ino, node.kind | node.mode, node.uid, node.gid,
                      2 if node.kind == S_IFDIR else names[id(node)], stamp(path, node, args), len(data), node.rdev)
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    out += header(b"TRAILER!!!", nlink=1)
    out += bytes(-len(out) % 512)
    return bytes(out)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--oci")
    p.add_argument("--epoch", required=True, type=int)
    p.add_argument("--mtime", default="set", choices=("set", "clamp"))
    p.add_argument("--platform", default="linux/amd64")
    p.add_argument("--init")
    p.add_argument("--nsm")
    p.add_argument("--module", action="append", default=[])
    p.add_argument("--cmd")
    p.add_argument("--user")
    p.add_argument("--workdir")
    p.add_argument("--bootstrap", help="ramdisk 1 is written here")
    p.add_argument("--app", help="ramdisk 2 is written here")
    args = p.parse_args()
    if bool(args.bootstrap) != bool(args.init) or bool(args.app) != bool(args.oci):
        p.error("--bootstrap goes with --init, --app with --oci")
    sys.setrecursionlimit(10000)
    try:
        results = []
        if args.bootstrap:
            results.append((args.bootstrap, write_newc(bootstrap_tree(args), args)))
        if args.app:
            config, layers = load_image(args.oci, tuple(args.platform.split("/")))
            results.append((args.app, write_newc(app_tree(merge(layers), config, args), args)))
    except (Refusal, OSError, KeyError, ValueError, tarfile.TarError, subprocess.CalledProcessError) as e:
        print("canonical_ramdisk.py: %s" % e, file=sys.stderr)
        return 2
    for path, data in results:
        with open(path, "wb") as f:
            f.write(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
