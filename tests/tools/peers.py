# SPDX-License-Identifier: Apache-2.0
"""What the planes' tests and the local demo share: TAP, servers in threads, a DNS server with a zone, byte pumps, CBOR,
egress and control frames spoken by hand."""
import hashlib, os, random, socket, struct, subprocess, threading, time

TMP = os.environ.get("TEST_TMP", "/tmp")
GOOD4, OTHER4, GOOD6 = "93.184.216.34", "93.184.216.35", "2606:2800:220:1::1"
STATUS = ["connected", "not allowed", "address refused", "no name", "resolve failed", "refused", "timeout", "unreachable",
          "sni", "bad request", "busy"]
number = 0


def check(name, ok, detail=""):
    global number
    number += 1
    print("%s %d - %s" % ("ok" if ok else "not ok", number, name), flush=True)
    if not ok:
        print("# " + str(detail)[:2000], flush=True)


def sh(command):
    subprocess.run(command, shell=True, check=True)


def serve(sock, handler):
    def one(c):
        try:
            handler(c)
        except OSError:
            pass
        finally:
            c.close()

    def run():
        while True:
            try:
                c, _ = sock.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(c,), daemon=True).start()
    threading.Thread(target=run, daemon=True).start()
    return sock


def tcp_server(host, port, handler):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, port))
    s.listen(64)
    return serve(s, handler)


def unix_server(name, handler):
    path = os.path.join(TMP, name)
    if os.path.exists(path):
        os.unlink(path)
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen(64)
    return serve(s, handler)


def echo(c):
    while True:
        b = c.recv(65536)
        if not b:
            c.shutdown(socket.SHUT_WR)
            return
        c.sendall(b)


def exactly(c, n):
    b = b""
    while len(b) < n:
        more = c.recv(n - len(b))
        if not more:
            raise EOFError("closed after %d of %d bytes" % (len(b), n))
        b += more
    return b


def to_end(c):
    out = []
    while True:
        b = c.recv(65536)
        if not b:
            return b"".join(out)
        out.append(b)


def until(c, what):
    b = b""
    while what not in b:
        b += c.recv(65536) or b"\0" * (1 << 20)
        if len(b) > 1 << 20:
            return False
    return True


# ---- DNS -------------------------------------------------------------------------------------------------------------
ZONE = {}  # name: turns, each a list of addresses; the last turn stays
SLOW = {}  # (name, type): seconds that the answer by UDP takes
queries = {}
tcp_queries = []


def dns_answer(q, limit=None):
    """The reply to q, or None for silence. limit: what fits; None: what the query says (512 without EDNS)."""
    labels, i = [], 12
    while q[i]:
        labels.append(q[i + 1:i + 1 + q[i]].decode("latin1"))
        i += 1 + q[i]
    name = ".".join(labels).lower()
    qtype = struct.unpack(">H", q[i + 1:i + 3])[0]
    question = q[12:i + 5]
    queries[name, qtype] = queries.get((name, qtype), 0) + 1
    if name == "silent.example":
        return None
    if name not in ZONE:
        return q[:2] + b"\x81\x83" + struct.pack(">HHHH", 1, 0, 0, 0) + question
    turns = ZONE[name]
    addrs = turns[min(queries[name, qtype] - 1, len(turns) - 1)]
    family, kind = (socket.AF_INET, 1) if qtype == 1 else (socket.AF_INET6, 28)
    rr = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 1, 4 if kind == 1 else 16) + socket.inet_pton(family, a)
                  for a in addrs if (":" in a) == (kind == 28) and qtype in (1, 28))
    if limit is None:
        limit = struct.unpack(">H", q[i + 8:i + 10])[0] if q[i + 6:i + 8] == b"\0\x29" else 512
    if 12 + len(question) + len(rr) > limit:
        return q[:2] + b"\x83\x80" + struct.pack(">HHHH", 1, 0, 0, 0) + question  # TC: ask again by TCP
    return q[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, len(rr) // (16 if qtype == 1 else 28), 0, 0) + question + rr


def slow_by(q):
    return max([s for (name, qtype), s in SLOW.items() if q[12:].startswith(
        b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0" + struct.pack(">H", qtype))], default=0)


def dns_by_tcp(c):
    while True:
        q = exactly(c, struct.unpack(">H", exactly(c, 2))[0])
        a = dns_answer(q, 65535)
        tcp_queries.append(q)
        c.sendall(struct.pack(">H", len(a)) + a)


def dns_server():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 5353))
    tcp_server("127.0.0.1", 5353, dns_by_tcp)

    def run():
        while True:
            q, who = s.recvfrom(4096)
            a = dns_answer(q)
            if a:
                threading.Timer(slow_by(q), s.sendto, (a, who)).start()
    threading.Thread(target=run, daemon=True).start()


# ---- the enclave's side ----------------------------------------------------------------------------------------------
def request(name=b"", addr=b"", port=443, data=b""):
    body = struct.pack(">BBHB", 1, len(addr), port, len(name)) + name + addr + struct.pack(">H", len(data)) + data
    return b"EGR1" + struct.pack(">I", len(body)) + body


def unix_dial(name):
    c = socket.socket(socket.AF_UNIX)
    c.settimeout(15)
    c.connect(os.path.join(TMP, name))
    return c


def ask(frame):
    """The connection and the host's status, or None if it closed without one."""
    c = unix_dial("egress")
    try:
        c.sendall(frame)
        reply = exactly(c, 8)
    except (EOFError, ConnectionResetError, BrokenPipeError):
        return c, None
    return c, reply[4] if reply[:4] == b"EGS1" else -1


def egress(what, status, **kw):
    kw = {k: v.encode() if isinstance(v, str) and k == "name" else v for k, v in kw.items()}
    c, got = ask(request(**kw))
    check("egress: %s: %s" % (what, STATUS[status]), got == status, "status %s" % got)
    if got == 0:
        c.sendall(b"ping")
        check("egress: %s: bytes come back" % what, exactly(c, 4) == b"ping")
    c.close()


def hello(name):
    import ssl
    i, o = ssl.MemoryBIO(), ssl.MemoryBIO()
    s = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(i, o, server_hostname=name)
    try:
        s.do_handshake()
    except ssl.SSLWantReadError:
        return o.read()


def cbor(v):
    def head(major, n):
        if n < 24:
            return bytes([major << 5 | n])
        for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
            if n < 1 << 8 * size:
                return bytes([major << 5 | info]) + n.to_bytes(size, "big")
    if isinstance(v, bool):
        return b"\xf5" if v else b"\xf4"
    if isinstance(v, int):
        return head(0, v) if v >= 0 else head(1, -1 - v)
    if isinstance(v, str):
        return head(3, len(v.encode())) + v.encode()
    if isinstance(v, list):
        return head(4, len(v)) + b"".join(map(cbor, v))
    return head(5, len(v)) + b"".join(cbor(k) + cbor(x) for k, x in v.items())


def control(c, body):
    c.sendall(b"CTL1" + struct.pack(">I", len(body)) + body)
    h = exactly(c, 8)
    return exactly(c, struct.unpack(">I", h[4:])[0])


def pump(c, n, stall):
    """Writes n pseudo-random bytes while reading them back, with stalls; True if the digests agree."""
    block = random.Random(n).randbytes(1 << 20)
    sent, got = hashlib.sha256(), hashlib.sha256()

    def write():
        left = n
        while left:
            b = block[:min(left, len(block))]
            c.sendall(b)
            sent.update(b)
            left -= len(b)
        c.shutdown(socket.SHUT_WR)
    t = threading.Thread(target=write)
    t.start()
    rnd, total = random.Random(1), 0
    while True:
        b = c.recv(1 << 17)
        if not b:
            break
        got.update(b)
        total += len(b)
        if stall and rnd.random() < 0.005:
            time.sleep(0.02)
    t.join()
    return total == n and sent.digest() == got.digest()


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.05)
    return False
