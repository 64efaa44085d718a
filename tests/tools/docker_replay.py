#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Answers on a unix socket as a Docker daemon did (20.10.24, `GET /images/NAME/get` and `/json`): the recorded heads, and a
docker-archive file as the body, in chunks. For machines where no daemon can start. Ends after LIFE seconds by itself.

  docker_replay.py SOCKET ARCHIVE NAME [CUT [WAIT]]     CUT: the connection is closed after so many bytes of the archive, or,
  with a "+" behind the number, nothing more comes over it; "json": it is closed when asked whether the image is there; "-":
  nothing of that. WAIT: seconds before the first byte, as a daemon takes that collects all layers in a directory before"""
import os, socketserver, sys, threading, time

LIFE = 300
path, archive, name = sys.argv[1:4]
how = sys.argv[4] if len(sys.argv) > 4 else "-"
cut = int(how.rstrip("+")) if how not in ("-", "json") else None
wait = int(sys.argv[5]) if len(sys.argv) > 5 else 0
HEAD = ("HTTP/1.1 %s\r\nApi-Version: 1.41\r\nContent-Type: %s\r\nDocker-Experimental: false\r\nOstype: linux\r\n"
        "Server: Docker/20.10.24+dfsg1 (linux)\r\n")


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline().decode()
        while self.rfile.readline() not in (b"\r\n", b""):
            pass
        if line == "GET /images/%s/json HTTP/1.1\r\n" % name:
            if how == "json":
                return
            body = b'{"Id":"sha256:%s","Os":"linux"}\n' % (b"0" * 64)
            self.wfile.write((HEAD % ("200 OK", "application/json")
                              + "Content-Length: %d\r\n\r\n" % len(body)).encode() + body)
            return
        if line != "GET /images/%s/get HTTP/1.1\r\n" % name:
            body = b'{"message":"reference does not exist"}\n'
            self.wfile.write((HEAD % ("404 Not Found", "application/json")
                              + "Content-Length: %d\r\n\r\n" % len(body)).encode() + body)
            return
        time.sleep(wait)
        self.wfile.write((HEAD % ("200 OK", "application/x-tar") + "Transfer-Encoding: chunked\r\n\r\n").encode())
        data = open(archive, "rb").read()[:cut]
        for i in range(0, len(data), 32768):
            piece = data[i:i + 32768]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if how.endswith("+"):
            self.wfile.flush()
            time.sleep(LIFE)
        if cut is None:
            self.wfile.write(b"0\r\n\r\n")


threading.Timer(LIFE, os._exit, [3]).start()
socketserver.ThreadingUnixStreamServer(path, Handler).serve_forever()
