# SPDX-License-Identifier: Apache-2.0
"""A client of HTTP/2 for tests, frame by frame: it says what it is told and notes what it hears, keeps no window and no state of
streams. Heads are literals without an index; what it hears of HPACK is not decoded."""
import ssl, struct, time

from plane_rig import WAIT

DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def fields(pairs):
    """HPACK: literals that are never indexed, no Huffman; short names and values only."""
    return b"".join(b"\x10" + bytes([len(k)]) + k + bytes([len(v)]) + v for k, v in pairs)


def h2_head(method=b"GET", path=b"/", more=()):
    return fields([(b":method", method), (b":scheme", b"https"), (b":authority", b"h"), (b":path", path), *more])


class H2:
    """A client of HTTP/2 that says what it is told and notes what it hears."""

    def __init__(self, plane, cert, settings=b"", sock=None):
        c = ssl.create_default_context(cafile=cert)
        c.set_alpn_protocols(["h2"])
        self.s = c.wrap_socket(sock or plane.connect(), server_hostname="127.0.0.1", suppress_ragged_eofs=False)
        self.s.settimeout(0.2)
        self.heard, self.rest, self.over, self.clean = [], b"", False, False  # clean: by a close_notify
        self.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, settings))

    def say(self, b):
        self.s.settimeout(WAIT)
        try:
            self.s.sendall(b)
        except OSError:
            self.over = True
        self.s.settimeout(0.2)

    def listen(self, until=lambda f: False, limit=5.0):
        """Hears frames until one is as wanted (it is returned), the peer ends, or the time is up (None)."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            while len(self.rest) >= 9 and len(self.rest) >= 9 + int.from_bytes(self.rest[:3], "big"):
                n = int.from_bytes(self.rest[:3], "big")
                f = (self.rest[3], self.rest[4], int.from_bytes(self.rest[5:9], "big"), self.rest[9:9 + n])
                self.rest = self.rest[9 + n:]
                self.heard.append(f)
                if until(f):
                    return f
            if self.over:
                return None
            try:
                b = self.s.recv(65536)
                self.over = self.clean = not b
                self.rest += b
            except TimeoutError:
                pass
            except OSError:
                self.over = True
        return None

    def window(self, stream):
        """What the peer has opened of a stream's window, or of the connection's (0), in all."""
        return 65535 + sum(int.from_bytes(f[3], "big") for f in self.heard if f[0] == WINDOW and f[2] == stream)

    def content(self, stream):
        return b"".join(f[3] for f in self.heard if f[0] == DATA and f[2] == stream)

    def close(self):
        self.s.close()
