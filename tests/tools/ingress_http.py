# SPDX-License-Identifier: Apache-2.0
"""HTTP/1 through the data plane, in clear, from both ends: framing, streaming, limits, errors, tunnels."""
import os, socket, sys, threading, time

sys.path.insert(0, os.path.dirname(__file__))
from plane_rig import *  # noqa: F401,F403

tap = Tap()
G = b"GET /a HTTP/1.1\r\nHost: h\r\n"

# ---- framing: nothing ambiguous reaches the service ---------------------------------------------------------------------
service = Service(echo_http)
plane = Plane(service)
H = b"POST / HTTP/1.1\r\nHost: h\r\n"
SMUGGLE = [
    (400, H + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX"),
    (400, H + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    (400, H + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc"),
    (400, H + b"Content-Length: 3,3\r\n\r\nabc"),
    (400, H + b"Content-Length: +3\r\n\r\nabc"),
    (400, H + b"Content-Length : 3\r\n\r\nabc"),
    (400, H + b"X: 1\r\n folded\r\n\r\n"),
    (400, H + b"X: a\nTransfer-Encoding: chunked\r\n\r\n"),
    (400, H + b"X: a\rY: b\r\n\r\n"),
    (400, H + b"X: \x00\r\n\r\n"),
    (400, b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (501, H + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (501, H + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (400, H + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\n\r\n"),
    (400, G + b"Connection: host\r\n\r\n"),
    (505, b"GET / HTTP/2.0\r\nHost: h\r\n\r\n"),
    (501, b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n"),
    (414, b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: h\r\n\r\n"),
    (431, G + b"X: " + b"a" * 70000 + b"\r\n\r\n"),
    (431, G + b"".join(b"X%d: 1\r\n" % i for i in range(120)) + b"\r\n"),
]
wrong = [(want, got, raw[:80]) for want, raw in SMUGGLE for got in [plane.status(raw)] if got != want]
tap.same("each ambiguous or oversized head is refused with its status", wrong, [])
tap.same("none of them reached the service", service.seen, [])

broken = [b"zz\r\n", b"3\nabc\r\n0\r\n\r\n", b"3\r\nabcX\r\n0\r\n\r\n", b"0x3\r\nabc\r\n0\r\n\r\n", b"3 \r\nabc\r\n0\r\n\r\n"]
got = [plane.status(H + b"Transfer-Encoding: chunked\r\n\r\n" + b) for b in broken]
tap.same("broken chunks are refused with 400", got, [400] * len(broken))
until(lambda: plane.health()[1]["connections"] == 0)
service.seen.clear()

# ---- one connection, many shapes ----------------------------------------------------------------------------------------
with plane.connect() as s:
    for b in G + b"X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nConnection: x-drop\r\nX-Drop: 1\r\n\r\n":
        s.sendall(bytes([b]))
    head, rest = read_head(s)
    body, _ = read_body(s, head, rest)
tap.check("a head of one byte a segment is one request", head.startswith(b"HTTP/1.1 200") and len(service.seen) == 1, head)
tap.check("what a client claims about itself is dropped, our word stands", b"6.6.6.6" not in body and b"x-drop" not in body.lower()
          and b"X-Forwarded-For: 127.0.0.1" in body and b"Forwarded: for=127.0.0.1;proto=http" in body, body)

with plane.connect(b"".join(b"POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n%02d" % (i, i) for i in range(20))) as s:
    rest, got = b"", []
    for _ in range(20):
        head, rest = read_head(s, rest)
        body, rest = read_body(s, head, rest)
        got.append(body)
tap.same("twenty pipelined requests are answered in order", got, [b"%02d" % i for i in range(20)])

with plane.connect(H + b"Transfer-Encoding: chunked\r\nTrailer: T\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nT: 1\r\n\r\n" + G + b"\r\n") as s:
    head, rest = read_head(s)
    body, rest = read_body(s, head, rest)
    head2, rest = read_head(s, rest)
tap.check("chunks with extensions and trailers pass, and the next request is found", body == b"abcd" and b" 200 " in head2, (head, body, head2))
tap.check("the service saw plain chunks without the trailer", b"\r\nT:" not in b"".join(service.seen), service.seen)

got = plane.ask(b"HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
tap.check("HEAD carries a length and no content", b"Content-Length: 0" in got or got.endswith(b"\r\n\r\n"), got)
got = plane.ask(G + b"\r\n", shut=True)
tap.check("a client that ends its side after the request gets its answer", got.startswith(b"HTTP/1.1 200"), got)
got = plane.ask(b"GET /old HTTP/1.0\r\n\r\n")
tap.check("HTTP/1.0 without keep-alive is answered and closed", got.startswith(b"HTTP/1.1 200") and b"Connection: close" in got, got)

before = service.conns
for _ in range(10):
    plane.ask(G + b"Connection: close\r\n\r\n")
tap.check("connections to the service are kept for the next client", service.conns <= before + 1, service.conns - before)

blob = os.urandom(8 << 20)
with plane.connect() as s:
    def send():
        s.sendall(H + b"Content-Length: %d\r\n\r\n" % len(blob))
        for i in range(0, len(blob), 50000):
            s.sendall(blob[i:i + 50000])
    t = threading.Thread(target=send)
    t.start()
    head, rest = read_head(s)
    body, _ = read_body(s, head, rest)
    t.join()
tap.check("8 MiB go up and come back whole", body == blob)
rss = plane.rss_kib()
tap.check("and were never held", rss < (400 << 10 if os.environ.get("EIFGEN_VARIANT") == "san" else 40 << 10), "%d KiB" % rss)
tap.same("the plane is well and ends when told", (plane.health()[0], plane.stop()), (200, 0))
service.close()


# ---- a service with its own mind ----------------------------------------------------------------------------------------
def moody(c, service):
    rest = b""
    while True:
        head, rest = read_head(c, rest)
        if head is None:
            return
        path = head.split()[1]
        service.seen.append(head)
        if path == b"/continue":
            c.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            body, rest = read_body(c, head, rest, response=False)
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        elif path == b"/until-close":
            c.sendall(b"HTTP/1.1 200 OK\r\n\r\nall of it")
            return
        elif path == b"/early":
            c.sendall(b"HTTP/1.1 413 Too Much\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch")
            return
        elif path == b"/cut":
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
            return
        elif path == b"/cut-chunk":
            c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            return
        elif path == b"/nonsense":
            c.sendall(b"SSH-2.0-what\r\n\r\n")
        elif path == b"/both":
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        elif path == b"/whole":  # no answer before the content ends, and here it never does
            while c.recv(65536):
                pass
            return
        elif path == b"/slow":
            time.sleep(3)
        elif path == b"/304":
            c.sendall(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n")
        elif path == b"/hint":
            c.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
        elif path == b"/reset":
            reset(c)
            return
        elif path == b"/drip":
            for b in b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nslo\r\n1;x\r\nw\r\n0\r\n\r\n":
                c.sendall(bytes([b]))
                time.sleep(0.002)
        elif path == b"/close-after":
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            return  # a keep-alive promise that is not kept
        elif path == b"/flood":
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 << 20))
            for _ in range(1024):
                c.sendall(b"f" * 65536)
        elif b"upgrade: websocket" in head.lower():
            c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
            data = rest
            while True:
                b = c.recv(65536)
                if not b:
                    break
                data += b
            c.sendall(b"[" + data + b"]")  # after the client's half-close
            return
        else:
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(head) + head)


service = Service(moody)
plane = Plane(service, {"ingress": {"header_ms": 700, "body_ms": 700, "idle_ms": 4000, "body_max": 100000},
                        "service": {"response_ms": 1000}})
get = lambda path, more=b"": plane.ask(b"GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s\r\n" % (path, more))

with plane.connect(b"POST /continue HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n") as s:
    first, rest = read_head(s)
    s.sendall(b"abc")
    head, rest = read_head(s, rest)
    tap.check("100-continue comes from the service before the content goes", first.startswith(b"HTTP/1.1 100") and
              read_body(s, head, rest)[0] == b"abc", (first, head))
got = get(b"/until-close")
tap.check("a response that ends with its connection becomes chunks", b"Transfer-Encoding: chunked" in got and b"all of it" in got and got.endswith(b"0\r\n\r\n"), got)
got = plane.ask(b"GET /until-close HTTP/1.0\r\n\r\n")
tap.check("and a plain stream for HTTP/1.0", got.endswith(b"\r\n\r\nall of it"), got)
with plane.connect(b"POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 90000\r\n\r\n" + b"u" * 1000) as s:
    head, rest = read_head(s)
    s.sendall(b"u" * 2000)
    tap.check("an early answer to an upload gets through", head.startswith(b"HTTP/1.1 413") and read_body(s, head, rest)[0] == b"much", head)
got = get(b"/cut")
tap.check("a cut response is cut for the client too", got.endswith(b"only this") or got == b"", got)
got = get(b"/cut-chunk")
tap.check("a cut chunked response has no last chunk", not got.endswith(b"0\r\n\r\n"), got)
tap.same("nonsense and ambiguity from the service are 502", [get(p)[9:12] for p in (b"/nonsense", b"/both", b"/reset")], [b"502"] * 3)
tap.same("a service that is late is 504", get(b"/slow")[9:12], b"504")
got = get(b"/304")
tap.check("304 keeps its length and has no content", b"Content-Length: 77" in got and got.endswith(b"\r\n\r\n"), got)
with plane.connect(b"GET /drip HTTP/1.1\r\nHost: h\r\n\r\n") as s:
    head, rest = read_head(s)
    tap.same("a service that writes byte by byte", read_body(s, head, rest)[0], b"slow")
with plane.connect(b"POST /continue HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\n") as s:
    for i in range(40):
        s.sendall(b"%d" % (i % 10))
        time.sleep(0.03)
    first, rest = read_head(s)
    head, rest = read_head(s, rest)
    tap.same("a client that writes byte by byte, longer in all than body_ms", read_body(s, head, rest)[0], b"0123456789" * 4)
got = get(b"/hint")
tap.check("interim responses pass", got.startswith(b"HTTP/1.1 103") and b"HTTP/1.1 200" in got, got)
tap.same("a length past body_max is 413", plane.status(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100001\r\n\r\n"), 413)
with plane.connect(b"POST /whole HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n") as s:
    s.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n10000\r\n" + b"x" * 65536)
    got = read_head(s)[0] or b""
    tap.check("chunks past body_max are 413", got.startswith(b"HTTP/1.1 413"), got)
with plane.connect(b"GET / HTTP/1.1\r\nHo") as s:
    start = time.monotonic()
    tap.check("a head that stalls is 408", (read_head(s)[0] or b"").startswith(b"HTTP/1.1 408") and time.monotonic() - start < 3)
with plane.connect(b"POST /continue HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc") as s:
    head, rest = read_head(s)
    tap.check("content that stalls is 408", head.startswith(b"HTTP/1.1 100") and (read_head(s, rest)[0] or b"").startswith(b"HTTP/1.1 408"))
ok = 0
for _ in range(20):
    with plane.connect(b"GET /close-after HTTP/1.1\r\nHost: h\r\n\r\n") as s:
        ok += (read_head(s)[0] or b"").startswith(b"HTTP/1.1 200")
tap.same("kept connections that the service closes cost no request", ok, 20)

ws = b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"
with plane.connect(ws + b"early ") as s:
    head, rest = read_head(s)
    s.sendall(b"frames")
    s.shutdown(socket.SHUT_WR)
    data = rest + read_all(s)[0]
tap.check("an upgrade becomes a tunnel that carries half-close", head.startswith(b"HTTP/1.1 101") and data == b"hello[early frames]", (head, data))
got = get(b"/x", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n")
tap.check("an upgrade to h2c is not passed on", b" 200 " in got and b"h2c" not in got and b"Settings" not in got, got)

with plane.connect(b"GET /flood HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", rcvbuf=8192) as s:
    time.sleep(0.5)
    held = plane.rss_kib()
    total = len(read_all(s, 1 << 30)[0])
limit = 500 << 10 if os.environ.get("EIFGEN_VARIANT") == "san" else 30 << 10
tap.check("a slow reader holds little and gets all 64 MiB", total > (64 << 20) and held < limit, (total, held))
fds = plane.fds()
for _ in range(50):
    s = plane.connect(b"GET /flood HTTP/1.1\r\nHost: h\r\n\r\n")
    s.recv(100)
    reset(s)
tap.check("clients that reset leave nothing behind", until(lambda: plane.health()[1]["connections"] == 0 and plane.fds() <= fds + 2), (plane.health(), plane.fds(), fds))
service.close()
tap.same("without its service: 502", plane.status(G + b"\r\n"), 502)
tap.same("it still ends well", plane.stop(), 0)

# ---- API keys -----------------------------------------------------------------------------------------------------------
import hashlib
service = Service(echo_http)
keys = os.path.join(os.environ["TEST_TMP"], "keys")
with open(keys, "w") as f:
    f.write("# two keys\n%s\n\n%s\n" % (hashlib.sha512(b"one").hexdigest(), hashlib.sha512(b"two").hexdigest()))
plane = Plane(service, {"auth": {"api_keys": keys}})
tap.same("a known key admits, anything else is 401",
         [plane.status(G + k + b"\r\n") for k in (b"api-key: two\r\n", b"API-Key: one\r\n", b"", b"api-key: three\r\n", b"api-key: one\r\napi-key: one\r\n", b"api-key:\r\n")],
         [200, 200, 401, 401, 401, 401])
tap.check("the key is not passed on", b"api-key" not in b"".join(service.seen).lower() and len(service.seen) == 2, service.seen)
plane.stop()

# ---- draining -----------------------------------------------------------------------------------------------------------
gate = threading.Event()


def waiting(c, service):
    head, rest = read_head(c)
    service.seen.append(head)
    gate.wait(WAIT)
    c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")


service = Service(waiting)
plane = Plane(service)
idle = plane.connect()
busy = plane.connect(G + b"\r\n")
until(lambda: service.seen)
plane.p.terminate()
tap.check("draining is said", until(lambda: plane.health()[0] == 503))
tap.same("an idle connection is closed at once", read_all(idle)[0], b"")
gate.set()
got = read_all(busy)[0]
tap.check("the answer that was under way is given, then the connection ends", got.endswith(b"done"), got)
tap.same("and the program ends with 0", plane.stop(), 0)
tap.done()
