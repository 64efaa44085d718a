# SPDX-License-Identifier: Apache-2.0
"""Usage: ingress_soak.py IDLE SECONDS: so many idle TLS connections at the data plane at once, then for so long mixed traffic
through control plane and data plane, in and out again; no fault, and neither memory nor descriptors may grow.

SOAK_RATE says how many connections a second the traffic opens (default 40). Samples are printed each minute. Where network
namespaces are not permitted the traffic goes to the data plane alone, without a way out."""
import os, random, resource, shutil, socket, ssl, subprocess, sys, tempfile, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cage_local, peers  # noqa: E402
from plane_rig import *  # noqa: F401,F403,E402

SAN = os.environ.get("EIFGEN_VARIANT") == "san"
RATE = float(os.environ.get("SOAK_RATE", 40))
TMP = os.environ["TEST_TMP"]
GET = b"GET /i HTTP/1.1\r\nHost: h\r\n\r\n"
SERVICE = r'''
import http.server, os, socket
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, body):
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def do_GET(self): # out of the enclave and back
        n = int(self.path.rsplit("/", 1)[1])
        try:
            c = socket.create_connection(("api.example.com", 443), timeout=20)
            c.sendall(b"y" * n)
            c.shutdown(socket.SHUT_WR)
            got = 0
            while True:
                b = c.recv(65536)
                if not b: break
                got += len(b)
            c.close()
            self.answer(b"z" * got)
        except OSError as e:
            self.answer(b"failed: %r" % e)
    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))
    def log_message(self, *a): pass
class S(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    def handle_error(self, *a): pass
s = S(("127.0.0.1", 8008), H)
print("serving", flush=True)
s.serve_forever()
'''


class Watched:
    """A process whose memory and descriptors are watched."""

    def __init__(self, name, pid):
        self.name, self.pid, self.seen = name, pid, []

    def sample(self):
        with open("/proc/%d/statm" % self.pid) as f:
            rss = int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024
        self.seen.append((rss, len(os.listdir("/proc/%d/fd" % self.pid))))
        return "%s %d KiB %d fds" % (self.name, *self.seen[-1])

    def judge(self):
        """Peaks of the last third against those of the first, which ends when everything has been warm for long."""
        third = max(1, len(self.seen) // 3)
        first, last = self.seen[:third], self.seen[-third:]
        peak = lambda part, i: max(s[i] for s in part)
        tap.check("%s: memory is flat" % self.name, peak(last, 0) < peak(first, 0) * 1.1 + 2048, self.seen)
        tap.check("%s: descriptors are flat" % self.name, peak(last, 1) < peak(first, 1) + 60, self.seen)


def client(seed, dial, out, faults, stop):
    """One client after the other at its share of the rate: some ask once, some often, some leave in the middle."""
    r = random.Random(seed)
    while not stop.wait(r.expovariate(RATE / 4)):
        try:
            s = dial()
            for _ in range(r.randrange(1, 8)):
                n = r.choice((1, 10, 5000, 100000))
                if out and r.random() < 0.3:
                    s.sendall(b"GET /out/%d HTTP/1.1\r\nHost: h\r\n\r\n" % n)
                else:
                    s.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % n + b"x" * n)
                if r.random() < 0.03:
                    break  # gone in mid-answer
                head, rest = read_head(s)
                body, _ = read_body(s, head, rest)
                if len(body) != n:
                    faults.append("%d bytes wanted, got %r" % (n, body[:80]))
                traffic[0] += 1
            reset(s) if r.random() < 0.2 else s.close()
        except Exception as e:
            faults.append(repr(e))


traffic = [0]


def soak(seconds, dial, out, watched):
    stop, faults, start = threading.Event(), [], time.monotonic()
    threads = [threading.Thread(target=client, args=(i, dial, out, faults, stop)) for i in range(4)]
    for t in threads:
        t.start()
    time.sleep(min(60, max(5, seconds / 10)))
    while time.monotonic() - start < seconds:
        print("# %5d s: %d requests; %s" % (time.monotonic() - start, traffic[0], "; ".join(w.sample() for w in watched)), flush=True)
        time.sleep(min(60, max(1, seconds / 30)))
    stop.set()
    for t in threads:
        t.join()
    tap.same("%d s, %d requests without a fault" % (seconds, traffic[0]), faults[:5], [])
    for w in watched:
        w.judge()


def tls_dial(cafile, port, name):
    c = ssl.create_default_context(cafile=cafile)

    def dial():
        s = socket.create_connection(("127.0.0.1", port), timeout=30)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return c.wrap_socket(s, server_hostname=name)
    return dial


# ---- both planes, in namespaces of their own ---------------------------------------------------------------------------
def chain(seconds):
    cage_local.host_world()
    peers.ZONE["api.example.com"] = [[peers.GOOD4]]
    peers.dns_server()
    peers.tcp_server(peers.GOOD4, 443, peers.echo)
    tmp = tempfile.mkdtemp(prefix="cage-", dir="/tmp")  # short, for unix sockets
    cage = cage_local.Cage(tmp, "api.example.com")
    try:
        cage.control_plane()
        cage.data_plane()
        cage.service(SERVICE)
        watched = [Watched(n, cage.children[n].pid) for n in ("control-plane", "data-plane")]
        soak(seconds, tls_dial(tmp + "/cert.pem", 8443, "cage.example"), True, watched)
        gone = lambda: "cage_ingress_connections 0\n" in metrics() and "cage_egress_connections 0\n" in metrics()
        tap.check("nothing is left at the end", until(gone, 30), metrics()[:4000])
        cage.stop("control-plane", patience=1)
        tap.same("the data plane ends well", cage.stop("data-plane", patience=40), 0)
    finally:
        for name in ("control-plane", "data-plane"):
            errors = [x for x in cage.log(name).splitlines() if '"level":"error"' in x or not x.startswith("{")]
            sys.stderr.write("== %s\n%s\n" % (name, "\n".join(errors[-40:])))
        cage.end()
        shutil.rmtree(tmp, ignore_errors=True)
    sys.exit(tap.bad > 0)


def metrics():
    with socket.create_connection(("127.0.0.1", 3032), 5) as s:
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return read_all(s)[0].decode()


def run_chain(seconds):
    """Runs it as a process of its own in fresh namespaces, and takes its lines over."""
    p = subprocess.Popen(["unshare", "-rnm", sys.executable, "-B", os.path.abspath(__file__), "chain", str(seconds), str(tap.n)],
                         stdout=subprocess.PIPE, text=True)
    for line in p.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        tap.n += line.startswith(("ok ", "not ok "))
        tap.bad += line.startswith("not ok ")
    tap.check("the part in namespaces ran to its end", p.wait() in (0, 1), p.returncode)


# ---- idle connections --------------------------------------------------------------------------------------------------
def idle_part(plane, dial, count):
    base, held = plane.rss_kib(), []
    for _ in range(count):
        s = dial()
        s.sendall(GET)
        s.recv(4096)
        held.append(s)
    each = (plane.rss_kib() - base) / count
    tap.check("%d idle TLS connections, less than 40 KiB each" % count, each < 40 or SAN, "%.1f KiB" % each)
    print("# %.1f KiB each" % each, flush=True)
    alive = 0
    for s in random.sample(held, min(200, count)):
        s.sendall(GET)
        alive += s.recv(4096).startswith(b"HTTP/1.1 200")
    tap.same("and they still answer", alive, min(200, count))
    for s in held:
        s.close()
    tap.check("all are let go", until(lambda: plane.health()[1]["connections"] == 0, 60), plane.health())


def main(count, seconds):
    cert, key = os.path.join(TMP, "cert.pem"), os.path.join(TMP, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert,
                    "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True,
                   stderr=subprocess.DEVNULL)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < count + 500:
        tap.skip("%d idle connections" % count, "the descriptor limit is %d" % hard)
        count = hard - 500
    service = Service(echo_http)
    plane = Plane(service, {"ingress": {"tls": True, "certificate": cert, "key": key, "idle_ms": 3600000, "header_ms": 3600000}})
    dial = tls_dial(cert, plane.port, "localhost")
    idle_part(plane, dial, count)
    if subprocess.run(["unshare", "-rnm", "true"], stderr=subprocess.DEVNULL).returncode == 0:
        run_chain(seconds)
    else:
        tap.skip("traffic through both planes", "network namespaces are not permitted here")
        soak(seconds, dial, False, [Watched("data-plane", plane.p.pid)])
    tap.check("nothing is left at the data plane", until(lambda: plane.health()[1]["connections"] == 0), plane.health())
    tap.same("it ends well", plane.stop(), 0)
    tap.done()


tap = Tap()
if sys.argv[1] == "chain":
    tap.n = int(sys.argv[3])
    chain(float(sys.argv[2]))
main(int(sys.argv[1]), float(sys.argv[2]))
