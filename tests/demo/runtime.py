#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Both planes and a Python service; curl comes in through TLS, the service goes out to a host that is allowed and to one
that is not. The service is plain Python: it knows nothing of enclaves, proxies or vsock."""
import json, sys

import peers
from cage_local import Cage, host_world
from peers import GOOD4, dns_server, tcp_server

SERVICE = r'''
import http.server, urllib.request
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/":
            text = "hello %s, this is a service in an enclave" % self.headers.get("X-Forwarded-For")
        else:
            try:
                text = urllib.request.urlopen("http://" + self.path.split("/", 2)[2], timeout=10).read().decode()
            except OSError as e:
                text = "no way there: %s" % e
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8008), Handler)
print("serving", flush=True)
server.serve_forever()
'''


def upstream(c):
    while b"\r\n\r\n" not in c.recv(4096):
        pass
    c.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello from the internet's side of the host")


def show(step, text):
    print("\n%s\n   %s" % (step, text.strip().replace("\n", "\n   ")), flush=True)


def expect(text, want):
    if want not in text:
        raise SystemExit("demo-runtime: wanted %r, got %r" % (want, text))
    return text


def main():
    tmp, loopback = sys.argv[1], len(sys.argv) > 2
    cage = Cage(tmp, "api.example.com", egress=not loopback, namespaces=not loopback)
    if not loopback:
        host_world()
        peers.ZONE.update({"api.example.com": [[GOOD4]], "evil.example": [[GOOD4]]})
        dns_server()
        tcp_server(GOOD4, 80, upstream)
    try:
        cage.control_plane()
        cage.data_plane()
        cage.service(SERVICE)
        show("1. The host's control plane, the enclave's data plane and the service are up",
             "allowlist, on both sides: " + (cage.allow or "none: without egress"))
        show("2. curl https://cage.example:8443/   TLS ends in the data plane", expect(cage.curl("/"), "hello 127.0.0.1"))
        if loopback:
            return
        show("3. The service asks http://api.example.com/, which is allowed", expect(
            cage.curl("/fetch/api.example.com/"), "hello from the internet"))
        show("4. The service asks http://evil.example/, which is not", expect(cage.curl("/fetch/evil.example/"), "no way there"))
        closed = peers.wait_for(lambda: cage.events("control-plane", "egress.closed")) and cage.events("control-plane", "egress.closed")[0]
        show("5. What the host knows of it", json.dumps(closed))
    finally:
        cage.end()


main()
