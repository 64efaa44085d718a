# SPDX-License-Identifier: Apache-2.0
"""What the data plane's tests share: a CBOR writer for its configuration, the program under test in a directory of its own,
a scripted service behind it, and a client that says exactly the bytes it is told to. Everything listens on loopback and
every wait has an end."""
import contextlib, json, os, re, socket, struct, subprocess, sys, threading, time

WAIT = 15.0  # the longest a test waits for anything


def cbor(v):
    def head(major, n):
        for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
            if n < 24:
                return bytes([major << 5 | n])
            if n < 1 << 8 * size:
                return bytes([major << 5 | info]) + n.to_bytes(size, "big")
    if v is True or v is False:
        return b"\xf5" if v else b"\xf4"
    if isinstance(v, int):
        return head(0, v)
    if isinstance(v, bytes):
        return head(2, len(v)) + v
    if isinstance(v, str):
        return head(3, len(v.encode())) + v.encode()
    if isinstance(v, list):
        return head(4, len(v)) + b"".join(map(cbor, v))
    return head(5, len(v)) + b"".join(cbor(k) + cbor(x) for k, x in v.items())


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, limit=WAIT):
    """Waits until what() is true; False when the time is up."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.01)
    return False


class Tap:
    def __init__(self):
        self.n = self.bad = 0

    def check(self, name, ok, why=""):
        self.n += 1
        self.bad += not ok
        print("%sok %d - %s" % ("" if ok else "not ", self.n, name), flush=True)
        if not ok:
            for line in str(why).splitlines()[:20]:
                print("# " + line[:300])

    def same(self, name, got, want):
        self.check(name, got == want, "got    %r\nwanted %r" % (got, want))

    def skip(self, name, why):
        self.n += 1
        print("ok %d - %s # SKIP %s" % (self.n, name, why), flush=True)

    def done(self):
        print("1..%d" % self.n)
        sys.exit(self.bad > 0)


def read_all(s, limit=1 << 26):
    """All bytes until EOF; the exception instead of EOF is kept in the second value."""
    out = bytearray()
    try:
        while len(out) < limit:
            b = s.recv(65536)
            if not b:
                return bytes(out), None
            out += b
    except OSError as e:
        return bytes(out), e
    return bytes(out), None


def read_head(s, buf=b""):
    while b"\r\n\r\n" not in buf:
        b = s.recv(65536)
        if not b:
            return None, buf
        buf += b
    head, rest = buf.split(b"\r\n\r\n", 1)
    return head, rest


def read_body(s, head, rest, response=True):
    """The content after a head, by its framing; returns content and what was read past it."""
    low = head.lower()
    if b"transfer-encoding: chunked" in low:
        out, rest = bytearray(), bytearray(rest)

        def more():
            b = s.recv(65536)
            if not b:
                raise EOFError("in chunked content")
            rest.extend(b)
        while True:
            while b"\r\n" not in rest[:300]:
                more()
            line = bytes(rest[:rest.index(b"\r\n")])
            n, at = int(line.split(b";")[0], 16), len(line) + 2
            while n and len(rest) < at + n + 2:
                more()
            if n == 0:  # trailers, if any, up to the empty line
                while not (rest[at:at + 2] == b"\r\n" or b"\r\n\r\n" in rest[at:]):
                    more()
                end = at + 2 if rest[at:at + 2] == b"\r\n" else rest.index(b"\r\n\r\n", at) + 4
                return bytes(out), bytes(rest[end:])
            out += rest[at:at + n]
            del rest[:at + n + 2]
    for line in low.split(b"\r\n")[1:]:
        if line.startswith(b"content-length:"):
            n = int(line.split(b":")[1])
            parts, have = [rest], len(rest)
            while have < n:
                b = s.recv(1 << 20)
                if not b:
                    raise EOFError("%d of %d bytes" % (have, n))
                parts.append(b)
                have += len(b)
            rest = b"".join(parts)
            return rest[:n], rest[n:]
    if not response:
        return b"", rest
    return rest + read_all(s)[0], b""


class Service:
    """A service on loopback: each connection runs handler(sock, service) in a thread. `seen` collects what handlers note."""

    def __init__(self, handler):
        self.seen, self.conns, self.handler = [], 0, handler
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.sock.getsockname()[1]
        self.address = "tcp:127.0.0.1:%d" % self.port
        threading.Thread(target=self.loop, daemon=True).start()

    def loop(self):
        while True:
            try:
                c, _ = self.sock.accept()
            except OSError:
                return
            self.conns += 1
            c.settimeout(WAIT)
            threading.Thread(target=self.one, args=(c,), daemon=True).start()

    def one(self, c):
        with contextlib.suppress(OSError, EOFError):
            self.handler(c, self)
        c.close()

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def echo_http(c, service):
    """HTTP/1.1: GET gives the head back, anything with content the content; keeps the connection."""
    rest = b""
    while True:
        head, rest = read_head(c, rest)
        if head is None:
            return
        service.seen.append(head)
        body, rest = read_body(c, head, rest, response=False)
        out = body if body or not head.startswith(b"GET") else head
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(out) + out)


class Plane:
    """The program with a configuration. `over` is merged over a small default; None removes a key."""

    count = 0

    def __init__(self, service, over=None, program="cage-data-plane", expect=0):
        Plane.count += 1
        self.dir = os.path.join(os.environ["TEST_TMP"], "plane%d" % Plane.count)
        os.mkdir(self.dir)
        self.port, self.health_port = free_port(), free_port()
        cfg = {"ingress": {"listen": "tcp:127.0.0.1:%d" % self.port, "tls": False, "proxy": False},
               "service": {"address": service if isinstance(service, str) else service.address},
               "health": {"listen": "tcp:127.0.0.1:%d" % self.health_port},
               "report": {"metrics": "unix:%s/none" % self.dir}, "control": {"host": "unix:%s/none" % self.dir}}
        for group, keys in (over or {}).items():
            cfg.setdefault(group, {})
            for k, v in keys.items():
                cfg[group].pop(k, None) if v is None else cfg[group].__setitem__(k, v)
        self.config = os.path.join(self.dir, "config.cbor")
        with open(self.config, "wb") as f:
            f.write(cbor(cfg))
        self.log = open(os.path.join(self.dir, "log"), "w+b")
        r, w = os.pipe()
        self.p = subprocess.Popen([os.path.join(os.environ["EIFGEN_BIN"], program), "--config", self.config, "--ready-fd", str(w)],
                                  env={"PATH": "/usr/bin", "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")},
                                  stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, pass_fds=[w])
        os.close(w)
        self.ready = os.read(r, 1)  # EOF when it ends instead
        os.close(r)
        if not self.ready:
            self.p.wait(WAIT)

    def output(self):
        self.log.flush()
        with open(self.log.name, "rb") as f:
            return f.read().decode(errors="replace")

    def connect(self, first=b"", rcvbuf=None):
        s = socket.socket()
        if rcvbuf:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        s.settimeout(WAIT)
        s.connect(("127.0.0.1", self.port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if first:
            s.sendall(first)
        return s

    def ask(self, raw, shut=False):
        """Sends raw, returns everything until the plane closes."""
        with self.connect(raw) as s:
            if shut:
                s.shutdown(socket.SHUT_WR)
            return read_all(s)[0]

    def status(self, raw):
        """The status code of the first answer to raw, 0 without one."""
        with self.connect(raw) as s:
            head, _ = read_head(s)
            return int(head.split()[1]) if head else 0

    def health(self):
        with socket.create_connection(("127.0.0.1", self.health_port), WAIT) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            head, rest = read_head(s)
            return int(head.split()[1]), json.loads(read_body(s, head, rest)[0])

    def rss_kib(self):
        with open("/proc/%d/statm" % self.p.pid) as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024

    def fds(self):
        return len(os.listdir("/proc/%d/fd" % self.p.pid))

    def stop(self):
        if self.p.poll() is None:
            self.p.terminate()
        try:
            rc = self.p.wait(40)
        except subprocess.TimeoutExpired:
            self.p.kill()
            rc = self.p.wait()
        self.log.close()
        return rc


def given_up(pid, san=False):
    """What a process still has of what a plane gives up at start-up: {} when all is gone."""
    with open("/proc/%d/status" % pid) as f:
        status = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
    with open("/proc/%d/limits" % pid) as f:
        core = re.search(r"Max core file size +(\S+) +(\S+)", f.read()).groups()
    want = {"Seccomp": "0" if san else "2", "NoNewPrivs": "1", **{k: "0" * 16 for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}}
    left = {k: status[k].strip() for k, v in want.items() if status[k].strip() != v}
    return left if core == ("0", "0") else dict(left, core=core)


def reset(s):
    """Closes with a TCP reset."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
