#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Both planes together, with unmodified programs in the enclave: what leaves, what does not, what survives.

Runs under `unshare -rnm` (tests/cmd/planes.sh), prints TAP numbered from its argument on."""
import http.client, os, signal, socket, struct, subprocess, sys, time

import peers
from cage_local import Cage, host_world
from peers import *  # noqa: F403

peers.number = int(sys.argv[1])
TMP = os.environ["TEST_TMP"]
ALLOW = "api.example.com,six.example,mail.example:25,imds.example,*.wild.example,late.example,rebind.example," + GOOD4 + "/32"
peers.ZONE.update({
    "api.example.com": [[GOOD4]], "six.example": [[GOOD6]], "mail.example": [[GOOD4]], "imds.example": [["169.254.169.254"]],
    "a.wild.example": [[GOOD4]], "late.example": [[GOOD4]], "rebind.example": [[GOOD4], ["127.0.0.1"]],
})
SERVICE = r'''
import http.server, urllib.request
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, body, status=200):
        self.send_response(status); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def do_GET(self):
        if self.path.startswith("/fetch/"):
            try:
                body = urllib.request.urlopen("http://" + self.path[7:], timeout=10).read()
            except Exception as e:
                body = ("refused: %s" % e).encode()
            return self.answer(body)
        self.answer(("for=%s" % self.headers.get("X-Forwarded-For")).encode())
    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", 8008), H)
print("serving", flush=True)
s.serve_forever()
'''
DIAL = '''
import socket
def dial(host, port):
    return socket.create_connection((host, port), timeout=10)
def outcome(f):
    try:
        return f()
    except socket.gaierror as e:
        return "gaierror"
    except ConnectionResetError:
        return "reset"
    except OSError as e:
        return type(e).__name__
'''


def http_upstream(c):
    head = b""
    while b"\r\n\r\n" not in head:
        head += c.recv(4096)
    body = b"hello from upstream to " + head.split(b"Host: ")[1].split(b"\r\n")[0]
    c.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def half_then_reset(c):
    c.sendall(b"half")
    time.sleep(0.3)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def greet(c):
    c.sendall(b"220 mail\r\n")
    echo(c)


def upstreams():
    dns_server()
    for host in (GOOD4, GOOD6):
        tcp_server(host, 80, http_upstream)
        tcp_server(host, 443, echo)
        tcp_server(host, 5432, echo)
    tcp_server(GOOD4, 25, greet)
    tcp_server(GOOD4, 7003, half_then_reset)
    tcp_server(GOOD4, 7004, lambda c: c.sendall(b"whole"))
    tcp_server("127.0.0.1", 443, echo)


def say(cage, what, script, want):
    got = cage.ask(DIAL + script)
    check(what, got == want, "%r, wanted %r" % (got, want))


def names_and_addresses(cage):
    say(cage, "getaddrinfo gives a loopback-range address",
        "a = socket.getaddrinfo('api.example.com', 443, type=socket.SOCK_STREAM); print(len(a), a[0][4][0].startswith('127.'))", "1 True")
    say(cage, "getaddrinfo with AI_ADDRCONFIG too",
        "print(socket.getaddrinfo('api.example.com', 443, flags=socket.AI_ADDRCONFIG)[0][4][0].startswith('127.'))", "True")
    say(cage, "AAAA alone has no data", "print(outcome(lambda: socket.getaddrinfo('api.example.com', 1, socket.AF_INET6)))", "gaierror")
    say(cage, "two names, two addresses; one name, one address",
        "g = socket.gethostbyname; print(g('api.example.com') != g('six.example'), g('a.wild.example') == g('A.Wild.Example'))",
        "True True")
    say(cage, "a name not allowed does not resolve", "print(outcome(lambda: socket.gethostbyname('evil.example')))", "gaierror")
    say(cage, "nor does the apex of a suffix", "print(outcome(lambda: socket.gethostbyname('wild.example')))", "gaierror")
    say(cage, "localhost does", "print(socket.gethostbyname('localhost'))", "127.0.0.1")
    say(cage, "UDP to the outside fails at once",
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3); s.connect(('8.8.8.8', 53)); s.send(b'x')\n"
        "print(outcome(lambda: s.recv(1)))", "ConnectionRefusedError")


ECHO = "def go():\n c = dial(%r, %d); c.sendall(b'ping'); return c.recv(4).decode()\nprint(outcome(go))"


def reach(cage):
    say(cage, "an allowed name at a configured port", ECHO % ("api.example.com", 443), "ping")
    say(cage, "an allowed name at any other port, by the redirect rule", ECHO % ("api.example.com", 5432), "ping")
    say(cage, "an IPv6 upstream behind an IPv4 address", ECHO % ("six.example", 5432), "ping")
    say(cage, "a name below a suffix", ECHO % ("a.wild.example", 443), "ping")
    say(cage, "a listed address as a literal", ECHO % (GOOD4, 5432), "ping")
    say(cage, "a literal that is not listed", ECHO % (OTHER4, 443), "reset")
    say(cage, "the metadata service as a literal", ECHO % ("169.254.169.254", 80), "reset")
    say(cage, "a name that resolves to the metadata service", ECHO % ("imds.example", 443), "reset")
    say(cage, "a name at a port not listed", ECHO % ("mail.example", 443), "reset")
    say(cage, "a loopback-range address that stands for nobody", ECHO % ("127.234.5.6", 443), "reset")
    drain = "def go():\n c = dial('api.example.com', %d); b = b''\n while True:\n  x = c.recv(99)\n  if not x: return b.decode()\n  b += x\n"
    say(cage, "a server's reset is one for the program", drain % 7003 + "print(outcome(go))", "reset")
    say(cage, "and its end is an end", drain % 7004 + "print(outcome(go))", "whole")
    say(cage, "a server that speaks first", "print(dial('mail.example', 25).recv(10).decode().strip())", "220 mail")
    say(cage, "rebinding: the first connection goes where the name pointed", ECHO % ("rebind.example", 443), "ping")
    say(cage, "rebinding: the second finds loopback and is refused", ECHO % ("rebind.example", 443), "reset")
    check("the host refused the address, not the list", any(
        e["address"] == "169.254.169.254" and e["class"] == "metadata" for e in cage.events("control-plane", "egress.address_refused")))


def hello_script(name):
    return ("def go():\n c = dial('api.example.com', 443); c.sendall(bytes.fromhex(%r)); return str(len(c.recv(100000)) > 100)\n"
            "print(outcome(go))" % hello(name).hex())


def sni(cage):
    say(cage, "a TLS hello for the name passes", hello_script("api.example.com"), "True")
    say(cage, "a TLS hello for another name is cut off", hello_script("evil.example"), "reset")
    direct = ("import struct\ndef go():\n c = socket.socket(socket.AF_UNIX); c.settimeout(10); c.connect(%r)\n c.sendall(bytes.fromhex(%r))\n"
              " return str(c.recv(8)[4])\nprint(outcome(go))")
    for what, name, want in (("a name only the enclave's list would refuse", b"other.example", "1"),
                             ("an allowed one", b"api.example.com", "0")):
        body = struct.pack(">BBHB", 1, 0, 443, len(name)) + name + b"\0\0"
        frame = b"EGR1" + struct.pack(">I", len(body)) + body
        say(cage, "a program that dials the host by itself: " + what, direct % (cage.tmp + "/egress", frame.hex()), want)


FLOOD = r'''
import os, struct, threading
def query(s, name, i):
    q = struct.pack(">HHHHHH", i & 0xffff, 0x100, 1, 0, 0, 0) + b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\0\0\1\0\1"
    s.send(q)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("127.0.0.1", 53)); s.settimeout(5)
rcodes = {}
COUNT, WINDOW = 30000, 200
for base in range(0, COUNT, WINDOW):
    for i in range(base, base + WINDOW):
        query(s, "h%d.wild.example" % i, i)
    for i in range(WINDOW):
        r = s.recv(600); rcodes[r[3] & 15] = rcodes.get(r[3] & 15, 0) + 1
print(sum(rcodes.values()), rcodes.get(0, 0) > 10000, rcodes.get(2, 0) > 10000, len(rcodes))
'''


def flood(cage):
    first = cage.ask(DIAL + "print(socket.gethostbyname('api.example.com'))")
    say(cage, "DNS flood: 30000 names, each answered: an address while there is room, then SERVFAIL", FLOOD, "30000 True True 2")
    say(cage, "and names from before keep their addresses", "print(socket.gethostbyname('api.example.com') == %r)" % first, "True")
    say(cage, "and still lead somewhere", ECHO % ("api.example.com", 443), "ping")


BULK = r'''
import hashlib, os, threading, time
def go():
    c = dial("api.example.com", 443); c.settimeout(60)
    n, block = %d, os.urandom(1 << 20)
    sent, got, total = hashlib.sha256(), hashlib.sha256(), 0
    def write():
        left = n
        while left:
            b = block[:min(left, len(block))]; c.sendall(b); sent.update(b); left -= len(b)
        c.shutdown(socket.SHUT_WR)
    t = threading.Thread(target=write); t.start()
    k = 0
    while True:
        b = c.recv(1 << 17)
        if not b: break
        got.update(b); total += len(b); k += 1
        if k %% 200 == 0: time.sleep(0.02)
    t.join()
    return "%%d %%s" %% (total, got.digest() == sent.digest())
print(outcome(go))
'''


def bulk(cage):
    size = int(os.environ.get("RELAY_BYTES", 64 << 20))
    got = cage.ask(DIAL + BULK % size, 600)
    check("%d MB through both planes and back under stalls: same digest" % (size >> 20), got == "%d True" % size, got)


def ingress(cage):
    check("curl through TLS reaches the service, which learns the client", cage.curl("/") == "for=127.0.0.1", cage.curl("/"))
    check("the service calls an allowed host", cage.curl("/fetch/api.example.com/") == "hello from upstream to api.example.com",
          cage.curl("/fetch/api.example.com/"))
    check("and is refused another", cage.curl("/fetch/evil.example/").startswith("refused: "), cage.curl("/fetch/evil.example/"))
    blob = cage.tmp + "/blob"
    open(blob, "wb").write(os.urandom(8 << 20))
    subprocess.run(["curl", "-sS", "--max-time", "60", "--cacert", cage.tmp + "/cert.pem", "--resolve", "cage.example:8443:127.0.0.1",
                    "https://cage.example:8443/", "--data-binary", "@" + blob, "-o", blob + ".back"])
    check("an 8 MB upload comes back the same", open(blob, "rb").read() == open(blob + ".back", "rb").read())
    ok = wait_for(lambda: len(cage.events("control-plane", "transaction")) >= 1, 40)
    check("transactions reach the host's log", ok, cage.log("control-plane")[-2000:])
    check("and no query or header of theirs is shown", "secret" not in cage.log("control-plane"))


RELAY = r'''
import socket, threading
def pump(a, b):
    while True:
        x = a.recv(65536)
        if not x: break
        b.sendall(x)
    b.shutdown(socket.SHUT_WR)
def one(c):
    out = socket.create_connection(("api.example.com", 443))
    t = threading.Thread(target=pump, args=(out, c)); t.start()
    pump(c, out); t.join(); c.close(); out.close()
s = socket.create_server(("127.0.0.1", 8008))
print("serving", flush=True)
while True:
    threading.Thread(target=one, args=(s.accept()[0],), daemon=True).start()
'''


NOTES = r'''
import socket, threading
seen = []
def one(c):
    c.sendall(b"%s\n" % b",".join(seen))
    try:
        while c.recv(65536): pass
        seen.append(b"end")
    except ConnectionResetError:
        seen.append(b"reset")
    c.close()
s = socket.create_server(("127.0.0.1", 8008))
print("serving", flush=True)
while True:
    threading.Thread(target=one, args=(s.accept()[0],), daemon=True).start()
'''


def ends_of_clients():
    """What a client did to its raw stream, the service learns through both planes."""
    tmp = TMP + "/e"
    os.mkdir(tmp)
    cage = Cage(tmp, ALLOW, protocol="tcp", tls=False)
    try:
        cage.control_plane()
        cage.data_plane()
        cage.service(NOTES)
        notes = []
        for hard in (False, True, False):
            time.sleep(0.3)
            c = socket.create_connection(("127.0.0.1", 8443), timeout=20)
            notes.append(c.recv(100))
            c.sendall(b"half an upload")
            time.sleep(0.2)
            if hard:
                c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.close()
        check("a client's end is an end for the service, its reset a reset", notes == [b"\n", b"end\n", b"end,reset\n"], notes)
    finally:
        cage.end()


def in_and_out():
    """One stream in through both planes, on by a service that only relays, out through both, and all the way back."""
    tmp = TMP + "/t"
    os.mkdir(tmp)
    cage = Cage(tmp, ALLOW, protocol="tcp", tls=False)
    try:
        cage.control_plane()
        cage.data_plane()
        cage.service(RELAY)
        size = int(os.environ.get("RELAY_BYTES", 64 << 20))
        c = socket.create_connection(("127.0.0.1", 8443), timeout=120)
        check("%d MB in, out and all the way back under stalls: same digest" % (size >> 20), pump(c, size, True))
        c.close()
        c = socket.create_connection(("127.0.0.1", 8443), timeout=20)
        c.sendall(b"x")
        c.recv(1)
        cage.stop("data-plane", signal.SIGKILL)
        try:
            end = c.recv(1)
        except ConnectionResetError:
            end = "reset"
        check("the enclave's end in mid-stream is the stream's", end in (b"", "reset"), end)
        c.close()
    finally:
        cage.end()


def get(path):
    h = http.client.HTTPConnection("127.0.0.1", 3032, timeout=5)
    h.request("GET", path)
    r = h.getresponse()
    return r.status, r.read().decode()


def failures(cage):
    check("health is 200 with all parts up", wait_for(lambda: get("/")[0] == 200), get("/"))
    check("the enclave's metrics arrive", wait_for(lambda: "cage_enclave_" in get("/metrics")[1]))
    cage.stop("control-plane", signal.SIGKILL)
    say(cage, "control plane gone: a connection is refused, not hung", ECHO % ("api.example.com", 443), "reset")
    say(cage, "control plane gone: names still resolve", "print(socket.gethostbyname('api.example.com').startswith('127.'))", "True")
    cage.control_plane()
    say(cage, "control plane back: connections leave again", ECHO % ("api.example.com", 443), "ping")
    check("control plane back: clients come in again", cage.curl("/") == "for=127.0.0.1", cage.curl("/"))
    cage.stop("service", signal.SIGKILL)
    check("service gone: 502 and not a hang", cage.curl("/", "-o", "/dev/null", "-w", "%{http_code}") in ("502", "503", "504"),
          cage.curl("/", "-o", "/dev/null", "-w", "%{http_code}"))
    cage.service(SERVICE)
    check("service back: served again", cage.curl("/") == "for=127.0.0.1", cage.curl("/"))
    address = cage.ask(DIAL + "print(socket.gethostbyname('late.example'))")
    cage.stop("data-plane", signal.SIGKILL)
    check("data plane gone: health turns red", wait_for(lambda: get("/")[0] == 503), get("/"))
    check("data plane gone: clients are closed", cage.curl("/").startswith("curl "), cage.curl("/"))
    cage.data_plane()
    check("data plane back: health is green, clients are served", wait_for(lambda: get("/")[0] == 200) and
          cage.curl("/") == "for=127.0.0.1", get("/"))
    say(cage, "data plane back: an address from before means the same name", ECHO % (address, 443), "ping")
    cage.stop("control-plane", signal.SIGTERM, 0.1)
    check("the data plane drains and ends with 0", cage.stop("data-plane", signal.SIGTERM, 40) == 0, cage.log("data-plane")[-1500:])


def without_redirect():
    """A kernel without NAT: the ports of the configuration work by the route alone, all others fail at once."""
    tmp = TMP + "/n"
    os.mkdir(tmp)
    cage = Cage(tmp, ALLOW, ports=("443", "5432"), redirect=0)
    try:
        cage.control_plane()
        cage.data_plane()
        say(cage, "no redirect: a configured port", ECHO % ("api.example.com", 5432), "ping")
        say(cage, "no redirect: a literal at a configured port", ECHO % (GOOD4, 443), "ping")
        say(cage, "no redirect: another port fails at once", ECHO % ("api.example.com", 80), "ConnectionRefusedError")
    finally:
        cage.end()


def without_egress():
    tmp = TMP + "/x"
    os.mkdir(tmp)
    cage = Cage(tmp, egress=False)
    try:
        cage.control_plane()
        cage.data_plane()
        cage.service(SERVICE)
        check("no egress: clients are served", cage.curl("/") == "for=127.0.0.1", cage.curl("/"))
        say(cage, "no egress: nothing resolves", "print(outcome(lambda: socket.gethostbyname('api.example.com')))", "gaierror")
        say(cage, "no egress: nothing is reached", ECHO % (GOOD4, 443), "OSError")
        check("no egress: the host does not listen for it", not os.path.exists(tmp + "/egress"))
    finally:
        cage.end()


def on_loopback():
    """The form for machines where namespaces are not permitted: no egress, everything on loopback."""
    tmp = TMP + "/l"
    os.mkdir(tmp)
    cage = Cage(tmp, egress=False, namespaces=False)
    try:
        cage.control_plane()
        cage.data_plane()
        cage.service(SERVICE)
        check("loopback form: clients are served through TLS", cage.curl("/") == "for=127.0.0.1", cage.curl("/"))
    finally:
        cage.end()


def main():
    if peers.number < 0:  # asked for the loopback form alone
        peers.number = 0
        on_loopback()
        return
    host_world()
    upstreams()
    tmp = TMP + "/c"
    os.mkdir(tmp)
    cage = Cage(tmp, ALLOW)
    try:
        cage.control_plane()
        cage.data_plane()
        cage.service(SERVICE)
        names_and_addresses(cage)
        reach(cage)
        sni(cage)
        bulk(cage)
        ingress(cage)
        failures(cage)
    finally:
        for name in ("control-plane", "data-plane", "service"):
            sys.stderr.write("== %s\n%s" % (name, cage.log(name)[-6000:]))
        cage.end()
    tmp = TMP + "/f"
    os.mkdir(tmp)
    cage = Cage(tmp, ALLOW)
    try:
        cage.control_plane()
        cage.data_plane()
        flood(cage)
    finally:
        cage.end()
    in_and_out()
    ends_of_clients()
    without_redirect()
    without_egress()
    on_loopback()


main()
