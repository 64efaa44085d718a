# SPDX-License-Identifier: Apache-2.0
"""Peers of the data plane that keep to the letter of HTTP and break its sense: clients that send without reading, that open
no window, that never end what they began; a service that stops listening in the middle."""
import os, socket, struct, subprocess, sys, threading, time

sys.path.insert(0, os.path.dirname(__file__))
from plane_rig import *  # noqa: F401,F403
from h2_peer import *  # noqa: F401,F403

tap = Tap()
TMP = os.environ["TEST_TMP"]
CERT, KEY = os.path.join(TMP, "cert.pem"), os.path.join(TMP, "key.pem")
subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", KEY, "-out", CERT,
                "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)


# ---- HTTP/1: requests without end, answers that nobody reads ------------------------------------------------------------
def big(c, service):
    rest = b""
    while True:
        head, rest = read_head(c, rest)
        if head is None:
            return
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + b"a" * 50000)


service = Service(big)
plane = Plane(service)
COUNT = 800
with plane.connect(rcvbuf=8192) as s:
    def send():
        for i in range(COUNT):
            s.sendall(b"GET /%d HTTP/1.1\r\nHost: h\r\nX-Filler: %s\r\n\r\n" % (i, b"f" * 4000))
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    time.sleep(1)
    rest, answers = b"", 0
    try:
        while answers < COUNT:
            head, rest = read_head(s, rest)
            if head is None:
                break
            body, rest = read_body(s, head, rest)
            answers += len(body) == 50000
    except (OSError, EOFError):
        pass
tap.same("pipelined requests of a client that reads late wait in its own socket, and all are answered", answers, COUNT)
plane.stop()
service.close()

# ---- a service that takes no more, on a connection that is kept -----------------------------------------------------------
path = os.path.join(TMP, "deaf")
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
held = []


def deaf():
    while True:
        c, _ = listener.accept()
        held.append(c)
        c.settimeout(WAIT)
        if read_head(c)[0] is not None and len(held) == 1:
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            c.shutdown(socket.SHUT_RD)  # what comes next is refused, yet the connection stays


threading.Thread(target=deaf, daemon=True).start()
plane = Plane("unix:" + path, {"service": {"response_ms": 700}})
first = plane.status(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
start = time.monotonic()
with plane.connect(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n") as s:
    s.settimeout(5)
    try:
        second = (read_head(s)[0] or b"none").split()[1]
    except OSError as e:
        second = e
tap.check("a service that stops reading is late, not waited for for ever", first == 200 and second in (b"502", b"504") and
          time.monotonic() - start < 4, (first, second))
plane.stop()
listener.close()


# ---- HTTP/2, frame by frame -----------------------------------------------------------------------------------------------
def quick(c, service):
    """Answers by path; /hold never does."""
    rest = b""
    while True:
        h, rest = read_head(c, rest)
        if h is None:
            return
        service.seen.append(h)
        if h.split()[1] == b"/big":
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"b" * 300000)
        elif h.split()[1] == b"/hold":
            c.recv(1)
        else:
            body, rest = read_body(c, h, rest, response=False)
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


service = Service(quick)
plane = Plane(service, {"ingress": {"tls": True, "certificate": CERT, "key": KEY, "header_ms": 700, "body_ms": 700, "idle_ms": 1500},
                        "service": {"response_ms": 3000}})


def pinged(c, seconds, wanted):
    """Keeps the connection busy with pings while it listens."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not c.over:
        c.say(frame(PING, 0, 0, b"12345678"))
        f = c.listen(wanted, 0.2)
        if f:
            return f
    return None


c = H2(plane, CERT)
c.say(frame(HEADERS, END_HEADERS | END_STREAM, 1, h2_head()))
tap.check("the client of this test is understood", c.listen(lambda f: f[0] == DATA and f[2] == 1 and f[3] == b"ok"), c.heard)
c.close()

c = H2(plane, CERT, struct.pack(">HI", 4, 0))  # SETTINGS_INITIAL_WINDOW_SIZE: nothing may be sent
c.say(frame(HEADERS, END_HEADERS | END_STREAM, 1, h2_head(path=b"/big")))
f = pinged(c, 6, lambda f: f[0] == RST and f[2] == 1)
tap.check("a stream whose client opens no window is not held for ever", f or c.over, c.heard)
c.close()

c = H2(plane, CERT)
c.say(frame(HEADERS, END_HEADERS, 1, h2_head(b"POST")) + frame(DATA, 0, 1, b"some"))
f = pinged(c, 5, lambda f: f[0] in (HEADERS, RST) and f[2] == 1)
tap.check("content that stalls ends its stream, whatever else the connection does", f or c.over, c.heard)
f = pinged(c, 1, lambda f: f[0] == RST and f[2] == 1)
c.say(frame(HEADERS, END_HEADERS | END_STREAM, 3, h2_head()))
tap.check("and that stream alone", c.listen(lambda f: f[0] == DATA and f[2] == 3 and f[3] == b"ok"), c.heard)
c.close()

impatient = Plane(service, {"ingress": {"tls": True, "certificate": CERT, "key": KEY, "header_ms": 500}})
c = H2(impatient, CERT)
start = time.monotonic()
c.say(frame(HEADERS, END_STREAM, 1, h2_head()))
c.listen(limit=6)
tap.check("a head that does not end is under header_ms", c.over and time.monotonic() - start < 3, time.monotonic() - start)
c.close()
impatient.stop()

c = H2(plane, CERT)
sid = 1
start = time.monotonic()
while not c.over and sid < 8000 and time.monotonic() - start < 20:
    # Two windows that add up to more than there is: it is the server that must reset the stream.
    c.say(b"".join(frame(HEADERS, END_HEADERS | END_STREAM, i, h2_head(path=b"/hold")) + frame(WINDOW, 0, i, struct.pack(">I", 0x7fffffff))
                   for i in range(sid, sid + 100, 2)))
    sid += 100
    c.listen(lambda f: f[0] == GOAWAY, 0.01)
last = [f for f in c.heard if f[0] == GOAWAY]
tap.check("a client that has its streams reset without end is told to calm down", last and last[-1][3][4:8] == b"\0\0\0\x0b", (sid, c.heard[-3:]))
c.close()

service.seen.clear()
c = H2(plane, CERT)
c.say(frame(HEADERS, END_HEADERS | END_STREAM, 1, h2_head(b"POST", b"/", [(b"content-length", b"0")])))
c.listen(lambda f: f[0] == DATA)
tap.check("a length of 0 is passed on", any(b"content-length: 0" in h.lower() for h in service.seen), service.seen)
c.close()
tap.check("nothing of it is left", until(lambda: plane.health()[1]["connections"] == 0), plane.health())
tap.same("and the plane is well", (plane.health()[0], plane.stop()), (200, 0))
service.close()

# ---- a machine that shows nothing of itself -------------------------------------------------------------------------------
BARE = "a plane without /proc and /sys lives on and reports"
if os.environ.get("EIFGEN_VARIANT") == "san":
    tap.skip(BARE, "the sanitizers want /proc")
elif subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/sys"], stderr=subprocess.DEVNULL).returncode:
    tap.skip(BARE, "mount namespaces are not permitted here")
else:
    bare = os.path.join(TMP, "bare")
    with open(bare, "w") as f:
        f.write("#!/bin/sh\nexec unshare -rm sh -c 'mount -t tmpfs none /sys && mount -t tmpfs none /proc && exec \"$0\" \"$@\"' "
                "'%s/cage-data-plane' \"$@\"\n" % os.path.abspath(os.environ["EIFGEN_BIN"]))
    os.chmod(bare, 0o755)
    metrics = os.path.join(TMP, "metrics")
    sink = socket.socket(socket.AF_UNIX)
    sink.bind(metrics)
    sink.listen()
    sink.settimeout(WAIT)
    service = Service(echo_http)
    plane = Plane(service, {"report": {"metrics": "unix:" + metrics, "interval_ms": 50}}, program=bare)
    try:
        lines = read_all(sink.accept()[0])[0]
    except OSError as e:
        lines = str(e).encode()
    said = plane.output()
    tap.check(BARE, b"cpu.cores:" in lines and plane.stop() == 0, (lines, plane.p.poll(), said))
    service.close()
tap.done()
