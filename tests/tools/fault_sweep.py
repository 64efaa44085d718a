#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the n-th allocation, read or write of our own code fail, for every n until the command succeeds.

Usage: fault_sweep.py PROGRAM WORKDIR NAME KIND EVERY-TO STRIDE [--same FILE [--cache DIR]] -- COMMAND [ARGUMENT ...]
PROGRAM is built for tests (it reads EIFGEN_FAIL) with ASan. KIND is alloc, read or write. `@OUT@` in an argument is a
directory of the run's own. Every n up to EVERY-TO is tried, behind that each STRIDE-th (1: all), up to the last call
that the command makes (found by doubling and halving).

With --same a run may also end well, and print what FILE holds: what a cache cannot read or write costs nothing but time. Then
n goes on until a batch of runs has ended well. --cache DIR is copied to where each run has its cache (empty without it).

Each run must end with exit 2 and one line on stderr (warnings aside), leave nothing in its directories, neither the
output nor the spool, and lose no memory (ASan would say so and change the exit). Prints one TAP line; 0 if all held."""
import concurrent.futures, os, shutil, subprocess, sys, tempfile

LIMIT = 60  # seconds for one run; a build here takes a fraction of one


BATCH = 60  # runs that end well, one after the other, before a sweep with --same is over


def run(program, argv, work, kind, n, same=None, cache=None):
    """What is wrong with the run in which call n fails: a text, "" if nothing, None if the command succeeded."""
    top, home = tempfile.mkdtemp(dir=work), tempfile.mkdtemp(dir=work)
    out, spool = os.path.join(top, "out"), os.path.join(top, "spool")
    os.mkdir(out)
    os.mkdir(spool)
    if cache:
        shutil.copytree(cache, os.path.join(home, "eifgen"))
    env = dict(os.environ, EIFGEN_FAIL="%s:%d" % (kind, n), TMPDIR=spool, XDG_CACHE_HOME=home)
    p = subprocess.run([program] + [a.replace("@OUT@", out) for a in argv], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, timeout=LIMIT)
    lines = [l for l in p.stderr.decode(errors="replace").splitlines() if not l.startswith("eifgen: warning: ")]
    left = [os.path.join(at, f)[len(top):] for at, dirs, files in os.walk(top) for f in files]
    left += [f for at, dirs, files in os.walk(home) for f in files if ".tmp-" in f]
    shutil.rmtree(top)
    shutil.rmtree(home)
    if p.returncode == 0 and same is not None and p.stdout != same:
        return "another answer: %s" % p.stdout.decode(errors="replace")
    if p.returncode == 0:
        return "left behind: %s" % " ".join(left) if same is not None and left else None
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


def swept(trial, pool, every, stride):
    """Number and result of each trial, until a batch of them succeeds."""
    results, n = [], 1
    while True:
        ns = []
        while len(ns) < BATCH:
            ns.append(n)
            n += 1 if n <= every else stride
        batch = list(zip(ns, pool.map(trial, ns)))
        results += batch
        if all(r is None for _, r in batch):
            return results


def main():
    program, work, name, kind, every, stride = sys.argv[1:7]
    split = sys.argv.index("--")
    argv, every, stride = sys.argv[split + 1:], int(every), int(stride)
    options = dict(zip(sys.argv[7:split:2], sys.argv[8:split:2]))
    same = open(options["--same"], "rb").read() if "--same" in options else None

    def trial(n):
        return run(program, argv, work, kind, n, same, options.get("--cache"))

    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS") or os.cpu_count() or 2)) as pool:
        if same is None:
            last = last_call(trial)
            ns = [n for n in range(1, last + 1) if n <= every or n > last - 20 or n % stride == 0]
            results = list(zip(ns, pool.map(trial, ns)))
        else:
            results = swept(trial, pool, every, stride)
            last = max([n for n, r in results if r is not None], default=0)
            results = [(n, "" if r is None else r) for n, r in results]
    bad = [(n, "it was not noticed: exit 0" if r is None else r) for n, r in results if r is None or r]
    if not last and same is None:
        print("ok - %s: no %s to fail" % (name, kind))
        return 0
    title = "%s: each of %d failing %ss of %d is one clean error%s" % (
        name, len(results), kind, last, "" if same is None else " or changes nothing")
    print(("not ok - " if bad else "ok - ") + title)
    for n, why in bad[:10]:
        print("# %s %d: %s" % (kind, n, why))
    if len(bad) > 10:
        print("# and %d more" % (len(bad) - 10))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
