#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Both planes beside haproxy, stunnel and socat, in one run: same back ends, same load, same payloads, same pinning.

Usage: tests/bench/runtime.py [--quick] [--json FILE]     (tables in Markdown on standard output)

    alone    load ──TLS──► data plane | haproxy | stunnel ──► back end
    chain    load ──TLS──► control plane ══unix══ data plane  ──► back end       two haproxies in a row the same way:
                           the outer one in TCP mode writes a PROXY v2 header, the inner one ends TLS
    egress   program in the enclave's namespace ──► data plane ══unix══ control plane ──► upstream; two socats the same way

What is measured has the first processor to itself; load, back ends and this script have the last one. Rounds are
interleaved, so that other work on the machine falls on all alike, and medians are taken. Requests/s and latency are
h2load's, handshakes OpenSSL's s_time, CPU time that of the measured processes. Latency is taken at a fixed rate far
below saturation: 10 connections with 100 requests/s each; `direct` is the back end asked without anything in front."""
import json, os, re, resource, shutil, socket, statistics, subprocess, sys, tempfile, threading, time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/tools"))
os.environ.setdefault("EIFGEN_BIN", os.path.join(TOP, "build/rel/bin"))
TMP = tempfile.mkdtemp(prefix="eifgen-bench-", dir="/tmp")  # short: unix sockets are named below it
os.environ["TEST_TMP"] = TMP
from plane_rig import cbor, free_port, until  # noqa: E402

QUICK = "--quick" in sys.argv
ROUNDS = int(os.environ.get("ROUNDS", 1 if QUICK else 3))
N = 4000 if QUICK else 30000
RATE_S = 1 if QUICK else 3
SHAKE_S = 1 if QUICK else 2
IDLE = 300 if QUICK else 10000
GB = (64 << 20) if QUICK else (1 << 30)
HZ = os.sysconf("SC_CLK_TCK")
CPUS = sorted(os.sched_getaffinity(0))
CERT, KEY, BOTH = (os.path.join(TMP, n) for n in ("cert.pem", "key.pem", "both.pem"))
BIN = os.environ["EIFGEN_BIN"]


def sh(*a, limit=300):
    return subprocess.run(a, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=limit).stdout.decode()


class Target:
    """What is measured: one process or two in a row, and the port at which clients connect."""

    def __init__(self, name, port, procs, h2=True):
        self.name, self.port, self.procs, self.h2, self.url = name, port, procs, h2, "https://127.0.0.1:%d/" % port

    def cpu(self):
        total = 0
        for p in self.procs:
            with open("/proc/%d/stat" % p.pid) as f:
                v = f.read().rsplit(")", 1)[1].split()
            total += int(v[11]) + int(v[12])
        return total / HZ

    def rss(self):
        total = 0
        for p in self.procs:
            with open("/proc/%d/statm" % p.pid) as f:
                total += int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")
        return total

    def fds(self):
        return len(os.listdir("/proc/%d/fd" % self.procs[0].pid))

    def spent(self, work):
        """work()'s value, and the CPU seconds that the target spent on it."""
        before = self.cpu()
        return work(), self.cpu() - before


started = []


def spawn(*a):
    p = subprocess.Popen(a, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    started.append(p)
    return p


def listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


# ---- the peers -------------------------------------------------------------------------------------------------------
def haproxy(name, text):
    path = os.path.join(TMP, name + ".cfg")
    with open(path, "w") as f:
        # no strict-limits: it counts two descriptors a connection, and would not start where the limit holds fewer
        f.write("global\n nbthread 1\n no strict-limits\n maxconn %d\ndefaults\n mode http\n timeout connect 5s\n timeout client 600s\n"
                " timeout server 600s\n http-reuse always\n" % (IDLE + 500) + text)
    return spawn("haproxy", "-f", path, "-db")


def data_plane(name, ingress, back):
    path = os.path.join(TMP, name + ".cbor")
    with open(path, "wb") as f:
        f.write(cbor({"ingress": dict({"certificate": CERT, "key": KEY, "idle_ms": 600000, "header_ms": 600000}, **ingress),
                      "service": {"address": "tcp:127.0.0.1:%d" % back}, "report": {"metrics": "unix:%s/none" % TMP},
                      "health": {"listen": "unix:%s/%s-health" % (TMP, name)}}))
    return spawn(BIN + "/cage-data-plane-no-egress", "--config", path)


def alone(back):
    ours, theirs, third = free_port(), free_port(), free_port()
    conf = os.path.join(TMP, "stunnel%d.conf" % back)
    with open(conf, "w") as f:
        f.write("foreground=yes\npid=\nsyslog=no\n[s]\naccept=127.0.0.1:%d\nconnect=127.0.0.1:%d\ncert=%s\n" % (third, back, BOTH))
    return [Target("data plane", ours, [data_plane("alone%d" % back, {"listen": "tcp:127.0.0.1:%d" % ours, "proxy": False}, back)]),
            Target("haproxy", theirs, [haproxy("alone%d" % back, """frontend f
 bind 127.0.0.1:%d ssl crt %s alpn h2,http/1.1
 option forwardfor
 default_backend b
backend b
 server s 127.0.0.1:%d
""" % (theirs, BOTH, back))]),
            Target("stunnel", third, [spawn("stunnel4", conf)], h2=False)]


def chain(back):
    ours, theirs, tag = free_port(), free_port(), "%s/c%d" % (TMP, back)
    inner = data_plane("chain%d" % back, {"listen": "unix:%s-plane" % tag}, back)
    outer = spawn(BIN + "/cage-control-plane-no-egress", "--ingress=tcp:127.0.0.1:%d" % ours, "--enclave=unix:%s-plane" % tag,
                  "--health=unix:%s-h" % tag, "--no-deep-health", "--control=unix:%s-ctl" % tag, "--metrics-in=none")
    their_inner = haproxy("inner%d" % back, """frontend f
 bind unix@%s-haproxy accept-proxy ssl crt %s alpn h2,http/1.1
 option forwardfor
 default_backend b
backend b
 server s 127.0.0.1:%d
""" % (tag, BOTH, back))
    their_outer = haproxy("outer%d" % back, """frontend f
 mode tcp
 bind 127.0.0.1:%d
 default_backend b
backend b
 mode tcp
 server s unix@%s-haproxy send-proxy-v2
""" % (theirs, tag))
    return [Target("control + data plane", ours, [outer, inner]), Target("two haproxies", theirs, [their_outer, their_inner])]


def pin(targets):
    for t in targets:
        assert until(lambda: listening(t.port)), t.name + " does not listen"
        for p in t.procs:
            os.sched_setaffinity(p.pid, {CPUS[0]})
    return targets


# ---- back ends -------------------------------------------------------------------------------------------------------
def big_server(host="127.0.0.1"):
    """GET anything: GB bytes by sendfile, then close."""
    path = os.path.join(TMP, "big")
    with open(path, "wb") as f:
        f.truncate(GB)
    srv = socket.create_server((host, 0), backlog=64)

    def one(c):
        c.recv(4096)
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % GB)
        try:
            with open(path, "rb") as f:
                c.sendfile(f)
        except OSError:
            pass
        c.close()

    def loop():
        while True:
            c, _ = srv.accept()
            threading.Thread(target=one, args=(c,), daemon=True).start()
    threading.Thread(target=loop, daemon=True).start()
    return srv.getsockname()[1]


# ---- loads -----------------------------------------------------------------------------------------------------------
def load(t, n, *args):
    text, spent = t.spent(lambda: sh("h2load", *args, "-n", str(n), t.url))
    m, ok = re.search(r"([\d.]+) req/s", text), re.search(r"(\d+) succeeded", text)
    return (float(m.group(1)), spent / n * 1e6) if m and int(ok.group(1)) == n else None


def percentiles(times):
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


def latency(url):
    """Milliseconds, median and 99th percentile, at 1000 requests/s over 10 connections."""
    log = os.path.join(TMP, "log")
    if os.path.exists(log):
        os.unlink(log)
    sh("h2load", "--h1", "-c", "10", "--rps", "100", "-n", str(1000 * RATE_S), "--log-file", log, url)
    with open(log) as f:
        rows = [line.split("\t") for line in f]
    times = [int(r[2]) / 1e3 for r in rows[50:] if r[1] == "200"]  # the first ones wait for their handshakes
    return percentiles(times) if len(times) > len(rows) * 0.9 else None


def handshakes(t, *how):
    """Four clients that do nothing else."""
    def work():
        ps = [subprocess.Popen(["openssl", "s_time", "-connect", "127.0.0.1:%d" % t.port, "-time", str(SHAKE_S), *how],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL) for _ in range(4)]
        texts = [p.communicate(timeout=60)[0].decode() for p in ps]
        return sum(int(m.group(1)) for m in (re.search(r"(\d+) connections in [\d.]+ real", x) for x in texts) if m)
    start = time.monotonic()
    n, spent = t.spent(work)
    return (n / (time.monotonic() - start), spent / n * 1e6) if n else None


def gigabyte(t):
    speed, spent = t.spent(lambda: sh("curl", "-sk", "--http1.1", "-o", os.devnull, "-w", "%{size_download} %{speed_download}", t.url))
    size, speed = speed.split()
    return (float(speed) / 1e6, spent * (1 << 30) / GB) if int(size) == GB else None


def idle(t, n):
    """KiB that each of n idle TLS connections holds: made by h2load, each has asked once and will ask again in a minute."""
    base, fds = t.rss(), t.fds()
    p = subprocess.Popen(["h2load", "--h1", "-c", str(n), "-n", str(2 * n), "--rps", "0.01", "-r", str(max(200, n // 8)), t.url],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    there = until(lambda: t.fds() - fds >= n * len(t.procs) or p.poll() is not None, 90) and p.poll() is None
    until(lambda: t.spent(lambda: time.sleep(1.5))[1] < 0.02, 60)  # the last handshakes are over when it rests
    each = (t.rss() - base) / n / 1024
    p.kill()
    p.wait()
    return (each, n) if there else None


# ---- the run ---------------------------------------------------------------------------------------------------------
def egress():
    """tests/bench/egress.py in namespaces of its own; {} where they are not permitted."""
    p = subprocess.run(["unshare", "-rnm", sys.executable, "-B", os.path.join(TOP, "tests/bench/egress.py"), str(GB), str(ROUNDS),
                        "200" if QUICK else "1000"], stdout=subprocess.PIPE, timeout=600)
    return json.loads(p.stdout) if p.returncode == 0 else {}


def measure(rows, t, big):
    row = rows.setdefault(t.name, {})

    def add(key, value):
        if value is not None:
            row.setdefault(key, []).append(value)
    n = N if t.h2 else N // 6  # stunnel has a thread a connection and needs its time
    add("h1", load(t, n, "--h1", "-c", "50"))
    if t.h2:
        add("h2", load(t, n, "-c", "10", "-m", "10"))
    add("lat", latency(t.url))
    add("full", handshakes(t, "-new"))
    add("res", handshakes(t, "-reuse", "-tls1_2"))
    add("gb", gigabyte(big))


def run(back):
    big = big_server()
    groups = [(pin(alone(back)), pin(alone(big))), (pin(chain(back)), pin(chain(big)))]
    rows = {}
    direct = rows.setdefault("direct", {"lat": []})
    for _ in range(ROUNDS):
        direct["lat"].append(latency("http://127.0.0.1:%d/" % back))
        for small, large in groups:
            for t, b in zip(small, large):
                measure(rows, t, b)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500
    for small, _ in groups:
        for t in small:  # a thread a connection: ten thousand of stunnel's would not leave the machine room for the rest
            room = limit if t.name == "data plane" else limit // 2  # haproxy counts two descriptors a connection
            each = idle(t, min(IDLE, room, 1000 if not t.h2 else IDLE))
            if each:
                rows.setdefault(t.name, {})["idle"] = [each]
    return rows


TLS_ROWS = (("h1", 0, "HTTP/1.1, 50 connections, requests/s", "%.0f"), ("h1", 1, "… CPU µs a request", "%.1f"),
            ("h2", 0, "HTTP/2, 10 × 10 streams, requests/s", "%.0f"), ("h2", 1, "… CPU µs a request", "%.1f"),
            ("lat", 0, "latency at 1000 requests/s, median ms", "%.3f"), ("lat", 1, "latency at 1000 requests/s, p99 ms", "%.3f"),
            ("add", 0, "added to direct, median ms", "%.3f"), ("add", 1, "added to direct, p99 ms", "%.3f"),
            ("full", 0, "full handshakes/s (four clients)", "%.0f"), ("full", 1, "… CPU µs each", "%.0f"),
            ("res", 0, "resumed handshakes/s (four clients, TLS 1.2)", "%.0f"), ("res", 1, "… CPU µs each", "%.0f"),
            ("gb", 0, "1 GB download, MB/s", "%.0f"), ("gb", 1, "… CPU s a GB", "%.2f"),
            ("idle", 0, "resident KiB an idle TLS connection", "%.1f"), ("idle", 1, "… of so many at once", "%.0f"))
EGRESS_ROWS = (("rate", 0, "connections/s (one client)", "%.0f"), ("lat", 0, "64 bytes there and back, median ms", "%.3f"),
               ("lat", 1, "64 bytes there and back, p99 ms", "%.3f"), ("gb", 0, "1 GB download, MB/s", "%.0f"))


def median(rows, who, key, i):
    v = rows.get(who, {}).get(key)
    return statistics.median(x[i] for x in v) if v else None


def table(rows, names, lines):
    print("| | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for key, i, title, form in lines:
        values = [median(rows, n, key, i) for n in names]
        if any(v is not None for v in values):
            print("| %s | %s |" % (title, " | ".join("–" if v is None else form % v for v in values)))
    print()


def promises(rows):
    """Each promise with both figures, their ratio and whether it is kept."""
    out = []

    def ratio(what, us, peer, key, i, least=None, most=None):
        a, b = median(rows, us, key, i), median(rows, peer, key, i)
        if a is None or b is None or b == 0:
            out.append((what, us, peer, None, None, None, "not measured"))
            return
        kept = a / b >= least if least else a / b <= most
        out.append((what, us, peer, a, b, "at least %.1f" % least if least else "at most %.1f" % most, "reached" if kept else "not reached"))
    for us, peer in (("data plane", "haproxy"), ("control + data plane", "two haproxies")):
        ratio("HTTP/1.1 requests/s", us, peer, "h1", 0, least=0.9)
        ratio("HTTP/2 requests/s", us, peer, "h2", 0, least=0.9)
        ratio("full handshakes/s", us, peer, "full", 0, least=0.9)
        ratio("resumed handshakes/s", us, peer, "res", 0, least=0.9)
        ratio("throughput of 1 GB", us, peer, "gb", 0, least=0.9)
        ratio("p99 latency", us, peer, "lat", 1, most=1.2)
    ratio("egress connections/s", "egress: control + data plane", "egress: two socats", "rate", 0, least=0.9)
    ratio("egress throughput of 1 GB", "egress: control + data plane", "egress: two socats", "gb", 0, least=0.9)
    ratio("egress p99 latency", "egress: control + data plane", "egress: two socats", "lat", 1, most=1.2)
    each = median(rows, "data plane", "idle", 0)
    out.append(("KiB an idle TLS connection", "data plane", "", each, 40, "less than 40",
                "not measured" if each is None else "reached" if each < 40 else "not reached"))
    return out


def show(rows):
    print("Alone\n")
    table(rows, ["data plane", "haproxy", "stunnel", "direct"], TLS_ROWS)
    print("In a row\n")
    table(rows, ["control + data plane", "two haproxies"], TLS_ROWS)
    print("Egress\n")
    table(rows, ["egress: control + data plane", "egress: two socats"], EGRESS_ROWS)
    print("| promise | of | beside | ours | theirs | ratio | wanted | |\n|---|---|---|---|---|---|---|---|")
    for what, us, peer, a, b, wanted, verdict in promises(rows):
        print("| %s | %s | %s | %s | %s | %s | %s | %s |" % (
            what, us, peer, *("–" if x is None else "%.3g" % x if x < 100 else "%.0f" % x for x in (a, b)),
            "%.2f" % (a / b) if a is not None and peer else "", wanted or "", verdict))


def add_differences(rows):
    d50, d99 = median(rows, "direct", "lat", 0), median(rows, "direct", "lat", 1)
    for name, row in rows.items():
        if name != "direct" and row.get("lat"):
            row["add"] = [(p50 - d50, p99 - d99) for p50, p99 in row["lat"]]


def main():
    for tool in ("haproxy", "stunnel4", "socat", "h2load", "curl", "openssl", "unshare"):
        if not shutil.which(tool):
            sys.exit("bench: %s is missing: tests/setup bench" % tool)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {CPUS[-1]})  # children inherit it; what is measured is moved
    sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", KEY, "-out", CERT, "-days",
       "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    with open(BOTH, "w") as f:
        f.write(open(CERT).read() + open(KEY).read())
    back = free_port()
    haproxy("back", "frontend b\n bind 127.0.0.1:%d\n http-request return status 200 content-type text/plain string %s\n"
            % (back, "x" * 1024))
    start = time.monotonic()
    try:
        assert until(lambda: listening(back))
        rows = run(back)
    finally:
        for p in started:
            p.kill()
        shutil.rmtree(TMP, ignore_errors=True)
    rows.update(egress())
    add_differences(rows)
    show(rows)
    print("\n%d rounds, medians; %d processors; load average %.1f at the end; %.0f s." %
          (ROUNDS, len(CPUS), os.getloadavg()[0], time.monotonic() - start))
    if "--json" in sys.argv:
        with open(sys.argv[sys.argv.index("--json") + 1], "w") as f:
            json.dump({"rounds": ROUNDS, "values": rows, "promises": promises(rows)}, f, indent=1)


main()
