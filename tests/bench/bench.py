#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The benchmark: eifgen against its peers and against what the machine can do. Run by `make bench`.

bench.py EIFGEN IMAGES [--runs N] [--json OUT] [--sizes small,medium,large] [--entries 1000,…]

Medians of N runs (5): wall seconds, CPU seconds, peak resident memory of the whole pipeline's largest process.
  eifgen build, build --no-record, pcr cold, pcr warm (--cache, all seen), pcr warm with another top layer
  umoci unpack + find | sort | cpio -H newc + eifgen assemble        (needs root for owners)
  tar2sqfs with its fastest compressor (the layers' tars, gunzipped), skopeo copy to a dir
  the floor: CPU seconds of gunzip (igzip where it is installed), sha256 of layers and tars, two SHA-384 and two copies
  of the ramdisk, divided by the processors
Everything is read once before, so that all start from the page cache. Nothing is fsynced by anybody."""
import argparse, glob, json, os, platform, resource, shutil, statistics, subprocess, sys, tempfile, time

KERNEL = 8 << 20


def run(argv, shell=False):
    """Wall, CPU and peak KB of one command."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(r)
        start = time.monotonic()
        p = subprocess.run(argv, shell=shell, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, executable="/bin/bash" if shell else None)
        wall = time.monotonic() - start
        u = resource.getrusage(resource.RUSAGE_CHILDREN)
        out = {"wall": wall, "cpu": u.ru_utime + u.ru_stime, "kb": u.ru_maxrss, "rc": p.returncode, "err": p.stderr.decode(errors="replace")[-300:]}
        os.write(w, json.dumps(out).encode())
        os._exit(0)
    os.close(w)
    data = b""
    while True:
        piece = os.read(r, 65536)
        if not piece:
            break
        data += piece
    os.close(r)
    os.waitpid(pid, 0)
    return json.loads(data)


def measure(name, runs, command, before=None, shell=False):
    got = []
    for _ in range(runs):
        if before:
            before()
        one = run(command, shell)
        if one["rc"]:
            sys.stderr.write("%s failed: %s\n" % (name, one["err"]))
            return None
        got.append(one)
    return {k: statistics.median(o[k] for o in got) for k in ("wall", "cpu", "kb")}


class Image:
    def __init__(self, top, name):
        self.name, self.dir = name, os.path.join(top, name)
        m = json.load(open(self.dir + "/index.json"))["manifests"][0]["digest"].split(":")[1]
        self.manifest = json.load(open(self.blob(m)))
        self.layers = [self.blob(l["digest"].split(":")[1]) for l in self.manifest["layers"]]

    def blob(self, hex_digest):
        return "%s/blobs/sha256/%s" % (self.dir, hex_digest)

    def ref(self):
        return "oci:%s:bench" % self.dir


def platform_dir(work):
    d = os.path.join(work, "platform")
    os.mkdir(d)
    open(d + "/bzImage", "wb").write(b"k" * KERNEL)
    open(d + "/cmdline", "w").write("reboot=k")
    open(d + "/init", "w").write("init")
    return d


def floor(img, ramdisk, runs):
    """CPU seconds that nobody can do without, over the processors."""
    gunzip = "igzip -dc" if shutil.which("igzip") else "gzip -dc"
    steps = {
        "inflate": "for l in %s; do %s < $l; done > /dev/null" % (" ".join(img.layers), gunzip),
        "sha256 stored": "cat %s | openssl dgst -sha256" % " ".join(img.layers),
        "sha256 tar": "for l in %s; do %s < $l; done | openssl dgst -sha256" % (" ".join(img.layers), gunzip),
        "sha384": "openssl dgst -sha384 %s" % ramdisk,
        "copy": "cp %s %s.copy" % (ramdisk, ramdisk),
    }
    cpu = {}
    for k, c in steps.items():
        m = measure("floor: " + k, runs, c, shell=True)
        cpu[k] = m["cpu"] if m else 0.0
    cpu["sha256 tar"] = max(0.0, cpu["sha256 tar"] - cpu["inflate"])
    total = cpu["inflate"] + cpu["sha256 stored"] + cpu["sha256 tar"] + 2 * cpu["sha384"] + 2 * cpu["copy"]
    return {"cpu": total, "wall": total / os.cpu_count(), "kb": 0, "parts": cpu, "inflater": gunzip}


def one_size(args, img, work, plat):
    e, out = args.eifgen, {}
    base = [e, "-q"]
    tail = ["--blobs", plat, "--no-nsm", "--epoch", "1"]
    eif = os.path.join(work, "out.eif")
    for l in img.layers:  # into the page cache
        subprocess.run(["cat", l], stdout=subprocess.DEVNULL, check=True)
    out["eifgen build"] = measure("build", args.runs, base + ["build", img.ref(), "-o", eif] + tail)
    out["eifgen build --no-record"] = measure("build", args.runs, base + ["build", img.ref(), "-o", eif, "--no-record"] + tail)
    out["bytes"] = os.path.getsize(eif)
    out["eifgen pcr, cold"] = measure("pcr", args.runs, base + ["pcr", img.ref()] + tail)
    os.environ["XDG_CACHE_HOME"] = os.path.join(work, "cache")
    subprocess.run(base + ["pcr", img.ref(), "--cache"] + tail, stdout=subprocess.DEVNULL, check=True)
    out["eifgen pcr, warm"] = measure("warm", args.runs, base + ["pcr", img.ref(), "--cache"] + tail)
    if os.path.isdir(img.dir + "-top"):
        top = Image(args.images, img.name + "-top")
        marks = os.path.join(work, "cache/eifgen")
        keep = os.path.join(work, "cache-keep")

        def reset():
            shutil.rmtree(marks)
            shutil.copytree(keep, marks)
        shutil.copytree(marks, keep)
        out["eifgen pcr, warm, other top layer"] = measure("top", args.runs, base + ["pcr", top.ref(), "--cache"] + tail, reset)
        shutil.rmtree(keep)
    shutil.rmtree(os.path.join(work, "cache"))
    return out, eif


def peers(args, img, work, plat, eif):
    out = {}
    subprocess.run([args.eifgen, "extract", eif, "-C", work + "/x"], stdout=subprocess.DEVNULL, check=True)
    ramdisk = sorted(glob.glob(work + "/x/ramdisk-*.cpio"))[-1]
    out["floor"] = floor(img, ramdisk, min(args.runs, 3))
    shutil.rmtree(work + "/x")
    clean = lambda: [shutil.rmtree(work + "/" + d, ignore_errors=True) for d in ("bundle", "dir")]
    pipeline = ("umoci unpack --image %s:bench %s/bundle && cd %s/bundle && find rootfs -print0 | LC_ALL=C sort -z | "
                "cpio -0 -o -H newc --quiet > ../app.cpio && cd .. && echo init > boot.cpio && %s -q assemble -o peer.eif --kernel "
                "%s/bzImage --cmdline reboot=k --ramdisk boot.cpio --ramdisk app.cpio --name x --image-version x" % (img.dir, work, work, args.eifgen, plat))
    out["umoci + cpio + assemble"] = measure("umoci", args.peer_runs, pipeline, clean, shell=True)
    clean()
    if shutil.which("tar2sqfs"):
        sq = "for l in %s; do gzip -dc $l | tar2sqfs -q -c lz4 -f %s/out.sqfs; done" % (" ".join(img.layers), work)
        out["tar2sqfs (lz4), layer by layer"] = measure("tar2sqfs", args.peer_runs, sq, shell=True)
    out["skopeo copy to dir"] = measure("skopeo", args.peer_runs, ["skopeo", "--insecure-policy", "copy", "-q", img.ref(), "dir:%s/dir" % work], clean)
    clean()
    return out


def table(name, rows, size):
    fl = rows.get("floor")
    build = rows.get("eifgen build")
    print("\n### %s, %.0f MB of EIF\n" % (name, size / 1e6))
    print("| | wall s | CPU s | peak MB | MB/s | of the floor's wall | of build's wall |\n|---|---|---|---|---|---|---|")
    for k, m in rows.items():
        if not m:
            continue
        print("| %s | %.2f | %.2f | %s | %.0f | %s | %s |" % (
            k, m["wall"], m["cpu"], "%.0f" % (m["kb"] / 1024) if m["kb"] else "", size / 1e6 / m["wall"],
            "%.2f" % (m["wall"] / fl["wall"]) if fl else "", "%.2f" % (m["wall"] / build["wall"]) if build else ""), flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("eifgen")
    p.add_argument("images")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--peer-runs", type=int, default=0)
    p.add_argument("--json")
    p.add_argument("--sizes", default="small,medium,large")
    p.add_argument("--entries", default="1000,10000,100000,1000000")
    args = p.parse_args()
    args.peer_runs = args.peer_runs or args.runs
    args.eifgen = os.path.abspath(args.eifgen)
    args.images = os.path.abspath(args.images)
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    mem = next(int(l.split()[1]) for l in open("/proc/meminfo") if l.startswith("MemTotal")) / 1048576
    about = {"processor": cpu, "processors": os.cpu_count(), "memory GiB": round(mem), "kernel": platform.release(),
             "load at start": os.getloadavg()[0], "runs": args.runs, "peer runs": args.peer_runs}
    print("%d x %s, %.0f GiB, Linux %s; medians of %d runs (peers: %d); load average at start %.1f" %
          (os.cpu_count(), cpu, mem, platform.release(), args.runs, args.peer_runs, about["load at start"]))
    work = tempfile.mkdtemp(prefix="eifgen-bench-", dir=os.path.dirname(args.images))
    result = {"machine": about, "sizes": {}, "entries": {}}
    try:
        plat = platform_dir(work)
        for name in filter(None, args.sizes.split(",")):
            img = Image(args.images, name)
            rows, eif = one_size(args, img, work, plat)
            size = rows.pop("bytes")
            rows.update(peers(args, img, work, plat, eif))
            result["sizes"][name] = {"bytes": size, "rows": rows}
            table(name, rows, size)
        entries = [int(n) for n in args.entries.split(",") if n]
        if entries:
            print("\n### Entries\n\n| entries | pcr wall s | CPU s | CPU microseconds an entry | peak MB | peak bytes an entry over 64 MB |\n|---|---|---|---|---|---|")
        for n in entries:
            img = Image(args.images, "entries-%d" % n)
            m = measure("entries", args.runs, [args.eifgen, "-q", "pcr", img.ref(), "--blobs", plat, "--no-nsm", "--epoch", "1"])
            result["entries"][n] = m
            print("| %d | %.2f | %.2f | %.1f | %.0f | %.0f |" % (n, m["wall"], m["cpu"], m["cpu"] * 1e6 / n, m["kb"] / 1024, max(0, (m["kb"] - 65536) * 1024 / n)), flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if args.json:
        json.dump(result, open(args.json, "w"), indent=1)


main()
