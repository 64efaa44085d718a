# SPDX-License-Identifier: Apache-2.0
"""Egress side by side: control plane and data plane beside two socats in a row, each between a program in the enclave's
network namespace and an upstream in the host's, over a unix socket.

    program ── data plane ══unix══ control plane ── upstream        (the name resolves to the data plane's address)
    program ── socat      ══unix══ socat         ── upstream

Usage: unshare -rnm egress.py BYTES ROUNDS CONNECTIONS; prints JSON: way -> measure -> [[value, value]…]"""
import json, os, shutil, subprocess, sys, tempfile, time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/tools"))
TMP = tempfile.mkdtemp(prefix="cage-", dir="/tmp")
import peers  # noqa: E402
from cage_local import Cage, host_world  # noqa: E402

BYTES, ROUNDS, CONNECTIONS = map(int, sys.argv[1:4])
ECHO, BIG = 7000, 7100  # the upstreams' ports; socat's half in the enclave listens at the next ones
CLIENT = """
import socket, sys, time
host, port, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
host = socket.gethostbyname(host)
start = time.monotonic()
for _ in range(n):
    c = socket.create_connection((host, port)); c.sendall(b"x"); c.recv(1); c.close()
rate, times = n / (time.monotonic() - start), []
c = socket.create_connection((host, port)); c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for _ in range(5 * n):
    t = time.perf_counter(); c.sendall(b"x" * 64); c.recv(64); times.append((time.perf_counter() - t) * 1e3)
times.sort()
print(rate, times[len(times) // 2], times[len(times) * 99 // 100])
"""


def big(c):
    with open(TMP + "/big", "rb") as f:
        c.recv(4096)
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % BYTES)
        c.sendfile(f)


def output(p):
    return p.communicate(timeout=120)[0].decode().split()


def measure(cage, host, shift, row):
    rate, p50, p99 = map(float, output(cage.inside(sys.executable, "-c", CLIENT, host, str(ECHO + shift), str(CONNECTIONS),
                                                   stdout=subprocess.PIPE)))
    size, speed = output(cage.inside("curl", "-s", "-o", os.devnull, "-w", "%{size_download} %{speed_download}",
                                     "http://%s:%d/" % (host, BIG + shift), stdout=subprocess.PIPE))
    row.setdefault("rate", []).append((rate, 0))
    row.setdefault("lat", []).append((p50, p99))
    if int(size) == BYTES:
        row.setdefault("gb", []).append((float(speed) / 1e6, 0))


def main():
    with open(TMP + "/big", "wb") as f:
        f.truncate(BYTES)
    cpus = sorted(int(x) for x in open("/sys/devices/system/cpu/online").read().strip().replace("-", ",").split(","))
    host_world()
    peers.ZONE["api.example.com"] = [[peers.GOOD4]]
    peers.dns_server()
    peers.tcp_server(peers.GOOD4, ECHO, peers.echo)
    peers.tcp_server(peers.GOOD4, BIG, big)
    cage, socats, out = Cage(TMP, "api.example.com", ports=(str(ECHO), str(BIG)), tls=False), [], {}
    try:
        cage.control_plane()
        cage.data_plane()
        for port in (ECHO, BIG):
            path = "%s/s%d" % (TMP, port)
            socats += [subprocess.Popen(["socat", "UNIX-LISTEN:%s,fork" % path, "TCP:%s:%d,nodelay" % (peers.GOOD4, port)]),
                       cage.inside("socat", "TCP-LISTEN:%d,bind=127.0.0.1,fork,reuseaddr,nodelay" % (port + 1), "UNIX-CONNECT:" + path)]
        peers.wait_for(lambda: os.path.exists(path))
        time.sleep(0.5)
        for p in [*cage.children.values(), *socats]:
            os.sched_setaffinity(p.pid, {cpus[0]})
        for _ in range(ROUNDS):
            measure(cage, "api.example.com", 0, out.setdefault("egress: control + data plane", {}))
            measure(cage, "127.0.0.1", 1, out.setdefault("egress: two socats", {}))
    finally:
        for p in socats:
            p.kill()
        cage.end()
        shutil.rmtree(TMP, ignore_errors=True)
    print(json.dumps(out))


main()
