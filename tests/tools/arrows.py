#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the arrows between the rooms: which room may use which, and which foreign library.

Usage: arrows.py TREE [BUILD]   (rooms are read from `make -s print-rooms` on stdin: NAME DIR USES…, one a line)

Three sources are held against the table below: the #includes of every C file, the rooms that a room.mk names, and, with
BUILD (build/rel), the undefined symbols of every object file. The last also finds library code that prints, exits, or
reads environment or clock. Prints one line for each breach; exit 1 if there is one."""
import os, re, subprocess, sys

# room directory: (rooms it may use, foreign headers it may include; a trailing / stands for all below)
TABLE = {
    "base": ((), ()),
    "epoch": (("base",), ("git2.h",)),
    "layerfs": (("base",), ("archive.h", "archive_entry.h", "zlib.h", "zstd.h", "zstd_errors.h", "libdeflate.h", "isa-l.h", "isa-l/", "igzip_lib.h", "curl/",
                            "openssl/", "cjson/")),
    "pcr": (("base",), ("openssl/",)),
    "eifgen": (("base", "epoch", "layerfs", "pcr"), ("openssl/", "cjson/", "zlib.h", "sqlite3.h")),
    "runtime/common": (("base", "pcr"), ("event2/", "openssl/", "nghttp2/", "seccomp.h", "zlib.h")),
    "runtime/init": ((), ()),
    "runtime/service": (("runtime/init",), ()),
    "runtime/data-plane": (("base", "pcr", "runtime/common"), ("event2/", "openssl/", "nghttp2/", "seccomp.h")),
    "runtime/control-plane": (("base", "pcr", "runtime/common"), ("event2/", "openssl/", "cjson/", "seccomp.h", "ares.h")),
    "runtime/provisioner": (("base", "pcr", "runtime/common"), ("event2/", "openssl/", "cjson/", "sqlite3.h",
                                                                "libpq-fe.h", "postgresql/")),
    "runtime/engine": (("base", "pcr", "runtime/common"), ("event2/", "openssl/", "cjson/", "sqlite3.h", "libpq-fe.h",
                                                           "postgresql/")),
    "runtime/vsock-dev": (("base",), ("event2/",)),
    "runtime/nsm-sim": (("base", "pcr", "runtime/common"), ("event2/", "openssl/")),
}
# Headers that belong to a foreign library: everything in <> whose first part is one of these.
FOREIGN = ("git2", "archive", "zlib", "zstd", "libdeflate", "isa-l", "curl", "openssl", "cjson", "event2", "event.h", "evhttp",
           "nghttp2", "seccomp", "sqlite3", "libpq", "postgresql", "check.h", "ares.h")
# Libraries hand errors up; only commands and programs speak, end the process or ask the machine what time it is.
SILENT = ("base", "epoch", "layerfs", "pcr", "eifgen")
FORBIDDEN = set("""printf vprintf puts putchar perror __printf_chk __vprintf_chk stdout stderr psignal syslog warn warnx err errx
 exit _exit quick_exit abort getenv secure_getenv environ __environ setenv putenv setlocale time gettimeofday clock_gettime
 clock localtime localtime_r mktime tzset rand random srand""".split())


def room_of(path):
    """The room that holds a path, or None: the longest directory of the table that is above it."""
    found = [r for r in TABLE if path.startswith(r + "/")]
    return max(found, key=len) if found else None


def sources(tree):
    for room in TABLE:
        for at, dirs, files in os.walk(os.path.join(tree, room)):
            dirs.sort()
            for f in sorted(files):
                path = os.path.relpath(os.path.join(at, f), tree)
                if f.endswith((".c", ".h")) and room_of(path) == room:
                    yield room, path


def check_includes(tree):
    for room, path in sources(tree):
        allowed, foreign = TABLE[room]
        with open(os.path.join(tree, path), encoding="utf-8") as f:
            lines = f.read().split("\n")
        for n, line in enumerate(lines, 1):
            m = re.match(r'\s*#\s*include\s*([<"])([^">]+)[>"]', line)
            if not m:
                continue
            kind, name = m.groups()
            where = "%s:%d: " % (path, n)
            if kind == '"':
                other = room_of(name)
                if other is None:
                    yield where + "\"%s\" is in no room (write the path from the top)" % name
                elif other != room and other not in allowed:
                    yield where + "%s may not use %s" % (room, other)
            elif name.startswith(FOREIGN) and not name.startswith(foreign or ("\0",)):
                yield where + "%s may not use <%s>" % (room, name)


def check_makefiles(rooms):
    dirs = {name: where for name, where, _ in rooms}
    for name, where, uses in rooms:
        if where not in TABLE:
            yield "room.mk: %s (%s) is not in the table" % (name, where)
            continue
        for other in uses:
            if dirs.get(other) not in TABLE[where][0]:
                yield "room.mk: %s may not link %s" % (where, dirs.get(other, other))


def symbols(path):
    """(defined, undefined) global symbols of an object file."""
    out = subprocess.run(["nm", "-g", "-P", path], stdout=subprocess.PIPE, check=True, text=True).stdout
    rows = [line.split() for line in out.splitlines()]
    return ({r[0] for r in rows if r[1] not in "Uwv"}, {r[0].split("@")[0] for r in rows if r[1] in "Uwv"})


def check_objects(build, tree):
    objects = []
    for room, path in sources(tree):
        obj = os.path.join(build, path[:-2] + ".o")
        if path.endswith(".c") and os.path.exists(obj):
            objects.append((room, path) + symbols(obj))
    if not objects:
        yield "no object files below %s" % build
    owner = {s: room for room, path, defined, _ in objects if not path.endswith("/main.c") for s in defined}
    for room, path, _, undefined in objects:
        for s in sorted(undefined):
            other = owner.get(s)
            if other not in (None, room) and other not in TABLE[room][0]:
                yield "%s: %s may not call %s of %s" % (path, room, s, other)
            speaks = path.startswith("eifgen/cmd/") or path.endswith("/main.c")
            if s in FORBIDDEN and other is None and room in SILENT and not speaks:
                yield "%s: a library calls %s" % (path, s)


def main():
    tree = sys.argv[1]
    rooms = [(w[0], w[1], w[2:]) for w in (line.split() for line in sys.stdin) if w]
    breaches = list(check_includes(tree)) + list(check_makefiles(rooms))
    if len(sys.argv) > 2:
        breaches += check_objects(sys.argv[2], tree)
    print("\n".join(breaches))
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
