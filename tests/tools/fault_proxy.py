#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A proxy before a registry that breaks what it is told to break. Loopback only; ends after LIFE seconds by itself.

  fault_proxy.py --upstream http://127.0.0.1:PORT --port-file FILE --log FILE [--token USER:PASSWORD]
                 [--tls CERT KEY] [--rules FILE] [--referrers [--circle]]

The rules file is read anew for each request: one rule a line, `PART ACTION COUNT`; a rule counts for requests
`METHOD /path` that contain PART, COUNT times in all (`-`: always). Actions:
  cut:N           the head as it is, N bytes of the body, then the connection is closed
  short:N         an answer of N bytes that claims to be whole
  long            one byte more than there is, and the length says so
  flip            the body's last byte changed
  status:C[:R]    an answer of that status, with Retry-After: R
  partial:N       of a PUT: its first N bytes reach the registry by PATCH, then the connection is closed
  location:URL    302 to URL, {PATH} in it replaced by the request's
  norange         the Range header ignored
  digest          another Docker-Content-Digest
  after:FILE      of a PUT: when it is done, FILE's bytes are PUT there, as by another client that came later
With --token every /v2/ request wants `Bearer secret-token`, which GET /token gives to USER and PASSWORD (Basic) and
POST /token for the refresh token `refresh-me`. With --referrers it keeps the list that distribution-spec 1.1 wants of
registries and Debian's is too old for: PUT of a manifest with a subject is answered with OCI-Subject, and
GET /v2/REPO/referrers/DIGEST gives the index in pages of one entry, the first of which is a signature that nobody pushed;
a Link header leads from each to the next (with --circle from the last to the first). The log has a line a request: METHOD path host auth range status, and the
condition if there is one."""
import argparse, base64, hashlib, http.client, http.server, json, os, ssl, sys, threading, urllib.parse

LIFE = 300
used = {}
referrers = {}
lock = threading.Lock()


def pick_rule(what):
    try:
        lines = open(args.rules).read().splitlines() if args.rules else []
    except OSError:
        lines = []
    for n, line in enumerate(lines):
        if not line:
            continue
        part, action, count = line.rsplit(None, 2)
        with lock:
            if part in what and (count == "-" or used.get((n, line), 0) < int(count)):
                used[(n, line)] = used.get((n, line), 0) + 1
                return action.split(":", 1) + [""]
    return ["", ""]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def note(self, status):
        auth = self.headers.get("Authorization", "-").split()[0]
        condition = "".join(" %s=%s" % (k, self.headers[k]) for k in ("If-Match", "If-None-Match") if k in self.headers)
        with lock, open(args.log, "a") as f:
            f.write("%s %s host=%s auth=%s range=%s status=%s%s\n" % (self.command, self.path, self.headers.get("Host"),
                    auth, self.headers.get("Range", "-"), status, condition))

    def answer(self, status, headers, body, length=None):
        self.note(status)
        self.send_response(status)
        for k, v in headers:
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()
        if length is not None and length != len(body):
            self.close_connection = True
            self.connection.close()

    def token(self, body):
        kind, value, *_ = pick_rule(self.command + " " + self.path)
        if kind == "status":
            return self.fail(value)
        cut = int(value) if kind == "cut" else None
        want = "Basic " + base64.b64encode(args.token.encode()).decode()
        form = urllib.parse.parse_qs(body.decode())
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        scope = (form or query).get("scope", [""])[0]
        known = form.get("refresh_token") == ["refresh-me"] or self.headers.get("Authorization") == want
        if not known:
            return self.answer(401, [], b'{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}')
        key = "access_token" if form else "token"
        with lock, open(args.log, "a") as f:
            f.write("TOKEN scope=%s service=%s\n" % (scope, (form or query).get("service", [""])[0]))
        answer = ('{"%s":"secret-token"}' % key).encode()
        self.answer(200, [("Content-Type", "application/json")], answer[:cut], len(answer))

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if args.token and self.path.startswith("/token"):
            return self.token(body)
        if args.token and self.headers.get("Authorization") != "Bearer secret-token" and self.server.main:
            realm = 'Bearer realm="%s/token",service="test \\"registry\\"",scope="repository:evil:push"' % base
            return self.answer(401, [("WWW-Authenticate", realm)], b"{}")
        if args.referrers and "/referrers/" in self.path:
            return self.list_referrers()
        kind, value, *_ = pick_rule(self.command + " " + self.path)
        if kind == "status":
            return self.fail(value)
        if kind == "location":
            return self.answer(302, [("Location", value.replace("{PATH}", self.path))], b"")
        if kind == "partial" and self.command == "PUT":
            return self.partial(body[:int(value)])
        self.forward(kind, value, body)

    def fail(self, value):
        code, _, after = value.partition(":")
        self.answer(int(code), [("Retry-After", after)] if after else [], b"{}")

    def partial(self, body):
        up = urllib.parse.urlparse(args.upstream)
        c = http.client.HTTPConnection(up.hostname, up.port)
        c.request("PATCH", self.path, body, {"Content-Type": "application/octet-stream"})
        self.note("cut, PATCH %d" % c.getresponse().status)
        self.close_connection = True
        self.connection.close()

    def keep_referrer(self, body):
        doc = json.loads(body)
        if "subject" not in doc:
            return []
        subject = doc["subject"]["digest"]
        entry = {"mediaType": doc["mediaType"], "digest": "sha256:" + hashlib.sha256(body).hexdigest(),
                 "size": len(body), "artifactType": doc["artifactType"]}
        if entry not in referrers.setdefault(subject, []):
            referrers[subject].append(entry)
        return [("OCI-Subject", subject)]

    def list_referrers(self):
        url = urllib.parse.urlparse(self.path)
        at = int(urllib.parse.parse_qs(url.query).get("last", ["0"])[0])
        m = "application/vnd.oci.image.manifest.v1+json"
        entries = [{"mediaType": m, "digest": "sha256:" + "1" * 64, "size": 2, "artifactType": "application/x-signature"}]
        entries += referrers.get(url.path.split("/referrers/")[1], [])
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries[at:at + 1]}
        headers = [("Content-Type", index["mediaType"])]
        if at + 1 < len(entries) or args.circle:
            headers.append(("Link", '<https://example.org/,x>; title="a, b"; rel=help, <%s?last=%d>; REL="x next"' %
                            (url.path, (at + 1) % len(entries))))
        self.answer(200, headers, json.dumps(index).encode())

    def forward(self, kind, value, body):
        up = urllib.parse.urlparse(args.upstream)
        c = http.client.HTTPConnection(up.hostname, up.port)
        skip = {"connection", "content-length", "transfer-encoding"}
        if args.token:
            skip.add("authorization")
        if kind == "norange":
            skip.add("range")
        headers = {k: v for k, v in self.headers.items() if k.lower() not in skip}
        c.request(self.command, self.path, body, headers)
        r = c.getresponse()
        data = r.read()
        out = [(k, v) for k, v in r.getheaders() if k.lower() not in ("content-length", "connection", "date", "server",
                                                                      "transfer-encoding")]
        length = int(r.getheader("Content-Length") or 0) if self.command == "HEAD" else None
        if kind == "cut" and len(data) > int(value):
            length, data = len(data), data[:int(value)]
        elif kind == "short":
            data = data[:int(value)]
        elif kind == "long":
            data += b"x"
        elif kind == "flip" and data:
            data = data[:-1] + bytes([data[-1] ^ 1])
        elif kind == "digest":
            out = [(k, "sha256:" + "0" * 64 if k.lower() == "docker-content-digest" else v) for k, v in out]
        if kind == "after":
            c.request("PUT", self.path, open(value, "rb").read(), {"Content-Type": headers["Content-Type"]})
            c.getresponse().read()
        if args.referrers and self.command == "PUT" and "/manifests/" in self.path and r.status == 201:
            out += self.keep_referrer(body)
        self.answer(r.status, out, data, length)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = serve


p = argparse.ArgumentParser()
p.add_argument("--upstream", required=True)
p.add_argument("--port-file", required=True)
p.add_argument("--log", required=True)
p.add_argument("--rules")
p.add_argument("--token")
p.add_argument("--tls", nargs=2)
p.add_argument("--referrers", action="store_true")
p.add_argument("--circle", action="store_true")
args = p.parse_args()
threading.Timer(LIFE, os._exit, [3]).start()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.main = True
scheme = "http"
if args.tls:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*args.tls)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "https"
base = "%s://127.0.0.1:%d" % (scheme, server.server_address[1])
# A second address without TLS and token: another origin, where redirects may lead.
other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
other.main = False
threading.Thread(target=other.serve_forever, daemon=True).start()
with open(args.port_file + ".tmp", "w") as f:
    f.write("%d %d\n" % (server.server_address[1], other.server_address[1]))
os.rename(args.port_file + ".tmp", args.port_file)
server.serve_forever()
