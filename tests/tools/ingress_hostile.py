# SPDX-License-Identifier: Apache-2.0
"""Peers of the data plane that keep to the letter of HTTP and break its sense: clients that send without reading, that open
no window, that never end what they began; a service that stops listening in the middle."""
import os, socket, ssl, struct, subprocess, sys, threading, time

sys.path.insert(0, os.path.dirname(__file__))
from plane_rig import *  # noqa: F401,F403

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
tap.done()
