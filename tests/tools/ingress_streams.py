# SPDX-License-Identifier: Apache-2.0
"""What comes in below HTTP: the PROXY header, TLS with HTTP/2 and resumption, raw streams, caps and timers, health, readiness,
and what is reported to the host."""
import hashlib, json, os, shutil, socket, ssl, struct, subprocess, sys, threading, time

sys.path.insert(0, os.path.dirname(__file__))
from plane_rig import *  # noqa: F401,F403

tap = Tap()
TMP = os.environ["TEST_TMP"]
SAN = os.environ.get("EIFGEN_VARIANT") == "san"
CERT, KEY = os.path.join(TMP, "cert.pem"), os.path.join(TMP, "key.pem")
subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", KEY, "-out", CERT,
                "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
TLS = {"tls": True, "certificate": CERT, "key": KEY}
G = b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def context(**kw):
    c = ssl.create_default_context(cafile=CERT)
    for k, v in kw.items():
        setattr(c, k, v)
    return c


def v2(body, cmd=0x21, fam=0x11):
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack(">BBH", cmd, fam, len(body)) + body


# ---- the PROXY header ---------------------------------------------------------------------------------------------------
service = Service(echo_http)
plane = Plane(service, {"ingress": {"proxy": True, "proxy_ms": 500}})
v4 = socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.8") + struct.pack(">HH", 1234, 443)
six = socket.inet_pton(socket.AF_INET6, "2001:db8::7") * 2 + struct.pack(">HH", 1234, 443)
got = [plane.ask(h + G) for h in (v2(v4), v2(v4 + b"\x04\0\x01x"), b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 443\r\n")]
tap.check("PROXY v1 and v2 name the client", all(b"X-Forwarded-For: 192.0.2.7\r\n" in g for g in got), got)
got = plane.ask(v2(six, fam=0x21) + G)
tap.check("an IPv6 client is quoted in Forwarded", b'for="[2001:db8::7]"' in got and b"X-Forwarded-For: 2001:db8::7\r\n" in got, got)
got = plane.ask(v2(b"", cmd=0x20, fam=0) + G)
tap.check("LOCAL has no client", b"for=unknown" in got and b"X-Forwarded-For" not in got, got)
with plane.connect() as s:
    for b in v2(v4) + G:
        s.sendall(bytes([b]))
    tap.check("a header of one byte a segment", b"192.0.2.7" in read_all(s)[0])
tap.same("without a header, or with a broken one, nothing is said",
         [plane.ask(h + G) for h in (b"", v2(v4[:8]), v2(v4, cmd=0x31), b"PROXY TCP4 1.2.3.4\r\n")], [b""] * 4)
tap.check("a second header is no header: 400", b" 400 " in plane.ask(v2(v4) + b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n" + G)[:20])
start = time.monotonic()
tap.check("a header that stalls ends the connection", plane.ask(v2(v4)[:10]) == b"" and time.monotonic() - start < 3)
plane.stop()

# ---- TLS ----------------------------------------------------------------------------------------------------------------
plane = Plane(service, {"ingress": dict(TLS, handshake_ms=1500, max_handshakes=4), "service": {"health_path": "/h", "health_interval_ms": 50}})
URL = "https://127.0.0.1:%d/" % plane.port
blob = os.path.join(TMP, "blob")
size = (8 if SAN else 64) << 20
with open(blob, "wb") as f:
    f.write(os.urandom(1 << 20) * (size >> 20))
want = hashlib.sha256(open(blob, "rb").read()).hexdigest()


def curl(*args):
    p = subprocess.run(["curl", "-s", "--no-progress-meter", "-m", "60", "--cacert", CERT, *args], stdout=subprocess.PIPE)
    return p.stdout


for v in ("--http1.1", "--http2"):
    got = hashlib.sha256(curl(v, "-H", "Expect:", "--data-binary", "@" + blob, URL)).hexdigest()
    tap.same("curl %s: %d MiB with a length come back whole" % (v, size >> 20), got, want)
    got = hashlib.sha256(curl(v, "-X", "POST", "-H", "Content-Length:", "-H", "Transfer-Encoding: chunked" if v == "--http1.1" else "X: y",
                              "--data-binary", "@" + blob, URL)).hexdigest()
    tap.same("curl %s: and without one" % v, got, want)
got = curl("--http2", "-w", "%{http_version} %{http_code}", "-H", "Cookie: a=1", "-H", "X-Forwarded-For: 6.6.6.6", URL)
tap.check("HTTP/2 is agreed on and forwarded as HTTP/1.1", got.endswith(b"2 200") and got.startswith(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:")
          and b"6.6.6.6" not in got and b"proto=https" in got, got)
many = curl("--http2", "--parallel", "--parallel-max", "50", *[URL + "n%d" % i for i in range(100)])
tap.same("a hundred streams at once on one connection", len(set(w for w in many.split() if w.startswith(b"/n"))), 100)
tap.same("curl --http2 -I", curl("--http2", "-I", "-o", os.devnull, "-w", "%{http_code}", URL), b"200")


def resumed(version):
    c = context(maximum_version=version, minimum_version=version)
    with c.wrap_socket(plane.connect(), server_hostname="localhost") as s:
        s.sendall(G)
        while s.recv(65536):
            pass
        session = s.session
    with c.wrap_socket(plane.connect(), server_hostname="localhost", session=session) as s:
        return s.session_reused


tap.same("sessions resume in TLS 1.2 and 1.3", [resumed(ssl.TLSVersion.TLSv1_2), resumed(ssl.TLSVersion.TLSv1_3)], [True, True])
out = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % plane.port, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20).stdout
tap.check("TLS 1.1 is refused", b"Cipher is (NONE)" in out or b"alert" in out, out.decode(errors="replace"))
c = context()
c.set_alpn_protocols(["spdy/3"])
try:
    c.wrap_socket(plane.connect(), server_hostname="localhost").close()
    tap.check("an ALPN offer without a common protocol is refused", False)
except (ssl.SSLError, OSError):
    tap.check("an ALPN offer without a common protocol is refused", True)
tap.check("bytes that are no TLS end the connection", b"HTTP" not in plane.ask(G))


def read_some(s):
    """Whether the plane has said or ended anything on s."""
    s.setblocking(False)
    try:
        s.recv(1)
        return True
    except BlockingIOError:
        return False


stalled = [plane.connect(b"\x16\x03\x01") for _ in range(4)]
start = time.monotonic()
code = curl("-o", os.devnull, "-w", "%{http_code}", URL)
tap.check("stalled handshakes up to the cap end in time and others then pass", code == b"200" and time.monotonic() - start < 10, (code, time.monotonic() - start))
tap.check("and are gone", until(lambda: plane.health()[1]["connections"] == 0) and all(read_all(s)[0] == b"" for s in stalled))
tap.check("the service is probed", until(lambda: plane.health()[1]["service"] == {"status": "ok", "code": 200}), plane.health())

full = Plane(service, {"ingress": dict(TLS, handshake_ms=10000, max_handshakes=4)})
held = [full.connect(b) for b in [b""] * 8 + [b"\x16\x03\x01"] * 8]
time.sleep(0.1)
start = time.monotonic()
code = curl("-o", os.devnull, "-w", "%{http_code}", "https://127.0.0.1:%d/" % full.port)
tap.check("clients that say nothing, or half a hello, do not keep the others out", code == b"200" and time.monotonic() - start < 3,
          (code, time.monotonic() - start))
code, start = curl("-o", os.devnull, "-w", "%{http_code}", "https://127.0.0.1:%d/" % full.port), time.monotonic()
tap.check("who is silent is no trouble to anyone while there is room", code == b"200" and not read_some(held[0]), code)


def processor(p):
    with open("/proc/%d/schedstat" % p.p.pid) as f:
        return int(f.read().split()[0]) / 1e9


more = [full.connect(b"\x16") for _ in range(100 if SAN else 900)]
time.sleep(0.5)
before = processor(full)
time.sleep(2)
spent = processor(full) - before
tap.check("those who wait for their turn cost nothing", spent < 0.02 or SAN, "%.4f s of processor in 2 s" % spent)
for s in held + more:
    s.close()
full.stop()

idle_n = 100 if SAN else 500
base = plane.rss_kib()
c = context()
idle = []
for _ in range(idle_n):
    s = c.wrap_socket(plane.connect(), server_hostname="localhost")
    s.sendall(b"GET /i HTTP/1.1\r\nHost: h\r\n\r\n")
    s.recv(4096)
    idle.append(s)
each = (plane.rss_kib() - base) / idle_n
tap.check("an idle TLS connection holds less than 40 KiB", each < 40 or SAN, "%.1f KiB" % each)
for s in idle:
    s.close()
tap.check("closed ones are let go", until(lambda: plane.health()[1]["connections"] == 0), plane.health())
other = Service(lambda c, s: (s.seen.append(read_head(c)[0]), c.sendall(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")))
apart = Plane(service, {"service": {"health_path": "/up", "health_address": other.address, "health_interval_ms": 50}})
tap.check("it is probed at an address of its own where one is configured", until(lambda: apart.health()[1]["service"] == {"status": "failed", "code": 503})
          and apart.health()[0] == 503 and other.seen[0].startswith(b"GET /up ") and apart.status(G) == 200, apart.health())
apart.stop()


def picky(c, s):
    """Serves who begins with a PROXY header, as it must be configured to."""
    first = c.recv(16, socket.MSG_WAITALL)
    if first[:12] == v2(b"")[:12]:
        s.seen.append(first)
        read_head(c)
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


only = Service(picky)
p = Plane(only, {"ingress": {"forward_proxy": True}, "service": {"health_path": "/up", "health_interval_ms": 50}})
tap.check("a service that wants a PROXY header gets one of the probe, too", until(lambda: p.health()[0] == 200, 5) and
          only.seen[0] == v2(b"", cmd=0x20, fam=0), (p.health(), only.seen))
p.stop()
only.close()
service.close()
tap.check("a service that is gone turns health red", until(lambda: plane.health()[0] == 503 and plane.health()[1]["service"]["status"] == "failed"), plane.health())
tap.same("it ends well", plane.stop(), 0)


# ---- raw streams --------------------------------------------------------------------------------------------------------
def stream(c, service):
    """Says hello first, echoes until EOF, then says how much it saw and ends its side."""
    c.sendall(b"hello\n")
    n = 0
    while True:
        b = c.recv(65536)
        if not b:
            break
        n += len(b)
        c.sendall(b)
    service.seen.append(n)
    c.sendall(b"\nbye %d" % n)


service = Service(stream)
plane = Plane(service, {"ingress": {"protocol": "tcp", "max_connections": 5, "idle_ms": 1500, "forward_proxy": False}})
with plane.connect() as s:
    tap.same("a service that speaks first is heard", s.recv(100), b"hello\n")
    s.sendall(b"abc")
    s.shutdown(socket.SHUT_WR)
    tap.same("the client's half-close goes through and the answer comes back", read_all(s)[0], b"abc\nbye 3")
data = os.urandom(4 << 20)
with plane.connect() as s:
    t = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
    t.start()
    got = read_all(s)[0]
    t.join()
tap.check("4 MiB go both ways at once", got == b"hello\n" + data + b"\nbye %d" % len(data))
s = plane.connect()
s.recv(6)
s.sendall(b"x")
s.recv(1)
service.seen.clear()


def ends_first(c, service):
    """Ends its side at once, then counts what still comes."""
    c.sendall(b"bye")
    c.shutdown(socket.SHUT_WR)
    service.seen.append(len(read_all(c)[0]))


def breaks(c, service):
    c.sendall(b"half an ans")
    time.sleep(0.1)
    reset(c)


first, breaker = Service(ends_first), Service(breaks)
for name, tls in (("in clear", {}), ("under TLS", dict(TLS))):
    p = Plane(first, {"ingress": dict(tls, protocol="tcp")})
    with (context().wrap_socket(p.connect(), server_hostname="localhost") if tls else p.connect()) as c:
        got = read_all(c)[0] if not tls else c.recv(100) + c.recv(100)  # under TLS the close_notify
        c.sendall(b"x" * 70000)
        c.unwrap() if tls else c.shutdown(socket.SHUT_WR)
        tap.check("the service ends first, %s: the client hears it, and is heard on" % name, got == b"bye" and
                  until(lambda: first.seen == [70000]), (got, first.seen))
    first.seen.clear()
    p.stop()
p = Plane(breaker, {"ingress": {"protocol": "tcp"}})
with p.connect() as c:
    got, why = read_all(c)
tap.check("a service's reset does not read as a clean end", isinstance(why, ConnectionResetError), (got, why))
p.stop()
first.close()
breaker.close()
reset(s)
tap.check("a client's reset does not read as a clean end", not until(lambda: service.seen, 0.5), service.seen)
held = [plane.connect() for _ in range(5)]
for s in held:
    s.recv(6)
tap.same("over the cap a connection is shed at once", plane.ask(b"x"), b"")
start = time.monotonic()
tap.check("an idle stream is ended", all(read_all(s)[0] == b"" for s in held) and 1 < time.monotonic() - start < 6)
plane.stop()

plane = Plane(service, {"ingress": dict(TLS, protocol="tcp")})
with context().wrap_socket(plane.connect(), server_hostname="localhost") as s:
    got = s.recv(100)
    s.sendall(b"under tls")
    while not got.endswith(b"tls"):
        got += s.recv(100)
tap.same("TLS is ended in front of a raw stream", got, b"hello\nunder tls")
service.seen.clear()
s = context().wrap_socket(plane.connect(), server_hostname="localhost")
s.recv(100)
s.sendall(b"x")
s.recv(100)
socket.socket(fileno=os.dup(s.fileno())).shutdown(socket.SHUT_WR)  # a FIN without close_notify: truncation
tap.check("a TLS stream that is cut does not read as a clean end", not until(lambda: service.seen, 0.5), service.seen)
s.close()
plane.stop()
service.close()


def first_line(c, service):
    b = b""
    while not b.endswith(b"\n") and len(b) < 200:
        b += c.recv(200) or b"\n"
    service.seen.append(b)
    c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok" if b"HTTP/1" in b else b"raw " + b)


service = Service(first_line)
plane = Plane(service, {"ingress": {"protocol": "auto"}})
got = plane.ask(b"\tGET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n")
tap.check("auto: HTTP that only a lenient service would read does not pass raw", got.startswith(b"HTTP/1.1 400") and not service.seen, got)
got = plane.ask(b"GET\x0b/admin HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n")
tap.check("auto: nor does a line with another blank in it", got.startswith(b"HTTP/1.1 400") and not service.seen, got)
got = [plane.ask(b"PING 1\r\n"), plane.ask(b"\x00\x01\x02\n"), plane.ask(G)[:15]]
tap.same("auto: HTTP is spoken with HTTP, the rest passes raw", got, [b"raw PING 1\r\n", b"raw \x00\x01\x02\n", b"HTTP/1.1 200 OK"])
plane.stop()


def agreed(protocol, *offers):
    """What comes of each offer of protocols in the handshake, with bytes that are no HTTP behind it."""
    plane, out = Plane(service, {"ingress": dict(TLS, protocol=protocol)}), []
    for offer in offers:
        c = context(check_hostname=False)
        c.set_alpn_protocols(offer)
        try:
            with c.wrap_socket(plane.connect()) as s:
                s.sendall(b"PING 1\r\n")
                out.append((s.selected_alpn_protocol(), read_all(s)[0]))
        except ssl.SSLError as e:
            out.append(e.reason)
    plane.stop()
    return out


tap.same("raw streams of clients that offer a protocol of their own are taken, with none agreed",
         agreed("tcp", ["mqtt"], ["h2", "http/1.1"]), [(None, b"raw PING 1\r\n")] * 2)
tap.same("auto: http/1.1 is agreed where it is offered", agreed("auto", ["mqtt"], ["http/1.1", "x"]),
         [(None, b"raw PING 1\r\n"), ("http/1.1", b"raw PING 1\r\n")])
plane = Plane(service, {"ingress": {"protocol": "tcp", "forward_proxy": True, "proxy": True}})
service.handler = lambda c, s: (s.seen.append(c.recv(28)), c.close())
service.seen.clear()
plane.ask(v2(v4 + b"\x04\0\x01x") + b"data")
tap.same("forward_proxy hands the header on, anew", service.seen, [v2(v4)])
plane.stop()
service.close()

# ---- starting -----------------------------------------------------------------------------------------------------------
bad = [("an unknown key", {"ingress": {"colour": 1}}, "ingress.colour"), ("a wrong type", {"ingress": {"tls": 1}}, "ingress.tls"),
       ("a name for an address", {"service": {"address": "tcp:localhost:80"}}, "service.address"),
       ("TLS without a certificate", {"ingress": {"tls": True}}, "ingress.certificate"),
       ("a key file that is not there", {"auth": {"api_keys": TMP + "/none"}}, "none"),
       ("a probe's address without a path", {"service": {"health_address": "tcp:127.0.0.1:1"}}, "service.health_address"),
       ("keys on raw streams", {"auth": {"api_keys": TMP + "/none"}, "ingress": {"protocol": "auto"}}, "auth.api_keys"),
       ("a certificate that is none", {"ingress": dict(TLS, certificate=KEY)}, "certificate")]
for name, over, says in bad:
    p = Plane("tcp:127.0.0.1:1", over)
    out = p.output()
    tap.check("%s: one line, status 2, never ready" % name, p.stop() == 2 and p.ready == b"" and out.count("\n") == 1 and says in out, out)
p = Plane("tcp:127.0.0.1:1", {"egress": {"enabled": False}}, program="cage-data-plane-no-egress")
tap.check("the program without egress knows no egress key", "egress" in p.output() and p.stop() == 2, p.output() if not p.log.closed else "")

# ---- the host is told ---------------------------------------------------------------------------------------------------
lines, frames = [], []


def sink(into):
    def run(c, service):
        into.append(read_all(c)[0])
    return run


metrics, control, service = Service(sink(lines)), Service(sink(frames)), Service(echo_http)
plane = Plane(service, {"report": {"metrics": metrics.address, "interval_ms": 200, "transactions": True, "transactions_to": control.address}})
tap.same("ready is one byte", plane.ready, b"\n")
tap.same("by then it has no capability, no new privileges, a list of system calls, and dumps no core", given_up(plane.p.pid, SAN), {})
plane.ask(b"GET /path?secret=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
tap.check("resource metrics arrive as StatsD lines", until(lambda: any(b"ingress.requests:1|c\n" in x for x in lines)) and
          all(w in b"".join(lines) for w in (b"memory.total:", b"fd.allocated:", b"cpu.cores:")), lines)
tap.check("a transaction arrives, without its query", until(lambda: frames) and frames[0].startswith(b"CTL1") and b"/path" in frames[0]
          and b"secret" not in frames[0], frames)
tap.same("the end", plane.stop(), 0)



def flood(c, service):
    """A host that answers a batch without end, for three seconds."""
    c.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
    block, end = bytes(64 << 20), time.monotonic() + 3
    while time.monotonic() < end:
        c.sendall(block)


metrics.handler = flood
n = metrics.conns
plane = Plane(service, {"report": {"metrics": metrics.address, "interval_ms": 100}})
until(lambda: metrics.conns > n)
waits, start = [], time.monotonic()
while time.monotonic() - start < 2.5:
    waits.append((plane.status(G), time.monotonic()))
longest = max(b[1] - a[1] for a, b in zip([(0, start)] + waits, waits))
tap.check("a host that answers without end does not keep clients waiting", longest < 0.7 and {w[0] for w in waits} == {200}, longest)
plane.stop()
metrics.handler = sink(lines)

# ---- which headers are told ---------------------------------------------------------------------------------------------
frames.clear()
service.handler = lambda c, s: (read_head(c), c.sendall(b"HTTP/1.1 200 OK\r\nX-Reply-Id: r1\r\nX-Other: hidden\r\nSet-Cookie: hidden\r\n"
                                                         b"Content-Length: 0\r\nConnection: close\r\n\r\n"))
plane = Plane(service, {"report": {"transactions": True, "transactions_to": control.address, "trusted_headers": ["X-Mine", "x-re*", "cookie"]}})
plane.ask(b"GET /p\xff\xfe HTTP/1.1\r\nHost: h\r\nx-mine: shown\r\nX-Mine2: hidden\r\nUser-Agent: a\xffb\r\nAuthorization: hidden\r\n"
          b"Cookie: hidden\r\nConnection: close\r\n\r\n")
until(lambda: frames)
got = frames[0] if frames else b""
pair = lambda k, v: b"\x82" + cbor(k) + cbor(v)
tap.check("headers that are listed, and a few harmless ones, are told; the rest is masked",
          all(pair(k, v) in got for k, v in (("x-mine", "shown"), ("X-Mine2", "***"), ("User-Agent", "a?b"), ("Authorization", "***"), ("Cookie", "***"),
                                             ("X-Reply-Id", "r1"), ("X-Other", "***"), ("Set-Cookie", "***"))) and b"hidden" not in got, got)
tap.check("bytes that are no text do not reach the host", cbor("target") + cbor("/p??") in got and not plane.stop(), got)
service.handler = echo_http


# ---- what the host may say ----------------------------------------------------------------------------------------------
def host(c, service):
    """The control plane's end, with a clock that is two minutes ahead."""
    while True:
        h = c.recv(8, socket.MSG_WAITALL)
        if len(h) < 8:
            return
        op = c.recv(int.from_bytes(h[4:], "big"), socket.MSG_WAITALL)
        now = time.time() + 120
        body = cbor({"ok": True, "seconds": int(now), "nanoseconds": int(now % 1 * 1e9)} if b"time" in op else
                    {"ok": True, "config": dict(service.says)}) if service.says is not None else b"\x01"
        c.sendall(b"CTL1" + len(body).to_bytes(4, "big") + body)


lines.clear()
says = Service(host)
says.says = {}
plane = Plane(service, {"report": {"metrics": metrics.address, "interval_ms": 200}, "control": {"host": says.address, "interval_ms": 100},
                        "ingress": {"max_connections": 3}})
tap.check("the host's clock is told beside ours", until(lambda: any(b"clock.behind.ms:" in x for x in lines)) and
          any(119000 < int(x.split(b"clock.behind.ms:")[1].split(b"|")[0]) < 121000 for x in lines if b"clock.behind.ms:" in x), lines)
tap.check("and logged once", plane.output().count('"host.clock"') == 1 and '"level":"warn","event":"host.clock"' in plane.output(), plane.output())
says.says = {"draining": True, "new-fangled": [1, {"a": 2}]}
tap.check("a drain that the host wishes is shown, and clients are served", until(lambda: plane.health()[0] == 503) and
          plane.health()[1]["status"] == "draining" and plane.status(G) == 200, plane.health())
says.says = {"max_connections": 1000000}
tap.check("and can be taken back", until(lambda: plane.health()[0] == 200), plane.health())
held = [plane.connect() for _ in range(3)]
tap.same("the measured cap is not raised by the host", plane.ask(G), b"")
for s in held:
    s.close()
until(lambda: plane.health()[1]["connections"] == 0)
says.says = {"max_connections": 1}
held = []
tap.check("but it may be lowered", until(lambda: (held.append(plane.connect()), time.sleep(0.2), plane.ask(G) == b"", held.pop().close())[2]))
for nonsense in ({"max_connections": 0}, {"draining": 1}, {"log_level": "quiet"}, None):
    says.says = nonsense
    n = says.conns
    until(lambda: says.conns > n + 1)
tap.check("nonsense changes nothing, and is said", plane.health()[0] == 200 and '"host.refused"' in plane.output() and plane.p.poll() is None,
          plane.output())
says.says = {"log_level": "error"}
n = says.conns
until(lambda: says.conns > n + 2)
says.close()
tap.check("a host that is gone changes nothing", until(lambda: plane.status(G) == 200))
tap.check("every line of its log is JSON", all(json.loads(x)["event"] for x in plane.output().splitlines()), plane.output())
tap.same("with the log at `error` the end is silent", (plane.stop(), "plane.stopped" in open(plane.log.name).read()), (0, False))
tap.done()
