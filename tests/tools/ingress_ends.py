# SPDX-License-Identifier: Apache-2.0
"""How things end in the data plane, and what is left of them: windows of streams that were given up, answers that are under way
when the plane stops, refusals, waits of which nobody is told."""
import contextlib, os, signal, socket, ssl, struct, subprocess, sys, threading, time

sys.path.insert(0, os.path.dirname(__file__))
from plane_rig import *  # noqa: F401,F403
from h2_peer import *  # noqa: F401,F403

tap = Tap()
TMP = os.environ["TEST_TMP"]
SAN = os.environ.get("EIFGEN_VARIANT") == "san"
CERT, KEY = os.path.join(TMP, "cert.pem"), os.path.join(TMP, "key.pem")
subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", KEY, "-out", CERT,
                "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
TLS = {"tls": True, "certificate": CERT, "key": KEY}


class Near(Service):
    """A service on a unix socket, whose buffers are small and do not grow."""

    def __init__(self, handler, name):
        self.seen, self.conns, self.handler = [], 0, handler
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(os.path.join(TMP, name))
        self.sock.listen(128)
        self.address = "unix:" + os.path.join(TMP, name)
        threading.Thread(target=self.loop, daemon=True).start()


over = threading.Event()  # services that wait may go


def by_path(c, service):
    """Answers as the path says: /N with N bytes; /deaf reads no content and never answers, /hold never answers, /hints gives
    interim answers without end."""
    rest = b""
    while True:
        h, rest = read_head(c, rest)
        if h is None:
            return
        service.seen.append(h)
        path = h.split()[1][1:]
        if path == b"deaf" or path == b"hold":
            over.wait(60)
            return
        while path == b"hints":
            c.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 50)
        _, rest = read_body(c, h, rest, response=False)
        n = int(path or 2)
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % n + b"o" * n)


service = Near(by_path, "service")

# ---- a stream that is given up gives its window back ----------------------------------------------------------------------
plane = Plane(service, {"ingress": dict(TLS)})
c = H2(plane, CERT)
c.listen(lambda f: f[0] == WINDOW)
sent = 0  # on the connection


def fill(sid):
    """As much content as the windows let through."""
    global sent
    mine, quiet = 0, 0
    while quiet < 2:
        n = min(16384, c.window(sid) - mine, c.window(0) - sent)
        if n:
            c.say(frame(DATA, 0, sid, b"d" * n))
            mine, sent, quiet = mine + n, sent + n, 0
        else:
            quiet += c.listen(lambda f: f[0] == WINDOW, 0.05) is None


for i in range(20):
    c.say(frame(HEADERS, END_HEADERS, 1 + 2 * i, h2_head(b"POST", b"/deaf")))
    fill(1 + 2 * i)
    c.say(frame(RST, 0, 1 + 2 * i, struct.pack(">I", 8)))
c.listen(limit=0.2)
left = c.window(0) - sent
tap.check("content that nobody took is given back to the connection's window", left > 500000, "%d left of %d" % (left, c.window(0)))
if left > 60000:
    c.say(frame(HEADERS, END_HEADERS, 101, h2_head(b"POST", b"/2")) + b"".join(frame(DATA, i == 3, 101, b"d" * 15000) for i in range(4)))
tap.check("and others upload as before", c.listen(lambda f: f[0] == DATA and f[2] == 101 and f[3] == b"oo"), c.heard[-3:])
c.close()

# ---- refusals -------------------------------------------------------------------------------------------------------------
many = [(b"x%d" % i, b"y") for i in range(120)]
c = H2(plane, CERT)
c.say(frame(HEADERS, END_HEADERS | END_STREAM, 1, h2_head(b"HEAD", more=many)) + frame(HEADERS, END_HEADERS | END_STREAM, 3, h2_head(more=many)))
c.listen(lambda f: f[1] & END_STREAM and f[2] == 3, 3)
tap.same("a HEAD that is refused gets no content", c.content(1), b"")
tap.check("a GET does", b"Fields Too Large" in c.content(3), c.heard)
long = b"/" + b"a" * 16400
c.say(frame(HEADERS, END_STREAM, 5, fields([(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"h")]) + b"\x10\x05:path\x7f" +
            bytes([(len(long) - 127) & 127 | 128, (len(long) - 127) >> 7 & 127 | 128, (len(long) - 127) >> 14]) + long[:16000]) +
      frame(CONTINUATION, END_HEADERS, 5, long[16000:]) + frame(HEADERS, END_HEADERS, 7, fields([(b":method", b"CONNECT"), (b":authority", b"h")])))
c.listen(lambda f: f[1] & END_STREAM and f[2] == 7, 3)
tap.check("a path past its limit is 414", b"URI Too Long" in c.content(5), c.heard[-3:])
tap.check("and CONNECT 501", b"Not Implemented" in c.content(7), c.heard[-3:])
c.close()

if SAN:
    tap.skip("a refused request holds no head", "the sanitizers keep what is freed")
else:
    base, conns = plane.rss_kib(), []
    for _ in range(6):
        c = H2(plane, CERT, struct.pack(">HI", 4, 0))  # no window: the refusals cannot leave whole
        filler = b"\x40\x01x\x7f" + bytes([(4000 - 127) & 127 | 128, (4000 - 127) >> 7]) + b"f" * 4000  # into the table, as number 62
        c.say(b"".join(frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * i, h2_head() + (filler if i == 0 else b"") + b"\xbe" * 17) for i in range(100)))
        c.listen(lambda f: f[0] == HEADERS and f[2] == 199, 3)
        conns.append(c)
    grown = plane.rss_kib() - base
    tap.check("a refused request holds no head", grown < 8000 and all(any(f[0] == HEADERS for f in c.heard) for c in conns), "%d KiB" % grown)
    for c in conns:
        c.close()
tap.same("the plane is well", (plane.health()[0], plane.stop()), (200, 0))

# ---- a service that is late, or says too much, or is asked too much -----------------------------------------------------------
told = []  # metrics
metrics = Near(lambda c, service: told.append(read_all(c)[0]), "metrics")
report = {"metrics": metrics.address, "interval_ms": 100}


def counted(name):
    """What the lines of a counter add up to."""
    return sum(int(line[len(name) + 1:-2]) for line in b"".join(told).split(b"\n") if line.startswith(name + b":") and line.endswith(b"|c"))


plane = Plane(service, {"ingress": dict(TLS, body_ms=700), "service": {"max_connections": 4}, "report": report})
clear = Plane(service, {"ingress": {"body_ms": 700}})


def asked(raw):
    """Status of the final answer, sent while more is still being said."""
    with clear.connect() as s:
        def send():
            with contextlib.suppress(OSError):
                s.sendall(raw)
        t = threading.Thread(target=send, daemon=True)
        t.start()
        h, rest = read_head(s)
        for _ in range(2000):
            if h and h.startswith(b"HTTP/1.1 103"):
                h, rest = read_head(s, rest)
        s.shutdown(socket.SHUT_RDWR)
        t.join()
        return h and h.split()[1]


post = b"POST /deaf HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n"
tap.same("content that the service does not take is its fault", asked(post + b"d" * 3000000), b"504")
tap.same("content that does not come is the client's", asked(post + b"d" * 30), b"408")
tap.same("interim answers without end are a broken answer", asked(b"GET /hints HTTP/1.1\r\nHost: h\r\n\r\n"), b"502")
tap.same("that plane is well", (clear.health()[0], clear.stop()), (200, 0))
c, sent = H2(plane, CERT), 0
c.listen(lambda f: f[0] == WINDOW)
c.say(frame(HEADERS, END_HEADERS, 1, h2_head(b"POST", b"/deaf")))
fill(1)
c.say(frame(HEADERS, END_HEADERS, 3, h2_head(b"POST", b"/2")) + frame(DATA, 0, 3, b"some") +
      frame(HEADERS, END_HEADERS | END_STREAM, 5, h2_head(path=b"/hints")))
for sid in (1, 3):
    c.content(sid) or c.listen(lambda f: f[0] == DATA and f[2] == sid, 3)
tap.check("the same in HTTP/2: 504", b"Gateway Timeout" in c.content(1), c.heard[-5:])
tap.check("… 408", b"Request Timeout" in c.content(3), c.heard[-5:])
tap.check("… 502", b"Bad Gateway" in c.content(5), c.heard[-5:])
c.say(frame(HEADERS, END_HEADERS, 7, h2_head(b"POST", b"/deaf")))
sent += 4  # those of 3
fill(7)
c.say(frame(DATA, END_STREAM, 7, b""))
c.listen(lambda f: f[0] == DATA and f[2] == 7, 3)
tap.check("… and 504 where the client has said all", b"Gateway Timeout" in c.content(7), c.heard[-5:])
c.close()
until(lambda: plane.health()[1]["connections"] == 0)
c = H2(plane, CERT)
c.say(b"".join(frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * i, h2_head(path=b"/hold")) for i in range(10)))
c.listen(lambda f: f[2] == 19 and f[0] == DATA, 3)
refused = [i for i in range(10) if b"Service Unavailable" in c.content(1 + 2 * i)]
tap.same("over service.max_connections a request is refused", len(refused), 6)
other = H2(plane, CERT)
other.say(frame(HEADERS, END_HEADERS | END_STREAM, 1, h2_head()))
other.listen(lambda f: f[0] == DATA, 3)
c.say(frame(RST, 0, 1, struct.pack(">I", 8)))
time.sleep(0.2)
other.say(frame(HEADERS, END_HEADERS | END_STREAM, 3, h2_head()))
tap.check("whoever asks, and taken once one has ended", b"Service Unavailable" in other.content(1) and
          other.listen(lambda f: f[0] == DATA and f[2] == 3 and f[3] == b"oo"), other.heard)
tap.check("the host is told how many were refused", until(lambda: counted(b"service.shed") == 7), told)
c.close()
other.close()
over.set()
tap.same("that plane is well", (plane.health()[0], plane.stop()), (200, 0))

# ---- a first line that does not end ---------------------------------------------------------------------------------------
plane = Plane(service, {"ingress": {"protocol": "auto", "idle_ms": 300}, "report": report})
with plane.connect() as s, plane.connect() as silent:
    s.sendall(b"HELO me")
    tap.same("what may be HTTP and sends no LF is cut, as is who says nothing", (s.recv(1), silent.recv(1)), (b"", b""))
tap.check("and the first of them counted", until(lambda: counted(b"ingress.first.timeouts")) and counted(b"ingress.first.timeouts") == 1, told)
tap.same("that plane is well", (plane.health()[0], plane.stop()), (200, 0))

# ---- who comes in while it stops --------------------------------------------------------------------------------------------
plane = Plane(service, {"ingress": dict(TLS)})
s = plane.connect()
time.sleep(0.2)
plane.p.send_signal(signal.SIGTERM)
until(lambda: "plane.draining" in plane.output())
start = time.monotonic()
c = H2(plane, CERT, sock=s)
tap.check("a client whose handshake ends after SIGTERM is told", c.listen(lambda f: f[0] == GOAWAY), c.heard)
c.listen(limit=3)
c.close()
tap.check("and not waited for", plane.stop() == 0 and time.monotonic() - start < 5, time.monotonic() - start)

# ---- answers that are under way while it stops ------------------------------------------------------------------------------
plane = Plane(service, {"ingress": dict(TLS)})
c = H2(plane, CERT, struct.pack(">HI", 4, 0x7fffffff), plane.connect(rcvbuf=32768))
SIZE = 8000000
c.say(frame(WINDOW, 0, 0, struct.pack(">I", 0x3fffffff)) + frame(HEADERS, END_HEADERS | END_STREAM, 1, h2_head(path=b"/%d" % SIZE)))
c.listen(lambda f: f[0] == DATA)
plane.p.send_signal(signal.SIGTERM)
# It opens windows nobody needs: what is said and not read when a socket is closed takes the answer's tail with it.
while c.listen(lambda f: f[0] == DATA) and not c.heard[-1][1] & END_STREAM:
    c.say(frame(WINDOW, 0, 1, struct.pack(">I", 1)))
c.listen(limit=3)
got = len(c.content(1))
tap.check("an answer that is under way in a drain arrives whole, to its close_notify", got == SIZE and c.clean and
          any(f[0] == GOAWAY for f in c.heard), (got, c.clean, c.over))
c.close()
tap.same("and then it is over", plane.stop(), 0)

# ---- a client that does not even take the end -------------------------------------------------------------------------------
# Answers of many sizes, so that of some just the close_notify finds no room.
path = os.path.join(TMP, "ingress")
plane = Plane(service, {"ingress": dict(TLS, listen="unix:" + path, idle_ms=1000)})
conns = []
for i in range(100):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(WAIT)
    s.connect(path)
    s = ssl.create_default_context(cafile=CERT).wrap_socket(s, server_hostname="127.0.0.1")
    s.sendall(b"GET /%d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" % (100000 + 2000 * i))
    conns.append(s)
tap.check("a close_notify that finds no room is waited for no longer than any byte", plane.health()[1]["connections"] > 0 and
          until(lambda: plane.health()[1]["connections"] == 0, 6), plane.health())
for s in conns:
    s.close()
plane.stop()
tap.done()
