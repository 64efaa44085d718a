#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The data plane beside haproxy and stunnel, in one run: same back end, same load, same pinning, each on one processor.

Usage: tests/bench/runtime.py [--quick]    (prints a table in Markdown)

Throughput and latency come from h2load; CPU time of the measured process per request (or per GB) stands beside them, since on
a machine that has other work it is the steadier figure. Memory is resident set per idle connection. The back end is haproxy
answering from memory (1 KiB), and for 1 GB a sendfile loop."""
import os, re, shutil, socket, ssl, statistics, subprocess, sys, tempfile, threading, time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/tools"))
TMP = tempfile.mkdtemp(prefix="eifgen-bench-")
os.environ.setdefault("TEST_TMP", TMP)
os.environ.setdefault("EIFGEN_BIN", os.path.join(TOP, "build/rel/bin"))
from plane_rig import Plane, free_port, until  # noqa: E402

QUICK = "--quick" in sys.argv
ROUNDS = int(os.environ.get("ROUNDS", 1 if QUICK else 5))
N = 5000 if QUICK else 40000
IDLE = 200 if QUICK else 2000
GB = (64 << 20) if QUICK else (1 << 30)
HZ = os.sysconf("SC_CLK_TCK")
CPUS = sorted(os.sched_getaffinity(0))
CERT, KEY, BOTH = (os.path.join(TMP, n) for n in ("cert.pem", "key.pem", "both.pem"))


def sh(*a):
    return subprocess.run(a, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=300).stdout.decode()


def spawn(*a):
    return subprocess.Popen(a, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def cpu(pid):
    with open("/proc/%d/stat" % pid) as f:
        v = f.read().rsplit(")", 1)[1].split()
    return (int(v[11]) + int(v[12])) / HZ


def rss(pid):
    with open("/proc/%d/statm" % pid) as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def big_server():
    """GET anything: GB bytes by sendfile, then close."""
    path = os.path.join(TMP, "big")
    with open(path, "wb") as f:
        f.truncate(GB)
    srv = socket.create_server(("127.0.0.1", 0))

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


def haproxy(name, text):
    path = os.path.join(TMP, name + ".cfg")
    with open(path, "w") as f:
        f.write("global\n nbthread 1\n maxconn 4000\ndefaults\n mode http\n timeout connect 5s\n timeout client 600s\n"
                " timeout server 600s\n http-reuse always\n" + text)
    return spawn("haproxy", "-f", path, "-db")


def front(back):
    """Starts the three on one processor; name -> (pid, port)."""
    out, procs = {}, []
    plane = Plane("tcp:127.0.0.1:%d" % back, {"ingress": {"tls": True, "certificate": CERT, "key": KEY, "idle_ms": 600000, "header_ms": 600000}})
    assert plane.ready, plane.output()
    out["data plane"] = (plane.p.pid, plane.port)
    hp, st = free_port(), free_port()
    h = haproxy("front%d" % back, "frontend f\n bind 127.0.0.1:%d ssl crt %s alpn h2,http/1.1\n option forwardfor\n default_backend b\n"
                "backend b\n server s 127.0.0.1:%d\n" % (hp, BOTH, back))
    out["haproxy"] = (h.pid, hp)
    conf = os.path.join(TMP, "stunnel%d.conf" % back)
    with open(conf, "w") as f:
        f.write("foreground=yes\npid=\nsyslog=no\n[s]\naccept=127.0.0.1:%d\nconnect=127.0.0.1:%d\ncert=%s\n" % (st, back, BOTH))
    s = spawn("stunnel4", conf)
    out["stunnel"] = (s.pid, st)
    procs += [plane.p, h, s]
    for name, (pid, port) in out.items():
        assert until(lambda: listening(port)), name
        os.sched_setaffinity(pid, {CPUS[0]})
    return out, procs


def load(pid, port, args):
    before = cpu(pid)
    text = sh("taskset", "-c", str(CPUS[-1]), "h2load", *args, "-n", str(N), "https://127.0.0.1:%d/" % port)
    spent = cpu(pid) - before
    m = re.search(r"([\d.]+) req/s", text)
    ok = re.search(r"(\d+) succeeded", text)
    if not m or int(ok.group(1)) != N:
        return None
    return float(m.group(1)), spent / N * 1e6


def p99(port):
    """Milliseconds of 2000 requests, one after the other, on one connection: median and 99th percentile."""
    c = ssl.create_default_context(cafile=CERT)
    times = []
    with c.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost") as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(500 if QUICK else 2000):
            t = time.perf_counter()
            s.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            got = b""
            while b"\r\n\r\n" not in got or len(got.split(b"\r\n\r\n", 1)[1]) < 1024:
                got += s.recv(65536)
            times.append((time.perf_counter() - t) * 1e3)
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


def handshakes(pid, port, resume):
    before, t = cpu(pid), time.monotonic()
    n, session, c = 300 if QUICK else 1000, None, ssl.create_default_context(cafile=CERT)
    c.maximum_version = ssl.TLSVersion.TLSv1_2 if resume else ssl.TLSVersion.TLSv1_3
    for _ in range(n):
        with c.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost", session=session) as s:
            session = s.session if resume else None
    return n / (time.monotonic() - t), (cpu(pid) - before) / n * 1e6


def idle(pid, port):
    base, c, held = rss(pid), ssl.create_default_context(cafile=CERT), []
    for _ in range(IDLE):
        s = c.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
        s.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        s.recv(65536)
        held.append(s)
    time.sleep(0.5)
    each = (rss(pid) - base) / IDLE / 1024
    for s in held:
        s.close()
    return each


def gigabyte(pid, port):
    before = cpu(pid)
    speed = sh("taskset", "-c", str(CPUS[-1]), "curl", "-sk", "--http1.1", "-o", os.devnull, "-w", "%{speed_download}",
               "https://127.0.0.1:%d/" % port)
    return float(speed) / 1e6, (cpu(pid) - before) * (1 << 30) / GB


def main():
    for tool in ("haproxy", "stunnel4", "h2load", "curl", "openssl", "taskset"):
        if not shutil.which(tool):
            sys.exit("bench: %s is missing: install haproxy stunnel4 nghttp2-client curl openssl util-linux" % tool)
    sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", KEY, "-out", CERT, "-days",
       "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    with open(BOTH, "w") as f:
        f.write(open(CERT).read() + open(KEY).read())
    back = free_port()
    procs = [haproxy("back", "frontend b\n bind 127.0.0.1:%d\n http-request return status 200 content-type text/plain string %s\n"
                     % (back, "x" * 1024))]
    assert until(lambda: listening(back))
    fronts, more = front(back)
    procs += more
    bigs, more = front(big_server())
    procs += more
    rows = {}
    try:
        for _ in range(ROUNDS):  # interleaved, so that other work on the machine falls on all alike
            for name, (pid, port) in fronts.items():
                r = rows.setdefault(name, {})
                add = lambda k, v: r.setdefault(k, []).append(v) if v is not None else None
                add("h1", load(pid, port, ["--h1", "-c", "50"]))
                if name != "stunnel":
                    add("h2", load(pid, port, ["-c", "10", "-m", "10"]))
                add("lat", p99(port))
                add("full", handshakes(pid, port, False))
                add("res", handshakes(pid, port, True))
                add("gb", gigabyte(*bigs[name]))
        for name, (pid, port) in fronts.items():
            rows[name]["idle"] = [(idle(pid, port), 0)]
    finally:
        for p in procs:
            p.kill()
        shutil.rmtree(TMP, ignore_errors=True)
    med = lambda v, i: statistics.median(x[i] for x in v)
    print("| | " + " | ".join(rows) + " |\n|---|" + "---|" * len(rows))
    for key, i, title, form in (("h1", 0, "HTTP/1.1, 50 connections, requests/s", "%.0f"), ("h1", 1, "… CPU µs a request", "%.1f"),
                                ("h2", 0, "HTTP/2, 10 × 10 streams, requests/s", "%.0f"), ("h2", 1, "… CPU µs a request", "%.1f"),
                                ("lat", 0, "latency, median ms", "%.3f"), ("lat", 1, "latency, p99 ms", "%.3f"),
                                ("full", 0, "full handshakes/s (one client)", "%.0f"), ("full", 1, "… CPU µs each", "%.0f"),
                                ("res", 0, "resumed handshakes/s (one client, 1.2)", "%.0f"), ("res", 1, "… CPU µs each", "%.0f"),
                                ("gb", 0, "1 GB download, MB/s", "%.0f"), ("gb", 1, "… CPU s a GB", "%.2f"),
                                ("idle", 0, "resident KiB an idle TLS connection", "%.1f")):
        print("| %s | %s |" % (title, " | ".join(form % med(r[key], i) if r.get(key) else "–" for r in rows.values())))


main()
