# SPDX-License-Identifier: Apache-2.0
"""Usage: ingress_soak.py IDLE SECONDS: so many idle TLS connections at once, then mixed traffic for so long; memory and
descriptors must not grow."""
import os, random, resource, ssl, subprocess, sys, threading, time

sys.path.insert(0, os.path.dirname(__file__))
from plane_rig import *  # noqa: F401,F403

tap = Tap()
IDLE, SECONDS = int(sys.argv[1]), int(sys.argv[2])
TMP = os.environ["TEST_TMP"]
CERT, KEY = os.path.join(TMP, "cert.pem"), os.path.join(TMP, "key.pem")
subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", KEY, "-out", CERT,
                "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
if hard < IDLE + 500:
    tap.skip("%d idle connections" % IDLE, "the descriptor limit is %d" % hard)
    IDLE = hard - 500
service = Service(echo_http)
plane = Plane(service, {"ingress": {"tls": True, "certificate": CERT, "key": KEY, "idle_ms": 3600000, "header_ms": 3600000}})
client = ssl.create_default_context(cafile=CERT)
GET = b"GET /i HTTP/1.1\r\nHost: h\r\n\r\n"


def dial():
    return client.wrap_socket(plane.connect(), server_hostname="localhost")


base, idle = plane.rss_kib(), []
for _ in range(IDLE):
    s = dial()
    s.sendall(GET)
    s.recv(4096)
    idle.append(s)
each = (plane.rss_kib() - base) / IDLE
tap.check("%d idle TLS connections, less than 40 KiB each" % IDLE, each < 40 or os.environ.get("EIFGEN_VARIANT") == "san", "%.1f KiB" % each)
print("# %.1f KiB each" % each)
alive = 0
for s in random.sample(idle, min(200, IDLE)):
    s.sendall(GET)
    alive += s.recv(4096).startswith(b"HTTP/1.1 200")
tap.same("and they still answer", alive, min(200, IDLE))
for s in idle:
    s.close()
tap.check("all are let go", until(lambda: plane.health()[1]["connections"] == 0, 60), plane.health())

stop, faults = threading.Event(), []


def traffic(seed):
    r = random.Random(seed)
    while not stop.is_set():
        try:
            s = dial()
            for _ in range(r.randrange(1, 20)):
                n = r.choice((0, 10, 5000, 300000))
                s.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % n + b"x" * n)
                if r.random() < 0.03:
                    break  # gone in mid-answer
                head, rest = read_head(s)
                body, _ = read_body(s, head, rest)
                if len(body) != n:
                    faults.append("%d of %d bytes" % (len(body), n))
            reset(s) if r.random() < 0.2 else s.close()
        except Exception as e:
            faults.append(repr(e))
            time.sleep(0.1)


threads = [threading.Thread(target=traffic, args=(i,)) for i in range(4)]
for t in threads:
    t.start()
warm = max(5, SECONDS // 10)
time.sleep(warm)
first, fds = plane.rss_kib(), plane.fds()
time.sleep(max(1, SECONDS - warm))
last, fds_last = plane.rss_kib(), plane.fds()
stop.set()
for t in threads:
    t.join()
tap.same("%d s of traffic without a fault" % SECONDS, faults[:5], [])
tap.check("memory is flat", last < first * 1.1 + 2048, "%d KiB, then %d" % (first, last))
tap.check("descriptors are flat", fds_last < fds + 60, "%d, then %d" % (fds, fds_last))
tap.check("nothing is left at the end", until(lambda: plane.health()[1]["connections"] == 0), plane.health())
tap.same("it ends well", plane.stop(), 0)
tap.done()
