#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The benchmark: eifgen against its peers, against what the machine can do, and against what it promises. Run
by `make bench`.

bench.py EIFGEN IMAGES [--runs N] [--peer-runs N] [--json OUT] [--markdown OUT] [--sizes small,medium,large] [--entries 1000,…]

Medians of N runs (5): wall seconds, CPU seconds, peak resident memory of the whole pipeline's largest process.
  eifgen build, build --no-record, pcr cold, pcr cold that fills the cache, pcr warm (all seen), pcr warm after a change of
  the top layer at three places of the ramdisk
  umoci unpack + find | sort | cpio -H newc + eifgen assemble        (needs root for owners)
  tar2sqfs with its fastest compressor (the layers' tars, gunzipped), skopeo copy to a dir
  the floor: CPU seconds of gunzip (igzip where it is installed), sha256 of layers and tars (files), two SHA-384 and two
  copies of the ramdisk, divided by the processors
Everything is read once before, so that all start from the page cache. Nothing is fsynced by anybody.
report.py turns the numbers into text."""
import argparse, glob, json, os, platform, re, resource, shutil, statistics, subprocess, sys, tempfile, time

sys.dont_write_bytecode = True  # nothing is left beside the sources
import report

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

    def warm_up(self):
        for l in self.layers:  # into the page cache
            subprocess.run(["cat", l], stdout=subprocess.DEVNULL, check=True)


class Bench:
    def __init__(self, args, work):
        self.args, self.work, self.eifgen = args, work, args.eifgen
        self.platform = os.path.join(work, "platform")
        os.mkdir(self.platform)
        open(self.platform + "/bzImage", "wb").write(b"k" * KERNEL)
        open(self.platform + "/cmdline", "w").write("reboot=k")
        open(self.platform + "/init", "w").write("init")
        self.tail = ["--blobs", self.platform, "--no-nsm", "--epoch", "1"]
        self.eif = os.path.join(work, "out.eif")
        os.environ["XDG_CACHE_HOME"] = os.path.join(work, "cache")
        self.cache = os.path.join(work, "cache/eifgen")

    def pcr(self, img, *more):
        return [self.eifgen, "-q", "pcr", img.ref(), *more] + self.tail

    def build(self, img, *more):
        return [self.eifgen, "-q", "build", img.ref(), "-o", self.eif, *more] + self.tail

    def no_output(self):
        """Every run writes new files: to replace one by rename makes ext4 write the new one out at once (auto_da_alloc),
        and what would be measured is the disk."""
        for f in glob.glob(self.work + "/*.eif*"):
            os.unlink(f)

    @staticmethod
    def remove(path):
        if os.path.exists(path):
            os.unlink(path)

    def ramdisk(self, eif):
        """The application ramdisk of an EIF, extracted."""
        subprocess.run([self.eifgen, "extract", eif, "-C", self.work + "/x"], stdout=subprocess.DEVNULL, check=True)
        out = self.work + "/ramdisk"
        os.rename(sorted(glob.glob(self.work + "/x/ramdisk-*.cpio"))[-1], out)
        shutil.rmtree(self.work + "/x")
        return out

    # ---- eifgen ----------------------------------------------------------------------------------------------------

    def one_size(self, img):
        out, runs = {}, self.args.runs
        img.warm_up()
        out["eifgen build"] = measure("build", runs, self.build(img), self.no_output)
        out["eifgen build --no-record"] = measure("build", runs, self.build(img, "--no-record"), self.no_output)
        size = os.path.getsize(self.eif)
        out["eifgen pcr, cold"] = measure("pcr", runs, self.pcr(img))
        clear = lambda: shutil.rmtree(self.work + "/cache", ignore_errors=True)
        out["eifgen pcr, cold, filling the cache"] = measure("fill", runs, self.pcr(img, "--cache"), clear)
        out["eifgen pcr, warm"] = measure("warm", runs, self.pcr(img, "--cache"))
        return out, size

    def snapshot(self):
        """What the cache holds, so that each run finds the same: layers stay, marks are kept as bytes."""
        names = set(os.listdir(self.cache))
        marks = {n: open(os.path.join(self.cache, n), "rb").read() for n in names if n.endswith(".marks")}

        def restore():
            for n in set(os.listdir(self.cache)) - names:
                os.unlink(os.path.join(self.cache, n))
            for n, data in marks.items():
                open(os.path.join(self.cache, n), "wb").write(data)
        return restore

    def changes(self, img, ramdisk):
        """Warm predictions of images that differ in the top layer: the cache knows `img`, whose ramdisk is given."""
        out = {}
        restore = self.snapshot()
        for kind in ("late", "middle", "early"):
            if not os.path.isdir(img.dir + "-" + kind):
                continue
            other = Image(self.args.images, img.name + "-" + kind)
            other.warm_up()
            subprocess.run(self.build(other, "--no-record"), stdout=subprocess.DEVNULL, check=True)
            os.rename(ramdisk, ramdisk + ".before")
            changed = self.ramdisk(self.eif)
            said = subprocess.run(["cmp", ramdisk + ".before", changed], capture_output=True, text=True).stdout
            at = int(re.search(r"(?:byte|char) (\d+)", said).group(1)) - 1
            rest = os.path.getsize(changed) - at
            tail = "tail -c %d %s" % (rest, changed)
            subprocess.run("%s > %s.rest" % (tail, changed), shell=True, check=True)
            row = measure(kind, self.args.runs, self.pcr(other, "--cache"), restore)
            restore()
            loud = subprocess.run([self.eifgen, "-v"] + self.pcr(other, "--cache")[2:], capture_output=True, text=True).stderr
            known = re.search(r"(\d+) of (\d+) layers", loud)
            row["change"] = {"at": at, "of": os.path.getsize(changed), "layers": int(known.group(2)),
                             "inflated": int(known.group(2)) - int(known.group(1)),
                             "sha384": measure("sha384", self.args.runs, ["openssl", "dgst", "-sha384", changed + ".rest"])["wall"]}
            out["eifgen pcr, warm, changed at %.0f %%" % (100 * at / row["change"]["of"])] = row
            os.unlink(changed + ".rest")
            os.unlink(changed)
            os.rename(ramdisk + ".before", ramdisk)
        restore()
        return out

    # ---- the others ------------------------------------------------------------------------------------------------

    def floor(self, img, ramdisk):
        """CPU seconds of the work that is asked for, over the processors. Files are digested as files: through pipes, as the
        tars would come out of gunzip, it costs half as much again, which nobody has to pay."""
        gunzip = "igzip -dc" if shutil.which("igzip") else "gzip -dc"
        tars = ["%s/layer-%d.tar" % (self.work, i) for i in range(len(img.layers))]
        for stored, tar in zip(img.layers, tars):
            subprocess.run("%s < %s > %s" % (gunzip, stored, tar), shell=True, check=True)
        steps = {
            "inflate": "for l in %s; do %s < $l; done > /dev/null" % (" ".join(img.layers), gunzip),
            "sha256 stored": "openssl dgst -sha256 " + " ".join(img.layers),
            "sha256 tar": "openssl dgst -sha256 " + " ".join(tars),
            "sha384": "openssl dgst -sha384 " + ramdisk,
            "copy": "cp %s %s.copy" % (ramdisk, ramdisk),
        }
        cpu = {}
        for k, c in steps.items():
            m = measure("floor: " + k, self.args.runs, c, lambda: self.remove(ramdisk + ".copy"), shell=True)
            cpu[k] = m["cpu"] if m else 0.0
        for f in tars + [ramdisk + ".copy"]:
            self.remove(f)
        total = cpu["inflate"] + cpu["sha256 stored"] + cpu["sha256 tar"] + 2 * cpu["sha384"] + 2 * cpu["copy"]
        return {"cpu": total, "wall": total / os.cpu_count(), "kb": 0, "parts": cpu, "inflater": gunzip}

    def peers(self, img):
        out, work, runs = {}, self.work, self.args.peer_runs

        def clean():
            for d in ("bundle", "dir"):
                shutil.rmtree(work + "/" + d, ignore_errors=True)
            for f in glob.glob(work + "/*.cpio") + glob.glob(work + "/peer.eif"):
                os.unlink(f)
        pipeline = ("umoci unpack --image %s:bench %s/bundle && cd %s/bundle && find rootfs -print0 | LC_ALL=C sort -z | "
                    "cpio -0 -o -H newc --quiet > ../app.cpio && cd .. && echo init > boot.cpio && %s -q assemble -o peer.eif --kernel "
                    "%s/bzImage --cmdline reboot=k --ramdisk boot.cpio --ramdisk app.cpio --name x --image-version x" %
                    (img.dir, work, work, self.eifgen, self.platform))
        if shutil.which("umoci") and shutil.which("cpio"):
            out["umoci + cpio + assemble"] = measure("umoci", runs, pipeline, clean, shell=True)
        clean()
        if shutil.which("tar2sqfs"):
            sq = "for l in %s; do gzip -dc $l | tar2sqfs -q -c lz4 -f %s/out.sqfs; done" % (" ".join(img.layers), work)
            out["tar2sqfs (lz4), layer by layer"] = measure("tar2sqfs", runs, sq, shell=True)
        if shutil.which("skopeo"):
            out["skopeo copy to dir"] = measure("skopeo", runs, ["skopeo", "--insecure-policy", "copy", "-q", img.ref(), "dir:%s/dir" % work], clean)
        clean()
        return out

    def size(self, name):
        img = Image(self.args.images, name)
        rows, size = self.one_size(img)
        ramdisk = self.ramdisk(self.eif)
        rows.update(self.changes(img, ramdisk))
        shutil.rmtree(self.work + "/cache")
        rows["floor"] = self.floor(img, ramdisk)
        os.unlink(ramdisk)
        rows.update(self.peers(img))
        return {"bytes": size, "rows": rows}

    def entries(self, n):
        img = Image(self.args.images, "entries-%d" % n)
        img.warm_up()
        return {"pcr": measure("entries", self.args.runs, self.pcr(img)),
                "build": measure("entries", self.args.runs, self.build(img), self.no_output)}


def busy():
    """The share of the processors' time that others take while we do nothing, over a second."""
    def now():
        ticks = [int(x) for x in open("/proc/stat").readline().split()[1:9]]
        return sum(ticks), ticks[3] + ticks[4]  # idle, and waiting for a disk
    all_before, idle_before = now()
    time.sleep(1)
    all_after, idle_after = now()
    return min(1.0, max(0.0, 1 - (idle_after - idle_before) / max(1, all_after - all_before)))


def machine(args):
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    mem = next(int(l.split()[1]) for l in open("/proc/meminfo") if l.startswith("MemTotal")) / 1048576
    return {"processor": cpu, "processors": os.cpu_count(), "memory GiB": round(mem), "kernel": platform.release(),
            "load at start": os.getloadavg()[0], "busy at start": busy(), "runs": args.runs, "peer runs": args.peer_runs}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("eifgen")
    p.add_argument("images")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--peer-runs", type=int, default=0)
    p.add_argument("--json")
    p.add_argument("--markdown")
    p.add_argument("--sizes", default="small,medium,large")
    p.add_argument("--entries", default="1000,10000,100000,1000000")
    args = p.parse_args()
    args.peer_runs = args.peer_runs or args.runs
    args.eifgen = os.path.abspath(args.eifgen)
    args.images = os.path.abspath(args.images)
    work = tempfile.mkdtemp(prefix="eifgen-bench-", dir=os.path.dirname(args.images))
    result = {"machine": machine(args), "sizes": {}, "entries": {}}
    try:
        bench = Bench(args, work)
        for name in filter(None, args.sizes.split(",")):
            result["sizes"][name] = bench.size(name)
            print(report.table(name, result["sizes"][name]), flush=True)
        for n in (int(n) for n in args.entries.split(",") if n):
            result["entries"][str(n)] = bench.entries(n)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    result["machine"]["load at end"], result["machine"]["busy at end"] = os.getloadavg()[0], busy()
    report.add_ratios(result)
    if args.json:
        json.dump(result, open(args.json, "w"), indent=1)
    if args.markdown:
        open(args.markdown, "w").write(report.markdown(result))
    print(report.entries(result) + "\n" + report.goals(result))


main()
