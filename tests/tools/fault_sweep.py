#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the n-th allocation, read or write of our own code fail, for every n until the command succeeds.

Usage: fault_sweep.py PROGRAM WORKDIR NAME KIND EVERY-TO STRIDE -- COMMAND [ARGUMENT ...]
PROGRAM is built for tests (it reads EIFGEN_FAIL) with ASan. KIND is alloc, read or write. `@OUT@` in an argument is a
directory of the run's own. Every n up to EVERY-TO is tried, behind that each STRIDE-th (1: all), up to the last call
that the command makes (found by doubling and halving).

Each run must end with exit 2 and one line on stderr (warnings aside), leave nothing in its directories, neither the
output nor the spool, and lose no memory (ASan would say so and change the exit). Prints one TAP line; 0 if all held."""
import concurrent.futures, os, shutil, subprocess, sys, tempfile

LIMIT = 60  # seconds for one run; a build here takes a fraction of one


def run(program, argv, work, kind, n):
    """What is wrong with the run in which call n fails: a text, "" if nothing, None if the command succeeded."""
    top = tempfile.mkdtemp(dir=work)
    out, spool = os.path.join(top, "out"), os.path.join(top, "spool")
    os.mkdir(out)
    os.mkdir(spool)
    env = dict(os.environ, EIFGEN_FAIL="%s:%d" % (kind, n), TMPDIR=spool)
    p = subprocess.run([program] + [a.replace("@OUT@", out) for a in argv], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, timeout=LIMIT)
    lines = [l for l in p.stderr.decode(errors="replace").splitlines() if not l.startswith("eifgen: warning: ")]
    left = [os.path.join(at, f)[len(top):] for at, dirs, files in os.walk(top) for f in files]
    shutil.rmtree(top)
    if p.returncode == 0:
        return None
    if p.returncode != 2:
        return "exit %d: %s" % (p.returncode, "\n# ".join(lines[:40]))
    if len(lines) != 1 or not lines[0].startswith("eifgen: "):
        return "not one error line: %s" % "\n# ".join(lines[:10])
    if left:
        return "left behind: %s (%s)" % (" ".join(left), lines[0])
    return ""


def last_call(trial):
    """The greatest n that makes the command fail, taken that what succeeds at n succeeds behind it."""
    high = 32
    while trial(high) is not None:
        high *= 2
    low = 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if trial(middle) is None else (middle, high)
    return low


def main():
    program, work, name, kind, every, stride = sys.argv[1:7]
    argv = sys.argv[sys.argv.index("--") + 1:]
    every, stride = int(every), int(stride)

    def trial(n):
        return run(program, argv, work, kind, n)

    last = last_call(trial)
    ns = [n for n in range(1, last + 1) if n <= every or n > last - 20 or n % stride == 0]
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS") or os.cpu_count() or 2)) as pool:
        results = list(zip(ns, pool.map(trial, ns)))
    bad = [(n, "it was not noticed: exit 0" if r is None else r) for n, r in results if r is None or r]
    if not last:
        print("ok - %s: no %s to fail" % (name, kind))
        return 0
    title = "%s: each of %d failing %ss of %d is one clean error" % (name, len(ns), kind, last)
    print(("not ok - " if bad else "ok - ") + title)
    for n, why in bad[:10]:
        print("# %s %d: %s" % (kind, n, why))
    if len(bad) > 10:
        print("# and %d more" % (len(bad) - 10))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
