#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The control plane from all its sides: enclave, clients, DNS, upstreams and operators, played by threads.

Runs inside a fresh network namespace (tests/cmd/control-plane.sh), prints TAP numbered from its argument on."""
import atexit, http.client, json, os, random, re, resource, signal, socket, struct, subprocess, sys, time

import peers
from peers import *  # noqa: F403
from plane_rig import given_up

BIN = os.environ["EIFGEN_BIN"]
SAN = os.environ.get("EIFGEN_VARIANT") == "san"
peers.number = int(sys.argv[1])
peers.ZONE.update({
    "good.example": [[GOOD4]], "six.example": [[GOOD6]], "both.example": [["10.0.0.1", GOOD4]],
    "imds.example": [["169.254.169.254"]], "private.example": [["10.1.2.3", "192.168.0.1", "172.16.0.1"]],
    "loop.example": [["127.0.0.1"]], "mapped.example": [["::ffff:169.254.169.254"]], "nat64.example": [["64:ff9b::a00:1"]],
    "ula.example": [["fd00:ec2::254"]], "zero.example": [["0.0.0.0"]], "cgnat.example": [["100.64.0.1"]],
    "multi.example": [["224.0.0.1"]], "rebind.example": [[GOOD4], ["127.0.0.1"]], "other.example": [[OTHER4]],
    "fails.example": [[OTHER4, GOOD4]], "large.example": [[GOOD4] + ["10.0.0.%d" % i for i in range(40)]],
    "huge.example": [[GOOD4] + ["10.0.0.%d" % i for i in range(120)]],
    "dual.example": [["2606:4700::%d" % i for i in range(1, 21)] + [GOOD4]],  # no way to the first twenty from here
    "crowd.example": [["93.184.216.%d" % i for i in range(100, 110)] + [OTHER4, GOOD4]],
})
peers.SLOW["dual.example", 1] = 0.2


# ---- the plane -------------------------------------------------------------------------------------------------------
class Plane:
    def __init__(self, *extra, allow=None, program="cage-control-plane", files=None):
        self.log_path = os.path.join(TMP, "plane-%d.log" % random.getrandbits(32))
        argv = [os.path.join(BIN, program), "--ingress=tcp:127.0.0.1:8443", "--enclave=unix:%s/enclave" % TMP,
                "--health=tcp:127.0.0.1:3032", "--enclave-health=unix:%s/health" % TMP, "--control=unix:%s/control" % TMP,
                "--metrics-in=unix:%s/metrics" % TMP, "--verbose"]
        if program == "cage-control-plane":
            argv += ["--egress=unix:%s/egress" % TMP, "--dns=127.0.0.1:5353"]
            if allow is not None:
                argv.append("--allow=" + allow)
        few = lambda: files and resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        self.p = subprocess.Popen(argv + list(extra), stdout=subprocess.DEVNULL, stderr=open(self.log_path, "w"), preexec_fn=few)
        atexit.register(self.p.kill)  # also when a case fails in the middle; nothing happens to one that has ended
        for _ in range(100):
            if '"control.ready"' in self.log():
                return
            time.sleep(0.05)
        raise SystemExit("not ready: " + self.log())

    def log(self):
        return open(self.log_path).read()

    def events(self, event):
        return [e for e in map(json.loads, self.log().splitlines()) if e["event"] == event]

    def stop(self, patience=10):
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGTERM)
            time.sleep(0.05)
            self.p.send_signal(signal.SIGTERM)
        try:
            rc = self.p.wait(patience)
        except subprocess.TimeoutExpired:
            self.p.kill()
            rc = "killed"
        sys.stderr.write(self.log())
        return rc


def get(path):
    h = http.client.HTTPConnection("127.0.0.1", 3032, timeout=5)
    h.request("GET", path)
    r = h.getresponse()
    return r.status, r.read().decode()


# ---- cases -----------------------------------------------------------------------------------------------------------
ALLOW = ("good.example,six.example:443,both.example,imds.example,private.example,loop.example,mapped.example,"
         "nat64.example,ula.example,zero.example,cgnat.example,multi.example,rebind.example,silent.example,missing.example,"
         "fails.example,large.example,huge.example,dual.example,crowd.example,*.wild.example,good.example:25," + GOOD4 + "/32:443,169.254.169.254,[%s]:443" % GOOD6)


def egress_decisions():
    egress("an allowed name", 0, name="good.example")
    egress("an IPv6 upstream", 0, name="six.example")
    egress("a listed address", 0, addr=socket.inet_aton(GOOD4))
    egress("a listed IPv6 address", 0, addr=socket.inet_pton(socket.AF_INET6, GOOD6))
    egress("a name not listed", 1, name="other.example")
    egress("the apex of a suffix", 1, name="wild.example")
    egress("a port not listed", 1, name="six.example", port=80)
    egress("an address not listed", 1, addr=socket.inet_aton(OTHER4))
    egress("an address at a port not listed", 1, addr=socket.inet_aton(GOOD4), port=80)
    for name in ("imds", "private", "loop", "mapped", "nat64", "ula", "zero", "cgnat", "multi"):
        egress("a name that leads to %s" % ZONE[name + ".example"][0][0], 2, name=name + ".example")
    egress("the metadata service as a literal, though listed", 2, addr=socket.inet_aton("169.254.169.254"))
    egress("a name with one private and one global address", 0, name="both.example")
    egress("a name that does not exist", 3, name="missing.example")
    egress("a port where nobody listens", 5, name="good.example", port=9)
    egress("the first address refuses, the second answers", 0, name="fails.example")
    before = queries.get(("rebind.example", 1), 0)
    egress("a rebinding name, first answer global", 0, name="rebind.example")
    check("egress: one connection asks DNS once", queries["rebind.example", 1] == before + 1, queries)
    egress("the rebinding name, second answer loopback", 2, name="rebind.example")
    egress("an answer past 512 bytes, for which EDNS makes room", 0, name="large.example")
    check("egress: it came by UDP", not tcp_queries, tcp_queries)
    egress("an answer that no datagram holds", 0, name="huge.example")
    check("egress: it came by TCP", len(tcp_queries) >= 1, tcp_queries)
    start = time.monotonic()
    egress("twenty IPv6 addresses without a route, and an IPv4 one that is answered late", 0, name="dual.example")
    egress("ten addresses without a route and one that refuses before the one that answers", 0, name="crowd.example")
    egress("a resolver that keeps silent", 4, name="silent.example")
    check("egress: a silent resolver is given up in time", time.monotonic() - start < 40, time.monotonic() - start)


def egress_frames(plane):
    good = request(b"good.example")
    for what, frame in (("another magic", b"GET / HTTP/1.1\r\n\r\n"), ("another version", b"EGR2" + good[4:]),
                        ("another type", good[:8] + b"\2" + good[9:]), ("a length too large", b"EGR1\xff\xff\xff\xff"),
                        ("a length too small", b"EGR1\0\0\0\1x"), ("a name longer than the frame", b"EGR1\0\0\0\7\1\0\1\xbb\xc8abc"),
                        ("upper case", request(b"Good.example")),
                        ("an address in v4-mapped form", request(addr=b"\0" * 10 + b"\xff\xff" + socket.inet_aton(GOOD4))),
                        ("no destination", request()), ("both destinations", request(b"good.example", b"\1\2\3\4")),
                        ("port 0", request(b"good.example", port=0))):
        c, got = ask(frame)
        check("egress frame: %s is a bad request" % what, got == 9, got)
        c.close()
    c = unix_dial("egress")
    for b in good:
        c.sendall(bytes([b]))
    check("egress frame: one byte at a time is read", exactly(c, 8)[4] == 0)
    c.close()
    c = unix_dial("egress")
    c.sendall(good[:20])
    start = time.monotonic()
    check("egress frame: half a frame is given up", exactly(c, 8)[4] == 9 and 3 < time.monotonic() - start < 30)
    c.close()
    said = [e["why"] for e in plane.events("egress.malformed")]
    check("egress frame: the log says why of each", len(said) > 10 and all(said), said)


def egress_silence(plane):
    c, got = ask(request(b"good.example"))
    try:
        end = c.recv(1)
    except ConnectionResetError:
        end = b""
    check("egress: a connection on which nobody speaks ends by --idle", got == 0 and end == b"", got)
    check("egress: and is called idle, not a lie", wait_for(lambda: plane.events("egress.idle")) and
          not plane.events("egress.refused") and 'cage_egress_requests_total{status="server name differs"} 0\n' in get("/metrics")[1],
          plane.log())
    c.close()


def egress_sni():
    egress("a hello for another name", 8, name="good.example", data=hello("evil.example"))
    h = hello("evil.example")
    for version in (b"\2\1", b"\0\0", b"\x0f\xff"):  # there are servers that take any
        egress("a hello for another name under record version %s" % version.hex(), 8, name="good.example",
               data=h[:1] + version + h[3:])
        egress("and one behind an alert of it", 8, name="good.example", data=b"\x15" + version + b"\0\2\1\0" + h)
    h = hello("GOOD.example")
    c, got = ask(request(b"good.example", data=h))
    check("sni: the right name passes whole", got == 0 and exactly(c, len(h)) == h, got)
    c.close()
    c, got = ask(request(b"good.example", data=h[:30]))
    c.sendall(h[30:60])
    time.sleep(0.1)
    c.sendall(h[60:])
    check("sni: split over the request and two writes", got == 0 and exactly(c, len(h)) == h, got)
    c.close()
    c, got = ask(request(b"good.example"))
    time.sleep(0.2)
    c.sendall(hello("evil.example"))
    try:
        b = c.recv(1)
    except ConnectionResetError:
        b = b""
    check("sni: a late hello for another name is cut off", got == 0 and b == b"", b)
    c.close()
    c, got = ask(request(b"good.example", port=25))
    check("sni: a server that speaks first is heard", got == 0 and exactly(c, 5) == b"220 x", got)
    c.sendall(hello("evil.example"))  # no TLS server greets: what follows is not judged
    check("sni: and its client after it", len(exactly(c, 100)) == 100)
    c.close()


def egress_bytes():
    size = int(os.environ.get("RELAY_BYTES", 64 << 20))
    c, got = ask(request(b"good.example"))
    c.settimeout(120)
    check("egress: %d MB there and back under stalls, same digest" % (size >> 20), got == 0 and pump(c, size, True), got)
    c.close()
    c, got = ask(request(b"good.example", port=7001))  # reads to the end, then answers
    c.sendall(b"abc")
    c.shutdown(socket.SHUT_WR)
    check("egress: half-close from the enclave, the answer still comes", to_end(c) == b"3 bytes", got)
    c.close()
    c, got = ask(request(b"good.example", port=7002))  # ends its side first, then counts what comes
    check("egress: half-close from the upstream is seen", to_end(c) == b"bye")
    c.sendall(b"x" * 1000)
    c.shutdown(socket.SHUT_WR)
    check("egress: and our bytes still arrive", wait_for(lambda: counted == [1000]), counted)
    c.close()


counted = []


def read_then_answer(c):
    c.sendall(b"%d bytes" % len(to_end(c)))


def answer_then_count(c):
    c.sendall(b"bye")
    c.shutdown(socket.SHUT_WR)
    counted.append(len(to_end(c)))


def enclave(c):
    head = exactly(c, 16)
    assert head[:12] == b"\r\n\r\n\0\r\nQUIT\n" and head[12] == 0x21, head
    rest = exactly(c, struct.unpack(">H", head[14:16])[0])
    src = socket.inet_ntoa(rest[:4]), struct.unpack(">H", rest[8:10])[0]
    c.sendall(("%s:%d\n" % src).encode())
    echo(c)


def ingress():
    server = unix_server("enclave", enclave)
    c = socket.create_connection(("127.0.0.1", 8443), timeout=10)
    me = "%s:%d\n" % c.getsockname()
    check("ingress: the enclave learns the client's address", exactly(c, len(me)).decode() == me)
    c.settimeout(60)
    check("ingress: 16 MB there and back, same digest, half-close", pump(c, 16 << 20, True))
    c.close()
    live = socket.create_connection(("127.0.0.1", 8443), timeout=10)
    exactly(live, 12)
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    os.unlink(os.path.join(TMP, "enclave"))
    c = socket.create_connection(("127.0.0.1", 8443), timeout=10)
    try:
        gone = c.recv(1) == b""
    except ConnectionResetError:
        gone = True
    check("ingress: without an enclave the client is closed at once", gone)
    live.sendall(b"x" * 100)
    check("ingress: who was connected stays so", until(live, b"x" * 100))
    live.close()
    unix_server("enclave", enclave)
    c = socket.create_connection(("127.0.0.1", 8443), timeout=10)
    me = "%s:%d\n" % c.getsockname()
    check("ingress: the enclave is back and used", exactly(c, len(me)).decode() == me)
    c.close()


health_answer = [200, '{"status":"ok","service":{"status":"ok"}}']


def enclave_health(c):
    while b"\r\n\r\n" not in c.recv(4096):
        pass
    c.sendall(("HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%s" % (health_answer[0], len(health_answer[1]),
                                                                health_answer[1])).encode())
    time.sleep(3)  # keeps the connection: the asker must not wait for it


def health():
    check("health: 503 while the enclave does not answer", get("/")[0] == 503, get("/"))
    server = unix_server("health", enclave_health)
    check("health: 200 once it does", wait_for(lambda: get("/")[0] == 200), get("/"))
    body = json.loads(get("/anything")[1])
    check("health: the data plane's report is inside",
          body["status"] == "ok" and body["dataPlane"]["report"]["service"]["status"] == "ok", body)
    health_answer[:] = [503, '{"status":"unhealthy"}']
    check("health: 503 when the data plane says so", wait_for(lambda: get("/")[0] == 503), get("/"))
    health_answer[:] = [200, 'not json <script>']
    check("health: a report that is no JSON is left out", wait_for(lambda: get("/")[0] == 200) and
          "report" not in json.loads(get("/")[1])["dataPlane"], get("/"))
    health_answer[:] = [200, "{}"]
    return server


def check_exposition(text):
    """The rules of the text format that a scraper stumbles over; the first fault, or None."""
    seen, current, series = set(), None, set()
    for line in text.splitlines():
        m = re.fullmatch(r"# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)", line)
        if m:
            if m[1] == "HELP":
                if m[2] in seen:
                    return "family twice: " + line
                seen.add(m[2])
                current = m[2]
            elif m[2] != current or m[3] not in ("counter", "gauge", "summary"):
                return line
            continue
        m = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-z_]+="[^"\\\n]*"\})? (-?[0-9.e+-]+)', line)
        if not m or not (m[1] == current or m[1] in (str(current) + "_sum", str(current) + "_count")):
            return "not of its family: " + line
        if (m[1], m[2]) in series:
            return "series twice: " + line
        series.add((m[1], m[2]))
        float(m[3])
    return None if text.endswith("\n") else "no newline at the end"


def metrics(statsd):
    c = unix_dial("metrics")
    c.sendall(b"request.count:2|c|#app:x\nmemory.avail:10")
    time.sleep(0.1)
    c.sendall(b"24|g\nbad line\n")
    check("metrics: the enclave's lines are shown", wait_for(lambda: "cage_enclave_memory_avail 1024\n" in get("/metrics")[1]))
    text = get("/metrics")[1]
    check("metrics: the page keeps the format's rules", check_exposition(text) is None, check_exposition(text))
    if subprocess.run("command -v promtool", shell=True, stdout=subprocess.DEVNULL).returncode == 0:
        p = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True)
        check("metrics: promtool finds no error", p.returncode in (0, 3), p.stdout + p.stderr)
    for want in ('cage_egress_requests_total{status="no such name"} 1\n', "cage_statsd_rejected_total 1\n", "cage_up 1\n",
                 "cage_enclave_request_count_total 2\n", "cage_enclave_health 1\n"):
        check("metrics: %s" % want.strip(), want in text, text)
    got = b""
    statsd.settimeout(5)
    try:
        while b"cage_up:1|g" not in got or b"request.count" not in got:
            got += statsd.recv(4096)
    except TimeoutError:
        pass
    check("metrics: lines and our own go out as StatsD", b"request.count:2|c|#app:x\n" in got and b"cage_up:1|g\n" in got, got)
    c.sendall(b"x" * 600)
    try:
        end = c.recv(1)
    except ConnectionResetError:
        end = b""
    check("metrics: a line without end is cut off", end == b"")
    c.close()


def control_frames(plane):
    c = unix_dial("control")
    reply = control(c, cbor({"op": "time"}))
    now = int(time.time())
    check("control: time", reply.startswith(b"\xa3\x62ok\xf5\x67seconds\x1a") and
          abs(struct.unpack(">I", reply[14:18])[0] - now) < 3, reply)
    check("control: runtime configuration", control(c, cbor({"op": "config"})) ==
          cbor({"ok": True, "config": {"greeting": "hi", "n": [1, -2]}}))
    entry = {"id": "ab", "time_ms": 5, "kind": "http", "method": "GET", "target": "/a?secret=1", "status": 200,
             "request_headers": [["cookie", "secret"], ["x-mine", "shown"]], "response_headers": []}
    check("control: transactions are taken", control(c, cbor({"op": "transactions", "entries": [entry, entry]})) ==
          cbor({"ok": True}))
    lines = plane.events("transaction")
    check("control: and logged without secrets", len(lines) == 2 and "secret" not in plane.log() and
          lines[0]["request_headers"] == [["cookie", "***"], ["x-mine", "shown"]] and lines[0]["cage"] == "test", lines)
    for what, body in (("an unknown op", cbor({"op": "x"})), ("no map", b"\x01"), ("an empty body", b""),
                       ("bytes behind", cbor({"op": "time"}) + b"\0"), ("deep nesting", b"\x81" * 1000)):
        d = unix_dial("control")
        check("control: %s is an error and the end" % what, control(d, body).startswith(b"\xa2\x62ok\xf4\x65error") and
              d.recv(1) == b"")
        d.close()
    d = unix_dial("control")
    d.sendall(b"CTL1\x7f\xff\xff\xff")
    check("control: a length past the limit is an error", b"past the limit" in to_end(d))
    check("control: others are still served", control(c, cbor({"op": "time"}))[:5] == b"\xa3\x62ok\xf5")
    c.close()


def log_limit(plane):
    """The enclave does not decide how fast the host's log grows."""
    frame = cbor({"op": "transactions", "entries": [{"id": "ab"}] * 250})
    c, start = unix_dial("control"), time.monotonic()
    for _ in range(160):
        control(c, frame)
    c.close()
    lines, may = len(plane.events("transaction")), 10000 + 2000 * (time.monotonic() - start)
    dropped = int(re.search(r"cage_transactions_dropped_total (\d+)", get("/metrics")[1])[1])
    check("log: of 40000 transactions at once a burst is written, the rest is counted",
          10000 <= lines <= may and lines + dropped == 40000, (lines, dropped, may))


def draining(plane):
    live = socket.create_connection(("127.0.0.1", 8443), timeout=10)
    exactly(live, 12)
    plane.p.send_signal(signal.SIGTERM)
    check("drain: health is 503 at once", wait_for(lambda: get("/")[0] == 503) and json.loads(get("/")[1])["draining"])
    time.sleep(2.5)
    c = socket.create_connection(("127.0.0.1", 8443), timeout=10)
    me = "%s:%d\n" % c.getsockname()
    check("drain: new clients are served still", exactly(c, len(me)).decode() == me)
    c.close()
    live.sendall(b"still here")
    check("drain: so are those who were there", until(live, b"still here"))
    live.close()
    start = time.monotonic()
    try:
        rc = plane.p.wait(19)
    except subprocess.TimeoutExpired:
        rc = "timeout"
    check("drain: ends with 0 when the last one leaves", rc == 0 and time.monotonic() - start < 15, rc)
    check("drain: the stop hook ran", os.path.exists(os.path.join(TMP, "stopped")))


def behind_balancer():
    """A load balancer's PROXY header, version 1 or 2, whole or byte by byte, is read and its client passed on."""
    v1 = b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n"
    v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton("203.0.113.9") + socket.inet_aton("192.0.2.1") + b"\x12\x67\1\xbb"
    for what, header in (("version 1", v1), ("version 2", v2)):
        for pace in (len(header), 1):
            c = socket.create_connection(("127.0.0.1", 8443), timeout=10)
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(0, len(header), pace):
                c.sendall(header[i:i + pace])
                if pace == 1:
                    time.sleep(0.002)
            c.sendall(b"hello")
            check("behind a balancer: %s, %d bytes at a time" % (what, pace), until(c, b"203.0.113.9:4711\nhello"))
            c.close()
    c = socket.create_connection(("127.0.0.1", 8443), timeout=10)
    c.sendall(b"GET / HTTP/1.1\r\n\r\n")
    try:
        end = c.recv(1)
    except ConnectionResetError:
        end = b""
    check("behind a balancer: a client without a header is closed", end == b"")
    c = socket.create_connection(("127.0.0.1", 8443), timeout=10)
    c.sendall(v2[:9])
    start = time.monotonic()
    try:
        end = c.recv(1)
    except ConnectionResetError:  # a close with unread bytes
        end = b""
    check("behind a balancer: half a header is given up", end == b"" and 1 < time.monotonic() - start < 9)
    c = socket.create_connection(("127.0.0.1", 8443), timeout=10)
    c.sendall(v1[:20])
    c.shutdown(socket.SHUT_WR)
    start = time.monotonic()
    try:
        end = c.recv(1)
    except ConnectionResetError:
        end = b""
    check("behind a balancer: half a header and an end is not waited for", end == b"" and time.monotonic() - start < 1)
    check("and counted", "cage_ingress_proxy_failed_total 3\n" in get("/metrics")[1])


def few_descriptors(plane):
    """Who holds the health port's connections may take the descriptors for a while, and neither the processor nor the log."""
    def ticks():
        with open("/proc/%d/stat" % plane.p.pid) as f:
            return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
    held = [socket.create_connection(("127.0.0.1", 3032), timeout=10) for _ in range(60)]
    before, lines = ticks(), len(plane.log().splitlines())
    time.sleep(2)
    spent, said = (ticks() - before) / os.sysconf("SC_CLK_TCK"), len(plane.log().splitlines()) - lines
    check("out of descriptors: the plane waits", spent < 0.3, "%.2f s of processor in 2 s" % spent)
    check("out of descriptors: the log is not flooded", said < 20, said)
    for s in held:
        s.close()
    check("out of descriptors: health is there again after it", wait_for(lambda: get("/")[0] == 200))


def main():
    sh("ip link set lo up; ip addr add %s/32 dev lo; ip addr add %s/32 dev lo; ip -6 addr add %s/128 dev lo nodad" %
       (GOOD4, OTHER4, GOOD6))
    dns_server()
    for host in (GOOD4, GOOD6):
        tcp_server(host, 443, echo)
    tcp_server(GOOD4, 25, lambda c: (c.sendall(b"220 x"), echo(c)))
    tcp_server(GOOD4, 7001, read_then_answer)
    tcp_server(GOOD4, 7002, answer_then_count)
    tcp_server("127.0.0.1", 443, echo)
    statsd = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    statsd.bind(("127.0.0.1", 8125))
    conf = os.path.join(TMP, "runtime.json")
    open(conf, "w").write('{"greeting": "hi", "n": [1, -2]}')

    plane = Plane("--statsd=tcp:127.0.0.1:8125", "--statsd-interval=1", "--runtime-config=" + conf, "--name=test",
                  "--trusted-header=X-Mine", "--launch=cd %s && grep SigIgn /proc/self/status >ignored; touch launched" % TMP, "--stop=touch %s/stopped" % TMP,
                  "--drain=20", allow=ALLOW)
    check("the launch hook ran", wait_for(lambda: os.path.exists(os.path.join(TMP, "launched"))))
    check("with no signal ignored that we ignore", int(open(os.path.join(TMP, "ignored")).read().split()[1], 16) & 1 << signal.SIGPIPE - 1 == 0)
    egress_decisions()
    egress_frames(plane)
    egress_sni()
    egress_bytes()
    ingress()
    health()
    metrics(statsd)
    control_frames(plane)
    draining(plane)
    log = plane.log()
    sys.stderr.write(log)
    check("every line of the log is JSON", all(json.loads(x) for x in log.splitlines()))

    plane = Plane()  # no list at all; and no hooks
    check("without hooks it gives up capabilities, privileges and most system calls", given_up(plane.p.pid, SAN) == {}, given_up(plane.p.pid, SAN))
    egress("an empty list allows no name", 1, name="good.example")
    egress("an empty list allows no address", 1, addr=socket.inet_aton(GOOD4))
    check("a second SIGTERM ends at once", plane.stop() == 0)

    plane = Plane("--test-allow-loopback-destinations", "--max-connections=2", allow="loop.example,imds.example")
    egress("the test option lets loopback through", 0, name="loop.example")
    egress("and nothing else", 2, name="imds.example")
    check("the test option is loud in the log", plane.events("egress.TEST_OPTION_LOOPBACK_ALLOWED"))
    check("and on the health page", "TEST_OPTION_LOOPBACK_ALLOWED" in get("/")[1])
    held = [ask(request(b"loop.example")) for _ in range(2)]
    c, got = ask(request(b"loop.example"))
    check("over the cap a connection is shed", [h[1] for h in held] == [0, 0] and got is None, got)
    held[0][0].close()
    check("and room is made by the next that ends", wait_for(lambda: ask(request(b"loop.example"))[1] == 0))
    plane.stop()

    plane = Plane("--no-deep-health")
    log_limit(plane)
    plane.p.kill()
    plane.p.wait()

    plane = Plane("--idle=1", allow="good.example")
    egress_silence(plane)
    plane.stop()

    plane = Plane("--expect-proxy")
    behind_balancer()
    plane.stop()

    plane = Plane("--no-deep-health", program="cage-control-plane-no-egress")
    check("without egress: health without the data plane is 200", get("/")[0] == 200)
    check("without egress: no egress metric", "cage_egress" not in get("/metrics")[1])
    check("without egress: it listens only where it must", sorted(
        x.split()[7] for x in open("/proc/%d/net/unix" % plane.p.pid) if TMP in x and x.split()[3] == "00010000" and
        x.split()[7].rsplit("/", 1)[1] not in ("enclave", "health")) == [TMP + "/control", TMP + "/metrics"])
    plane.stop()

    plane = Plane("--no-deep-health", files=40)
    few_descriptors(plane)
    plane.stop()

    for text, why in (("bücher.example", "xn--bcher-kva.example"), ("10.0.0.1/8", "past its prefix")):
        p = subprocess.run([os.path.join(BIN, "cage-control-plane"), "--egress=unix:%s/e2" % TMP, "--ingress=unix:%s/i2" % TMP,
                            "--allow=" + text], capture_output=True, text=True, timeout=10)
        check("a bad list is an error: %s" % why, p.returncode == 2 and why in p.stderr, p.stderr)


main()
