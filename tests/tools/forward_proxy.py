#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A forward proxy for tests: whatever host a client asks for, it gets the one machine behind --to. Loopback only; ends
after LIFE seconds by itself.

  forward_proxy.py --to HOST:PORT --port-file FILE --log FILE [--user NAME:PASSWORD] [--refuse]

CONNECT opens a tunnel; a request with an absolute URL is passed on with its path. With --user both want Proxy-Authorization;
with --refuse every CONNECT is answered with 403. The log has a line a request: METHOD target status."""
import argparse, base64, http.client, http.server, os, select, socket, threading, urllib.parse

LIFE = 120
p = argparse.ArgumentParser()
p.add_argument("--to", required=True)
p.add_argument("--port-file", required=True)
p.add_argument("--log", required=True)
p.add_argument("--user")
p.add_argument("--refuse", action="store_true")
args = p.parse_args()
host, port = args.to.rsplit(":", 1)
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def refused(self):
        want = "Basic " + base64.b64encode((args.user or "").encode()).decode()
        status = 403 if args.refuse else 407 if args.user and self.headers.get("Proxy-Authorization") != want else 200
        with lock, open(args.log, "a") as f:
            f.write("%s %s %d\n" % (self.command, self.path, status))
        if status == 200:
            return False
        self.send_response(status)
        if status == 407:
            self.send_header("Proxy-Authenticate", 'Basic realm="test"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return True

    def do_CONNECT(self):
        if self.refused():
            return
        up = socket.create_connection((host, int(port)))
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
        self.close_connection = True
        ends = {self.connection: up, up: self.connection}
        while True:
            for s in select.select(list(ends), [], [], LIFE)[0]:
                data = s.recv(65536)
                if not data:
                    return up.close()
                ends[s].sendall(data)

    def serve(self):
        if self.refused():
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urllib.parse.urlparse(self.path)
        c = http.client.HTTPConnection(host, int(port))
        skip = ("proxy-authorization", "proxy-connection", "connection", "content-length")
        c.request(self.command, url.path + ("?" + url.query if url.query else ""), body,
                  {k: v for k, v in self.headers.items() if k.lower() not in skip})
        r = c.getresponse()
        data = r.read()
        self.send_response(r.status)
        for k, v in r.getheaders():
            if k.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(k, v)
        self.send_header("Content-Length", r.getheader("Content-Length") or str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = serve


threading.Timer(LIFE, os._exit, [3]).start()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(args.port_file + ".tmp", "w") as f:
    f.write("%d\n" % server.server_address[1])
os.rename(args.port_file + ".tmp", args.port_file)
server.serve_forever()
